//! One session and the right to append to it. The right is the possession of its desk: whoever took
//! the desk is the single writer, and puts it back however the request ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Desk, UploadId};
use crate::error::Error;
use crate::name::Repository;

/// Who has sent nothing for this long loses the desk to who asks for it: a client that reconnects
/// after a cut must not wait until the server notices that the old connection is dead.
const STALLED: Duration = Duration::from_secs(5);

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
    touched: Mutex<Instant>,
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
        }
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// Notes that bytes up to `offset` are in the file.
    pub(super) fn note_received(&self, offset: u64) {
        self.received.store(offset, Ordering::Release);
        self.touch();
    }

    /// Somebody cares for this session.
    pub(crate) fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long nobody has.
    pub(crate) fn untouched_for(&self) -> Duration {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Takes the desk, or from a holder that has stalled.
    ///
    /// # Errors
    /// [`Error::UploadBusy`].
    pub(crate) async fn claim(self: &Arc<Self>) -> Result<Claim, Error> {
        if let Some(claim) = self.try_claim() {
            return Ok(claim);
        }
        if self.untouched_for() < STALLED {
            return Err(Error::UploadBusy { id: self.id });
        }
        let free = self.free.notified();
        self.evicted.notify_waiters();
        let waited = tokio::time::timeout(HANDOVER, free).await;
        waited.ok().and_then(|()| self.try_claim()).ok_or(Error::UploadBusy { id: self.id })
    }

    /// Takes the desk if it is free.
    pub(crate) fn try_claim(self: &Arc<Self>) -> Option<Claim> {
        let desk = self.desk().take()?;
        Some(Claim { session: Arc::clone(self), desk: Some(desk), alone: false })
    }

    fn desk(&self) -> MutexGuard<'_, Option<Desk>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            self.session.touch();
            *self.session.desk() = Some(desk);
            self.session.free.notify_waiters();
        }
    }
}
