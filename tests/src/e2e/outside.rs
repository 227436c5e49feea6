//! A web server somebody else runs, with a boot medium on it: whole files and single ranges, and no
//! word to the controller about who read what.

use std::{fs::File, net::Ipv4Addr, os::unix::fs::FileExt, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Longest head of a request.
const HEAD: usize = 16 << 10;

/// The server; dropping it ends it.
pub(crate) struct Outside {
    /// Where the file is.
    pub(crate) url: String,
    _serving: JoinSet<()>,
}

impl Outside {
    /// Serves one file over HTTP.
    pub(crate) async fn serve(file: &Path) -> Result<Self> {
        let file = Arc::new(File::open(file).with_context(|| format!("open {}", file.display()))?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen")?;
        let url = format!("http://{}/boot.iso", listener.local_addr().context("listen")?);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let file = Arc::clone(&file);
                // A reader that goes away in the middle is no concern of ours.
                answers.spawn(async move { answer(stream, &file).await.ok() });
                while answers.try_join_next().is_some() {}
            }
        });
        Ok(Self { url, _serving: serving })
    }
}

async fn answer(mut stream: TcpStream, file: &File) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < HEAD, "too long a request");
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let len = file.metadata()?.len();
    let range = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let range = name.eq_ignore_ascii_case("range").then(|| value.trim())?;
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))
    });
    let (status, first, last) = match range {
        Some((first, last)) if last < len && first <= last => ("206 Partial Content", first, last),
        _ => ("200 OK", 0, len - 1),
    };
    let count = last + 1 - first;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {count}\r\nAccept-Ranges: bytes\r\n\
         Content-Range: bytes {first}-{last}/{len}\r\nETag: \"boot\"\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    if !head.starts_with("HEAD ") {
        let mut piece = vec![0; usize::try_from(count)?];
        file.read_exact_at(&mut piece, first)?;
        stream.write_all(&piece).await?;
    }
    stream.shutdown().await?;
    Ok(())
}
