//! One session and the right to append to it. The right is the possession of its desk: whoever took
//! the desk is the single writer, and puts it back however the request ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Desk, UploadId};
use crate::error::Error;
use crate::name::Repository;

/// How long to wait for a desk whose holder was told to give it back.
const HANDOVER: Duration = Duration::from_secs(5);

/// An upload in progress.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: UploadId,
    pub(crate) repository: Repository,
    desk: Mutex<Option<Desk>>,
    /// The desk was put back.
    free: Notify,
    /// The holder of the desk is asked to give it back.
    pub(super) evicted: Notify,
    received: AtomicU64,
    /// Somebody last cared for the session.
    touched: Mutex<Instant>,
    /// Its writer last took the desk or sent something; asking where the session is does not count.
    moved: Mutex<Instant>,
}

impl Session {
    /// A session with its desk; `idle` is how long ago it was last touched.
    pub(crate) fn new(id: UploadId, repository: Repository, desk: Desk, idle: Duration) -> Self {
        let now = Instant::now();
        Self {
            id,
            repository,
            received: AtomicU64::new(desk.offset()),
            desk: Mutex::new(Some(desk)),
            free: Notify::new(),
            evicted: Notify::new(),
            touched: Mutex::new(now.checked_sub(idle).unwrap_or(now)),
            moved: Mutex::new(now),
        }
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// Notes that bytes up to `offset` are in the file.
    pub(super) fn note_received(&self, offset: u64) {
        self.received.store(offset, Ordering::Release);
        self.note_moved();
    }

    /// Notes that the writer brought something.
    pub(super) fn note_moved(&self) {
        self.touch();
        set_now(&self.moved);
    }

    /// Somebody cares for this session.
    pub(crate) fn touch(&self) {
        set_now(&self.touched);
    }

    /// How long nobody has.
    pub(crate) fn untouched_for(&self) -> Duration {
        elapsed(&self.touched)
    }

    /// Takes the desk, also from a holder that has sent nothing for `takeover`: a client that
    /// reconnects after a cut must not wait until the server notices that the old connection is dead.
    ///
    /// # Errors
    /// [`Error::UploadBusy`].
    pub(crate) async fn claim(self: &Arc<Self>, takeover: Duration) -> Result<Claim, Error> {
        let free = self.free.notified();
        if let Some(claim) = self.try_claim() {
            return Ok(claim);
        }
        if elapsed(&self.moved) < takeover {
            return Err(Error::UploadBusy { id: self.id });
        }
        self.evicted.notify_waiters();
        // A holder that is not receiving, but at the end of the upload, does not listen.
        let _ = tokio::time::timeout(HANDOVER, free).await;
        self.try_claim().ok_or(Error::UploadBusy { id: self.id })
    }

    /// Takes the desk if it is free.
    pub(crate) fn try_claim(self: &Arc<Self>) -> Option<Claim> {
        let desk = self.desk().take()?;
        set_now(&self.moved);
        Some(Claim { session: Arc::clone(self), desk: Some(desk), alone: false })
    }

    fn desk(&self) -> MutexGuard<'_, Option<Desk>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set_now(time: &Mutex<Instant>) {
    *time.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
}

fn elapsed(time: &Mutex<Instant>) -> Duration {
    time.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
}

/// The desk of a session, in the hands of its single writer.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(super) session: Arc<Session>,
    /// Present until the claim is dropped or the session ends.
    desk: Option<Desk>,
    /// Nobody else knows of the session: it ends with the claim.
    alone: bool,
}

impl Claim {
    /// A desk that belongs to one request only.
    pub(crate) fn alone(id: UploadId, repository: Repository, desk: Desk) -> Self {
        let session = Arc::new(Session::new(id, repository, desk, Duration::ZERO));
        let desk = session.desk().take();
        Self { session, desk, alone: true }
    }

    /// The session.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The desk.
    pub(crate) fn desk(&mut self) -> &mut Desk {
        #[expect(clippy::expect_used, reason = "only drop and end take the desk, and both consume")]
        self.desk.as_mut().expect("a claim has its desk")
    }

    /// Takes the received bytes away; the session begins anew.
    pub(crate) fn empty(&mut self) {
        // Most sessions that are given up after a mount that failed never had any.
        if self.desk().offset() > 0 {
            self.desk().empty();
            self.session.received.store(0, Ordering::Release);
        }
    }

    /// Ends the session: nobody will claim it again, and its file goes.
    pub(crate) fn end(mut self) {
        if let Some(desk) = self.desk.take() {
            desk.discard();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(desk) = self.desk.take() else { return };
        if self.alone {
            desk.discard();
        } else {
            // A flush that failed at the end leaves less than was told while the content came.
            self.session.received.store(desk.offset(), Ordering::Release);
            self.session.touch();
            *self.session.desk() = Some(desk);
            self.session.free.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;
    use crate::layout::Layout;
    use crate::upload::Watch;
    use crate::upload::slab::Slab;

    #[tokio::test]
    async fn what_a_failed_flush_took_is_told_when_the_desk_is_back() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::open(root.path(), Watch::default()).unwrap();
        let id = UploadId::random().unwrap();
        let desk = Desk::new(&layout, id, Algorithm::Sha256, 0, None);
        let session = Session::new(id, "a".parse().unwrap(), desk, Duration::ZERO);
        let mut claim = Arc::new(session).claim(Duration::ZERO).await.unwrap();
        let session = Arc::clone(claim.session());
        claim.desk().append(Slab::of(b"bytes")).unwrap();
        session.note_received(5);
        // As the flush at the end of an upload does when it fails.
        claim.desk().empty();
        drop(claim);
        assert_eq!(session.received(), 0);
    }
}
