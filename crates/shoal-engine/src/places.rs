//! Places for jobs that work on their BMCs, and what keeps a dead BMC from costing others theirs.
//!
//! Two rules do it. Whoever tries something again takes a place in a lane of its own, so that any
//! number of BMCs which refuse or hang never fill the places of those that answer. And a command
//! that is not answered for a while gives its place away: waiting costs nothing but a socket.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    first: Arc<Lane>,
    again: Arc<Lane>,
    numbers: Arc<Numbers>,
}

/// In which lane a command is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing went wrong so far.
    First,
    /// It failed, or nobody knows whether it did.
    Again,
}

#[derive(Debug)]
struct Lane {
    permits: Arc<Semaphore>,
    wanted: AtomicUsize,
    /// Places that are too many but taken; they vanish when they are given back.
    surplus: AtomicUsize,
}

/// The numbers of taken places, of both lanes.
#[derive(Debug, Default)]
struct Numbers(Mutex<BTreeSet<usize>>);

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    turn: Turn,
    number: usize,
    numbers: Arc<Numbers>,
    lane: Arc<Lane>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self { first: Lane::new(count), again: Lane::new(count), numbers: Arc::default() }
    }

    pub(crate) fn resize(&self, count: usize) {
        self.first.resize(count);
        self.again.resize(count);
    }

    /// Waits for a place. Whoever asked first gets it first; none when no place will ever be free.
    pub(crate) async fn take(&self, turn: Turn) -> Option<Place> {
        let lane = self.lane(turn).clone();
        let permit = lane.permits.clone().acquire_owned().await.ok()?;
        Some(self.place(turn, lane, permit))
    }

    /// A place for a job out of the queue, if one is free and nobody waits for it.
    pub(crate) fn try_take(&self) -> Option<Place> {
        let lane = self.first.clone();
        let permit = lane.permits.clone().try_acquire_owned().ok()?;
        Some(self.place(Turn::First, lane, permit))
    }

    fn place(&self, turn: Turn, lane: Arc<Lane>, permit: OwnedSemaphorePermit) -> Place {
        let numbers = self.numbers.clone();
        Place { turn, number: numbers.take(), numbers, lane, permit: Some(permit) }
    }

    /// How many of the first lane's places are taken, and how many are free.
    pub(crate) fn busy_and_free(&self) -> (usize, usize) {
        let free = self.first.permits.available_permits();
        (self.first.wanted.load(Ordering::SeqCst).saturating_sub(free), free)
    }

    fn lane(&self, turn: Turn) -> &Arc<Lane> {
        match turn {
            Turn::First => &self.first,
            Turn::Again => &self.again,
        }
    }
}

impl Lane {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(count)),
            wanted: AtomicUsize::new(count),
            surplus: AtomicUsize::new(0),
        })
    }

    fn resize(&self, count: usize) {
        let before = self.wanted.swap(count, Ordering::SeqCst);
        if count < before {
            let gone = self.permits.forget_permits(before - count);
            self.surplus.fetch_add(before - count - gone, Ordering::SeqCst);
            return;
        }
        let mut more = count - before;
        while more > 0 && self.one_too_many() {
            more -= 1;
        }
        self.permits.add_permits(more);
    }

    /// Whether there was a place too many; it is settled then.
    fn one_too_many(&self) -> bool {
        let settle = |surplus: usize| surplus.checked_sub(1);
        self.surplus.fetch_update(Ordering::SeqCst, Ordering::SeqCst, settle).is_ok()
    }
}

impl Numbers {
    /// The lowest number nobody has, from 1.
    fn take(&self) -> usize {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One more than are taken, so one of them is free.
        let free = (1..=taken.len() + 1).find(|number| !taken.contains(number));
        let number = free.unwrap_or_default();
        taken.insert(number);
        number
    }

    fn give_back(&self, number: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}

impl Place {
    /// Which place it is, from 1; no two that are taken at one time have the same.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn turn(&self) -> Turn {
        self.turn
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.numbers.give_back(self.number);
        if let Some(permit) = self.permit.take()
            && self.lane.one_too_many()
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{task::JoinSet, time::Instant};

