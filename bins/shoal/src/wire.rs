//! What this program understands of the API's answers. Each view has the members that tables show;
//! everything else in an answer is ignored here and passed on untouched in JSON.

mod installation;
mod refusal;
pub(crate) mod registry;
mod server;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::span::span;

pub(crate) use installation::{Audited, Change, DrainState, Key, Reloaded, SetKey, Setting, Token};
pub(crate) use refusal::{Detail, Refusal};
pub(crate) use server::{
    Certificate, Finding, Login, Machine, MediaPlan, Probe, Server, Slot, Tls,
};

/// A job, in a list or alone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Job {
    #[serde(rename = "job_id")]
    pub(crate) id: String,
    pub(crate) server_serial: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) phase: Option<String>,
    #[serde(default)]
    pub(crate) outcome: Option<String>,
    #[serde(default)]
    pub(crate) failed_step: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) waiting_for: Option<String>,
    #[serde(default)]
    pub(crate) task_target: Option<String>,
    #[serde(default)]
    pub(crate) attempt: Option<u32>,
    #[serde(default)]
    pub(crate) progress: Option<Progress>,
    #[serde(default)]
    pub(crate) position: Option<u64>,
    /// Jobs that hold a worker's place while this one is queued.
    #[serde(default)]
    pub(crate) ahead_active: Option<u64>,
    #[serde(default)]
    pub(crate) estimate: Option<Estimate>,
    /// The unfinished job whose place it takes.
    #[serde(default, rename = "after_job")]
    pub(crate) replaces: Option<String>,
    /// Why an operator is asked.
    #[serde(default)]
    pub(crate) held: Option<String>,
    #[serde(default)]
    pub(crate) fault: Option<Fault>,
    #[serde(default)]
    pub(crate) evidence: Option<Evidence>,
    #[serde(default)]
    pub(crate) media_plan: Option<MediaPlan>,
    #[serde(default)]
    pub(crate) media: Vec<Reads>,
    #[serde(default)]
    pub(crate) stuck: bool,
    #[serde(default)]
    pub(crate) retry_of: Option<String>,
    #[serde(default)]
    pub(crate) trace_id: Option<String>,
    #[serde(default)]
    pub(crate) priority: Option<i64>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) deadline: Option<Timestamp>,
    #[serde(default)]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) updated_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) progressed_at: Option<Timestamp>,
}

/// What the machine last said about its own progress.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Progress {
    #[serde(default)]
    pub(crate) step: Option<String>,
    #[serde(default)]
    pub(crate) percent: Option<u8>,
    #[serde(default)]
    pub(crate) bytes: Option<u64>,
}

/// When a queued job will probably start.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) starts_in_seconds: u64,
}

/// The last thing that went wrong, if it did not end the job.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fault {
    pub(crate) summary: String,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    #[serde(default)]
    pub(crate) step: Option<String>,
    #[serde(default)]
    pub(crate) tries: u32,
}

/// What the reads of our media prove.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Evidence {
    #[serde(default)]
    pub(crate) says: Option<String>,
    #[serde(default)]
    pub(crate) milestones: BTreeMap<String, Timestamp>,
}

/// What was read of one medium in the current attempt.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reads {
    pub(crate) medium: String,
    #[serde(default)]
    pub(crate) slot: Option<String>,
    pub(crate) bytes_read: u64,
    pub(crate) last_read_at: Timestamp,
}

impl Job {
    /// Whether nothing is left to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.status == "complete"
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.outcome.as_deref() == Some("succeeded")
    }

    /// Whether it waits for an operator's decision.
    pub(crate) fn is_held(&self) -> bool {
        self.phase.as_deref() == Some("held")
    }

    /// Status and, where it says more, the outcome.
    pub(crate) fn state(&self) -> String {
        match &self.outcome {
            Some(outcome) if *outcome != self.status => format!("{} ({outcome})", self.status),
            _ => self.status.clone(),
        }
    }

    /// One line about why the job is where it is.
    pub(crate) fn now(&self) -> String {
        if let Some(step) = &self.failed_step {
            return match &self.message {
                Some(message) => format!("{step}: {message}"),
                None => step.clone(),
            };
        }
        if self.outcome.is_some() {
            return self.message.clone().unwrap_or_default();
        }
        let mut parts = Vec::new();
        if self.stuck {
            parts.push("stuck".to_owned());
        }
        parts.extend(self.position.map(|position| format!("number {position} in the queue")));
        parts.extend(self.progress.as_ref().and_then(Progress::text));
        if let Some(waiting) = &self.waiting_for {
            parts.push(format!("waits for {waiting}"));
        }
        parts.join("; ")
    }
}

