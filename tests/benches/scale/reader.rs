//! The cheapest client there is, so that what is measured is the server: keep-alive connections that
//! send the same bytes again and again and count whole answers.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use shoal_tests::Ready;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Answers per second.
pub(crate) async fn rate(ready: &Ready, path: &str, clients: u32, span: Duration) -> Result<f64> {
    let token = fs::read_to_string(&ready.admin_token_file)?;
    let address = ready.api.strip_prefix("https://").context("the API is not https")?.to_owned();
    let request: Arc<[u8]> = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        token.trim()
    )
    .into_bytes()
    .into();
    let tls = connector(ready)?;
    let mut streams = Vec::new();
    for _ in 0..clients {
        let name = ServerName::try_from("127.0.0.1")?;
        streams.push(tls.connect(name, TcpStream::connect(&address).await?).await?);
    }
    let (begun, mut reading) = (Instant::now(), JoinSet::new());
    for stream in streams {
        reading.spawn(read(stream, request.clone(), begun, span));
    }
    let answers = reading.join_all().await.into_iter().sum::<Result<u32>>()?;
    Ok(f64::from(answers) / begun.elapsed().as_secs_f64())
}

fn connector(ready: &Ready) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(&ready.ca_file)?) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn read(
    mut stream: TlsStream<TcpStream>,
    request: Arc<[u8]>,
    begun: Instant,
    span: Duration,
) -> Result<u32> {
    let mut buffer = vec![0; 2 << 20];
    let mut answers = 0;
    while begun.elapsed() < span {
        stream.write_all(&request).await?;
        let mut filled = 0;
        loop {
            let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
            ensure!(read > 0, "the answer broke off or is larger than the buffer");
            filled += read;
            if is_whole(buffer.get(..filled).unwrap_or_default())? {
                break;
            }
        }
        answers += 1;
    }
    Ok(answers)
}

fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).take(4096).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?.to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "answered {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    Ok(answer.len() >= end + 4 + length)
}
