//! The calls of servers, as the document describes them.

use serde_json::{Map, Value, json};

use super::{
    PAGE, Page, bmc, import, probe::LoginsRetried, request::TEXT_MAX, tls::REASON_MAX, view::View,
};
use crate::{
    body::SMALL,
    error::Code,
    openapi::{
        Operation,
        shape::{self, Labels, SERIAL, component, of, or_null, text},
    },
    prober::{Probe, Shown},
    query,
};

component!(
    /// The body of a PUT of a server, which `request` reads.
    ServerRequest,
    |generator| json!({
        "description": "All that is to be known of a server; what is left out is as by default, \
                        but known credentials and a quarantine stay.",
        "type": "object", "additionalProperties": false, "required": ["bmc_address", "tls"],
        "properties": members(generator),
    })
);
component!(
    /// A record of an import.
    ServerRecords,
    |generator| {
        let mut properties = members(generator);
        properties.insert("serial".to_owned(), of::<shape::ServerSerial>(generator));
        json!({
            "description": "Servers, each at most once.",
            "type": "array", "maxItems": import::RECORDS_MAX,
            "items": {
                "type": "object", "additionalProperties": false,
                "required": ["serial", "bmc_address", "tls"], "properties": properties,
            },
        })
    }
);
component!(
    /// The body of a look at a BMC no server is registered with.
    ExamineRequest,
    |generator| {
        let mut known = members(generator);
        let mut taken = |name| known.remove(name).unwrap_or_default();
        let (address, credentials) = (taken("bmc_address"), taken("credentials"));
        json!({
            "description": "Without `tls` or `credentials` nothing but the certificate is looked at.",
            "type": "object", "additionalProperties": false, "required": ["bmc_address"],
            "properties": {
                "bmc_address": address,
                "tls": or_null(&of::<BmcIdentity>(generator)),
                "credentials": credentials,
            },
        })
    }
);
component!(
    /// The body of a PUT of a quarantine.
    Quarantine,
    |_| json!({
        "description": "Why a server takes no jobs.",
        "type": "object", "additionalProperties": false, "required": ["reason"],
        "properties": {"reason": {"allOf": [text(1, TEXT_MAX), {"pattern": "\\S"}]}},
    })
);
component!(
    /// How a server's BMC proves who it is, as callers write it.
    BmcIdentity,
    |_| json!({
        "description": "How the BMC proves who it is: by authorities, by its very certificate, or \
                        not at all, for a reason that is audited.",
        "oneOf": [
            policy("ca", "pem", &json!({
                "description": "Certificates of authorities, PEM.",
                "type": "string", "pattern": "-----BEGIN CERTIFICATE-----",
            })),
            policy("pin", "sha256", &json!({
                "description": "SHA-256 of the certificate.",
                "type": "string", "pattern": "^[0-9A-Fa-f]{64}$",
            })),
            policy("insecure", "reason", &json!({"allOf": [text(1, REASON_MAX), {"pattern": "\\S"}]})),
        ],
    })
);

fn policy(word: &str, member: &str, schema: &Value) -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["policy", member],
        "properties": {"policy": {"const": word}, member: schema},
    })
}

fn members(generator: &mut schemars::SchemaGenerator) -> Map<String, Value> {
    let credentials = json!({
        "description": "How to log in to the BMC. They never come back.",
        "type": "object", "additionalProperties": false, "required": ["user", "password"],
        "properties": {"user": text(1, TEXT_MAX), "password": text(1, TEXT_MAX)},
    });
    let members = json!({
        "bmc_address": {
            "description": "The https URL of the BMC.",
            "type": "string", "format": "uri", "pattern": "^https://", "maxLength": 2048,
        },
        "tls": of::<BmcIdentity>(generator),
        "credentials": or_null(&credentials),
        "vendor_hint": or_null(&text(0, TEXT_MAX)),
        "media_scheme": or_null(&of::<shape::Scheme>(generator)),
        "allow_plain_media": or_null(&json!({
            "description": "Whether its task media may be served without TLS.",
            "type": "boolean", "default": false,
        })),
        "media_host": or_null(&text(0, TEXT_MAX)),
        "labels": or_null(&of::<Labels>(generator)),
        "quarantine": or_null(&json!({"description": "Why it takes no jobs. Lifted by a call of its own.",
            "allOf": [text(0, TEXT_MAX)]})),
    });
    members.as_object().cloned().unwrap_or_default()
}

fn example() -> Value {
    json!({
        "bmc_address": "https://192.0.2.10",
        "tls": {"policy": "pin", "sha256": "ab".repeat(32)},
        "credentials": {"user": "shoal", "password": "correct horse battery staple"},
        "labels": {"rack": "b12"},
    })
}

