//! Places for connections. Anybody can open one and say nothing, so when all places are taken it is
//! the connection which has been idle longest that makes room: whoever really wants something says so
//! within moments of arriving, and is not idle while it is answered.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All places of one listener.
pub(super) struct Places {
    cut: CancellationToken,
    free: Arc<Semaphore>,
    /// Idle connections by when they became so, the longest first.
    idle: Mutex<BTreeMap<u64, CancellationToken>>,
    clock: AtomicU64,
    more_idle: Notify,
}

/// A connection's place; given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    cut: CancellationToken,
    requests: AtomicUsize,
    since: AtomicU64,
    _permit: OwnedSemaphorePermit,
}

/// A request under way keeps its connection from counting as idle.
pub(super) struct Busy(Arc<Place>);

impl Places {
    /// So many places; cancelling `cut` cuts whoever has one.
    pub(super) fn new(count: usize, cut: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            cut,
            free: Arc::new(Semaphore::new(count)),
            idle: Mutex::default(),
            clock: AtomicU64::new(0),
            more_idle: Notify::new(),
        })
    }

    /// A place for a connection that has just come; waits only if nobody else's is idle.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Arc<Place>> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            let acquired = Arc::clone(&self.free).acquire_owned();
            if self.make_room() {
                break acquired.await.ok()?;
            }
            tokio::select! {
                permit = acquired => break permit.ok()?,
                () = self.more_idle.notified() => {}
            }
        };
        let place = Arc::new(Place {
            places: Arc::clone(self),
            cut: self.cut.child_token(),
            requests: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            _permit: permit,
        });
        place.idle();
        Some(place)
    }

    /// Cuts the connection that has been idle longest, if any is.
    fn make_room(&self) -> bool {
        let longest = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
        if let Some((_, cut)) = &longest {
            cut.cancel();
        }
        longest.is_some()
    }
}

impl Place {
    /// Cancelled when another connection needs the place more, or all are cut.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// A request has come.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        if self.requests.fetch_add(1, Ordering::SeqCst) == 0 {
            self.not_idle();
        }
        Busy(Arc::clone(self))
    }

    fn idle(&self) {
        let since = self.places.clock.fetch_add(1, Ordering::SeqCst);
        let mut idle = self.places.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.since.store(since, Ordering::SeqCst);
        idle.insert(since, self.cut.clone());
        drop(idle);
        self.places.more_idle.notify_one();
    }

    fn not_idle(&self) {
        let mut idle = self.places.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.remove(&self.since.load(Ordering::SeqCst));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.not_idle();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_is_idle_longest_makes_room_and_the_busy_stay() {
        let places = Places::new(3, CancellationToken::new());
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(places.take().await.unwrap());
        }
        let asked = taken[0].busy();
        drop(taken[2].busy());

        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await.unwrap() }
        });
        taken[1].cut().cancelled().await;
        drop(taken.remove(1));
        let come = waiting.await.unwrap();

        assert!(!taken[0].cut().is_cancelled() && !taken[1].cut().is_cancelled());
        let also_asked = [taken[1].busy(), come.busy()];
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await.unwrap() }
        });
        drop(asked);
        taken[0].cut().cancelled().await;
        drop(taken.remove(0));
        waiting.await.unwrap();
        drop(also_asked);
    }
}
