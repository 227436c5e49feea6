//! Silence as evidence: a machine that restarts looks at its discs anew after it has left them alone.
//!
//! A look is not one read, and not of one disc: firmware asks for the first sector, then for the
//! descriptors, of every disc in turn. So what counts is whether a read belongs to the first moments
//! after a long silence on all discs of one machine, not whether it is the very first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long media must have been left alone before another look at them counts as a new start. An
/// operating system that probes the disc does so while it reads from it.
pub const QUIET: Duration = Duration::from_mins(1);

/// The silence of one machine's media. Polls of a BMC which come more often than every minute break
/// it, so that it never begins where it would prove nothing.
#[derive(Debug)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug)]
struct State {
    last_read: Duration,
    broken_at: Option<Duration>,
}

impl Quiet {
    /// Nothing was read before `started`, as far as anyone can tell.
    pub(crate) fn new(started: Duration) -> Self {
        Self(Mutex::new(State { last_read: started, broken_at: None }))
    }

    /// Notes that something is about to be read.
    pub(crate) fn read(&self, now: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(state.last_read) >= QUIET {
            state.broken_at = Some(now);
        }
        state.last_read = state.last_read.max(now);
    }

    /// Whether the reads of these moments broke a long silence.
    pub(crate) fn was_just_broken(&self, now: Duration) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.broken_at.is_some_and(|broken| now.saturating_sub(broken) < QUIET)
    }

    /// What only a running system reads was read: the look that broke the silence was its own.
    pub(crate) fn evidence(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).broken_at = None;
    }
}
