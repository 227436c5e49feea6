//! From the network to the desk. The connection's task takes pieces off the body, gathers them, and
//! hands them to a thread that hashes them and has them written; what is in between is bounded, so a
//! slow disk slows the client. There is a deadline for silence, never for the whole body.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::gather::Gather;
use super::slab::Slab;
use super::{Claim, Session};
use crate::error::Error;
use crate::space::Space;

/// Who sends less than this in the time allowed for silence is taken for silent.
const LEAST_PROGRESS: u64 = 4 * 1024;

/// The body is checked against the free space each time this many bytes have come.
const SPACE_EVERY: u64 = 64 * 1024 * 1024;

/// What a request says about its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chunk {
    /// The byte of the content it begins with, when the request says so.
    pub(crate) start: Option<u64>,
    /// Its length, when the request says so.
    pub(crate) length: Option<u64>,
}

/// What bounds the receiving of a body.
#[derive(Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) idle: Duration,
    /// Most bytes of the whole content.
    pub(crate) content_max: u64,
    pub(crate) space: &'a Space,
}

/// The places for those who send content.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: AtomicUsize,
    freed: Notify,
}

/// One of them. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Receiving(Arc<Places>);

impl Places {
    /// A place among at most `most`. Waits a while for one: few clients come again after a 429.
    ///
    /// # Errors
    /// [`Error::TooManyUploads`].
    pub(crate) async fn enter(
        self: &Arc<Self>,
        most: usize,
        patience: Duration,
    ) -> Result<Receiving, Error> {
        let deadline = Instant::now() + patience;
        loop {
            // Listens before it looks, or a place freed in between would go unnoticed.
            let freed = self.freed.notified();
            let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < most).then_some(taken + 1)
            });
            if taken.is_ok() {
                metrics::gauge!("registry_inflight_uploads").increment(1.0);
                return Ok(Receiving(Arc::clone(self)));
            }
            if tokio::time::timeout_at(deadline, freed).await.is_err() {
                let limit = u64::try_from(most).unwrap_or(u64::MAX);
                return Err(Error::TooManyUploads { limit });
            }
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_one();
        metrics::gauge!("registry_inflight_uploads").decrement(1.0);
    }
}

/// Appends a body to an upload. The bytes that arrived stay, whatever the answer is.
///
/// # Errors
/// [`Error::OutOfOrder`] before anything is read; [`Error::BodyStopped`], [`Error::SizeMismatch`],
/// [`Error::TooLarge`], [`Error::DiskFull`], [`Error::Storage`].
pub(crate) async fn receive<B>(
    mut claim: Claim,
    chunk: Chunk,
    body: B,
    bounds: Bounds<'_>,
) -> (Option<Claim>, Result<(), Error>)
where
    B: Body<Data = Bytes>,
{
    let offset = claim.desk().offset();
    if let Err(error) = admit(chunk, offset, &bounds) {
        return (Some(claim), Err(error));
    }
    if chunk.length == Some(0) {
        return (Some(claim), Ok(()));
    }
    let session = Arc::clone(claim.session());
    let (mut gather, slabs) = Gather::new(offset, chunk.length);
    let writing = tokio::task::spawn_blocking(move || write(claim, slabs));
    let pumped = pump(pin!(body), &session, (chunk, offset), &bounds, &mut gather).await;
    drop(gather);
    // Cut off here or before, the thread writes what was gathered and puts the desk back.
    match writing.await {
        // What the disk said explains why the pump could not go on.
        Ok((claim, Ok(()))) => (Some(claim), pumped),
        Ok((claim, Err(error))) => (Some(claim), Err(error)),
        Err(_) => (None, Err(Error::Closed)),
    }
}

fn admit(chunk: Chunk, offset: u64, bounds: &Bounds<'_>) -> Result<(), Error> {
    if let Some(start) = chunk.start.filter(|start| *start != offset) {
        return Err(Error::OutOfOrder { start, offset });
    }
    let length = chunk.length.unwrap_or(0);
    if offset.saturating_add(length) > bounds.content_max {
        return Err(Error::TooLarge { limit: bounds.content_max });
    }
    bounds.space.admit(length)
}

