//! A stand-in for the controller on a port of the loopback address: answers from a script, and a
//! journal of what was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and path with query, such as `GET /api/v1/jobs?limit=50`.
    pub(crate) line: String,
    /// Header names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the stand-in does with one request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: String,
    body: String,
    /// Closes the connection without a word.
    lost: bool,
    /// Promises more bytes than come before the connection is closed.
    cut: bool,
    /// Between two bytes of the body.
    gap: Option<Duration>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    pub(crate) fn refusal(status: u16, error: &str, message: &str) -> Self {
        let body = json!({"error": error, "message": message, "request_id": "r-1"});
        Self::json(status, &body)
    }

    pub(crate) fn text(status: u16, content_type: &str, body: &str) -> Self {
        let headers = format!("content-type: {content_type}\r\n");
        Self { headers, body: body.to_owned(), ..Self::empty(status) }
    }

    /// A stream of events that the controller ends.
    pub(crate) fn events(events: &[Value]) -> Self {
        let start = ": keep-alive\n\n".to_owned();
        let body = events
            .iter()
            .fold(start, |body, event| format!("{body}id: {}\ndata: {event}\n\n", event["id"]));
        Self::text(200, "text/event-stream", &body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        let (headers, body) = (String::new(), String::new());
        Self { status, headers, body, lost: false, cut: false, gap: None }
    }

    pub(crate) fn with_header(self, name: &str, value: &str) -> Self {
        let headers = format!("{}{name}: {value}\r\n", self.headers);
        Self { headers, ..self }
    }

    pub(crate) fn lost() -> Self {
        Self { lost: true, ..Self::empty(200) }
    }

    pub(crate) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    /// Sends the body byte by byte.
    pub(crate) fn slow(self, gap: Duration) -> Self {
        Self { gap: Some(gap), ..self }
    }

    fn head(&self) -> String {
        let Self { status, headers, body, .. } = self;
        let length = body.len() + if self.cut { 1000 } else { 0 };
        let length = match status {
            204 => String::new(),
            _ => format!("content-length: {length}\r\n"),
        };
        format!("HTTP/1.1 {status} x\r\n{headers}{length}connection: close\r\n\r\n")
    }

    fn write(&self, stream: &mut impl Write) -> std::io::Result<()> {
        stream.write_all(self.head().as_bytes())?;
        let Some(gap) = self.gap else {
            stream.write_all(self.body.as_bytes())?;
            return stream.flush();
        };
        let (_never, pause) = std::sync::mpsc::channel::<()>();
        for byte in self.body.as_bytes() {
            let _ = pause.recv_timeout(gap);
            stream.write_all(&[*byte])?;
            stream.flush()?;
        }
        Ok(())
    }
}

/// Replies per method and path; the last one of a route is given again and again.
pub(crate) type Script = BTreeMap<&'static str, Vec<Reply>>;

pub(crate) struct StandIn {
    address: SocketAddr,
    scheme: &'static str,
    journal: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    pub(crate) fn new(script: impl Into<Script>) -> Self {
        Self::start(script.into(), None)
    }

    pub(crate) fn with_tls(script: impl Into<Script>, config: Arc<ServerConfig>) -> Self {
        Self::start(script.into(), Some(config))
    }

    fn start(mut script: Script, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let journal = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (seen, stop) = (Arc::clone(&journal), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                // A refused handshake ends here as a broken connection, which is its test's point.
                let _ = match &tls {
                    None => serve(stream, &mut script, &seen),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(StreamOwned::new(connection, stream), &mut script, &seen)
                    }
                };
            }
        });
        Self { address, scheme, journal, stopped, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.journal.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // One more connection wakes the thread, which then sees that it is to end.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the stand-in failed");
        }
    }
}

fn serve(
    stream: impl Read + Write,
    script: &mut Script,
    journal: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream)?;
    let route = request.line.split('?').next().unwrap().to_owned();
    journal.lock().unwrap().push(request);
    let reply = match script.get_mut(route.as_str()) {
        Some(replies) if replies.len() > 1 => replies.remove(0),
        Some(replies) => replies[0].clone(),
        None => Reply::refusal(404, "not_found", "there is nothing here"),
    };
    let stream = stream.get_mut();
    if !reply.lost {
        reply.write(stream)?;
    }
    Ok(())
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Request> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        Ok::<_, std::io::Error>(line.trim_end().to_owned())
    };
    let first = line()?;
    let Some((target, _)) = first.rsplit_once(' ') else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Request { line: target.to_owned(), headers, body })
}
