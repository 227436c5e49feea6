//! The webhook, as the document describes it. The contract itself is `docs/webhook.md`.

use serde_json::{Value, json};
use shoal_webhook::{Effect, ID_MAX, NAME_MAX, PATH, REPORT_MAX};

use crate::{
    error::Code,
    openapi::{
        Operation,
        shape::{self, JOB, SERIAL, component, or_null, text},
    },
};

component!(
    /// `shoal_webhook::Report`.
    Report,
    |_| json!({
        "description": "What the maintenance OS reports. Unknown members, and members that do not \
                        belong to the status, are ignored.",
        "type": "object", "required": ["status"],
        "properties": {
            "status": {"enum": ["success", "failed", "progress"]},
            "delivery_id": or_null(&id()),
            "job_id": or_null(&id()),
            "attempt": or_null(&json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})),
            "message": or_null(&json!({"type": "string"})),
            "build": or_null(&text(1, NAME_MAX)),
        },
        "allOf": [
            when("failed", &json!({
                "required": ["failed_step"],
                "properties": {
                    "failed_step": text(1, NAME_MAX),
                    "unit": or_null(&text(1, NAME_MAX)),
                },
            })),
            when("progress", &json!({
                "properties": {
                    "step": or_null(&text(1, NAME_MAX)),
                    "percent": or_null(&json!({"type": "integer", "minimum": 0, "maximum": 100})),
                    "bytes": or_null(&json!({"type": "integer", "minimum": 0})),
                },
            })),
        ],
    })
);
component!(
    /// `shoal_webhook::Answer`.
    ReportAnswer,
    |_| {
        let effects = [Effect::Recorded, Effect::Duplicate, Effect::Ignored].map(Effect::as_str);
        json!({
        "description": "The report has arrived and need not be sent again.",
        "type": "object", "required": ["result", "message"],
        "properties": {
            "result": {"enum": effects},
            "message": {"type": "string"},
        },
    })}
);

fn id() -> Value {
    json!({"type": "string", "pattern": format!("^[A-Za-z0-9._-]{{1,{ID_MAX}}}$")})
}

fn when(status: &str, then: &Value) -> Value {
    json!({
        "if": {"required": ["status"], "properties": {"status": {"const": status}}},
        "then": then,
    })
}

pub(super) fn receive() -> Operation {
    Operation::post(PATH, "report", "Report how an attempt goes or ended")
        .about(
            "The secret decides which job and attempt a report is about; what the body says of \
             them explains and decides nothing.",
        )
        .tag("machines")
        .of_machine()
        .named("server_serial", "The server's serial.", shape::serial(), json!(SERIAL))
        .takes::<Report>(REPORT_MAX)
        .example("success", json!({"status": "success", "job_id": JOB, "delivery_id": "boot-1"}))
        .example("failed", json!({"status": "failed", "failed_step": "workflow.partition"}))
        .example("progress", json!({"status": "progress", "step": "image-linux", "percent": 40}))
        .answers::<ReportAnswer>(200, "It has arrived")
        .refuses([
            Code::TokenMissing,
            Code::CertificateMissing,
            Code::TokenWrong,
            Code::CertificateForeign,
            Code::NoReportedJob,
            Code::Unexpected,
        ])
}
