//! The clock of the simulated machine, so that an installation of an hour passes in a second or
//! exactly when a test says so; nothing in the simulation reads the time elsewhere.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// Time of one simulated machine, counted from the clock's creation.
///
/// Clones share the time. A scaled clock runs by itself; a manual one moves only when its
/// [`ClockHand`] advances it.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Scaled { start: Instant, factor: u32 },
    Manual(Arc<watch::Sender<Duration>>),
}

/// Moves a manual [`Clock`].
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<watch::Sender<Duration>>);

impl Clock {
    /// A clock that runs `factor` times as fast as real time; a factor of 0 counts as 1.
    pub fn scaled(factor: u32) -> Self {
        Self(Kind::Scaled { start: Instant::now(), factor: factor.max(1) })
    }

    /// A clock that stands still until its hand moves it.
    pub fn manual() -> (Self, ClockHand) {
        let time = Arc::new(watch::Sender::new(Duration::ZERO));
        (Self(Kind::Manual(Arc::clone(&time))), ClockHand(time))
    }

    /// Time passed on this clock.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::Scaled { start, factor } => start.elapsed().saturating_mul(*factor),
            Kind::Manual(time) => *time.borrow(),
        }
    }

    /// Waits until this clock shows `at`.
    pub(crate) async fn sleep_until(&self, at: Duration) {
        match &self.0 {
            Kind::Scaled { factor, .. } => {
                tokio::time::sleep(at.saturating_sub(self.now()) / *factor).await;
            }
            Kind::Manual(time) => {
                // The sender lives in this clock, so the wait cannot end with an error.
                let _ = time.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Where a timeline that stood at `at` goes on after real work such as reading a medium.
    ///
    /// On a scaled clock that work took time. On a manual clock it takes none, so that a test
    /// may advance far ahead and the timeline still has every step at its own time.
    pub(crate) fn resume(&self, at: Duration) -> Duration {
        match &self.0 {
            Kind::Scaled { .. } => at.max(self.now()),
            Kind::Manual(_) => at,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::scaled(1)
    }
}

impl ClockHand {
    /// Moves the clock forward and wakes whatever waits for a time up to then.
    pub fn advance(&self, span: Duration) {
        self.0.send_modify(|now| *now += span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_only_by_its_hand() {
        let (clock, hand) = Clock::manual();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Duration::from_secs(10)).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        hand.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand.advance(Duration::from_secs(1));
        assert_eq!(sleeper.await.unwrap(), Duration::from_secs(10));
    }

    #[test]
    fn work_takes_no_time_on_a_manual_clock_only() {
        let (manual, hand) = Clock::manual();
        hand.advance(Duration::from_secs(100));
        assert_eq!(manual.resume(Duration::from_secs(7)), Duration::from_secs(7));
        assert!(Clock::scaled(1000).resume(Duration::ZERO) > Duration::ZERO);
    }
}
