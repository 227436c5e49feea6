//! Watches the wall clock, and leaves a sign of life from which the next start tells how long it
//! was away.

use std::{sync::Arc, time::Duration};

use shoal_core::{Event, Time};

use crate::{dispatch::Chain, engine::Shared};

const BEAT: Duration = Duration::from_secs(5);

pub(crate) async fn clock(shared: Arc<Shared>) {
    loop {
        match shared.clock.stepped() {
            None => shared.clock.accept(),
            Some(delta) if tell_all(&shared, delta).await => {
                shared.clock.accept();
                shared.wake_all();
            }
            // The jobs could not be read: everybody goes on with the old count until they can.
            Some(_) => {}
        }
        alive(&shared, shared.now()).await;
        tokio::select! {
            () = shared.stopping.cancelled() => break,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
    alive(&shared, shared.now()).await;
}

/// Moves every pending point in time of jobs and servers; false if none was, and it has to be tried again.
async fn tell_all(shared: &Shared, delta: i64) -> bool {
    tracing::warn!(delta_ms = delta, "the wall clock was stepped; pending deadlines move with it");
    let now = shared.now();
    let jobs = match shared.store.unfinished().await {
        Ok(jobs) => jobs,
        Err(error) => {
            tracing::error!(op = "clock_stepped", error = %Chain(&error), "failed to read the jobs");
            return false;
        }
    };
    // Before the jobs, and only once: what fails here is tried again from the beginning.
    if let Err(error) = shared.store.step_servers(delta).await {
        tracing::error!(op = "clock_stepped", error = %Chain(&error), "failed to move what servers wait for");
        return false;
    }
    for record in jobs {
        let event = Event::ClockStepped { delta };
        if let Err(error) = shared.store.record(record.job.id(), event, now, None).await {
            let job_id = record.job.id();
            tracing::error!(op = "clock_stepped", %job_id, error = %Chain(&error), "failed to move a job's deadlines");
        }
    }
    true
}

async fn alive(shared: &Shared, now: Time) {
    if let Err(error) = shared.store.alive(now).await {
        tracing::error!(op = "alive", error = %Chain(&error), "failed to leave a sign of life");
    }
}
