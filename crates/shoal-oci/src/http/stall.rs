//! Whoever asks for twenty gigabytes and reads none of them would hold a connection and an open file
//! for as long as it likes. What can tell that it takes nothing is the connection: the body of an
//! answer is not even asked for its next bytes then. So the listener watches what it writes, and the
//! registry says how long that may stand still.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long the peer of a connection may take nothing of what is written to it; without end until the
/// registry says otherwise. The system tells of what was taken only when a good part of what the socket
/// holds is gone, up to a megabyte or so, and less counts as nothing. The listener puts one into the extensions of every request of the
/// connection. Clones are of one connection.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<AtomicU64>);

impl Patience {
    /// The peer may take as long as it likes again: what is answered next is not the registry's.
    pub fn lift(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(super) fn limit(&self, stall: Duration) {
        let millis = u64::try_from(stall.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis.max(1), Ordering::Relaxed);
    }

    fn limited(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        }
    }
}

/// A stream that fails when its peer has taken nothing for longer than there is patience. It goes
/// directly around the socket, below TLS, which would hide that some bytes were taken and some not.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    patience: Patience,
    /// When patience ends; kept between two waits.
    end: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl<S> Watched<S> {
    /// Watches a stream.
    pub fn new(stream: S, patience: Patience) -> Self {
        Self { stream, patience, end: None, waits: false }
    }

    /// Passes on what a write came to, unless it has come to nothing for too long.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = false;
            return written;
        }
        let Some(limit) = self.patience.limited() else { return Poll::Pending };
        if !self.waits {
            let deadline = Instant::now() + limit;
            match &mut self.end {
                Some(end) => end.as_mut().reset(deadline),
                None => self.end = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
            self.waits = true;
        }
        let over = self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready());
        if !over {
            return Poll::Pending;
        }
        let why = format!("the peer took nothing for {limit:?}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    fn watched(patience: &Patience) -> (tokio::io::DuplexStream, Watched<tokio::io::DuplexStream>) {
        let (peer, stream) = tokio::io::duplex(4);
        (peer, Watched::new(stream, patience.clone()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_when_patience_ends() {
        let patience = Patience::default();
        patience.limit(LIMIT);
        let (_peer, mut stream) = watched(&patience);
        let began = Instant::now();

        let error = stream.write_all(b"12345").await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_may_take_as_long_as_it_takes_something() {
        let patience = Patience::default();
        patience.limit(LIMIT);
        let (mut peer, mut stream) = watched(&patience);
        let reading = async {
            for _ in 0..20 {
                tokio::time::sleep(LIMIT * 9 / 10).await;
                peer.read_u8().await.unwrap();
            }
        };

        let (written, ()) = tokio::join!(stream.write_all(&[7; 24]), reading);

        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_given_up_who_asked_for_something_else() {
        let patience = Patience::default();
        patience.limit(LIMIT);
        patience.lift();
        let (_peer, mut stream) = watched(&patience);

        let written = tokio::time::timeout(LIMIT * 100, stream.write_all(b"12345")).await;

        assert!(written.is_err(), "it waits still");
    }
}
