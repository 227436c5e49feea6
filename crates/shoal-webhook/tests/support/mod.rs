//! A controller's front door for one test: answers a script, one connection each, and remembers
//! what it was sent. Written on plain sockets so that it shares nothing with the client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does with one connection after it has read the request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers with a status, extra header lines and a body.
    Answer(u16, &'static str, String),
    /// Closes without a word: the report has arrived, its answer is lost.
    Lose,
    /// Never answers; ends when the client gives up.
    Stall,
}

impl Act {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, "", r#"{"error":"e","message":"m"}"#.into())
    }

    pub(crate) fn result(result: &str) -> Self {
        Self::Answer(200, "", format!(r#"{{"result":"{result}","message":""}}"#))
    }
}

/// One request as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Server {
    address: SocketAddr,
    thread: JoinHandle<Vec<Seen>>,
}

impl Server {
    pub(crate) fn plain(script: Vec<Act>) -> Self {
        Self::start(script, None)
    }

    pub(crate) fn tls(script: Vec<Act>, config: ServerConfig) -> Self {
        Self::start(script, Some(Arc::new(config)))
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/api/v1/status-webhook/SN-1", self.address)
    }

    /// What was seen. The empty connection ends a script that was not used up.
    pub(crate) fn seen(self) -> Vec<Seen> {
        drop(TcpStream::connect(self.address));
        self.thread.join().unwrap()
    }

    fn start(script: Vec<Act>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for act in script {
                let (socket, _) = listener.accept().unwrap();
                let request = match &tls {
                    None => serve(socket, act),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(StreamOwned::new(connection, socket), act)
                    }
                };
                let Some(request) = request else { break };
                seen.push(request);
            }
            seen
        });
        Self { address, thread }
    }
}

fn serve(stream: impl Read + Write, act: Act) -> Option<Seen> {
    let mut stream = BufReader::new(stream);
    let seen = read(&mut stream)?;
    match act {
        Act::Answer(status, headers, body) => {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
            );
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            stream.get_mut().flush().unwrap();
        }
        Act::Lose => {}
        // Ends with the client's close; whether that is orderly does not matter.
        Act::Stall => drop(stream.read(&mut [0])),
    }
    Some(seen)
}

/// The request, or nothing when the peer closed or failed its handshake before one.
fn read(stream: &mut impl BufRead) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Seen { head, body: String::from_utf8(body).unwrap() })
}
