//! What this process has seen of each object: the milestones that are durable, when evidence was last
//! read, and whether its paths were revoked meanwhile.
//!
//! This is a cache of the ledger plus two facts the ledger does not need. Losing an entry costs one
//! idempotent commit.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::catalog::{Catalog, LedgerDown, ReadSpan};
use crate::clock::Clock;
use crate::extent::Extent;
use crate::medium::Medium;
use crate::milestone::{Milestone, Milestones};
use crate::quiet::{QUIET, Quiet};
use crate::token::ObjectId;

/// A commit under way.
pub(crate) type Commit = Pin<Box<dyn Future<Output = Result<(), LedgerDown>> + Send>>;

/// All objects read since the process started and not revoked since.
#[derive(Debug)]
pub(crate) struct Watches {
    started: Duration,
    by_object: Mutex<HashMap<ObjectId, Arc<Watch>>>,
    by_machine: Mutex<HashMap<ObjectId, Arc<Quiet>>>,
}

impl Watches {
    pub(crate) fn new(started: Duration) -> Self {
        Self { started, by_object: Mutex::default(), by_machine: Mutex::default() }
    }

    /// The watch of `object`. Nothing was read before `started` as far as anyone can tell, so the
    /// quiet of an object first seen now is counted from there.
    pub(crate) fn of(&self, object: ObjectId) -> Arc<Watch> {
        let mut by_object = self.by_object.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Watch::new(self.started));
        Arc::clone(by_object.entry(object).or_insert_with(fresh))
    }

    /// The quiet that the media named `together` share.
    pub(crate) fn quiet(&self, together: ObjectId) -> Arc<Quiet> {
        let mut by_machine = self.by_machine.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Quiet::new(self.started));
        Arc::clone(by_machine.entry(together).or_insert_with(fresh))
    }

    /// Forgets `object` and cuts the responses that still stream it.
    pub(crate) fn revoke(&self, object: ObjectId) {
        self.by_machine.lock().unwrap_or_else(PoisonError::into_inner).remove(&object);
        let mut by_object = self.by_object.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = by_object.remove(&object) {
            watch.revoked.store(true, Ordering::Release);
        }
    }
}

/// One object as this process has seen it.
#[derive(Debug)]
pub(crate) struct Watch {
    committed: AtomicU8,
    revoked: AtomicBool,
    evidence_read_ms: AtomicU64,
    /// Held while committing, so that parallel readers of one extent cause one commit, not many.
    turn: tokio::sync::Mutex<()>,
}

impl Watch {
    fn new(started: Duration) -> Self {
        Self {
            committed: AtomicU8::new(0),
            revoked: AtomicBool::new(false),
            evidence_read_ms: AtomicU64::new(millis(started)),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn committed(&self) -> Milestones {
        Milestones::from_bits(self.committed.load(Ordering::Acquire))
    }

    pub(crate) fn add(&self, milestones: Milestones) {
        self.committed.fetch_or(milestones.bits(), Ordering::AcqRel);
    }
}

/// Decides for one response what has to be durable before its next bytes may leave.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) object: ObjectId,
    pub(crate) medium: Medium,
    pub(crate) watch: Arc<Watch>,
    pub(crate) quiet: Arc<Quiet>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Arc<dyn Ledger>,
}

impl Gate {
    pub(crate) fn is_revoked(&self) -> bool {
        self.watch.revoked.load(Ordering::Acquire)
    }

    /// The commit that has to succeed before `extent` is sent, if any.
    pub(crate) fn commit_before(&self, extent: Extent) -> Option<Commit> {
        let committed = self.watch.committed();
        let crossed = self.medium.crossed_by(extent);
        let now = self.clock.monotonic();
        self.quiet.read(now);
        let mut needed = crossed.with(Milestone::Opened);
        if self.reopens(extent, committed, now) {
            needed = needed.with(Milestone::Reopened);
        }
        if self.boots_again(crossed, committed) {
            needed = needed.with(Milestone::BootAgain);
        }
        let needed = needed.without(committed);
        if needed.is_empty() {
            return None;
        }
        let ledger = Arc::clone(&self.ledger);
        Some(ledger.commit(self.object, Arc::clone(&self.watch), needed))
    }

    /// Notes that `extent` is being sent.
    pub(crate) fn sent(&self, extent: Extent) {
        // Descriptors do not count: some BMCs poll them by themselves for as long as media are in.
        if !self.medium.crossed_by(extent).is_empty() {
            let now = millis(self.clock.monotonic());
            self.watch.evidence_read_ms.fetch_max(now, Ordering::AcqRel);
            self.quiet.evidence();
        }
    }

    /// Hands the finished stretch to the read strip.
    pub(crate) fn observe(&self, extent: Extent) {
        self.ledger.observe(self.object, ReadSpan { extent, at: self.clock.unix_seconds() });
    }

    /// Only where the installer has read everything: before that its own system looks at the disc
    /// too, and may have taken long to come that far.
    fn reopens(&self, extent: Extent, committed: Milestones, now: Duration) -> bool {
        committed.contains(Milestone::TaskRead)
            && committed.contains(Milestone::Payload)
            && self.quiet.was_just_broken(now)
            && self.medium.is_looked_at_by(extent)
    }

    fn boots_again(&self, crossed: Milestones, committed: Milestones) -> bool {
        let last = self.watch.evidence_read_ms.load(Ordering::Acquire);
        let quiet = millis(self.clock.monotonic()).saturating_sub(last);
        crossed.contains(Milestone::BootImageRead)
            && committed.contains(Milestone::OsLoading)
            && quiet >= millis(QUIET)
    }
}

/// A [`Catalog`] behind a pointer, so that responses need no type parameter.
pub(crate) trait Ledger: std::fmt::Debug + Send + Sync {
    /// Commits what of `needed` is not durable yet when our turn comes.
    fn commit(self: Arc<Self>, object: ObjectId, watch: Arc<Watch>, needed: Milestones) -> Commit;

    fn observe(&self, object: ObjectId, read: ReadSpan);
}

/// The one [`Ledger`].
pub(crate) struct CatalogLedger<C>(pub(crate) Arc<C>);

impl<C> std::fmt::Debug for CatalogLedger<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CatalogLedger")
    }
}

impl<C: Catalog> Ledger for CatalogLedger<C> {
    fn commit(self: Arc<Self>, object: ObjectId, watch: Arc<Watch>, needed: Milestones) -> Commit {
        Box::pin(async move {
            let _turn = watch.turn.lock().await;
            for milestone in needed.without(watch.committed()).iter() {
                self.0.commit_milestone(object, milestone).await?;
                watch.add([milestone].into_iter().collect());
                tracing::info!(
                    object = %object.short(),
                    milestone = milestone.as_str(),
                    "media milestone"
                );
            }
            Ok(())
        })
    }

    fn observe(&self, object: ObjectId, read: ReadSpan) {
        self.0.observe(object, read);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
