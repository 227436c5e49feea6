//! Names made to climb out of a directory, to command a terminal or to end a line, wherever a name
//! can be given. None of them becomes a path, a label of a metric or a second line of the log; where
//! free text is allowed, it comes back as it was.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};
use shoal_tests::{Api, linux_job};

use super::{
    Case, IDLE, INVALID, NO_JOB, NO_ROUTE, NO_SERVER, post, record, refuse, standing_still, strike,
};
use crate::suite::Place;

/// Part of every name, so that it can be looked for.
const MARK: &str = "zq9";

/// What stands before the mark.
pub(super) const HOSTILE: &[&str] = &[
    "../../etc/passwd",
    "..\\..\\",
    "a/b",
    "a\nlevel=error",
    "a\r\nX-Injected: 1",
    "a\"b'c`d",
    "\u{1b}[31m\u{1b}]0;owned\u{7}",
    "\u{202e}\u{2066}",
    "日本語",
    "a\u{0}b",
    "'; DROP TABLE jobs; --",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}$(reboot)",
    "%s%n%2e%2e",
    "a b",
    "",
];

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = standing_still(&place).await?;
    let api = &stage.api;
    let mut cases = Vec::new();
    for name in HOSTILE {
        cases.extend(in_paths(api, &format!("{name}{MARK}!")));
        cases.extend(in_bodies(api, &format!("{name}{MARK}!"))?);
    }
    let long = format!("{MARK}{}", "x".repeat(3000));
    cases.extend(in_paths(api, &long));
    cases.extend(in_bodies(api, &long)?);
    let climbs = api.request(Method::GET, "/api/v1/servers/../../../etc/zq9");
    cases.push(Case::new("a path that climbs", climbs, NO_ROUTE));
    refuse(api, cases).await?;
    in_headers(api).await?;
    kept(api).await?;
    let (metrics, log) = strike(stage, &place).await?;
    ensure!(!metrics.contains(MARK), "a name became a metric");
    ensure!(!log.contains('\u{1b}') && !log.contains('\u{7}'), "the log commands a terminal");
    Ok(())
}

/// A name as serial, as job id, and in queries.
fn in_paths(api: &Api, name: &str) -> Vec<Case> {
    let escaped: Vec<String> = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped = escaped.concat();
    let server = format!("/api/v1/servers/{escaped}");
    let case = |what: &str, method: Method, path: String, refusal| {
        Case::new(format!("{name:?} as {what}"), api.request(method, &path), refusal)
    };
    // Three bytes for each byte of the name: the longest exceeds what an address may have.
    if escaped.len() > 4000 {
        let refusal = (414, "uri_too_long");
        return vec![case("serial", Method::GET, server, refusal)];
    }
    let put = api.request(Method::PUT, &server).header("content-type", "application/json");
    vec![
        case("serial", Method::GET, server.clone(), NO_SERVER),
        case("serial to delete", Method::DELETE, server, NO_SERVER),
        Case::new(format!("{name:?} as new serial"), put.body(record().to_string()), INVALID),
        case("job", Method::GET, format!("/api/v1/jobs/{escaped}"), NO_JOB),
        case("job to cancel", Method::POST, format!("/api/v1/jobs/{escaped}/cancel"), NO_JOB),
        case("status", Method::GET, format!("/api/v1/jobs?status={escaped}"), INVALID),
        case("filter", Method::GET, format!("/api/v1/jobs?server_serial={escaped}"), INVALID),
        case("parameter", Method::GET, format!("/api/v1/jobs?{escaped}=1"), INVALID),
        case("cursor", Method::GET, format!("/api/v1/servers?cursor={escaped}"), INVALID),
    ]
}

/// A name as serial, as the name of a label, and as a member.
fn in_bodies(api: &Api, name: &str) -> Result<Vec<Case>> {
    let request = linux_job(IDLE)?;
    let case = |what: &str, member: &str, value: Value| {
        let mut body = request.clone();
        if let Some(members) = body.as_object_mut() {
            members.insert(member.to_owned(), value);
        }
        let request = post(api, "/api/v1/jobs", body.to_string());
        Case::new(format!("{name:?} as {what}"), request, INVALID)
    };
    Ok(vec![
        case("serial of a job", "server_serial", json!(name)),
        case("label", "labels", json!({name: "x"})),
        case("member", name, json!(1)),
        case("workflow", "recipe", json!({"task_target": name})),
        case("member of a recipe", "recipe", json!({"task_target": "a.target", name: 1})),
        case("disk", "recipe", json!({"task_target": "a.target", "target_disk": name})),
        case("what to do on failure", "on_failure", json!(name)),
    ])
}

/// Names that come with a request, and are printed with it.
async fn in_headers(api: &Api) -> Result<()> {
    for name in HOSTILE {
        let Ok(value) = HeaderValue::from_bytes(format!("{name}{MARK}!").as_bytes()) else {
            continue;
        };
        for header in ["x-request-id", "traceparent", "user-agent", "x-forwarded-for"] {
            let request = api.request(Method::GET, "/api/v1/jobs").header(header, value.clone());
            let answer = request.send().await?;
            ensure!(answer.status() == 200, "{header}: {value:?} was answered {}", answer.status());
            let echoed = answer.headers().get("x-request-id").context("no request id")?;
            ensure!(*echoed != value, "{value:?} came back as the id of a request");
        }
    }
    Ok(())
}

/// Text that may be anything printable comes back as it was given.
async fn kept(api: &Api) -> Result<()> {
    let text = format!("<b>\"'\u{202e}日本 {{{{7*7}}}} $(reboot) ../.. {MARK}");
    let mut record = record();
    if let Some(members) = record.as_object_mut() {
        members.insert("labels".to_owned(), json!({"note": text}));
        members.insert("quarantine".to_owned(), json!(text));
    }
    api.put_server("SN-KEPT", &record).await?.wants(201)?;
    let seen = api.call(Method::GET, "/servers/SN-KEPT", None).await?.wants(200)?;
    ensure!(seen.pointer("/labels/note") == Some(&json!(text)), "a label became {seen}");
    let mut request = linux_job("SN-KEPT")?;
    let refused = api.call(Method::POST, "/jobs", Some(&request)).await?.refusal(409)?;
    ensure!(refused == "conflict.quarantined", "a quarantined server was refused as {refused}");
    if let Some(members) = request.as_object_mut() {
        members.insert("server_serial".to_owned(), json!(IDLE));
        members.insert("labels".to_owned(), json!({"note": text}));
    }
    if let Some(recipe) = request.get_mut("recipe").and_then(Value::as_object_mut) {
        recipe.insert("metadata".to_owned(), json!({text.as_str(): text}));
    }
    let job = api.create_job(&request).await?;
    let seen = api.job(&job).await?.whole;
    ensure!(seen.pointer("/labels/note") == Some(&json!(text)), "a label became {seen}");
    Ok(())
}
