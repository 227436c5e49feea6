//! What a controller tells of itself: the lines of a job, its trace, and that nobody who listens badly
//! costs anything.

mod dead;
pub(crate) mod rotel;
mod story;
mod trace;

use crate::suite::Scenario;

/// Scenarios that need nothing of others.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = story::scenarios();
    scenarios.extend(trace::scenarios());
    scenarios.extend(dead::scenarios());
    scenarios
}
