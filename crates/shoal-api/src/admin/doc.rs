//! The calls of the installation, as the document describes them.

use serde_json::{Value, json};

use super::{
    audit::{self, AuditPage},
    change::Changes,
    drain::DrainView,
    reload::ReloadView,
    secret::{self, Keys, SetView},
    token::{self, Made, Tokens},
};
use crate::{
    body::SMALL,
    error::Code,
    openapi::{
        Operation,
        shape::{self, component, of, or_null, text},
    },
    query,
};

component!(
    /// The body of a POST of a token.
    TokenRequest,
    |generator| json!({
        "description": "A request for an API token.",
        "type": "object", "additionalProperties": false, "required": ["name", "role"],
        "properties": {
            "name": {
                "description": "Who it is for; in logs and in the audit record.",
                "type": "string", "pattern": format!("^[A-Za-z0-9._@-]{{1,{}}}$", token::NAME_MAX),
            },
            "role": of::<shape::RoleName>(generator),
            "expires_at": or_null(&json!({
                "description": "Its end, a time to come; left out: never.",
                "type": "string", "format": "date-time",
            })),
        },
    })
);
component!(
    /// The body of a POST of a secret.
    SecretRequest,
    |_| json!({
        "description": "A new key.",
        "type": "object", "additionalProperties": false,
        "properties": {"value": or_null(&text(secret::SECRET_MIN, secret::SECRET_MAX))},
    })
);
component!(
    /// The body of a PUT of the drain.
    DrainRequest,
    |_| json!({
        "description": "Whether jobs stay in the queue.",
        "type": "object", "additionalProperties": false, "required": ["drain"],
        "properties": {"drain": {"type": "boolean"}},
    })
);

pub(super) fn list_tokens() -> Operation {
    admin(Operation::get("/api/v1/admin/tokens", "list_tokens", "API tokens, without their texts"))
        .answers::<Tokens>(200, "All of them")
}

pub(super) fn create_token() -> Operation {
    admin(Operation::post("/api/v1/admin/tokens", "create_token", "Make an API token"))
        .about("Its text is in this answer and nowhere else.")
        .takes::<TokenRequest>(SMALL)
        .example("ci", json!({"name": "ci", "role": "operator"}))
        .answers::<Made>(201, "The token")
        .located()
        .refuses([Code::NameTaken])
}

pub(super) fn revoke_token() -> Operation {
    let id = json!({"type": "string", "minLength": 1});
    admin(Operation::delete("/api/v1/admin/tokens/{id}", "revoke_token", "Revoke an API token"))
        .named("id", "The token's id.", id, json!("0198c1de00007000"))
        .answers_nothing(204, "It is accepted no more")
        .refuses([Code::NoToken])
}

pub(super) fn list_secrets() -> Operation {
    admin(Operation::get("/api/v1/admin/secrets", "list_secrets", "Keys, without their secrets"))
        .answers::<Keys>(200, "All of them")
}

pub(super) fn set_secret() -> Operation {
    let path = "/api/v1/admin/secrets/{purpose}";
    admin(Operation::post(path, "set_secret", "Set another key"))
        .about("The former one stays accepted for as long as SECRET_DUAL_ACCEPT says.")
        .named("purpose", "What the key is for.", shape::purpose(), json!("media"))
        .takes::<SecretRequest>(SMALL)
        .optionally()
        .example("drawn", json!({}))
        .answers::<SetView>(201, "The new key; its value only where it is a fleet secret made here")
        .refuses([Code::NoKey, Code::SecretUnused, Code::SecretKnown])
}

pub(super) fn revoke_secret() -> Operation {
    let path = "/api/v1/admin/secrets/{purpose}/{id}";
    let id = json!({"type": "integer", "minimum": 0, "maximum": u8::MAX});
    admin(Operation::delete(path, "revoke_secret", "Revoke a key"))
        .named("purpose", "What the key is for.", shape::purpose(), json!("media"))
        .named("id", "The key's id.", id, json!(1))
        .switch("emergency", "Revokes it even if unfinished jobs depend on it; they fail.")
        .answers_nothing(204, "It is accepted no more")
        .refuses([Code::NoKey, Code::KeyCurrent, Code::KeyInUse])
}

/// A time, or how long ago.
fn since() -> Value {
    json!({
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"},
        ],
        "examples": ["24h", "2026-01-31T08:00:00Z"],
    })
}

pub(super) fn audit() -> Operation {
    let path = "/api/v1/admin/audit";
    let text = || json!({"type": "string"});
    let cursor = json!({"type": "integer", "minimum": 1, "maximum": i64::MAX});
    admin(Operation::get(path, "audit", "Who did what, the newest first, a page at a time"))
        .about("Every call that changes something is here, the refused ones too.")
        .query("limit", "Entries of a page.", query::limit_schema(audit::PAGE))
        .query("cursor", "`next` of the page before.", cursor)
        .query("actor", "Only what this caller did.", text())
        .query("action", "Only actions with this in their name, such as `cancel`.", text())
        .query(
            "target",
            "Only what was done to this. A server's serial finds what was done to its jobs as \
             well, and a job's id how the job came about.",
            text(),
        )
        .query("since", "Since when, or for how long; everything if left out.", since())
        .answers::<AuditPage>(200, "A page")
}

pub(super) fn changes() -> Operation {
    let path = "/api/v1/admin/changes";
    admin(Operation::get(path, "changes", "What happened to the installation"))
        .query("since", "Since when, or for how long; a day if left out.", since())
        .answers::<Changes>(200, "What happened, oldest first")
}

pub(super) fn drain() -> Operation {
    admin(Operation::get("/api/v1/admin/drain", "show_drain", "Whether jobs stay in the queue"))
        .answers::<DrainView>(200, "How things stand")
}

pub(super) fn put_drain() -> Operation {
    admin(Operation::put("/api/v1/admin/drain", "put_drain", "Let jobs stay in the queue, or not"))
        .about("A restart ends it.")
        .takes::<DrainRequest>(SMALL)
        .example("end", json!({"drain": false}))
        .answers::<DrainView>(200, "How things stand")
}

pub(super) fn reload() -> Operation {
    let path = "/api/v1/admin/reload";
    admin(Operation::post(path, "reload", "Read the configuration again and take it over"))
        .about("All of it, or nothing.")
        .switch("dry_run", "Looks at everything and changes nothing.")
        .switch("force", "Takes over a certificate that machines of unfinished jobs do not trust.")
        .answers::<ReloadView>(200, "What is different from now on")
        .refuses([Code::ReloadRefused])
}

fn admin(operation: Operation) -> Operation {
    operation.tag("admin")
}
