//! From the queue to a task of its own: claims, and wake-ups by what was committed.

use std::{sync::Arc, time::Duration};

use shoal_core::{JobId, Status};
use shoal_store::Change;
use tokio::sync::broadcast;
use tracing::Instrument;

use crate::{effects::Effects, engine::Shared, places::Place, tend};

/// Wait after the store failed, before asking it again.
pub(crate) const STORE_PAUSE: Duration = Duration::from_secs(2);

/// Starts a task for a job, unless it has one.
pub(crate) fn tend<E: Effects>(
    shared: &Arc<Shared>,
    effects: &Arc<E>,
    job: JobId,
    place: Option<Place>,
) {
    let Some(wake) = shared.begin(job) else { return };
    let span = tracing::info_span!(
        "job",
        job_id = %job,
        server_serial = tracing::field::Empty,
        trace_id = tracing::field::Empty,
        worker_id = place.as_ref().map(|place| shared.worker(place)),
    );
    let tender =
        tend::Tender { shared: shared.clone(), effects: effects.clone(), job, wake, place };
    shared.tasks.spawn(tender.run().instrument(span));
}

/// Takes jobs out of the queue while there are workers for them.
pub(crate) async fn claim<E: Effects>(shared: Arc<Shared>, effects: Arc<E>) {
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.gate().changed() => {}
            () = tokio::time::sleep(shared.settings.sweep) => {}
        }
        while shared.is_picking() {
            let Some(place) = shared.gate().places().try_take() else { break };
            let limits = shared.gate().limits();
            match shared.store.claim(&shared.lease, &limits, shared.now()).await {
                Ok(Some(record)) => tend(&shared, &effects, record.job.id(), Some(place)),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(op = "claim", error = %Chain(&error), "failed to claim a job");
                    tokio::time::sleep(STORE_PAUSE).await;
                    break;
                }
            }
        }
    }
}

/// Wakes whoever a commit concerns.
pub(crate) async fn follow(shared: Arc<Shared>, mut changes: broadcast::Receiver<Change>) {
    // Jobs may have been queued before anybody listened.
    shared.gate().wake();
    loop {
        let change = tokio::select! {
            () = shared.stopping.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) if change.status == Status::Queued => shared.gate().wake(),
            Ok(change) => shared.wake(change.job),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                shared.wake_all();
                shared.gate().wake();
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Prints an error with all its causes on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
