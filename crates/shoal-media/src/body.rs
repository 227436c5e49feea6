//! The body of a media response, in the one shape every HTTP server in Rust takes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::stream::{Cut, Stream};

/// Bytes of a medium, or a short text. Holds at most one chunk (128 KiB) at a time. An error ends the
/// connection, so that a BMC never takes a short body for a whole one.
pub struct Body(Source);

enum Source {
    Text(Option<&'static str>),
    Stream(Box<Stream>),
}

impl Body {
    pub(crate) fn text(text: &'static str) -> Self {
        Self(Source::Text(Some(text).filter(|text| !text.is_empty())))
    }

    pub(crate) fn stream(stream: Stream) -> Self {
        Self(Source::Stream(Box::new(stream)))
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
            Source::Text(text) => {
                let frame = text.take().map(|text| Ok(Frame::data(text.into())));
                Poll::Ready(frame)
            }
            Source::Stream(stream) => {
                stream.poll_chunk(cx).map(|chunk| chunk.map(|c| c.map(Frame::data).map_err(cut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes_left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes_left())
    }
}

impl Body {
    pub(crate) fn bytes_left(&self) -> u64 {
        match &self.0 {
            Source::Text(text) => text.map_or(0, |text| text.len() as u64),
            Source::Stream(stream) => stream.left(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("bytes_left", &self.bytes_left()).finish()
    }
}

/// The status line is out, so this is where the failure is handled: the connection is cut.
fn cut(cut: Cut) -> io::Error {
    let cause = std::error::Error::source(&cut).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(error = %cut, cause, "media response cut");
    io::Error::other(cut)
}
