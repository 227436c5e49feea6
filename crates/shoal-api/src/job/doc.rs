//! The calls of jobs, as the document describes them.

use serde_json::{Value, json};
use shoal_core::Status;
use shoal_webhook::TRACEPARENT_HEADER;

use super::{
    create::KEY_MAX,
    list,
    preview::Preview,
    request,
    show::Shown,
    told::{Moved, Requeued, Told},
    transcript::Transcripts,
    view::Accepted,
};
use crate::{
    body::SMALL,
    error::Code,
    openapi::{
        Operation,
        shape::{self, JOB, Labels, SERIAL, component, of, or_null},
    },
    query,
};

component!(
    /// The body of a POST of a job, which [`request`] reads.
    JobRequest,
    |generator| json!({
        "description": "A request for a job.",
        "type": "object", "additionalProperties": false, "required": ["server_serial", "recipe"],
        "properties": {
            "server_serial": of::<shape::ServerSerial>(generator),
            "recipe": of::<shape::Recipe>(generator),
            "maintenance_iso_url": or_null(&json!({
                "description": "A boot medium other than the configured one, http or https. What \
                                is read of it is not seen.",
                "type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 2048,
            })),
            "priority": or_null(&priority()),
            "labels": or_null(&of::<Labels>(generator)),
            "on_failure": or_null(&of::<shape::OnFailure>(generator)),
        },
    })
);
component!(
    /// Both answers with 200 to a POST of a job.
    JobKnownOrDryRun,
    |generator| json!({
        "anyOf": [of::<Accepted<'_>>(generator), of::<Preview<'_>>(generator)],
    })
);
component!(
    /// The body of cancel and fail.
    Stop,
    |_| json!({
        "description": "How to end a job.",
        "type": "object", "additionalProperties": false,
        "properties": {"force": or_null(&json!({
            "description": "Ends it even while firmware may be written, which may break the machine.",
            "type": "boolean", "default": false,
        }))},
    })
);
component!(
    /// The body of decide.
    Decision,
    |_| json!({
        "description": "An operator's answer to a held job.",
        "type": "object", "additionalProperties": false, "required": ["decision"],
        "properties": {"decision": {"enum": ["retry", "failed", "succeeded"]}},
    })
);
component!(
    /// The body of requeue.
    Requeue,
    |_| json!({
        "description": "How to do a job again.",
        "type": "object", "additionalProperties": false,
        "properties": {"replace": or_null(&json!({
            "description": "Ends an unfinished job first, and takes its place.",
            "type": "boolean", "default": false,
        }))},
    })
);
component!(
    /// The body of priority.
    Priority,
    |_| json!({
        "description": "A queued job's new priority.",
        "type": "object", "additionalProperties": false, "required": ["priority"],
        "properties": {"priority": priority()},
    })
);

fn priority() -> Value {
    let most = request::PRIORITY_MAX;
    json!({
        "description": "Higher goes first.",
        "type": "integer", "minimum": -most, "maximum": most, "default": 0,
    })
}

pub(super) fn list() -> Operation {
    Operation::get("/api/v1/jobs", "list_jobs", "Jobs, the newest first, a page at a time")
        .tag("jobs")
        .query("limit", "Jobs of a page.", query::limit_schema(list::PAGE))
        .query("cursor", "`next` of the page before.", shape::job_id())
        .query("status", "Only these.", json!({"enum": Status::ALL.map(Status::as_str)}))
        .query("server_serial", "Only of this server.", shape::serial())
        .query("task_target", "Only of this target.", json!({"type": "string"}))
        .query(
            "since",
            "Only created then or later.",
            json!({"type": "string", "format": "date-time"}),
        )
        .switch("stuck", "Only without progress for longer than their threshold.")
        .answers::<list::Page<'_>>(200, "A page")
}

