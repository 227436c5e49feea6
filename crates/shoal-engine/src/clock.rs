//! Wall time that does not jump ahead under those who use it.
//!
//! When the wall clock is stepped forward, everybody goes on with the old count until the jobs'
//! deadlines have been moved; only then the new time counts. Stepped back, it counts at once, before
//! they are moved. Either way a job looked at in between finds its deadline too far away for a moment,
//! and never long past.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use shoal_core::Time;

/// Less than this is drift, which deadlines of minutes do not mind.
const STEP: Duration = Duration::from_secs(30);

/// Tells wall time. Clones tell the same.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall: Box<dyn Fn() -> Time + Send + Sync>,
    monotonic: Box<dyn Fn() -> Duration + Send + Sync>,
    /// The last moment at which both were believed.
    anchor: Mutex<(Time, Duration)>,
}

/// The machine's own clock. A clock before 1970 reads as 1970.
pub fn system_clock() -> Clock {
    let start = Instant::now();
    Clock::new(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        },
        move || start.elapsed(),
    )
}

impl Clock {
    /// A clock of a wall clock and of one that only goes forward.
    pub fn new(
        wall: impl Fn() -> Time + Send + Sync + 'static,
        monotonic: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let anchor = Mutex::new((wall(), monotonic()));
        Self(Arc::new(Inner { wall: Box::new(wall), monotonic: Box::new(monotonic), anchor }))
    }

    /// Now; while a step forward is not accepted, what it would be without the step.
    pub fn now(&self) -> Time {
        let (wall, expected) = self.read();
        if wall.since(expected) > STEP { expected } else { wall }
    }

    /// By how many milliseconds the wall clock was stepped, if it was and nobody accepted it yet.
    pub(crate) fn stepped(&self) -> Option<i64> {
        let (wall, expected) = self.read();
        let distance = distance(wall, expected);
        let delta = i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
        (distance > STEP).then_some(if wall >= expected { delta } else { -delta })
    }

    /// Believes the wall clock as it is: after a step was dealt with, and now and then for drift.
    pub(crate) fn accept(&self) {
        let now = ((self.0.wall)(), (self.0.monotonic)());
        *self.0.anchor.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn read(&self) -> (Time, Time) {
        let (then, at) = *self.0.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        ((self.0.wall)(), then + (self.0.monotonic)().saturating_sub(at))
    }
}

fn distance(a: Time, b: Time) -> Duration {
    a.since(b).max(b.since(a))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_step_is_told_and_one_forward_counts_only_once_it_is_accepted() {
        let (wall, monotonic) = (Arc::new(AtomicU64::new(1_000_000)), Arc::new(AtomicU64::new(0)));
        let (w, m) = (wall.clone(), monotonic.clone());
        let clock = Clock::new(
            move || Time::from_millis(w.load(Ordering::SeqCst)),
            move || Duration::from_millis(m.load(Ordering::SeqCst)),
        );
        wall.store(1_030_000, Ordering::SeqCst);
        assert_eq!((clock.stepped(), clock.now()), (None, Time::from_millis(1_030_000)));
        wall.store(9_000_000, Ordering::SeqCst);
        monotonic.store(5_000, Ordering::SeqCst);
        assert_eq!((clock.stepped(), clock.now()), (Some(7_995_000), Time::from_millis(1_005_000)));
        clock.accept();
        assert_eq!((clock.stepped(), clock.now()), (None, Time::from_millis(9_000_000)));
        wall.store(400_000, Ordering::SeqCst);
        assert_eq!((clock.stepped(), clock.now()), (Some(-8_600_000), Time::from_millis(400_000)));
        clock.accept();
        assert_eq!((clock.stepped(), clock.now()), (None, Time::from_millis(400_000)));
    }
}
