//! What is kept for how long: once a day, history that has grown old is forgotten, in transactions
//! small enough that jobs under way do not notice.

use std::{sync::Arc, time::Duration};

use shoal_core::Time;
use shoal_engine::Clock;
use shoal_store::{Chore, Store};
use tokio_util::sync::CancellationToken;

use crate::{
    care::Ledger,
    effects::{Mediums, chain},
    settings::InForce,
};

const DAY: Duration = Duration::from_hours(24);

/// Everything that grows old.
pub(crate) struct Retention {
    /// Jobs, their history, the audit log.
    pub(crate) store: Store,
    /// Files of jobs.
    pub(crate) mediums: Arc<Mediums>,
    /// For how long.
    pub(crate) in_force: InForce,
    /// What time it is.
    pub(crate) clock: Clock,
    /// Where it is written down that files were looked after.
    pub(crate) ledger: Ledger,
}

impl Retention {
    /// Forgets what is too old, now and daily until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut daily = tokio::time::interval(DAY);
        while stop.run_until_cancelled(daily.tick()).await.is_some() {
            // Every batch is whole by itself; what a stop leaves is the next start's.
            if stop.run_until_cancelled(self.pass()).await.is_none() {
                return;
            }
        }
    }

    async fn pass(&self) {
        let jobs = self.in_force.now().jobs.clone();
        let before = |days: u32| earlier(self.clock.now(), DAY * days);
        if self.files(before(jobs.retention_days)).await {
            self.ledger.done(Chore::TaskCollection).await;
        } else {
            metrics::counter!("gc_failures_total", "kind" => "tasks").increment(1);
        }
        let history = before(jobs.history_days);
        match self.store.prune_jobs(history).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "jobs older than JOB_HISTORY_DAYS were forgotten"),
            Err(error) => tracing::error!(error = %chain(&error), "failed to forget old jobs"),
        }
        match self.store.prune_audit(history).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(count, "audit entries older than JOB_HISTORY_DAYS were forgotten");
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), "failed to forget old audit entries");
            }
        }
    }

    /// Deletes what is left on disk of jobs that were complete before `before`, or that nobody
    /// knows. Usually a job's files are deleted at its end; these are the ones that could not be.
    /// Answers whether all of it could be done.
    async fn files(&self, before: Time) -> bool {
        let Some(kept) = self.mediums.kept().await else { return false };
        let mut all = true;
        for job in kept {
            match self.store.job(job).await {
                Ok(Some(record)) if record.job.completed_at().is_none_or(|at| at >= before) => {}
                Ok(_) => all &= self.mediums.remove(job).await,
                Err(error) => {
                    tracing::error!(job_id = %job, error = %chain(&error), "failed to read a job");
                    all = false;
                }
            }
        }
        all
    }
}

fn earlier(now: Time, span: Duration) -> Time {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Time::from_millis(now.as_millis().saturating_sub(span))
}

#[cfg(test)]
mod tests;