/// Takes pieces off the body until its end.
async fn pump<B>(
    mut body: Pin<&mut B>,
    session: &Session,
    (chunk, offset): (Chunk, u64),
    bounds: &Bounds<'_>,
    gather: &mut Gather,
) -> Result<(), Error>
where
    B: Body<Data = Bytes>,
{
    let most = chunk.length.unwrap_or(u64::MAX);
    let room = bounds.content_max.saturating_sub(offset);
    let (mut received, mut unchecked, mut progress) = (0_u64, 0_u64, 0_u64);
    let mut deadline = Instant::now() + bounds.idle;
    loop {
        let frame = tokio::select! {
            frame = tokio::time::timeout_at(deadline, body.frame()) => frame,
            () = session.evicted.notified() => return Err(Error::BodyStopped { received }),
        };
        let Ok(frame) = frame else { return Err(Error::BodyStopped { received }) };
        let Some(frame) = frame else { break };
        let Ok(frame) = frame else { return Err(Error::BodyStopped { received }) };
        // Trailers say nothing here.
        let Ok(bytes) = frame.into_data() else { continue };
        received += bytes.len() as u64;
        unchecked += bytes.len() as u64;
        progress += bytes.len() as u64;
        if received > most {
            return Err(Error::SizeMismatch { expected: most, received });
        }
        if received > room {
            return Err(Error::TooLarge { limit: bounds.content_max });
        }
        if unchecked >= SPACE_EVERY {
            unchecked = 0;
            bounds.space.admit(0)?;
        }
        // When the thread gave up, it says why.
        gather.take(&bytes).await?;
        if progress >= LEAST_PROGRESS {
            session.note_moved();
            // Counted from here: the wait for a slow disk is not the client's.
            (progress, deadline) = (0, Instant::now() + bounds.idle);
        }
    }
    match chunk.length {
        Some(expected) if received < expected => Err(Error::SizeMismatch { expected, received }),
        _ => Ok(()),
    }
}

/// Hashes and writes what comes, on a thread of its own.
fn write(mut claim: Claim, mut slabs: mpsc::Receiver<Slab>) -> (Claim, Result<(), Error>) {
    let written = write_all(&mut claim, &mut slabs);
    (claim, written)
}

fn write_all(claim: &mut Claim, slabs: &mut mpsc::Receiver<Slab>) -> Result<(), Error> {
    claim.desk().catch_up()?;
    let mut written = Ok(());
    while let Some(slab) = slabs.blocking_recv() {
        let bytes = slab.bytes().len() as u64;
        written = claim.desk().append(slab);
        let received = claim.desk().written();
        claim.session.note_received(received);
        if written.is_err() {
            break;
        }
        metrics::counter!("registry_upload_bytes_total").increment(bytes);
    }
    let put_down = claim.desk().put_down();
    let received = claim.desk().written();
    claim.session.note_received(received);
    written.and(put_down)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use http_body::Frame;
    use tokio::time::Interval;

    use super::*;
    use crate::digest::Algorithm;
    use crate::layout::Layout;
    use crate::upload::{Desk, UploadId, Watch};

    /// A byte now and then, for ever.
    struct Trickle(Interval, &'static [u8]);

    impl Body for Trickle {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let bytes = self.1;
            self.0.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(bytes)))))
        }
    }

    /// How a body that sends `bytes` each second ends, and after how many bytes.
    async fn pump_seconds(bytes: &'static [u8]) -> (Result<(), Error>, u64) {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::open(root.path(), Watch::default()).unwrap();
        let id = UploadId::random().unwrap();
        let desk = Desk::new(&layout, id, Algorithm::Sha256, 0, None);
        let session = Session::new(id, "a".parse().unwrap(), desk, Duration::ZERO);
        let space = Space::new(root.path().to_owned(), 0);
        let idle = Duration::from_mins(1);
        let bounds = Bounds { idle, content_max: 1_000_000, space: &space };
        let (mut gather, mut slabs) = Gather::new(0, None);
        let counting = tokio::spawn(async move {
            let mut count = 0;
            while let Some(slab) = slabs.recv().await {
                count += slab.bytes().len() as u64;
            }
            count
        });
        let body = Trickle(tokio::time::interval(Duration::from_secs(1)), bytes);
        let ended = pump(pin!(body), &session, (Chunk::default(), 0), &bounds, &mut gather).await;
        drop(gather);
        (ended, counting.await.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_silence() {
        let (ended, count) = pump_seconds(b"x").await;
        assert!(matches!(ended, Err(Error::BodyStopped { .. })), "{ended:?}");
        assert!((59..=61).contains(&count), "{count}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_sender_has_all_the_time_in_the_world() {
        let (ended, count) = pump_seconds(&[0; 100]).await;
        assert!(matches!(ended, Err(Error::TooLarge { .. })), "{ended:?}");
        assert_eq!(count, 1_000_000);
    }
}
