//! When the first byte of a request came. The HTTP library tells of a request once its whole head is
//! here, and the time that a slow head took belongs to the answer's.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The arrival of the first byte that belongs to no request yet. Clones are of one connection.
#[derive(Clone, Default)]
pub(super) struct Stamp(Arc<Mutex<Option<Instant>>>);

impl Stamp {
    /// When the request that begins now arrived. On an HTTP/2 connection bytes also come that belong
    /// to no request, such as the answer to a ping while it is idle, so that its requests arrive when
    /// their heads are whole.
    pub(super) fn arrival(&self, version: Version) -> Instant {
        if version == Version::HTTP_2 {
            return Instant::now();
        }
        self.lock().take().unwrap_or_else(Instant::now)
    }

    /// What came until now was of a request that is answered.
    pub(super) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that stamps.
pub(super) struct Stamped<S> {
    stream: S,
    stamp: Stamp,
}

impl<S> Stamped<S> {
    pub(super) fn new(stream: S, stamp: Stamp) -> Self {
        Self { stream, stamp }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stamped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.stamp.lock().get_or_insert_with(Instant::now);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stamped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_first_byte_counts_and_a_body_is_not_the_next_request() {
        let (mut client, server) = tokio::io::duplex(64);
        let stamp = Stamp::default();
        let mut server = Stamped::new(server, stamp.clone());
        let mut buffer = [0; 64];

        let before = Instant::now();
        client.write_all(b"POST / HT").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 9);
        let first = Instant::now();
        client.write_all(b"TP/1.1\r\n").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 8);
        let arrived = stamp.arrival(Version::HTTP_11);
        assert!((before..=first).contains(&arrived));

        client.write_all(b"body").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
        let answered = Instant::now();
        stamp.clear();
        assert!(stamp.arrival(Version::HTTP_11) >= answered);
    }

    #[tokio::test]
    async fn what_came_on_an_idle_http2_connection_is_of_no_request() {
        let (mut client, server) = tokio::io::duplex(64);
        let stamp = Stamp::default();
        let mut server = Stamped::new(server, stamp.clone());
        client.write_all(b"a ping's answer").await.unwrap();
        assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 15);

        let began = Instant::now();
        assert!(stamp.arrival(Version::HTTP_2) >= began);
        assert!(stamp.arrival(Version::HTTP_11) <= began, "the stamp was not of this request");
    }
}
