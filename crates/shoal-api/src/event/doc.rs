//! The calls of events, as the document describes them.

use serde_json::{Value, json};

use super::{PAGE, Page};
use crate::{error::Code, job, openapi::Operation, query};

pub(super) fn of_job() -> Operation {
    let operation =
        Operation::get("/api/v1/jobs/{id}/events", "job_events", "What happened to a job");
    listed(job::of_job(operation))
        .answers_nothing(204, "The job is complete and the stream has nothing more")
}

pub(super) fn of_all() -> Operation {
    listed(Operation::get("/api/v1/events", "events", "What happens to all jobs"))
}

fn listed(operation: Operation) -> Operation {
    operation
        .tag("events")
        .about(
            "With `Accept: text/event-stream` the answer is a stream that begins after \
             `Last-Event-ID` (or `after`), each message an `Event` under its id, and goes on as \
             things happen; that of one job ends with the job.",
        )
        .query("after", "Only events with a larger id.", id())
        .query("limit", "Events of a page.", query::limit_schema(PAGE))
        .header("Last-Event-ID", "The same as `after`, which it goes before.", id())
        .answers::<Page>(200, "A page, oldest first; or a stream")
        .answers_as(200, "", "text/event-stream", json!({"type": "string"}))
        .refuses([Code::Validation])
}

fn id() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": i64::MAX})
}
