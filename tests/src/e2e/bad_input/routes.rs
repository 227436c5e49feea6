//! Every call that takes a body, given each kind of body it must refuse, and every call that names
//! something, given names of nothing. Whatever is refused is in the audit log as refused.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shoal_tests::{Api, linux_job};

use super::{
    Case, IDLE, INVALID, NO_JOB, NO_SERVER, TOO_LARGE, WRONG_TYPE, names::HOSTILE, record, refuse,
    standing_still, strike,
};
use crate::suite::Place;

/// Longest body of a small call, in bytes.
const SMALL: usize = 64 * 1024;
/// Longest body of an import.
const LARGE: usize = 8 << 20;
/// An id of no job.
const NOTHING: &str = "0190a5d2-7e1c-7cc3-8000-000000000001";

const NO_KEY: (u16, &str) = (404, "not_found.key");
const NO_TOKEN: (u16, &str) = (404, "not_found.token");

/// A call with a body it would take.
struct Route {
    method: Method,
    path: String,
    good: Value,
    most: usize,
}

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = standing_still(&place).await?;
    let api = &stage.api;
    let job = api.create_job(&linux_job(IDLE)?).await?;
    let before = newest(api).await?;
    let mut cases = Vec::new();
    for route in routes(&job) {
        cases.extend(bodies(api, &route)?);
    }
    cases.extend(members(api, &job));
    cases.extend(nobody(api));
    cases.extend(queries(api));
    cases.extend(hostile(api));
    let writes = cases.iter().filter(|case| case.is_write()).count();
    refuse(api, cases).await?;
    audited(api, before, writes).await?;
    strike(stage, &place).await.map(drop)
}

/// Every call with a body, and one it would take.
fn routes(job: &str) -> Vec<Route> {
    let route = |method, path: &str, good| Route {
        method,
        path: format!("/api/v1/{path}"),
        good,
        most: SMALL,
    };
    let (post, put) = (Method::POST, Method::PUT);
    let of_job = |verb: &str, good| route(Method::POST, &format!("jobs/{job}/{verb}"), good);
    vec![
        of_job("cancel", json!({"force": false})),
        of_job("fail", json!({"force": false})),
        of_job("decide", json!({"decision": "failed"})),
        of_job("requeue", json!({"replace": true})),
        of_job("priority", json!({"priority": 5})),
        route(put.clone(), "servers/SN-NEW", record()),
        route(put.clone(), &format!("servers/{IDLE}/quarantine"), json!({"reason": "fan 3"})),
        Route {
            most: LARGE,
            ..route(post.clone(), "servers/import", json!([known_as("SN-NEW", "rack")]))
        },
        route(put, "admin/drain", json!({"drain": true})),
        route(post.clone(), "admin/tokens", json!({"name": "ci", "role": "reader"})),
        route(post, "admin/secrets/media", json!({"value": "sixteen bytes or more"})),
    ]
}

/// A record of an import, with one label.
fn known_as(serial: &str, label: &str) -> Value {
    let mut record = record();
    if let Some(members) = record.as_object_mut() {
        members.insert("serial".to_owned(), json!(serial));
        members.insert("labels".to_owned(), json!({label: "x"}));
    }
    record
}

/// Each kind of body that no call takes.
fn bodies(api: &Api, route: &Route) -> Result<Vec<Case>> {
    let is_list = route.good.is_array();
    let wrong = if is_list { "{}" } else { "[]" };
    let more = with_more(&route.good)?;
    let depth = 10_000;
    let mut bodies: Vec<(&str, Vec<u8>)> =
        ["not json", "{", "7", "\"x\"", wrong].map(|it| (it, it.into())).to_vec();
    bodies.extend([
        ("10,000 lists deep", ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()),
        (
            "10,000 objects deep",
            ["{\"a\":".repeat(depth), "1".to_owned(), "}".repeat(depth)].concat().into_bytes(),
        ),
        ("no UTF-8", b"{\"a\":\"\xff\"}".to_vec()),
        ("no UTF-8 in a list", b"[{\"a\":\"\xff\"}]".to_vec()),
    ]);
    let what = |kind: &str| format!("{} {} with {kind}", route.method, route.path);
    let mut cases: Vec<Case> = bodies
        .into_iter()
        .map(|(kind, body)| Case::new(what(kind), route.with(api, body), INVALID))
        .collect();
    let unknown = if is_list { "/0/colour" } else { "/colour" };
    cases.extend([
        Case::new(what("an unknown member"), route.with(api, more), INVALID).at(unknown),
        Case::new(what("too much"), route.with(api, vec![b' '; route.most + 1]), TOO_LARGE),
    ]);
    let untyped = api.request(route.method.clone(), &route.path).body(route.good.to_string());
    cases.push(Case::new(what("no type"), untyped, WRONG_TYPE));
    let text = api.request(route.method.clone(), &route.path).header("content-type", "text/plain");
    cases.push(Case::new(what("a text"), text.body(route.good.to_string()), WRONG_TYPE));
    Ok(cases)
}