impl Estimate {
    /// Completes "it starts ...".
    pub(crate) fn text(&self) -> String {
        match self.starts_in_seconds {
            0 => "probably at once".to_owned(),
            seconds => format!("probably in {}", span(seconds)),
        }
    }
}

impl Fault {
    /// All of it on one line.
    pub(crate) fn text(&self) -> String {
        let step = self.step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
        let detail = self.detail.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
        let tries = if self.tries > 1 { format!(" ({} tries)", self.tries) } else { String::new() };
        format!("{step}{}{detail}{tries}", self.summary)
    }
}

impl Progress {
    /// Step, percentage and bytes, as far as known.
    pub(crate) fn text(&self) -> Option<String> {
        let percent = self.percent.map(|percent| format!("{percent} %"));
        let bytes = self.bytes.map(|bytes| format!("{} MiB", bytes / (1024 * 1024)));
        let parts: Vec<String> =
            [self.step.clone(), percent, bytes].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

/// One entry of a job's history.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) job_id: String,
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    /// Depends on the kind.
    #[serde(default)]
    pub(crate) detail: Map<String, Value>,
}

impl Event {
    /// Kind and details on one line.
    pub(crate) fn text(&self) -> String {
        happened(&self.kind, &self.detail)
    }
}

/// What happened, with its details, on one line.
pub(crate) fn happened(kind: &str, detail: &Map<String, Value>) -> String {
    let detail = detail.iter().map(|(name, value)| match value {
        Value::String(plain) if !plain.contains([' ', '"']) => format!("{name}={plain}"),
        value => format!("{name}={value}"),
    });
    std::iter::once(kind.to_owned()).chain(detail).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(more: &Value) -> Job {
        let mut value = json!({"job_id": "j", "server_serial": "S", "status": "provisioning"});
        let more = more.as_object().unwrap().clone();
        value.as_object_mut().unwrap().extend(more);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_job_needs_three_members_and_tolerates_unknown_ones() {
        let job = job(&json!({"of_a_later_release": {"x": [1]}, "phase": null}));

        assert_eq!(job.state(), "provisioning");
        assert_eq!(job.now(), "");
    }

    #[test]
    fn the_line_about_a_job_prefers_its_failure_then_its_progress_then_what_it_waits_for() {
        let queued = job(&json!({"status": "queued", "position": 3, "stuck": false,
            "waiting_for": "a free worker"}));
        let failed = job(&json!({"outcome": "failed", "failed_step": "workflow.partition",
            "message": "no such disk", "waiting_for": "x"}));
        let running = job(&json!({"waiting_for": "the maintenance OS to report",
            "progress": {"step": "workflow.image-linux", "percent": 40, "bytes": 3_145_728}}));

        assert_eq!(queued.now(), "number 3 in the queue; waits for a free worker");
        assert_eq!(failed.state(), "provisioning (failed)");
        assert_eq!(failed.now(), "workflow.partition: no such disk");
        assert_eq!(
            running.now(),
            "workflow.image-linux 40 % 3 MiB; waits for the maintenance OS to report"
        );
    }

    #[test]
    fn an_event_is_one_line_whatever_it_carries() {
        let event: Event = serde_json::from_value(json!({"id": 7, "job_id": "j", "kind": "phase",
            "at": "2025-11-05T10:00:00.000Z", "of_a_later_release": 1,
            "detail": {"from": "queued", "note": "two words", "tries": 3}}))
        .unwrap();

        assert_eq!(event.text(), "phase from=queued note=\"two words\" tries=3");
    }
}
