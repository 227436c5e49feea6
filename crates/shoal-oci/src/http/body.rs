//! The body of an answer: nothing, a text, or a part of a file read as the client takes it.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

/// Read at once.
const CHUNK: u64 = 256 * 1024;

/// Fetched from the disk at once when the page cache does not have it.
const AHEAD: Option<NonZeroU64> = NonZeroU64::new(8 * 1024 * 1024);

/// Chunks of one answer in memory: one being read, and what the connection takes while it sends.
const CHUNKS: usize = 4;

/// Bytes for a client. An error ends the connection, so that nobody takes a short body for a whole.
pub struct Body(Source);

enum Source {
    Text(Option<Bytes>),
    File(Part),
}

/// A part of a file.
struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
    from: u64,
    began: Instant,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Chunks that were given away, to be filled again once they were sent: fresh memory for each of
    /// a thousand chunks costs more than the reading.
    given: VecDeque<Bytes>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Self(Source::Text(None))
    }

    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self(Source::Text(Some(text.into()).filter(|text| !text.is_empty())))
    }

    /// `length` bytes of a file from `at` on.
    pub(super) fn file(file: Arc<File>, at: u64, length: u64) -> Self {
        let began = Instant::now();
        let given = VecDeque::new();
        Self(Source::File(Part { file, at, left: length, from: at, began, reading: None, given }))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Text(text) => write!(f, "{} bytes", text.as_ref().map_or(0, Bytes::len)),
            Source::File(part) => write!(f, "{} bytes of a file", part.left),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Source::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Source::File(part) => {
                let chunk = ready!(part.poll_chunk(cx));
                Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Text(text) => text.is_none(),
            Source::File(part) => part.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.0 {
            Source::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            Source::File(part) => part.left,
        })
    }
}

/// What was sent, by how much it was.
fn size_class(bytes: u64) -> &'static str {
    const MIB: u64 = 1024 * 1024;
    match bytes.div_ceil(MIB) {
        0..=1 => "small",
        2..=64 => "medium",
        65..=1024 => "large",
        _ => "huge",
    }
}

impl Part {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let read = if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
            read.unwrap_or_else(|gone| Err(io::Error::other(gone)))
        } else {
            let buffer = self.buffer(usize::try_from(self.left.min(CHUNK)).unwrap_or(0));
            // What is in the page cache is taken here: handing it to another thread would cost more.
            // What is not must not hold up the other answers of this thread.
            match read_cached(&self.file, self.at, buffer) {
                Ok(read) => read,
                Err(buffer) => {
                    let (file, at) = (Arc::clone(&self.file), self.at);
                    let read = move || read_blocking(&file, at, buffer);
                    self.reading = Some(tokio::task::spawn_blocking(read));
                    return self.poll_chunk(cx);
                }
            }
        };
        Poll::Ready(Some(read.inspect(|bytes| {
            let count = bytes.len() as u64;
            self.at += count;
            self.left = self.left.saturating_sub(count);
            if self.left > 0 {
                self.given.push_back(bytes.clone());
            } else {
                let class = size_class(self.at - self.from);
                metrics::histogram!("registry_blob_read_seconds", "size_class" => class)
                    .record(self.began.elapsed());
            }
            metrics::counter!("registry_download_bytes_total").increment(count);
        })))
    }

    /// Room for a chunk: that of one which has been sent, if there is any.
    fn buffer(&mut self, length: usize) -> BytesMut {
        let sent = match self.given.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(buffer)) => Some(buffer),
            Some(Err(sending)) => {
                if self.given.len() + 1 < CHUNKS {
                    self.given.push_front(sending);
                }
                None
            }
            None => None,
        };
        let mut buffer = sent.unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }
}

/// What can be had without waiting for a disk, maybe less than there is room for; the room again if
/// that is nothing.
fn read_cached(file: &File, at: u64, mut buffer: BytesMut) -> Result<io::Result<Bytes>, BytesMut> {
    let read =
        rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut buffer)], at, ReadWriteFlags::NOWAIT);
    match read {
        Ok(0) => Ok(Err(io::ErrorKind::UnexpectedEof.into())),
        Ok(read) => {
            buffer.truncate(read);
            Ok(Ok(buffer.freeze()))
        }
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            Err(buffer)
        }
        Err(error) => Ok(Err(error.into())),
    }
}

/// Waits for the disk, and has it fetch what comes next meanwhile: what was pushed just now is in no
/// page cache, and neither is most of what is larger than memory.
fn read_blocking(file: &File, at: u64, mut buffer: BytesMut) -> io::Result<Bytes> {
    // Only a hint.
    let _ = rustix::fs::fadvise(file, at, AHEAD, Advice::WillNeed);
    file.read_exact_at(&mut buffer, at)?;
    Ok(buffer.freeze())
}
