//! A client that expects to be left alone in the middle of a sentence.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// The registry is not there any more.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own. `headers` are whole lines.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Result<Answer, Gone> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|_| Gone)?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).map_err(|_| Gone)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|_| Gone)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(Gone)? + 4;
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let whole: usize = header(&head, "content-length").parse().unwrap_or(0);
    if body.len() < whole {
        return Err(Gone);
    }
    Ok(Answer { status: head[9..12].parse().unwrap(), head, body })
}

/// A header of an answer's head, or an empty text.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}
