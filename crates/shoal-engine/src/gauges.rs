//! Gauges that describe the queue and the workers, sampled from the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use shoal_core::{Status, target_label};
use shoal_store::Record;

use crate::{dispatch::Chain, engine::Shared};

const SAMPLE: Duration = Duration::from_secs(10);

pub(crate) async fn sample(shared: Arc<Shared>) {
    // Targets that had a job since the start.
    let mut targets = BTreeSet::new();
    loop {
        if let Err(error) = once(&shared, &mut targets).await {
            tracing::error!(op = "sample", error = %Chain(&error), "failed to sample the queue");
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(SAMPLE) => {}
        }
    }
}

async fn once(
    shared: &Shared,
    targets: &mut BTreeSet<&'static str>,
) -> Result<(), shoal_store::Error> {
    let mut current: BTreeMap<(Status, &'static str), u64> = BTreeMap::new();
    for (status, target, count) in shared.store.counts().await? {
        *current.entry((status, target_label(&target))).or_default() += count;
    }
    // What has none left must say so, or its last count would stand for ever.
    targets.extend(current.keys().map(|(_, target)| *target));
    for (status, target) in
        Status::ALL.into_iter().flat_map(|s| targets.iter().map(move |t| (s, t)))
    {
        let count = current.get(&(status, *target)).copied().unwrap_or_default();
        metrics::gauge!("jobs_current", "status" => status.as_str(), "task_target" => *target)
            .set(as_f64(count));
    }
    let unfinished = shared.store.unfinished().await?;
    let now = shared.now();
    let mut stuck: BTreeMap<&str, u64> = targets.iter().map(|target| (*target, 0)).collect();
    for record in unfinished.iter().filter(|record| record.job.is_stuck(now)) {
        *stuck.entry(target_label(&record.job.plan().task_target)).or_default() += 1;
    }
    for (target, count) in stuck {
        metrics::gauge!("jobs_provisioning_stuck", "task_target" => target).set(as_f64(count));
    }
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Complete) {
        let age = oldest(&unfinished, status).map_or(0, |created| now.since(created).as_secs());
        metrics::gauge!("job_oldest_age_seconds", "status" => status.as_str()).set(as_f64(age));
    }
    let (busy, free) = shared.gate().places().busy_and_free();
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
