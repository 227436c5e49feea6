//! A program of others that listens on a port of its choice, tells it on standard error, and is ended
//! when its handle is dropped.

use std::{fs::File, io::Write as _, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use shoal_tests::on_path;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    task::JoinHandle,
    time::timeout,
};

/// Longest start.
const START: Duration = Duration::from_mins(5);
const LISTENS: &str = "msg=\"Listening on\"";

#[derive(Debug)]
pub(crate) struct Program {
    address: SocketAddr,
    _child: Child,
    log: JoinHandle<()>,
}

impl Program {
    /// Starts it and waits until it listens and has said the last of these words.
    ///
    /// # Errors
    /// When it is not installed, ends, or takes too long.
    pub(crate) async fn start(
        (name, package): (&str, &str),
        arguments: &[String],
        ready: &str,
        directory: &Path,
    ) -> Result<Self> {
        let path = on_path(name).with_context(|| {
            format!("{name} is not installed: apt-get install -y --no-install-recommends {package}")
        })?;
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let told = child.stderr.take().with_context(|| format!("hear {name}"))?;
        let mut lines = BufReader::new(told).lines();
        let path = directory.join(format!("{name}.log"));
        let mut log = File::create(&path).with_context(|| format!("make {}", path.display()))?;
        let address = timeout(START, listening(&mut lines, ready, &mut log)).await;
        let address = address.with_context(|| format!("{name} did not start in time"))?;
        let address = address.with_context(|| format!("{name} did not start"))?;
        let log = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // The log is for people who look for a cause; losing a line fails nothing.
                let _ = writeln!(log, "{line}");
            }
        });
        Ok(Self { address, _child: child, log })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.log.abort();
    }
}

async fn listening(
    lines: &mut Lines<BufReader<ChildStderr>>,
    ready: &str,
    log: &mut File,
) -> Result<SocketAddr> {
    let (mut address, mut is_ready) = (None, false);
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.context("hear what it says")? {
        writeln!(log, "{line}").context("write its log")?;
        if line.contains(LISTENS) {
            let told = line.split_whitespace().find_map(|word| word.strip_prefix("address="));
            address = told.and_then(|told| told.parse().ok());
        }
        is_ready |= line.contains(ready);
        if let (Some(address), true) = (address, is_ready) {
            return Ok(address);
        }
        last = line;
    }
    anyhow::bail!("it ended; its last words: {last}")
}
