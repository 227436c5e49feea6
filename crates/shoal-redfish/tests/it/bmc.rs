//! The HTTP surface of a test BMC: a hand-written server, because the faults that matter (an answer
//! that never comes after the change was made, a body cut short) are faults of bytes and sockets.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Credentials, Endpoint, Options, Secret, Tls};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    given::{any, quick},
    model::{Call, Family, Model, Reply},
};

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The change happens and the connection closes without an answer.
    LoseAnswer,
    /// The connection closes before anything happens.
    DropRequest,
    /// This status and `Retry-After` instead of the real thing.
    Status(u16, Option<String>),
    /// A web page.
    Html,
    /// JSON that stops, with an honest length.
    BrokenJson,
    /// A body shorter than its length says.
    Truncated,
    /// Ten megabytes.
    Huge,
    /// This status, these headers and this body, whatever was asked.
    Says(u16, String, Vec<u8>),
    /// The change happens; what is said of it is made of the true answer. With true the connection
    /// ends after it.
    Otherwise(fn(&Reply) -> (Vec<u8>, bool)),
    /// A body in chunks without an end.
    Endless,
    /// The change happens; the head of an answer comes and its body never does.
    Stalls,
    /// Nothing but this status and the place to go to.
    Moves(u16, String),
    /// The BMC restarts: it forgets its sessions, and the request with them.
    Restart,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Matching requests let through before it strikes.
    pub(crate) after: usize,
    pub(crate) times: usize,
    pub(crate) what: What,
}

impl Fault {
    pub(crate) fn once(method: &'static str, path: &'static str, what: What) -> Self {
        Self { method, path, after: 0, times: 1, what }
    }
}

struct Inside {
    model: Model,
    faults: Vec<Fault>,
    journal: Vec<String>,
    connections: usize,
}

#[derive(Clone)]
pub(crate) struct TestBmc {
    inside: Arc<Mutex<Inside>>,
    answered: Arc<Notify>,
    pub(crate) url: String,
}

impl TestBmc {
    pub(crate) async fn start(family: Family) -> Self {
        Self::listen(family, None).await
    }

