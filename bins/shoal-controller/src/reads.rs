//! What is read of media, collected between writes: BMCs read in thousands of small pieces, and a
//! database that hears of each would do nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use shoal_core::Time;
use shoal_media::{ObjectId, ReadSpan};
use shoal_store::{MediaReads, Store};
use tokio_util::sync::CancellationToken;

use crate::effects::chain;

/// How much of this a crash may lose.
const EVERY: Duration = Duration::from_secs(30);

/// Reads that the store has not heard of.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<HashMap<ObjectId, MediaReads>>);

impl Reads {
    /// Notes a read. Called while a response streams.
    pub(crate) fn note(&self, object: ObjectId, read: ReadSpan) {
        let at = Time::from_millis(read.at.saturating_mul(1000));
        let new = MediaReads::of(read.extent.offset(), read.extent.len(), at);
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.get_mut(&object) {
            Some(reads) => reads.add(&new),
            None => _ = pending.insert(object, new),
        }
    }

    /// Tells the store now and then, and once more at the end.
    pub(crate) async fn follow(self: Arc<Self>, store: Store, stop: CancellationToken) {
        let mut due = tokio::time::interval(EVERY);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(due.tick()).await.is_some() {
            self.flush(&store).await;
        }
        self.flush(&store).await;
    }

    async fn flush(&self, store: &Store) {
        let pending = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.is_empty() {
            return;
        }
        let reads = pending.into_iter().map(|(object, reads)| (object.0, reads)).collect();
        // Lost is lost: what is decided by reads is a milestone, and was stored before the bytes went.
        if let Err(error) = store.add_reads(reads).await {
            tracing::warn!(op = "media.reads", error = %chain(&error), "failed to store what was read of media");
        }
    }
}