impl Route {
    fn with(&self, api: &Api, body: impl Into<reqwest::Body>) -> RequestBuilder {
        sent(api, &self.method, &self.path, body)
    }
}

fn sent(api: &Api, method: &Method, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    api.request(method.clone(), path).header("content-type", "application/json").body(body)
}

/// The body with a member that nobody knows; in a list its first one.
fn with_more(good: &Value) -> Result<Vec<u8>> {
    let mut more = good.clone();
    let place = if more.is_array() { more.get_mut(0) } else { Some(&mut more) };
    let members = place.and_then(Value::as_object_mut).context("no object")?;
    members.insert("colour".to_owned(), json!("green"));
    Ok(more.to_string().into_bytes())
}

/// Members that are missing, or that nobody could act on.
fn members(api: &Api, job: &str) -> Vec<Case> {
    let many = vec![json!({}); 5_001];
    let twice = [json!({"serial": "A"}), json!({"serial": "A"})];
    let wrong = [
        ("PUT", "admin/drain", json!({}), "/drain"),
        ("PUT", "admin/drain", json!({"drain": "yes"}), "/drain"),
        ("POST", "admin/tokens", json!({"role": "reader"}), "/name"),
        ("POST", "admin/tokens", json!({"name": "ci"}), "/role"),
        ("POST", "admin/tokens", json!({"name": "ci", "role": "root"}), "/role"),
        ("POST", "admin/tokens", json!({"name": 7, "role": "reader"}), "/name"),
        (
            "POST",
            "admin/tokens",
            json!({"name": "ci", "role": "reader", "expires_at": "1999-01-01T00:00:00Z"}),
            "/expires_at",
        ),
        ("POST", "admin/secrets/media", json!({"value": "short"}), "/value"),
        ("POST", "admin/secrets/media", json!({"value": "x".repeat(1025)}), "/value"),
        ("POST", "admin/secrets/media", json!({"value": "sixteen bytes\nand more"}), "/value"),
        ("POST", "admin/secrets/media", json!({"value": 7}), "/value"),
        ("PUT", "servers/SN-IDLE/quarantine", json!({}), "/reason"),
        ("PUT", "servers/SN-IDLE/quarantine", json!({"reason": " "}), "/reason"),
        ("PUT", "servers/SN-IDLE/quarantine", json!({"reason": "a\nb"}), "/reason"),
        ("POST", "servers/import", json!([7]), "/0"),
        ("POST", "servers/import", json!([{}]), "/0/serial"),
        ("POST", "servers/import", json!(twice), "/0/bmc_address"),
        ("POST", "servers/import", json!(many), ""),
        ("POST", "jobs/<job>/priority", json!({}), "/priority"),
        ("POST", "jobs/<job>/priority", json!({"priority": 101}), "/priority"),
        ("POST", "jobs/<job>/priority", json!({"priority": 1.5}), "/priority"),
        ("POST", "jobs/<job>/priority", json!({"priority": "high"}), "/priority"),
        ("POST", "jobs/<job>/decide", json!({}), "/decision"),
        ("POST", "jobs/<job>/decide", json!({"decision": "maybe"}), "/decision"),
        ("POST", "jobs/<job>/requeue", json!({"replace": "yes"}), "/replace"),
        ("POST", "jobs/<job>/fail", json!({"force": 1}), "/force"),
    ];
    let case = |(method, path, body, place): (&str, &str, Value, &str)| {
        let path = format!("/api/v1/{}", path.replace("<job>", job));
        let shown: String = body.to_string().chars().take(80).collect();
        let method = if method == "PUT" { Method::PUT } else { Method::POST };
        let request = sent(api, &method, &path, body.to_string());
        Case::new(format!("{method} {path} with {shown}"), request, INVALID).at(place)
    };
    wrong.into_iter().map(case).collect()
}

/// Bodies as they should be, for what does not exist or is not there yet.
fn nobody(api: &Api) -> Vec<Case> {
    let mut cases = Vec::new();
    for route in routes(NOTHING).into_iter().filter(|route| route.path.contains("/jobs/")) {
        for path in [route.path.clone(), route.path.replace(NOTHING, "garbage")] {
            let request = sent(api, &route.method, &path, route.good.to_string());
            cases.push(Case::new(format!("{} {path}", route.method), request, NO_JOB));
        }
    }
    let quarantine = json!({"reason": "fan 3"}).to_string();
    let quarantine = sent(api, &Method::PUT, "/api/v1/servers/SN-NOBODY/quarantine", quarantine);
    cases.push(Case::new("a quarantine of nobody", quarantine, NO_SERVER));
    for (method, path, refusal) in [
        (Method::DELETE, "servers/SN-NOBODY/quarantine", NO_SERVER),
        (Method::POST, "servers/SN-NOBODY/probe", NO_SERVER),
        (Method::POST, "servers/SN-NOBODY/retry-login", NO_SERVER),
        (Method::DELETE, "admin/tokens/nothing", NO_TOKEN),
        (Method::POST, "admin/secrets/nothing", NO_KEY),
        (Method::DELETE, "admin/secrets/nothing/1", NO_KEY),
        (Method::DELETE, "admin/secrets/media/99", NO_KEY),
        (Method::DELETE, "admin/secrets/media/900", NO_KEY),
        (Method::DELETE, "admin/secrets/media/x", NO_KEY),
        (Method::DELETE, "admin/secrets/media/1", (409, "conflict.current_key")),
        (Method::POST, "admin/secrets/fleet_webhook", (409, "conflict.unused_secret")),
        (Method::POST, "admin/nothing", (404, "not_found")),
        (Method::DELETE, "admin/drain", (405, "method_not_allowed")),
        (Method::POST, "admin/audit", (405, "method_not_allowed")),
    ] {
        let path = format!("/api/v1/{path}");
        cases.push(Case::new(format!("{method} {path}"), api.request(method, &path), refusal));
    }
    cases
}

