//! Work that is done to its end even if whoever waits for it goes away, such as a web request whose
//! client hung up. It costs a task of its own only then.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;
use tracing::{Instrument, Span};

/// Work under way. Dropped before its end, it goes on as a task.
pub(crate) struct Unbroken<T: Send + 'static> {
    /// None while it is polled and when it is done, so that a panic is not followed by another poll.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    span: Span,
}

impl<T: Send + 'static> Unbroken<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), span: Span::current() }
    }
}

impl<T: Send + 'static> Future for Unbroken<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        // Without a runtime the process is about to end, and its tasks with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(work.instrument(self.span.clone()));
        }
    }
}
