//! A TLS handshake costs a BMC up to a second, so the number of connections opened is a figure
//! worth watching. The HTTP client does not tell it; this counts every dial on its way through.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tower::{Layer, Service};

/// Counts the connections opened through it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialCounter(Arc<AtomicU64>);

impl DialCounter {
    pub(crate) fn dials(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for DialCounter {
    type Service = Dial<S>;

    fn layer(&self, inner: S) -> Dial<S> {
        Dial { inner, counter: self.clone() }
    }
}

/// The connector with its counter.
#[derive(Clone, Debug)]
pub(crate) struct Dial<S> {
    inner: S,
    counter: DialCounter,
}

impl<S: Service<R>, R> Service<R> for Dial<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.counter.0.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