/// Questions and switches that mean nothing.
fn queries(api: &Api) -> Vec<Case> {
    let wrong = [
        (Method::GET, "audit?limit=0", "query limit"),
        (Method::GET, "audit?limit=1001", "query limit"),
        (Method::GET, "audit?cursor=0", "query cursor"),
        (Method::GET, "audit?cursor=-1", "query cursor"),
        (Method::GET, "audit?cursor=99999999999999999999", "query cursor"),
        (Method::GET, "audit?since=yesterday", "query since"),
        (Method::GET, "audit?who=anna", "query who"),
        (Method::GET, "audit?actor=%ff", "query"),
        (Method::GET, "audit?actor=a&actor=b", "query actor"),
        (Method::GET, "changes?since=soon", "query since"),
        (Method::GET, "changes?until=now", "query until"),
        (Method::POST, "reload?force=maybe", "query force"),
        (Method::POST, "reload?dry_run=", "query dry_run"),
        (Method::POST, "reload?now=true", "query now"),
        (Method::DELETE, "secrets/media/1?emergency=perhaps", "query emergency"),
    ];
    let case = |(method, path, place): (Method, &str, &str)| {
        let request = api.request(method.clone(), &format!("/api/v1/admin/{path}"));
        Case::new(format!("{method} {path}"), request, INVALID).at(place)
    };
    wrong.into_iter().map(case).collect()
}

/// Names made to do harm, wherever these calls take a name.
fn hostile(api: &Api) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in HOSTILE.iter().map(|name| format!("{name}zq9!")) {
        let escaped: Vec<String> = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let escaped = escaped.concat();
        let mut case = |method: &Method, path: &str, body: Value, refusal| {
            let path = format!("/api/v1/{path}").replace("<name>", &escaped);
            let request = sent(api, method, &path, body.to_string());
            cases.push(Case::new(format!("{method} {path} {body}"), request, refusal));
        };
        let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
        case(&put, "servers/<name>/quarantine", json!({"reason": "x"}), NO_SERVER);
        case(&post, "servers/<name>/probe", json!({}), NO_SERVER);
        case(&post, "servers/<name>/retry-login", json!({}), NO_SERVER);
        case(&delete, "admin/tokens/<name>", json!({}), NO_TOKEN);
        case(&post, "admin/secrets/<name>", json!({}), NO_KEY);
        case(&delete, "admin/secrets/media/<name>", json!({}), NO_KEY);
        for (verb, body) in [
            ("fail", json!({})),
            ("decide", json!({"decision": "retry"})),
            ("requeue", json!({})),
            ("priority", json!({"priority": 1})),
        ] {
            case(&post, &format!("jobs/<name>/{verb}"), body, NO_JOB);
        }
        case(&post, "admin/tokens", json!({"name": name, "role": "reader"}), INVALID);
        let list = |serial: &str, label: &str| json!([known_as(serial, label)]);
        case(&post, "servers/import", list(&name, "rack"), INVALID);
        case(&post, "servers/import", list("SN-NEW", &name), INVALID);
    }
    cases
}

/// The newest entry of the audit log.
async fn newest(api: &Api) -> Result<i64> {
    let page = api.get("/admin/audit?limit=1").await?.wants(200)?;
    page.pointer("/entries/0/id").and_then(Value::as_i64).context("nobody did anything")
}

/// Every refused write since `before` is in the audit log, as refused.
async fn audited(api: &Api, before: i64, writes: usize) -> Result<()> {
    let (mut refused, mut cursor) = (0, String::new());
    loop {
        let page = api.get(&format!("/admin/audit?limit=1000{cursor}")).await?.wants(200)?;
        let entries = page.get("entries").and_then(Value::as_array).context("no entries")?;
        let new = |entry: &&Value| entry["id"].as_i64().is_some_and(|id| id > before);
        for entry in entries.iter().filter(new) {
            ensure!(entry["ok"] == json!(false), "done, though refused: {entry}");
            ensure!(entry["address"] == json!("127.0.0.1"), "from nowhere: {entry}");
            refused += 1;
        }
        match page.get("next").and_then(Value::as_i64).filter(|next| *next > before) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ensure!(refused == writes, "{refused} of {writes} refused calls are in the audit log");
    Ok(())
}
