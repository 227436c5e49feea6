//! A TLS handshake costs a BMC up to a second, so connections are counted, and none is opened while
//! one is on its way back to the pool. The HTTP client gives a connection back from a task of its own:
//! on a runtime with several threads the next request may ask first, find none and dial, and a dial
//! that was begun is finished even if that request then takes the connection that came back. So a dial
//! waits a moment before it begins, and is given up when nobody waits for it any more.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tower::{BoxError, Layer, Service};

/// How long a connection may take back to the pool after an answer. It is a matter of microseconds;
/// this is what a busy machine may make of them, and what a connection costs more that the BMC has
/// closed without a word.
const GRACE: Duration = Duration::from_millis(50);

tokio::task_local! {
    /// Set while a request is being polled by whoever waits for its answer.
    static AWAITED: ();
}

/// Runs a request so that dials made for it know that somebody waits for it.
pub(crate) async fn awaited<F: Future>(request: F) -> F::Output {
    AWAITED.scope((), request).await
}

/// Counts the connections opened through it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dials(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    dials: AtomicU64,
    /// A connection may be on its way back to the pool.
    returning: AtomicBool,
}

impl Dials {
    pub(crate) fn count(&self) -> u64 {
        self.0.dials.load(Ordering::Relaxed)
    }

    /// An answer came, after which the connection stays open or does not.
    pub(crate) fn answered(&self, stays_open: bool) {
        self.0.returning.store(stays_open, Ordering::Relaxed);
    }
}

impl<S> Layer<S> for Dials {
    type Service = Dial<S>;

    fn layer(&self, inner: S) -> Dial<S> {
        Dial { inner, line: Arc::clone(&self.0) }
    }
}

/// The connector, which thinks before it dials.
#[derive(Clone, Debug)]
pub(crate) struct Dial<S> {
    inner: S,
    line: Arc<Line>,
}

/// Nobody waits for the connection any more.
#[derive(Debug, thiserror::Error)]
#[error("another connection was free")]
struct NotNeeded;

impl<S, R> Service<R> for Dial<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The one that was polled ready makes the call.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let line = Arc::clone(&self.line);
        Box::pin(async move {
            if line.returning.load(Ordering::Relaxed) {
                while_awaited(tokio::time::sleep(GRACE)).await?;
            }
            line.dials.fetch_add(1, Ordering::Relaxed);
            inner.call(request).await.map_err(Into::into)
        })
    }
}

/// Waits as long as somebody waits for the request that this is done for.
async fn while_awaited(waiting: impl Future<Output = ()>) -> Result<(), NotNeeded> {
    let mut waiting = std::pin::pin!(waiting);
    std::future::poll_fn(|context| {
        if AWAITED.try_with(|()| ()).is_err() {
            return Poll::Ready(Err(NotNeeded));
        }
        waiting.as_mut().poll(context).map(Ok)
    })
    .await
}
