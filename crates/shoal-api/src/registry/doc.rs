//! The calls about the registry, as the document describes them.

use serde_json::{Value, json};

use super::{
    PAGE,
    list::{Repositories, RetentionView, TOP, TOP_MAX, Tags},
    run::{CONFIRMATION_MAX, Runs},
    upload::Uploads,
};
use crate::{
    body::SMALL,
    error::Code,
    openapi::{
        Operation,
        shape::{component, or_null, text},
    },
    query,
    registrar::{ManifestSeen, RepositorySeen, Run, UsageSeen},
};

/// A repository of the examples.
const REPOSITORY: &str = "tools/partition";
/// A run of the examples.
const RUN: &str = "19a9c1de000-1";
/// An upload of the examples.
const UPLOAD: &str = "0123456789abcdef0123456789abcdef";

component!(
    /// The body of a POST of a run.
    RegistryRunRequest,
    |_| json!({
        "description": "Work on the registry. A check has no dry run; only a gc that is no dry \
                        run is confirmed.",
        "oneOf": [
            {
                "type": "object", "additionalProperties": false, "required": ["task"],
                "properties": {
                    "task": {"const": "gc"},
                    "dry_run": {"enum": [false, null]},
                    "confirmation": or_null(&text(1, CONFIRMATION_MAX)),
                },
            },
            {
                "type": "object", "additionalProperties": false, "required": ["task", "dry_run"],
                "properties": {
                    "task": {"const": "gc"},
                    "dry_run": {"const": true},
                    "confirmation": {"type": "null"},
                },
            },
            {
                "type": "object", "additionalProperties": false, "required": ["task"],
                "properties": {
                    "task": {"const": "retention"},
                    "dry_run": or_null(&json!({"type": "boolean"})),
                    "confirmation": {"type": "null"},
                },
            },
            {
                "type": "object", "additionalProperties": false, "required": ["task"],
                "properties": {
                    "task": {"const": "check"},
                    "dry_run": {"enum": [false, null]},
                    "confirmation": {"type": "null"},
                },
            },
        ],
    })
);

pub(super) fn repositories() -> Operation {
    let path = "/api/v1/registry/repositories";
    registry(Operation::get(path, "list_repositories", "Repositories, a page at a time"))
        .query("prefix", "Only names that begin with this.", json!({"type": "string"}))
        .query("limit", "Entries of a page.", query::limit_schema(PAGE))
        .query("cursor", "`next` of the page before.", json!({"type": "string"}))
        .answers::<Repositories>(200, "A page")
}

pub(super) fn repository() -> Operation {
    let path = "/api/v1/registry/repositories/{repository}";
    in_repository(Operation::get(path, "show_repository", "One repository"))
        .answers::<RepositorySeen>(200, "What it holds")
        .refuses([Code::NoRepository])
}

pub(super) fn tags() -> Operation {
    let path = "/api/v1/registry/repositories/{repository}/tags";
    in_repository(Operation::get(path, "list_tags", "Tags of a repository, a page at a time"))
        .query("limit", "Entries of a page.", query::limit_schema(PAGE))
        .query("cursor", "`next` of the page before.", json!({"type": "string"}))
        .answers::<Tags>(200, "A page")
        .refuses([Code::NoRepository])
}

pub(super) fn manifest() -> Operation {
    let path = "/api/v1/registry/repositories/{repository}/manifests/{reference}";
    let reference = json!({"type": "string", "minLength": 1});
    in_repository(Operation::get(path, "show_manifest", "A manifest with everything below it"))
        .about("Nested indexes and referrers are told as far as eight levels.")
        .named("reference", "A tag, or a digest such as `sha256:…`.", reference, json!("v1"))
        .answers::<ManifestSeen>(200, "The manifest")
        .refuses([Code::NoManifest, Code::NoRepository])
}

pub(super) fn usage() -> Operation {
    let path = "/api/v1/registry/usage";
    let top = json!({"type": "integer", "minimum": 1, "maximum": TOP_MAX, "default": TOP});
    registry(Operation::get(path, "registry_usage", "What is stored, and who holds most"))
        .query("top", "How many repositories are told.", top)
        .answers::<UsageSeen>(200, "What is stored, and what of it could go")
}

pub(super) fn retention() -> Operation {
    let path = "/api/v1/registry/retention";
    let summary = "What the rules of retention would do, a page at a time";
    registry(Operation::get(path, "registry_retention", summary))
        .query("repository", "Only its tags.", json!({"type": "string"}))
        .query("limit", "Tags of a page.", query::limit_schema(PAGE))
        .query("cursor", "`next` of the page before.", tag_cursor())
        .answers::<RetentionView>(200, "The rules, and tags with what becomes of them")
        .refuses([Code::NoRepository])
}

pub(super) fn uploads() -> Operation {
    let path = "/api/v1/registry/uploads";
    registry(Operation::get(path, "list_uploads", "Uploads that have not ended"))
        .answers::<Uploads>(200, "All of them, the longest untouched first")
}

pub(super) fn remove_upload() -> Operation {
    let path = "/api/v1/registry/uploads/{id}";
    let id = json!({"type": "string", "minLength": 1});
    registry(Operation::delete(path, "remove_upload", "Give up an upload"))
        .about("What it has received is removed; its client is told that it is unknown.")
        .named("id", "The upload's id.", id, json!(UPLOAD))
        .answers_nothing(204, "It is gone")
        .refuses([Code::NoUpload, Code::UploadBusy])
}

pub(super) fn runs() -> Operation {
    registry(Operation::get("/api/v1/registry/runs", "list_runs", "Work on the registry"))
        .about("As far as this process remembers: a few, and none from before its start.")
        .answers::<Runs>(200, "The runs, the newest first")
}

pub(super) fn begin() -> Operation {
    registry(Operation::post("/api/v1/registry/runs", "begin_run", "Begin work on the registry"))
        .about("It goes on without whoever asked; one run at a time.")
        .takes::<RegistryRunRequest>(SMALL)
        .example("dry", json!({"task": "gc", "dry_run": true}))
        .example("check", json!({"task": "check"}))
        .answers::<Run>(202, "The run")
        .located()
        .refuses([Code::RegistryBusy, Code::RegistryReadOnly, Code::Unconfirmed])
}

pub(super) fn run() -> Operation {
    with_run(Operation::get("/api/v1/registry/runs/{id}", "show_run", "One run"))
        .answers::<Run>(200, "How it is now")
}

pub(super) fn stop() -> Operation {
    with_run(Operation::delete("/api/v1/registry/runs/{id}", "stop_run", "Ask a run to stop"))
        .about("What was done stays done. One that has ended stays as it is.")
        .answers::<Run>(202, "How it is now; its state tells when it has stopped")
}

/// A repository and a tag.
fn tag_cursor() -> Value {
    let pattern = "^[a-z0-9]+((\\.|_|__|-+|/)[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$";
    json!({"type": "string", "pattern": pattern, "maxLength": 384})
}

fn with_run(operation: Operation) -> Operation {
    let id: Value = json!({"type": "string", "minLength": 1});
    registry(operation).named("id", "The run's id.", id, json!(RUN)).refuses([Code::NoRun])
}

fn in_repository(operation: Operation) -> Operation {
    let name = json!({"type": "string", "minLength": 1});
    let about = "The repository; its slashes are written as %2F.";
    registry(operation).named("repository", about, name, json!(REPOSITORY))
}

/// Every call about the registry is refused where there is none.
fn registry(operation: Operation) -> Operation {
    operation.tag("registry").refuses([Code::RegistryOff])
}
