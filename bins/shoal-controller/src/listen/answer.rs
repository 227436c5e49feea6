//! The body of an answer, which keeps its connection busy until its last byte was taken or the
//! connection is gone.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::{places::Busy, stamp::Stamp};

/// An answer under way.
pub(super) struct Answer {
    body: Body,
    stamp: Stamp,
    _busy: Busy,
}

impl Answer {
    pub(super) fn new(body: Body, busy: Busy, stamp: Stamp) -> Self {
        Self { body, stamp, _busy: busy }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.stamp.clear();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
