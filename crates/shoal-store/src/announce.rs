//! What the world hears of a committed change: metrics, one log line, and a word to subscribers.
//! One function, so that none of the three can be forgotten by a caller.

use shoal_core::{Job, OutcomeKind, Status, StepKey, target_label};
use tokio::sync::broadcast;

use crate::{Change, transition::Transition};

/// Tells of a transition. Call it after the commit and exactly once.
pub(crate) fn announce(transition: &Transition, changes: &broadcast::Sender<Change>) {
    count(transition);
    if transition.told {
        log(transition);
    }
    // Nobody listening is no error.
    let _ = changes.send(Change {
        job: transition.record.job.id(),
        version: transition.record.version,
        event_id: transition.event_id,
        status: transition.record.job.status(),
    });
}

fn count(transition: &Transition) {
    let job = &transition.record.job;
    let target = target_label(&job.plan().task_target);
    let mut from = transition.from.map_or("none", Status::as_str);
    for to in statuses_entered(transition.from, job) {
        let to = to.as_str();
        metrics::counter!("job_transitions_total", "from" => from, "to" => to).increment(1);
        metrics::counter!("job_total", "status" => to).increment(1);
        from = to;
    }
    if let (true, Some(outcome)) = (transition.outcome_is_new, job.outcome()) {
        let kind = outcome.kind.as_str();
        let took = outcome.at.since(job.created_at());
        metrics::histogram!("job_duration_seconds", "outcome" => kind, "task_target" => target)
            .record(took);
        if let Some(step) = outcome.failed_step {
            let step = step.as_str();
            metrics::counter!("job_failures_total", "failed_step" => step, "task_target" => target)
                .increment(1);
        }
    }
    if let Some((stretch, took)) = transition.ended {
        let phase = stretch.as_str();
        metrics::histogram!(
            "provisioning_phase_duration_seconds", "phase" => phase, "task_target" => target
        )
        .record(took);
    }
}

/// The statuses a job went through in one transition. A job that needs no cleanup goes through its
/// outcome to complete at once; both count, or outcomes would be missing from the sums.
fn statuses_entered(from: Option<Status>, job: &Job) -> Vec<Status> {
    let to = job.status();
    if from == Some(to) {
        return Vec::new();
    }
    let outcome = job.outcome().map(|outcome| match outcome.kind {
        OutcomeKind::Succeeded => Status::Succeeded,
        OutcomeKind::Failed => Status::Failed,
        OutcomeKind::Cancelled => Status::Cancelled,
    });
    match outcome {
        Some(passed) if to == Status::Complete && from != Some(passed) => vec![passed, to],
        _ => vec![to],
    }
}

fn log(transition: &Transition) {
    let record = &transition.record;
    let job = &record.job;
    let failed_step =
        job.outcome().filter(|_| transition.outcome_is_new).and_then(|o| o.failed_step);
    tracing::info!(
        job_id = %job.id(),
        server_serial = job.serial().as_str(),
        trace_id = record.trace_id(),
        step = failed_step.or(transition.step).map(StepKey::as_str),
        event = transition.event,
        phase = job.phase().name(),
        phase_before = transition.phase_before,
        status = job.status().as_str(),
        outcome = job.outcome().map(|outcome| outcome.kind.as_str()),
        task_target = job.plan().task_target.as_str(),
        attempt = job.attempt(),
        version = record.version,
        duration_ms = transition.ended.and_then(|(_, took)| u64::try_from(took.as_millis()).ok()),
        "job event",
    );
}