    pub(crate) async fn listen(family: Family, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let inside = Inside {
            model: Model::new(family),
            faults: Vec::new(),
            journal: Vec::new(),
            connections: 0,
        };
        let bmc =
            Self { inside: Arc::new(Mutex::new(inside)), answered: Arc::new(Notify::new()), url };
        let server = bmc.clone();
        // The task ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    server.inside().connections += 1;
                    match tls {
                        None => server.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => server.serve(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        bmc
    }

    /// The same BMC, said to be at another address.
    pub(crate) fn at(&self, url: String) -> Self {
        Self { url, ..self.clone() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Model) -> T) -> T {
        f(&mut self.inside().model)
    }

    /// Returns once this holds after some request; a test that waits in vain is stopped by its runner.
    pub(crate) async fn until(&self, holds: impl Fn(&Model) -> bool) {
        loop {
            let mut answered = std::pin::pin!(self.answered.notified());
            answered.as_mut().enable();
            if self.with(|model| holds(model)) {
                return;
            }
            answered.await;
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.inside().faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.inside().faults.clear();
    }

    /// `METHOD path body` of every request so far.
    pub(crate) fn journal(&self) -> Vec<String> {
        self.inside().journal.clone()
    }

    pub(crate) fn count(&self, start: &str, part: &str) -> usize {
        self.journal().iter().filter(|line| line.starts_with(start) && line.contains(part)).count()
    }

    /// Returns once so many such requests came.
    pub(crate) async fn counted(&self, start: &str, part: &str, times: usize) {
        // Of the real time: the clock of the test may stand still.
        let end = std::time::Instant::now() + std::time::Duration::from_mins(5);
        while self.count(start, part) < times {
            assert!(std::time::Instant::now() < end, "{start} {part}: {:?}", self.journal());
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.inside().connections
    }

    pub(crate) fn forget(&self) {
        self.inside().journal.clear();
    }

    pub(crate) fn endpoint(&self, tls: Tls) -> Endpoint {
        let account = Credentials::new("admin", Secret::new("correct horse"));
        Endpoint::new(&self.url, tls, account).unwrap()
    }

    pub(crate) async fn connect(&self) -> Bmc {
        self.connect_with(quick()).await
    }

    pub(crate) async fn connect_with(&self, options: Options) -> Bmc {
        Bmc::connect(self.endpoint(any()), options).await.unwrap()
    }

    /// Serves until the connection or a fault ends; the value only lets `?` be used.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Option<()> {
        let mut buffer = Vec::new();
        loop {
            let head_end = loop {
                if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                    break end + 4;
                }
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            };
            let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
            let length: usize =
                header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            while buffer.len() < head_end + length {
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            }
            let body: Vec<u8> = buffer[head_end..head_end + length].to_vec();
            buffer.drain(..head_end + length);
            let answered = self.respond(&head, &body);
            self.answered.notify_waiters();
            let (bytes, after) = answered?;
            stream.write_all(&bytes).await.ok()?;
            match after {
                After::Open => {}
                After::Closed => {
                    stream.shutdown().await.ok()?;
                    return None;
                }
                After::Repeated => loop {
                    stream.write_all(&bytes_of_chunk()).await.ok()?;
                },
                // Until the other side goes.
                After::Silent => while stream.read_buf(&mut buffer).await.ok()? > 0 {},
            }
        }
    }

    /// The bytes of the answer and what comes after them; `None` for no answer.
    fn respond(&self, head: &str, body: &[u8]) -> Option<(Vec<u8>, After)> {
        let mut words = head.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut inside = self.inside();
        let shown = String::from_utf8_lossy(body);
        inside.journal.push(format!("{method} {target} {shown}"));
        let what = strike(&mut inside.faults, method, path);
        if let Some(What::DropRequest | What::Restart) = what {
            if matches!(what, Some(What::Restart)) {
                inside.model.tokens.clear();
            }
            return None;
        }
        let authorization = header(head, "authorization");
        let call = Call {
            method,
            path,
            query,
            token: header(head, "x-auth-token"),
            basic: authorization == Some("Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="),
            if_match: header(head, "if-match"),
            body: serde_json::from_slice(body).unwrap_or_default(),
            has_body: !body.is_empty(),
        };
        let reply = match &what {
            Some(What::Status(status, retry_after)) => {
                let mut reply = Reply::new(*status, json!({}));
                reply.headers.extend(retry_after.clone().map(|value| ("Retry-After", value)));
                reply
            }
            Some(What::Moves(status, to)) => {
                Reply { headers: vec![("Location", to.clone())], ..Reply::new(*status, json!({})) }
            }
            _ => inside.model.answer(&call),
        };
        match what {
            Some(What::LoseAnswer | What::DropRequest | What::Restart) => None,
            Some(What::Html) => Some((
                raw(200, "text/html", "<html><body>Please log in</body></html>"),
                After::Open,
            )),
            Some(What::BrokenJson) => {
                Some((raw(200, "application/json", "{\"Members\": ["), After::Open))
            }
            Some(What::Huge) => {
                Some((raw(200, "application/json", &"[".repeat(10 << 20)), After::Closed))
            }
            Some(What::Truncated) => Some((
                b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"Memb".to_vec(),
                After::Closed,
            )),
            Some(What::Says(status, headers, body)) => {
                let head = format!("HTTP/1.1 {status} X\r\n{headers}");
                let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                Some(([head.as_bytes(), &body].concat(), After::Open))
            }
            Some(What::Otherwise(said)) => {
                let (bytes, closed) = said(&reply);
                Some((bytes, if closed { After::Closed } else { After::Open }))
            }
            Some(What::Endless) => Some((
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
                After::Repeated,
            )),
            Some(What::Stalls) => {
                let head = format!("HTTP/1.1 {} X\r\nContent-Length: 500\r\n\r\n", reply.status);
                Some((head.into_bytes(), After::Silent))
            }
            Some(What::Status(..) | What::Moves(..)) | None => Some((bytes(&reply), After::Open)),
        }
    }
}

/// What becomes of a connection after an answer.
enum After {
    Open,
    Closed,
    /// One chunk after the other.
    Repeated,
    /// Nothing more is said.
    Silent,
}

fn bytes_of_chunk() -> Vec<u8> {
    [b"1000\r\n".as_slice(), &[b' '; 4096], b"\r\n"].concat()
}

fn strike(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<What> {
    let position = faults.iter().position(|fault| {
        (fault.method.is_empty() || fault.method == method) && path.contains(fault.path)
    })?;
    let fault = &mut faults[position];
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    let what = fault.what.clone();
    fault.times -= 1;
    if fault.times == 0 {
        faults.remove(position);
    }
    Some(what)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The answer as a BMC without faults sends it.
pub(crate) fn bytes(reply: &Reply) -> Vec<u8> {
    let body = if reply.body == Value::Null { String::new() } else { reply.body.to_string() };
    let mut head = format!(
        "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        reply.status,
        body.len()
    );
    for (name, value) in &reply.headers {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    }
    format!("{head}\r\n{body}").into_bytes()
}

fn raw(status: u16, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
