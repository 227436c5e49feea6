//! What the media server needs from whoever keeps jobs: which bytes an object is, a ledger that makes
//! milestones durable, and a place for the read strip.

use std::future::Future;

use crate::extent::Extent;
use crate::medium::Medium;
use crate::milestone::{Milestone, Milestones};
use crate::token::{Kind, ObjectId};

/// The media an object id stands for, and the record of what was read.
///
/// `open` is called once per request, and BMCs send thousands of small ones: keep the answer at hand.
/// No future may depend on being polled to its end, because a BMC may hang up at any time.
pub trait Catalog: Send + Sync + 'static {
    /// The medium `object`, and which of its milestones the ledger holds already.
    fn open(
        &self,
        object: ObjectId,
        kind: Kind,
    ) -> impl Future<Output = Result<Opened, OpenError>> + Send;

    /// Makes `milestone` durable. `Ok` means that it survives a crash; the bytes that prove it are
    /// sent only afterwards. Must be idempotent: after a restart or a lost answer it is asked again.
    fn commit_milestone(
        &self,
        object: ObjectId,
        milestone: Milestone,
    ) -> impl Future<Output = Result<(), LedgerDown>> + Send;

    /// Notes bytes handed to the network. Called while a response streams, so it must not block;
    /// losing calls costs only progress display.
    fn observe(&self, object: ObjectId, read: ReadSpan);
}

/// What [`Catalog::open`] found.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The medium.
    pub medium: Medium,
    /// Milestones the ledger holds. With [`Milestone::Opened`] among them an expired path still works.
    pub already: Milestones,
    /// The same for all media one machine reads in one attempt, such as its boot medium: a read of
    /// any of them ends the quiet of all. [`MediaServer::revoke`](crate::MediaServer::revoke) of it
    /// forgets that too.
    pub together: ObjectId,
}

/// Why an object cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such object (any more).
    #[error("find media object")]
    Gone,
    /// Its attempt is over and its paths were revoked.
    #[error("open revoked media object")]
    Revoked,
    /// It cannot be told or fetched now; asking again may help.
    #[error("reach media object")]
    Unavailable,
}

impl OpenError {
    /// Whether asking again later may help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

/// A milestone could not be made durable. It may have been: a lost answer looks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("commit media milestone")]
pub struct LedgerDown;

/// Adjoining bytes that one response has handed to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadSpan {
    /// Which bytes.
    pub extent: Extent,
    /// When the last of them went, seconds since 1970.
    pub at: u64,
}
