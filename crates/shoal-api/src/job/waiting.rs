//! Why a job does not move: one sentence for operators, one code for programs. What is so is said
//! by the engine's core, by the store and by the gate of the queue; the words are put together here.

use std::collections::BTreeMap;

use shoal_core::{JobId, Status, Time, WaitingFor};
use shoal_engine::{Closed, Gate, Pressure};
use shoal_store::{HeldBack, Record};

use crate::{api::Shared, error::Error, timestamp::At};

/// Why a job waits.
pub(super) struct Waiting {
    /// Stable for programs.
    pub(super) code: &'static str,
    /// Completes "the job waits for ...".
    pub(super) text: String,
    /// When that will be over, where somebody knows.
    pub(super) until: Option<Time>,
}

/// What must be known besides the jobs themselves to say why they wait.
pub(super) struct Situation {
    gate: Gate,
    held_back: BTreeMap<JobId, HeldBack>,
}

impl Situation {
    /// The situation of these jobs. The store is asked only about those in the queue.
    pub(super) async fn of(shared: &Shared, records: &[Record]) -> Result<Self, Error> {
        let gate = shared.api.gate.clone();
        let queued = records.iter().map(|record| &record.job);
        let queued = queued.filter(|job| job.status() == Status::Queued);
        let queued: Vec<_> = queued.map(shoal_core::Job::id).collect();
        if queued.is_empty() {
            return Ok(Self { gate, held_back: BTreeMap::new() });
        }
        let limits = gate.limits();
        let held_back = shared.store().held_back(queued, &limits, shared.now());
        let held_back = held_back.await.map_err(Error::store)?;
        Ok(Self { gate, held_back })
    }

    /// Why the job waits; none while it works or is complete.
    pub(super) fn waiting(&self, record: &Record, now: Time) -> Option<Waiting> {
        let job = &record.job;
        if job.status() == Status::Queued {
            return Some(self.queued(job.id(), job.waiting_for(now)));
        }
        if self.gate.waits_for_worker(job.id()) {
            return Some(Waiting::of(&WaitingFor::Worker));
        }
        job.waiting_for(now).map(|waiting_for| Waiting::of(&waiting_for))
    }

    fn queued(&self, job: JobId, waiting_for: Option<WaitingFor>) -> Waiting {
        if let Some(held_back) = self.held_back.get(&job) {
            return Waiting::held_back(held_back);
        }
        if let Some(first_boot @ WaitingFor::FirstBoot { .. }) = waiting_for {
            return Waiting::of(&first_boot);
        }
        match self.gate.closed() {
            Some(closed) => Waiting::closed(&closed),
            None => Waiting::of(&WaitingFor::Worker),
        }
    }
}

impl Waiting {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), until: None }
    }

    fn of(waiting_for: &WaitingFor) -> Self {
        let new = Self::new(waiting_for.code(), waiting_for.to_string());
        match waiting_for {
            WaitingFor::FirstBoot { until } => {
                let text = format!("{}, until {}", new.text, At(*until));
                Self { text, until: Some(*until), ..new }
            }
            WaitingFor::Decision(_) => {
                Self { text: format!("{}; decide retry, failed or succeeded", new.text), ..new }
            }
            _ => new,
        }
    }

    fn held_back(held_back: &HeldBack) -> Self {
        match held_back {
            HeldBack::AfterJob { job, held: false } => {
                Self::new("after_job", format!("the end of job {job}, whose place it takes"))
            }
            HeldBack::AfterJob { job, held: true } => Self::new(
                "after_job",
                format!("an operator's decision about job {job}, whose place it takes"),
            ),
            HeldBack::Quarantined { reason } => {
                Self::new("quarantine", format!("the server's quarantine to be lifted: {reason}"))
            }
            HeldBack::FirstBoot { until } => Self::of(&WaitingFor::FirstBoot { until: *until }),
            HeldBack::BmcBusy { job } => {
                Self::new("bmc_busy", format!("job {job}, which works on the same BMC"))
            }
            HeldBack::LabelFull { label, value, limit } => Self::new(
                "label_limit",
                format!("one of the {limit} jobs under way with the label {label}={value} to end"),
            ),
            HeldBack::AllFull { limit } => Self::new(
                "active_limit",
                format!("one of the {limit} jobs that may be under way to end"),
            ),
        }
    }

    fn closed(closed: &Closed) -> Self {
        match closed {
            Closed::Draining => {
                Self::new("draining", "an operator to end the drain of this controller")
            }
            Closed::NoWorkers => {
                Self::new("no_workers", "workers: WORKER_CONCURRENCY is 0, which starts nothing")
            }
            Closed::Pressure(Pressure::SlowCommits { took }) => Self::new(
                "slow_commits",
                format!("the database: its last commit took {:.1} s", took.as_secs_f64()),
            ),
            Closed::Pressure(Pressure::LittleSpace { path, free_bytes }) => Self::new(
                "little_space",
                format!(
                    "room on the disk of {}: {} MiB are left",
                    path.display(),
                    free_bytes / (1024 * 1024)
                ),
            ),
        }
    }
}