    use super::*;

    const WORKERS: usize = 4;
    const COMMAND: Duration = Duration::from_secs(2);
    const COMMANDS: u32 = 6;
    const TIMEOUT: Duration = Duration::from_mins(3);
    const BACKOFF: Duration = Duration::from_mins(1);
    const TRIES: u32 = 8;

    #[tokio::test]
    async fn taken_places_have_different_numbers_and_low_ones_are_used_again() {
        let places = Places::new(2);
        let first = places.try_take().unwrap();
        let second = places.try_take().unwrap();
        let again = places.take(Turn::Again).await.unwrap();
        assert_eq!([first.number(), second.number(), again.number()], [1, 2, 3]);
        drop(first);
        assert_eq!(places.try_take().unwrap().number(), 1);
    }

    /// When each job ended, in seconds of virtual time, if these have a dead BMC.
    async fn ends(jobs: usize, patience: Duration, dead: impl Fn(usize) -> bool) -> Vec<f64> {
        let places = Arc::new(Places::new(WORKERS));
        let start = Instant::now();
        let mut running = JoinSet::new();
        for job in 0..jobs {
            let (places, dead) = (places.clone(), dead(job));
            running.spawn(async move {
                if dead {
                    hangs(&places, patience).await;
                } else {
                    works(&places).await;
                }
                (job, start.elapsed().as_secs_f64())
            });
        }
        let mut ends = running.join_all().await;
        ends.sort_by_key(|(job, _)| *job);
        ends.into_iter().map(|(_, end)| end).collect()
    }

    async fn works(places: &Places) {
        let _place = places.take(Turn::First).await.unwrap();
        tokio::time::sleep(COMMAND * COMMANDS).await;
    }

    async fn hangs(places: &Places, patience: Duration) {
        for tried in 0..TRIES {
            let turn = if tried == 0 { Turn::First } else { Turn::Again };
            let place = places.take(turn).await.unwrap();
            tokio::time::sleep(TIMEOUT.min(patience)).await;
            drop(place);
            tokio::time::sleep(TIMEOUT.saturating_sub(patience)).await;
            tokio::time::sleep(BACKOFF).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_bmc_makes_nobody_end_later() {
        let patience = crate::engine::Settings::default().patience;
        let healthy = ends(40, patience, |_| false).await;
        for dead in [0, 7, 39] {
            let ends = ends(40, patience, |job| job == dead).await;
            for job in (0..40).filter(|job| *job != dead) {
                assert!(ends[job] <= healthy[job], "{job} ended at {} s", ends[job]);
            }
        }
        // The rule does something: who held on to its place would make others wait.
        let held = ends(40, TIMEOUT, |job| job == 0).await;
        assert!((1..40).any(|job| held[job] > healthy[job]));
    }

    #[tokio::test(start_paused = true)]
    async fn one_dead_bmc_in_ten_makes_nobody_end_later() {
        let patience = crate::engine::Settings::default().patience;
        let healthy = ends(200, patience, |_| false).await;
        let ends = ends(200, patience, |job| job % 10 == 3).await;
        for job in (0..200).filter(|job| job % 10 != 3) {
            assert!(ends[job] <= healthy[job], "{job} ended at {} s", ends[job]);
        }
    }

    #[tokio::test]
    async fn places_become_more_and_fewer_while_they_are_taken() {
        let places = Places::new(2);
        let taken = [places.try_take().unwrap(), places.try_take().unwrap()];
        assert!(places.try_take().is_none());
        places.resize(1);
        let [one, other] = taken;
        drop(one);
        assert!(places.try_take().is_none(), "one place is left, and it is taken");
        places.resize(3);
        let more = [places.try_take().unwrap(), places.try_take().unwrap()];
        assert!(places.try_take().is_none());
        drop((more, other));
        assert_eq!(places.busy_and_free(), (0, 3));
    }
}
