//! Watches the wall clock, and leaves a sign of life from which the next start tells how long it
//! was away.

use std::{sync::Arc, time::Duration};

use shoal_core::{Event, Time};
use tokio::time::Instant;

use crate::{dispatch::Chain, engine::Shared};

const BEAT: Duration = Duration::from_secs(5);
/// Less than this is drift, which deadlines of minutes do not mind.
const STEP: u64 = 30_000;

pub(crate) async fn clock(shared: Arc<Shared>) {
    let mut wall = shared.now();
    let mut monotonic = Instant::now();
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => break,
            () = tokio::time::sleep(BEAT) => {}
        }
        let (now, at) = (shared.now(), Instant::now());
        if let Some(delta) = stepped(wall + at.duration_since(monotonic), now) {
            tell_all(&shared, delta, now).await;
        }
        (wall, monotonic) = (now, at);
        alive(&shared, now).await;
    }
    alive(&shared, shared.now()).await;
}

/// By how many milliseconds the clock was stepped, if it was.
fn stepped(expected: Time, now: Time) -> Option<i64> {
    let distance = expected.as_millis().abs_diff(now.as_millis());
    let delta = i64::try_from(distance).unwrap_or(i64::MAX);
    (distance > STEP).then_some(if now >= expected { delta } else { -delta })
}

async fn tell_all(shared: &Shared, delta: i64, now: Time) {
    tracing::warn!(delta_ms = delta, "the wall clock was stepped; pending deadlines move with it");
    let jobs = match shared.store.unfinished().await {
        Ok(jobs) => jobs,
        Err(error) => {
            tracing::error!(op = "clock_stepped", error = %Chain(&error), "failed to read the jobs");
            return;
        }
    };
    for record in jobs {
        let event = Event::ClockStepped { delta };
        if let Err(error) = shared.store.record(record.job.id(), event, now, None).await {
            tracing::error!(op = "clock_stepped", job_id = %record.job.id(), error = %Chain(&error), "failed to move a job's deadlines");
        }
    }
}

async fn alive(shared: &Shared, now: Time) {
    if let Err(error) = shared.store.alive(now).await {
        tracing::error!(op = "alive", error = %Chain(&error), "failed to leave a sign of life");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_no_step_and_steps_have_a_direction() {
        let at = Time::from_millis;
        assert_eq!(stepped(at(1_000_000), at(1_030_000)), None);
        assert_eq!(stepped(at(1_000_000), at(1_030_001)), Some(30_001));
        assert_eq!(stepped(at(1_000_000), at(400_000)), Some(-600_000));
    }
}
