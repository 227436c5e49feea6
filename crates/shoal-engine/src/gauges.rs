//! Gauges that describe the queue and the workers, sampled from the store.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use shoal_core::Status;
use shoal_store::Record;

use crate::{dispatch::Chain, engine::Shared};

const SAMPLE: Duration = Duration::from_secs(10);

pub(crate) async fn sample(shared: Arc<Shared>) {
    loop {
        if let Err(error) = once(&shared).await {
            tracing::error!(op = "sample", error = %Chain(&error), "failed to sample the queue");
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(SAMPLE) => {}
        }
    }
}

async fn once(shared: &Shared) -> Result<(), shoal_store::Error> {
    for (status, target, count) in shared.store.counts().await? {
        metrics::gauge!("jobs_current", "status" => status.as_str(), "task_target" => target)
            .set(as_f64(count));
    }
    let unfinished = shared.store.unfinished().await?;
    let now = shared.now();
    let mut stuck: BTreeMap<&str, u64> = BTreeMap::new();
    for record in &unfinished {
        *stuck.entry(&record.job.plan().task_target).or_default() +=
            u64::from(record.job.is_stuck(now));
    }
    for (target, count) in stuck {
        metrics::gauge!("jobs_provisioning_stuck", "task_target" => target.to_owned())
            .set(as_f64(count));
    }
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Complete) {
        let age = oldest(&unfinished, status).map_or(0, |created| now.since(created).as_secs());
        metrics::gauge!("job_oldest_age_seconds", "status" => status.as_str()).set(as_f64(age));
    }
    let free = shared.workers.available_permits();
    let busy = shared.settings.workers.saturating_sub(free);
    metrics::gauge!("worker_slots", "state" => "free").set(as_f64(free as u64));
    metrics::gauge!("worker_slots", "state" => "busy").set(as_f64(busy as u64));
    metrics::gauge!("worker_picking").set(if shared.is_picking() { 1.0 } else { 0.0 });
    metrics::gauge!("instance_lock_held").set(1.0);
    Ok(())
}

fn oldest(jobs: &[Record], status: Status) -> Option<shoal_core::Time> {
    jobs.iter().filter(|r| r.job.status() == status).map(|r| r.job.created_at()).min()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of jobs or seconds needs no 53 bits")]
fn as_f64(value: u64) -> f64 {
    value as f64
}
