//! The trace of each job: one for its whole life, told in short spans.
//!
//! Spans are exported when they end, so one that lasts as long as a job is lost with the process that
//! began it. Each try of a command is a span of its own instead; a process says once, by a span
//! `job.attempt`, that it took the job up, and links that to those of the processes before it. What
//! nobody performs, the waits and the job as a whole, is told at the job's end from its history.

mod past;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use shoal_core::{Command, JobId, Milestone, Verdict};
use shoal_store::{Record, Store};
use shoal_telemetry::traces::{self, Spans};
use tracing::{Span, field::Empty};

use crate::effects::chain;

/// Events of one job that are looked at when its run is told.
const EVENTS: u32 = 1000;

/// Tells of jobs. Clones tell the same.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Inner>);

struct Inner {
    store: Store,
    spans: Spans,
    instance: String,
    /// By which span this process took a job up.
    taken_up: Mutex<HashMap<JobId, String>>,
}

impl Trace {
    pub(crate) fn new(store: Store, spans: Spans, instance: String) -> Self {
        Self(Arc::new(Inner { store, spans, instance, taken_up: Mutex::default() }))
    }

    /// The span of one try of a command, under the span with which this process took the job up.
    pub(crate) async fn phase(&self, record: &Record, command: Command) -> Span {
        let step = command.step().as_str();
        let span = tracing::info_span!(
            "phase",
            "otel.name" = step,
            "otel.status_code" = Empty,
            "error.type" = Empty,
            job_id = %record.job.id(),
            server_serial = record.job.serial().as_str(),
            trace_id = record.trace_id(),
            step,
            op = command.name(),
            attempt = record.job.attempt(),
            tries = record.job.tries(),
        );
        if let Some(parent) = self.parent(record).await {
            traces::join(&span, &parent);
        }
        span
    }

    /// The span of a milestone of the job's media, under the job's first span: a machine reads
    /// whatever the controller does meanwhile.
    pub(crate) fn milestone(record: &Record, milestone: Milestone) -> Span {
        let opened = milestone == Milestone::Opened;
        let span = tracing::info_span!(
            "media.milestone",
            "otel.name" = if opened { "media.open" } else { "media.milestone" },
            "otel.kind" = "server",
            job_id = %record.job.id(),
            server_serial = record.job.serial().as_str(),
            trace_id = record.trace_id(),
            attempt = record.job.attempt(),
            milestone = milestone.as_str(),
        );
        if let Some(first) = &record.traceparent {
            traces::join(&span, first);
        }
        span
    }

    async fn parent(&self, record: &Record) -> Option<String> {
        let first = record.traceparent.as_deref().filter(|_| self.0.spans.are_exported())?;
        let job = record.job.id();
        if let Some(known) = self.taken_up().get(&job) {
            return Some(known.clone());
        }
        let own = self.take_up(record, first).await;
        self.taken_up().insert(job, own.clone());
        Some(own)
    }

    /// Says that this process took the job up, and answers the span that says so.
    async fn take_up(&self, record: &Record, first: &str) -> String {
        let job = record.job.id();
        let span = tracing::info_span!(
            "job.attempt",
            job_id = %job,
            server_serial = record.job.serial().as_str(),
            trace_id = record.trace_id(),
            instance = self.0.instance.as_str(),
            phase = record.job.phase().name(),
        );
        traces::join(&span, first);
        let Some(own) = traces::traceparent(&span) else { return first.to_owned() };
        match self.0.store.taken_up(job, own.clone()).await {
            Ok(before) => {
                for earlier in &before {
                    traces::follow(&span, earlier);
                }
            }
            Err(error) => {
                tracing::warn!(job_id = %job, error = %chain(&error), "a trace lost a link");
            }
        }
        own
    }

    /// The jobs this process took up and has not heard the end of.
    pub(crate) fn under_way(&self) -> Vec<JobId> {
        self.taken_up().keys().copied().collect()
    }

    /// What is known of a job that is gone.
    pub(crate) fn forget(&self, job: JobId) {
        self.taken_up().remove(&job);
    }

    /// Tells the whole run of a job that is complete, unless somebody has.
    pub(crate) async fn ended(&self, record: &Record) {
        let Inner { store, spans, .. } = &*self.0;
        let Some(first) = record.traceparent.as_deref().filter(|_| spans.are_exported()) else {
            return;
        };
        let job = record.job.id();
        self.taken_up().remove(&job);
        let told = async {
            let Some(links) = store.tell_run(job).await? else { return Ok(()) };
            let Some(run) = spans.tell(first, past::run(record, links)) else { return Ok(()) };
            for wait in past::waits(&store.last_events(job, EVENTS).await?) {
                spans.tell(&run, wait);
            }
            Ok(())
        };
        let told: Result<(), shoal_store::Error> = told.await;
        if let Err(error) = told {
            tracing::warn!(job_id = %job, error = %chain(&error), "the run of a job is in no trace");
        }
    }

    fn taken_up(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, String>> {
        self.0.taken_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a try ended.
pub(crate) fn answered(span: &Span, verdict: &Verdict) {
    let failed = match verdict {
        Verdict::Done { .. } => return,
        Verdict::Refused { .. } => "refused",
        Verdict::Unknown { .. } => "unknown",
    };
    span.record("otel.status_code", "ERROR");
    span.record("error.type", failed);
}
