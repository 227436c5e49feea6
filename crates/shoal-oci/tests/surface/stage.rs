//! A registry on a loopback port, and a client that says exactly what it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use shoal_oci::audit::{Audit, Entry};
use shoal_oci::auth::{Access, Open};
use shoal_oci::gc::{Mode, Report};
use shoal_oci::http::{Patience, Service, Watched};
use shoal_oci::{Algorithm, Config, Digest, Registry};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MIB: usize = 1024 * 1024;

/// Records kept for the test to look at.
#[derive(Debug, Default)]
pub(crate) struct Book(pub(crate) Mutex<Vec<String>>);

impl Audit for Book {
    fn record(&self, entry: &Entry<'_>) {
        let Entry { principal, verb, repository, what, status, .. } = entry;
        let line = format!("{principal} {} {repository} {what} {status}", verb.as_str());
        self.0.lock().unwrap().push(line);
    }
}

/// A registry that answers.
pub(crate) struct Stage {
    pub(crate) registry: Registry,
    pub(crate) address: SocketAddr,
    pub(crate) book: Arc<Book>,
    pub(crate) root: TempDir,
    serving: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, Arc::new(Open)).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Config), access: Arc<dyn Access>) -> Self {
        Self::at(tempfile::tempdir().unwrap(), adjust, access).await
    }

    async fn at(root: TempDir, adjust: impl FnOnce(&mut Config), access: Arc<dyn Access>) -> Self {
        let mut config = Config::new(root.path());
        config.policy.allow_delete = true;
        config.limits.headroom_bytes = 0;
        // No answer may depend on how fast this machine is.
        let ages = Duration::from_hours(1);
        (config.limits.patience, config.limits.idle) = (ages, ages);
        (config.limits.stall, config.limits.takeover) = (ages, ages);
        adjust(&mut config);
        let opening = tokio::task::spawn_blocking(|| Registry::open(config));
        let registry = opening.await.unwrap().unwrap();
        let book = Arc::new(Book::default());
        let service = Service::new(registry.clone(), access, book.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(converse(stream, service.clone()));
            }
        });
        Self { registry, address, book, root, serving }
    }

    /// Collects garbage.
    pub(crate) async fn collect(&self, mode: Mode) -> Report {
        self.registry.collect(mode, &CancellationToken::new()).await.unwrap()
    }

    /// The files in the layout, as digests in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let directory = self.root.path().join("blobs/sha256");
        let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut files: Vec<_> =
            names.map(|name| format!("sha256:{}", name.into_string().unwrap())).collect();
        files.sort();
        files
    }

    /// Ends the connections and the registry, and opens the directory again.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    pub(crate) async fn restart_with(self, adjust: impl FnOnce(&mut Config)) -> Self {
        self.registry.catalogue().database().close().await.unwrap();
        Self::again(self.end().await, adjust).await
    }

    /// Opens a directory that was a registry's.
    pub(crate) async fn again(root: TempDir, adjust: impl FnOnce(&mut Config)) -> Self {
        Self::at(root, adjust, Arc::new(Open)).await
    }

    /// Ends the connections, and gives the directory back.
    pub(crate) async fn end(mut self) -> TempDir {
        self.serving.shutdown().await;
        self.root
    }

    pub(crate) async fn client(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), buffer: Vec::new() }
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.client().await.ask(method, path, &[], body).await
    }

    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.client().await.ask(method, path, headers, body).await
    }

    /// Begins a session; its location.
    pub(crate) async fn start(&self, name: &str) -> String {
        let answer = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), b"").await;
        assert_eq!(answer.status, 202);
        answer.header("location").to_owned()
    }

    /// Pushes a blob; its digest.
    pub(crate) async fn blob(&self, name: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let answer = self.ask("POST", &path, content).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        digest
    }

    /// Pushes a manifest under a reference.
    pub(crate) async fn manifest(&self, name: &str, reference: &str, content: &str) -> Answer {
        let document: Value = serde_json::from_str(content).unwrap();
        let media_type = document["mediaType"].as_str().unwrap_or(IMAGE);
        let path = format!("/v2/{name}/manifests/{reference}");
        self.ask_with("PUT", &path, &[("Content-Type", media_type)], content.as_bytes()).await
    }

    /// Pushes an image with a config and one layer of its own; the manifest.
    pub(crate) async fn image(&self, name: &str, tag: &str) -> String {
        let config = self.blob(name, format!("{{\"of\":\"{tag}\"}}").as_bytes()).await;
        let layer = self.blob(name, format!("layer of {tag}").as_bytes()).await;
        let manifest = image(&config, &[&layer]).to_string();
        assert_eq!(self.manifest(name, tag, &manifest).await.status, 201);
        manifest
    }
}

/// Answers on a connection until it ends.
pub(crate) async fn converse(stream: TcpStream, service: Service) {
    let patience = Patience::default();
    let answer = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let service = service.clone();
        request.extensions_mut().insert(patience.clone());
        async move { Ok::<_, std::convert::Infallible>(service.respond(request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    let stream = TokioIo::new(Watched::new(stream, patience.clone()));
    let _ = builder.serve_connection(stream, answer).await;
}

pub(crate) fn image(config: &str, layers: &[&str]) -> Value {
    let layer = |digest: &&str| json!({"mediaType": "application/vnd.shoal.layer", "digest": digest, "size": 1});
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.shoal.config", "digest": config, "size": 1},
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

pub(crate) fn sha256(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, content).to_string()
}

pub(crate) fn sha512(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha512, content).to_string()
}

/// Bytes that repeat nowhere near.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers(name).into_iter().next().unwrap_or_default()
    }

    /// Every header of a name.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        let chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
        if !chunked && (!body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH")) {
            all.push(("Content-Length", &length));
        }
        self.head(method, path, &all).await;
        self.send(body).await;
        self.answer(method).await
    }

    pub(crate) async fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let lines = lines.concat();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: registry\r\n{lines}\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// One chunk of a chunked body; none ends it.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) {
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes()).await;
        self.send(bytes).await;
        self.send(b"\r\n").await;
    }

    pub(crate) async fn answer(&mut self, method: &str) -> Answer {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more().await, "the connection ended before an answer");
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        if status == 100 {
            return Box::pin(self.answer(method)).await;
        }
        assert_eq!(answer.header("transfer-encoding"), "", "no answer of ours is chunked");
        if method != "HEAD" && status != 204 && status != 304 {
            let length: usize = answer.header("content-length").parse().unwrap();
            while self.buffer.len() < length {
                assert!(self.more().await, "the connection ended in the body");
            }
            answer.body = self.buffer.drain(..length).collect();
        }
        answer
    }

    async fn more(&mut self) -> bool {
        let mut part = vec![0; 256 * 1024];
        let count = self.stream.read(&mut part).await.unwrap_or(0);
        self.buffer.extend_from_slice(&part[..count]);
        count > 0
    }
}
