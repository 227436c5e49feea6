//! Every wait in this crate is bounded by a deadline and grows, so that a dead BMC costs little and
//! a slow one is given its time. This is the only place where the crate sleeps.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Pauses that double up to a limit and end at a deadline.
pub(crate) struct Patience {
    deadline: Instant,
    next: Duration,
    most: Duration,
    /// However long the change itself took, its effect is looked for at least once.
    unused: bool,
}

impl Patience {
    pub(crate) fn new(limit: Duration, first: Duration, most: Duration) -> Self {
        // A pause of nothing would turn a wait into a busy loop.
        let first = first.max(Duration::from_millis(1));
        Self { deadline: Instant::now() + limit, next: first, most: most.max(first), unused: true }
    }

    /// Sleeps for the pause the BMC asked for, else for the next one. False when the deadline would
    /// pass meanwhile; nothing is slept then. The first pause of our own is always granted.
    pub(crate) async fn pause(&mut self, hint: Option<Duration>) -> bool {
        let pause = hint.map_or(self.next, |hint| hint.max(Duration::from_millis(1)));
        // A wish beyond the end of time is one beyond the deadline.
        let in_time = Instant::now().checked_add(pause).is_some_and(|wake| wake <= self.deadline);
        let first = std::mem::take(&mut self.unused) && hint.is_none();
        if !in_time && !first {
            return false;
        }
        self.next = (self.next * 2).min(self.most);
        sleep(pause).await;
        true
    }
}

/// The end of a time that several requests share.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A limit beyond the end of time is none.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    pub(crate) fn at(end: Option<Instant>) -> Self {
        Self(end)
    }

    /// How long the next request may take. It is never nothing, as a request without any time would
    /// not even say what is wrong.
    pub(crate) fn left(self) -> Duration {
        let least = Duration::from_millis(1);
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()).max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_and_end_at_the_deadline() {
        let start = Instant::now();
        let mut patience =
            Patience::new(Duration::from_secs(20), Duration::from_secs(1), Duration::from_secs(4));
        let mut pauses = 0;
        while patience.pause(None).await {
            pauses += 1;
        }
        // 1 + 2 + 4 + 4 + 4 + 4 = 19 seconds; a seventh pause would end after the deadline.
        assert_eq!((pauses, start.elapsed()), (6, Duration::from_secs(19)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_pause_is_granted_even_when_the_deadline_has_passed() {
        let second = Duration::from_secs(1);
        let mut patience = Patience::new(Duration::ZERO, second, second);
        assert!(patience.pause(None).await);
        assert!(!patience.pause(None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_beyond_the_deadline_ends_the_wait_at_once() {
        let mut patience =
            Patience::new(Duration::from_secs(20), Duration::from_secs(1), Duration::from_secs(4));
        assert!(!patience.pause(Some(Duration::from_hours(1))).await);
        assert!(!patience.pause(Some(Duration::from_secs(u64::MAX))).await);
        assert!(patience.pause(Some(Duration::from_secs(3))).await);
    }
}