pub(super) fn list() -> Operation {
    Operation::get("/api/v1/servers", "list_servers", "Servers by serial, a page at a time")
        .tag("servers")
        .query("limit", "Servers of a page.", query::limit_schema(PAGE))
        .query("cursor", "`next` of the page before.", shape::serial())
        .answers::<Page<'_>>(200, "A page")
}

pub(super) fn put() -> Operation {
    of_server(Operation::put(
        "/api/v1/servers/{serial}",
        "put_server",
        "Register or replace a server",
    ))
    .takes::<ServerRequest>(SMALL)
    .example("pinned", example())
    .answers::<View<'_>>(201, "The new server")
    .answers::<View<'_>>(200, "The replaced server")
    .located()
}

pub(super) fn show() -> Operation {
    of_server(Operation::get("/api/v1/servers/{serial}", "show_server", "One server"))
        .answers::<View<'_>>(200, "The server")
}

pub(super) fn remove() -> Operation {
    of_server(Operation::delete("/api/v1/servers/{serial}", "delete_server", "Forget a server"))
        .answers_nothing(204, "It is gone; its jobs stay in history")
        .refuses([Code::ActiveJob])
}

pub(super) fn import() -> Operation {
    let mut record = example();
    if let Some(members) = record.as_object_mut() {
        members.insert("serial".to_owned(), json!(SERIAL));
    }
    Operation::post("/api/v1/servers/import", "import_servers", "Register or replace many servers")
        .about("All of them, or none. As lines, each line is one record.")
        .tag("servers")
        .takes_as::<ServerRecords>(import::BODY_MAX, &import::TYPES)
        .example("one", json!([record]))
        .answers::<import::ImportView>(200, "What was done")
}

pub(super) fn quarantine() -> Operation {
    let path = "/api/v1/servers/{serial}/quarantine";
    of_server(Operation::put(path, "quarantine_server", "Take a server out of use"))
        .takes::<Quarantine>(SMALL)
        .example("broken", json!({"reason": "its second disk fails"}))
        .answers::<View<'_>>(200, "The server")
}

pub(super) fn lift_quarantine() -> Operation {
    let path = "/api/v1/servers/{serial}/quarantine";
    of_server(Operation::delete(path, "lift_quarantine", "Take a server into use again"))
        .answers::<View<'_>>(200, "The server")
}

pub(super) fn probe() -> Operation {
    let path = "/api/v1/servers/{serial}/probe";
    of_server(Operation::post(path, "probe_server", "Look at a server's BMC, changing nothing"))
        .about("A BMC that cannot be reached is an answer too: `problems` says so.")
        .answers::<Shown<'_>>(200, "What was seen")
}

pub(super) fn retry_login() -> Operation {
    let path = "/api/v1/servers/{serial}/retry-login";
    of_server(Operation::post(path, "retry_login", "Let logins through again"))
        .about("After refused ones stopped them, so that an account is not locked.")
        .answers::<LoginsRetried<'_>>(200, "Whether any had been refused")
}

pub(super) fn examine() -> Operation {
    let path = "/api/v1/bmc/examine";
    let mut one = example();
    if let Some(members) = one.as_object_mut() {
        members.remove("labels");
    }
    Operation::post(path, "examine_bmc", "Look at a BMC no server is registered with")
        .about("Changes nothing there and keeps nothing here.")
        .tag("servers")
        .takes::<ExamineRequest>(SMALL)
        .example("certificate", json!({"bmc_address": "https://192.0.2.10"}))
        .example("whole", one)
        .answers::<Probe>(200, "What was seen")
}

pub(super) fn learned() -> Operation {
    let about = "What is known of kinds of BMCs";
    Operation::get("/api/v1/bmc/learned", "list_learned", about)
        .about("Which request forms they take, by vendor, model and firmware.")
        .tag("servers")
        .answers::<bmc::Kinds>(200, "All of it")
}

pub(super) fn forget_learned() -> Operation {
    let about = "Forget what is known of a kind of BMC";
    let kind = "The kind, as it is listed: vendor, model and firmware.";
    Operation::delete("/api/v1/bmc/learned", "forget_learned", about)
        .about("The next BMC of the kind is met as if none had been before; jobs under way go on.")
        .tag("servers")
        .needs("kind", kind, shape::text(1, super::bmc::KIND_MAX))
        .answers::<bmc::Forgotten>(200, "Whether anything was known")
}

/// A call about one server.
fn of_server(operation: Operation) -> Operation {
    operation
        .tag("servers")
        .named("serial", "The server's serial.", shape::serial(), json!(SERIAL))
        .refuses([Code::NoServer])
}
