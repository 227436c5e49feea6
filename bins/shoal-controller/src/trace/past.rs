//! What a job's history says of the time nobody performed anything, and of the whole.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shoal_core::{OutcomeKind, StepKey, Time};
use shoal_store::{Record, StoredEvent};
use shoal_telemetry::traces::Past;

/// Phases in which a job waits: for its turn, for its machine, for an operator.
const WAITS: [&str; 7] =
    ["queued", "await_boot", "await_report", "await_flash", "await_installer", "settle", "held"];

/// A complete job from its request to its end.
pub(super) fn run(record: &Record, links: Vec<String>) -> Past {
    let job = &record.job;
    let outcome = job.outcome();
    let failed = outcome.filter(|outcome| outcome.kind == OutcomeKind::Failed);
    let step = failed.map(|outcome| outcome.failed_step.map_or("other", StepKey::as_str));
    let mut attributes = vec![
        ("job_id", job.id().to_string()),
        ("server_serial", job.serial().as_str().to_owned()),
        ("task_target", job.plan().task_target.as_str().to_owned()),
        ("attempt", job.attempt().to_string()),
    ];
    if let Some(outcome) = outcome {
        attributes.push(("outcome", outcome.kind.as_str().to_owned()));
    }
    Past {
        name: "job.run".into(),
        start: wall(job.created_at()),
        end: wall(job.completed_at().unwrap_or(record.updated_at)),
        attributes,
        links,
        failed: step,
    }
}

/// The waits of a history, whose oldest events may be missing.
pub(super) fn waits(events: &[StoredEvent]) -> Vec<Past> {
    let mut waits = Vec::new();
    let mut since = None;
    for event in events {
        if event.name == "created" {
            since = Some(event.at);
        }
        let (Some(from), true) = (event.detail.get("from"), event.name == "phase") else {
            continue;
        };
        if let Some(start) = since.filter(|_| WAITS.contains(&from.as_str())) {
            waits.push(Past {
                name: "wait".into(),
                start: wall(start),
                end: wall(event.at),
                attributes: vec![("phase", from.clone())],
                links: Vec::new(),
                failed: None,
            });
        }
        since = Some(event.at);
    }
    waits
}

fn wall(time: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, name: &str, detail: &[(&str, &str)]) -> StoredEvent {
        let detail = detail.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        StoredEvent {
            id: 1,
            job: shoal_core::JobId::from_u128(1),
            at: Time::from_millis(at),
            version: 1,
            name: name.to_owned(),
            detail: detail.collect(),
            trace_id: None,
        }
    }

    #[test]
    fn only_waits_are_told_and_only_those_whose_beginning_is_known() {
        let history = [
            event(1_000, "created", &[]),
            event(3_000, "phase", &[("from", "queued"), ("to", "discover")]),
            event(3_500, "note", &[]),
            event(4_000, "phase", &[("from", "discover"), ("to", "await_report")]),
            event(9_000, "phase", &[("from", "await_report"), ("to", "settle")]),
        ];
        let told = |events: &[StoredEvent]| -> Vec<(String, u128)> {
            let told = waits(events).into_iter().map(|wait| {
                let took = wait.end.duration_since(wait.start).unwrap();
                (wait.attributes[0].1.clone(), took.as_millis())
            });
            told.collect()
        };
        let (queued, report) = (("queued".to_owned(), 2_000), ("await_report".to_owned(), 5_000));
        assert_eq!(told(&history), [queued, report.clone()]);
        assert_eq!(told(&history[3..]), [report]);
        assert_eq!(told(&history[4..]), []);
    }
}
