//! The cheapest client there is, so that what is measured is the server: content goes out with
//! sendfile, and what comes in is dropped.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One keep-alive connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    more: String,
}

/// An answer whose body is gone.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) length: u64,
}

/// How long an upload took.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) whole: Duration,
    /// From the last byte to the answer.
    pub(crate) end: Duration,
}

impl Client {
    /// `more` are header lines for each request.
    pub(crate) fn connect(address: SocketAddr, more: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 1 << 20], more: more.to_owned() }
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = match method {
            "GET" | "HEAD" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let more = &self.more;
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{more}{headers}{length}\r\n")
                .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).unwrap();
        self.answer(method)
    }

    /// Begins a session; where it is, ready for more of a query.
    pub(crate) fn start(&mut self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.ask("POST", &path, "", b"");
        assert_eq!(answer.status, 202);
        // Some say where with their name, and some do not.
        let path = answer.location.find("/v2/").map(|at| &answer.location[at..]).unwrap();
        format!("{path}{}", if path.contains('?') { '&' } else { '?' })
    }

    /// Pushes a file in one PUT.
    pub(crate) fn push(&mut self, repository: &str, digest: &str, file: &File) -> Sent {
        let begun = Instant::now();
        let size = file.metadata().unwrap().len();
        let location = self.start(repository);
        let head = format!(
            "PUT {location}digest={digest} HTTP/1.1\r\nHost: a\r\n{}Content-Length: {size}\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.more
        );
        self.stream.write_all(head.as_bytes()).unwrap();
        let mut at = 0;
        while at < size {
            let most = usize::try_from(size - at).unwrap();
            assert!(rustix::fs::sendfile(&self.stream, file, Some(&mut at), most).unwrap() > 0);
        }
        let sent = Instant::now();
        assert_eq!(self.answer("PUT").status, 201);
        Sent { whole: begun.elapsed(), end: sent.elapsed() }
    }

    /// Pushes small content, in a session as most clients do.
    pub(crate) fn push_small(&mut self, repository: &str, digest: &str, content: &[u8]) {
        let location = self.start(repository);
        let kind = "Content-Type: application/octet-stream\r\n";
        let put = self.ask("PUT", &format!("{location}digest={digest}"), kind, content);
        assert_eq!(put.status, 201);
    }

    /// Sends bytes that belong to a body.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        let mut filled = 0;
        let end = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(read > 0, "hung up");
            filled += read;
            let head = &self.buffer[..filled.min(8192)];
            if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let status = head[9..12].parse().unwrap();
        let location = header("location").unwrap_or_default();
        let length = header("content-length").map_or(0, |length| length.parse::<u64>().unwrap());
        if method != "HEAD" && status != 204 {
            let mut left = length - u64::try_from(filled - end).unwrap();
            while left > 0 {
                let read = self.stream.read(&mut self.buffer).unwrap();
                assert!(read > 0, "hung up in the body");
                left -= u64::try_from(read).unwrap();
            }
        }
        Answer { status, location, length }
    }
}