pub(super) fn create() -> Operation {
    let key =
        json!({"type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~]+$"});
    let probe = json!({"enum": ["live", "last"], "default": "last"});
    let trace = json!({"type": "string", "examples": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]});
    Operation::post("/api/v1/jobs", "create_job", "Ask for a job, or for the plan it would have")
        .about(
            "The job is stored before this answers. The same request with the same \
             `Idempotency-Key` answers with the job it made, however often and however late.",
        )
        .tag("jobs")
        .switch("dry_run", "Stores nothing and shows the plan.")
        .query("probe", "With `dry_run` only: whether the BMC is asked now.", probe)
        .header("Idempotency-Key", "Names this request among those of the same caller.", key)
        .header(
            TRACEPARENT_HEADER,
            "The trace which the job joins; malformed ones are ignored.",
            trace,
        )
        .takes::<JobRequest>(request::BODY_MAX)
        .example("linux", asked(include_str!("../../../../schemas/examples/linux.json")))
        .example("windows", asked(include_str!("../../../../schemas/examples/windows.json")))
        .example("esxi", asked(include_str!("../../../../schemas/examples/esxi.json")))
        .example("firmware", asked(include_str!("../../../../schemas/examples/firmware.json")))
        .answers::<Accepted<'_>>(202, "The job is in the queue")
        .located()
        .answers::<JobKnownOrDryRun>(200, "The job this request made before, or its plan")
        .refuses([Code::NoServer, Code::ActiveJob, Code::Quarantined, Code::KeyReused])
}

fn asked(recipe: &str) -> Value {
    let recipe: Value = serde_json::from_str(recipe).unwrap_or_default();
    json!({"server_serial": SERIAL, "recipe": recipe, "labels": {"rack": "b12"}})
}

pub(super) fn show() -> Operation {
    of_job(Operation::get("/api/v1/jobs/{id}", "show_job", "One job, all about it"))
        .answers::<Shown<'_>>(200, "The job")
}

pub(super) fn transcripts() -> Operation {
    let path = "/api/v1/jobs/{id}/transcripts";
    of_job(Operation::get(path, "job_transcripts", "What was said to the BMC before steps failed"))
        .answers::<Transcripts>(200, "The newest transcript of each failed step")
}

pub(super) fn cancel() -> Operation {
    stop(Operation::post("/api/v1/jobs/{id}/cancel", "cancel_job", "End a job as cancelled"))
}

pub(super) fn fail() -> Operation {
    stop(Operation::post("/api/v1/jobs/{id}/fail", "fail_job", "End a job as failed"))
}

fn stop(operation: Operation) -> Operation {
    of_job(operation)
        .about("The job is cleaned up as after every outcome. Saying it again changes nothing.")
        .takes::<Stop>(SMALL)
        .optionally()
        .example("gently", json!({}))
        .answers::<Told<'_>>(202, "The job is told")
        .refuses([Code::JobState])
}

pub(super) fn decide() -> Operation {
    let path = "/api/v1/jobs/{id}/decide";
    of_job(Operation::post(path, "decide_job", "Say what becomes of a held job"))
        .takes::<Decision>(SMALL)
        .example("failed", json!({"decision": "failed"}))
        .answers::<Told<'_>>(202, "The job is told")
        .refuses([Code::JobState])
}

pub(super) fn requeue() -> Operation {
    let path = "/api/v1/jobs/{id}/requeue";
    of_job(Operation::post(path, "requeue_job", "Do a job again, as a new one"))
        .takes::<Requeue>(SMALL)
        .optionally()
        .example("replace", json!({"replace": true}))
        .answers::<Requeued<'_>>(202, "The new job is in the queue")
        .located()
        .refuses([Code::NoServer, Code::ActiveJob, Code::Quarantined])
}

pub(super) fn reprioritise() -> Operation {
    let path = "/api/v1/jobs/{id}/priority";
    of_job(Operation::post(path, "prioritise_job", "Move a job in the queue"))
        .takes::<Priority>(SMALL)
        .example("first", json!({"priority": 100}))
        .answers::<Moved>(200, "Where it stands now")
        .refuses([Code::JobState])
}

/// A call about one job.
pub(crate) fn of_job(operation: Operation) -> Operation {
    operation
        .tag("jobs")
        .named("id", "The job's id.", shape::job_id(), json!(JOB))
        .refuses([Code::NoJob])
}
