//! Requests that break a rule of HTTP, JSON or the API: bodies, types, sizes, names, keys, queries.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder, header::AUTHORIZATION};
use serde_json::{Value, json};
use shoal_tests::{Api, linux_job};

use super::{
    Case, IDLE, INVALID, NO_JOB, NO_METHOD, NO_ROUTE, NO_SERVER, TOO_LARGE, WRONG_TYPE, post,
    record, refuse, standing_still, state::State, strike,
};
use crate::suite::Place;

const JOBS: &str = "/api/v1/jobs";
const ACTIVE: (u16, &str) = (409, "conflict.active_job");

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = standing_still(&place).await?;
    let api = &stage.api;
    refuse(api, bodies(api)?).await?;
    refuse(api, members(api)?).await?;
    refuse(api, servers(api)?).await?;
    refuse(api, paths(api)).await?;
    refuse(api, queries(api)).await?;
    keys(api).await?;
    let job = api.call(Method::GET, "/jobs", None).await?.wants(200)?;
    let job = job.pointer("/jobs/0/job_id").and_then(Value::as_str).context("no job")?;
    refuse(api, operations(api, job)).await?;
    crowded_headers(api).await?;
    strike(stage, &place).await.map(drop)
}

/// Bodies of `POST /jobs` that are no request for a job.
fn bodies(api: &Api) -> Result<Vec<Case>> {
    let good = linux_job(IDLE)?.to_string();
    let deep = format!("{{\"recipe\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let nested = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let twice = good.replacen('{', "{\"server_serial\":\"OTHER\",", 1);
    let inside =
        good.replacen("\"task_target\"", "\"task_target\":\"a.target\",\"task_target\"", 1);
    let mut cases: Vec<Case> =
        ["", "{", "[]", "null", "7", "\"x\"", "not json", "{}{}", "\u{feff}{}"]
            .into_iter()
            .map(|body| Case::new(format!("the body {body:?}"), post(api, JOBS, body), INVALID))
            .collect();
    cases.extend([
        Case::new("10,000 lists deep", post(api, JOBS, deep), INVALID),
        Case::new("10,000 objects deep", post(api, JOBS, nested), INVALID),
        Case::new("no UTF-8", post(api, JOBS, &b"{\"server_serial\":\"\xff\"}"[..]), INVALID),
        Case::new("a member twice", post(api, JOBS, twice), INVALID).at("/server_serial"),
        Case::new("a recipe's member twice", post(api, JOBS, inside), INVALID)
            .at("/recipe/task_target"),
        Case::new("too large", post(api, JOBS, vec![b' '; (8 << 20) + 1]), TOO_LARGE),
    ]);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let request = api.request(Method::POST, JOBS).header("content-type", kind);
        cases.push(Case::new(format!("the type {kind:?}"), request.body(good.clone()), WRONG_TYPE));
    }
    let untyped = api.request(Method::POST, JOBS).body(good);
    cases.push(Case::new("no type", untyped, WRONG_TYPE));
    Ok(cases)
}

/// Requests for a job of which one member is wrong.
fn members(api: &Api) -> Result<Vec<Case>> {
    let long = "x".repeat(300);
    let many: Value =
        (0..33).map(|n| (format!("l{n}"), json!(""))).collect::<serde_json::Map<_, _>>().into();
    let wrong = [
        ("colour", json!("green")),
        ("server_serial", json!(7)),
        ("server_serial", json!(null)),
        ("server_serial", json!("../x")),
        ("recipe", json!(null)),
        ("recipe", json!("x")),
        ("recipe", json!([])),
        ("priority", json!("high")),
        ("priority", json!(1.5)),
        ("priority", json!(101)),
        ("priority", json!(-101)),
        ("on_failure", json!("explode")),
        ("on_failure", json!(1)),
        ("labels", json!([])),
        ("labels", json!({"a b": "x"})),
        ("labels", json!({"": "x"})),
        ("labels", json!({"a": 1})),
        ("labels", json!({"a": "line\nbreak"})),
        ("labels", json!({"a": long})),
        ("labels", many),
        ("maintenance_iso_url", json!("ftp://h/a.iso")),
        ("maintenance_iso_url", json!("/a.iso")),
        ("maintenance_iso_url", json!("https://u:p@h/a.iso")),
        ("maintenance_iso_url", json!("https://h/a.iso?x=1")),
        ("maintenance_iso_url", json!("https://h/a.exe")),
        ("maintenance_iso_url", json!(7)),
    ];
    let mut cases = Vec::new();
    for (name, value) in wrong {
        let what = format!("{name}: {value}");
        let body = with(&linux_job(IDLE)?, name, value)?;
        cases.push(Case::new(what, post(api, JOBS, body), INVALID).at(format!("/{name}")));
    }
    let nobody = linux_job("SN-NOBODY")?.to_string();
    cases.push(Case::new("an unknown server", post(api, JOBS, nobody), NO_SERVER));
    Ok(cases)
}

/// Records of servers of which one member is wrong.
fn servers(api: &Api) -> Result<Vec<Case>> {
    let wrong = [
        ("colour", json!(1), "/colour"),
        ("bmc_address", json!("http://192.0.2.7"), "/bmc_address"),
        ("bmc_address", json!("https://u:p@192.0.2.7"), "/bmc_address"),
        ("bmc_address", json!("192.0.2.7"), "/bmc_address"),
        ("bmc_address", json!(null), "/bmc_address"),
        ("credentials", json!(null), "/credentials"),
        ("credentials", json!("root:calvin"), "/credentials"),
        ("credentials", json!({"user": "root"}), "/credentials/password"),
        ("credentials", json!({"user": "", "password": "p"}), "/credentials/user"),
        ("credentials", json!({"user": "a\nb", "password": "p"}), "/credentials/user"),
        ("credentials", json!({"user": "a", "password": "p", "x": 1}), "/credentials/x"),
        ("tls", json!({"policy": "trust-me"}), "/tls"),
        ("tls", json!({"policy": "pin", "sha256": "zz"}), "/tls"),
        ("tls", json!({"policy": "ca", "pem": "no certificate"}), "/tls"),
        ("tls", json!({"policy": "insecure"}), "/tls"),
        ("tls", json!({"policy": "insecure", "reason": " "}), "/tls"),
        ("media_scheme", json!("gopher"), "/media_scheme"),
        ("allow_plain_media", json!("yes"), "/allow_plain_media"),
        ("media_host", json!("a\u{1b}[2Jb"), "/media_host"),
        ("vendor_hint", json!("x".repeat(1025)), "/vendor_hint"),
        ("quarantine", json!("line\nbreak"), "/quarantine"),
        ("labels", json!({"a b": "x"}), "/labels"),
    ];
    let mut cases = Vec::new();
    for (name, value, place) in wrong {
        let body = with(&record(), name, value.clone())?;
        let request = put(api, "SN-NEW").body(body);
        cases.push(Case::new(format!("{name}: {value}"), request, INVALID).at(place));
    }
    cases.push(Case::new(
        "too large",
        put(api, "SN-NEW").body(vec![b' '; 64 * 1024 + 1]),
        TOO_LARGE,
    ));
    Ok(cases)
}

fn put(api: &Api, serial: &str) -> RequestBuilder {
    let request = api.request(Method::PUT, &format!("/api/v1/servers/{serial}"));
    request.header("content-type", "application/json")
}

/// Paths, methods and headers that are not ours.
fn paths(api: &Api) -> Vec<Case> {
    let nothing = "0190a5d2-7e1c-7cc3-8000-000000000001";
    let case = |method: &str, path: &str, refusal| {
        let known = Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE);
        Case::new(format!("{method} {path}"), api.request(known, path), refusal)
    };
    let mut cases = vec![
        case("GET", "/api/v1/nothing", NO_ROUTE),
        case("GET", "/api/v9/jobs", NO_ROUTE),
        case("GET", "/api/v1/jobs/", NO_ROUTE),
        case("GET", "//api/v1/jobs", NO_ROUTE),
        case("GET", "/.env", NO_ROUTE),
        case("GET", "/api/v1/jobs/x/y/z", NO_ROUTE),
        case("PATCH", "/api/v1/jobs", NO_METHOD),
        case("DELETE", "/api/v1/jobs", NO_METHOD),
        case("BREW", "/api/v1/jobs", NO_METHOD),
        case("TRACE", "/api/v1/jobs", NO_METHOD),
        case("POST", &format!("/api/v1/jobs/{nothing}"), NO_METHOD),
        case("GET", "/api/v1/status-webhook/SN-IDLE", NO_METHOD),
        case("GET", &format!("/api/v1/jobs/{nothing}"), NO_JOB),
        case("GET", "/api/v1/jobs/garbage", NO_JOB),
        case("GET", &format!("/api/v1/jobs/{nothing}/events"), NO_JOB),
        case("POST", &format!("/api/v1/jobs/{nothing}/cancel"), NO_JOB),
        case("POST", "/api/v1/jobs/garbage/requeue", NO_JOB),
        case("GET", "/api/v1/servers/SN-NOBODY", NO_SERVER),
        case("DELETE", "/api/v1/servers/SN-NOBODY", NO_SERVER),
    ];
    let stranger = |word: &str| api.request(Method::GET, JOBS).header(AUTHORIZATION, word);
    for word in ["Bearer nonsense", "Bearer", "Basic !!!", "Digest x", "\u{1}"] {
        let Ok(value) = reqwest::header::HeaderValue::from_str(word) else { continue };
        let request = api.request(Method::GET, JOBS).header(AUTHORIZATION, value);
        cases.push(Case::new(format!("the login {word:?}"), request, (401, "unauthorized")));
    }
    let long = stranger("Bearer x").query(&[("task_target", "x".repeat(5000))]);
    cases.push(Case::new("a long address", long, (414, "uri_too_long")));
    let heavy = api.request(Method::GET, JOBS).header("x-a", "x".repeat(33 * 1024));
    cases.push(Case::new("heavy headers", heavy, (431, "headers_too_large")));
    cases
}

/// Filters and cursors that mean nothing.
fn queries(api: &Api) -> Vec<Case> {
    let jobs = [
        ("cursor=garbage", "query cursor"),
        ("cursor=-1", "query cursor"),
        ("cursor=0190a5d2-7e1c-7cc3-8000-00000000000g", "query cursor"),
        ("limit=0", "query limit"),
        ("limit=100000", "query limit"),
        ("limit=-1", "query limit"),
        ("limit=99999999999999999999", "query limit"),
        ("status=broken", "query status"),
        ("server_serial=a%2Fb", "query server_serial"),
        ("since=yesterday", "query since"),
        ("since=-1", "query since"),
        ("stuck=maybe", "query stuck"),
        ("colour=green", "query colour"),
        ("limit=1&limit=2", "query limit"),
        ("status=%zz", "query"),
        ("status=%ff", "query"),
    ];
    let events = [("after=-1", "query after"), ("after=x", "query after"), ("x=", "query x")];
    let servers = [("cursor=a%2Fb", "query cursor"), ("limit=x", "query limit")];
    let all = [(JOBS, &jobs[..]), ("/api/v1/events", &events), ("/api/v1/servers", &servers)];
    let mut cases = Vec::new();
    for (path, wrong) in all {
        for (query, place) in wrong {
            let request = api.request(Method::GET, &format!("{path}?{query}"));
            cases.push(Case::new(format!("{path}?{query}"), request, INVALID).at(*place));
        }
    }
    let resumed = api.request(Method::GET, "/api/v1/events").header("last-event-id", "x");
    cases.push(Case::new("Last-Event-ID: x", resumed, INVALID).at("Last-Event-ID"));
    let dry = post(api, &format!("{JOBS}?dry_run=perhaps"), "{}");
    cases.push(Case::new("dry_run=perhaps", dry, INVALID).at("query dry_run"));
    cases
}

/// Idempotency keys in all forms; leaves one job behind.
async fn keys(api: &Api) -> Result<()> {
    let request = linux_job(IDLE)?;
    let keyed = |key: &str| post(api, JOBS, request.to_string()).header("idempotency-key", key);
    let mut malformed: Vec<Case> = ["", "two words", &"k".repeat(256)]
        .into_iter()
        .map(|key| Case::new(format!("the key {key:?}"), keyed(key), INVALID).at("Idempotency-Key"))
        .collect();
    let both = keyed("one").header("idempotency-key", "two");
    malformed.push(Case::new("two keys", both, INVALID).at("Idempotency-Key"));
    // A refused request does not use its key up.
    let refused = post(api, JOBS, "{}").header("idempotency-key", "key-1");
    malformed.push(Case::new("a bad request with a key", refused, INVALID));
    refuse(api, malformed).await?;

    let first = api.create_job_once(&request, "key-1").await?.wants(202)?;
    let before = State::of(api).await?;
    let pretty = serde_json::to_string_pretty(&request)?;
    for body in [request.to_string(), pretty] {
        let again = post(api, JOBS, body).header("idempotency-key", "key-1").send().await?;
        ensure!(again.status() == 200, "the same request was answered {}", again.status());
        let again: Value = serde_json::from_str(&again.text().await?)?;
        ensure!(again.get("job_id") == first.get("job_id"), "the key gave another job: {again}");
        before.check(api).await?;
    }
    let other = with(&request, "priority", json!(5))?;
    let other = post(api, JOBS, other).header("idempotency-key", "key-1");
    let reused = (422, "idempotency_key_reused");
    let cases = vec![
        Case::new("a key for another request", other, reused),
        Case::new("a second job with another key", keyed("key-2"), ACTIVE).at("/server_serial"),
        Case::new("a second job without", post(api, JOBS, request.to_string()), ACTIVE),
        Case::new(
            "the server of a job",
            api.request(Method::DELETE, &format!("/api/v1/servers/{IDLE}")),
            ACTIVE,
        ),
    ];
    refuse(api, cases).await
}

/// What cannot be said to a job that waits in the queue.
fn operations(api: &Api, job: &str) -> Vec<Case> {
    let say = |verb: &str, body: &str| {
        let request = post(api, &format!("/api/v1/jobs/{job}/{verb}"), body.to_owned());
        (format!("{verb} {body:?}"), request)
    };
    let mut cases = Vec::new();
    for (verb, body, refusal) in [
        ("cancel", "[]", INVALID),
        ("cancel", "{\"force\":\"yes\"}", INVALID),
        ("cancel", "{\"farce\":true}", INVALID),
        ("fail", "{\"force\":1}", INVALID),
        ("decide", "", INVALID),
        ("decide", "{\"decision\":\"maybe\"}", INVALID),
        ("decide", "{\"decision\":\"retry\"}", (409, "conflict.job_state")),
        ("requeue", "{\"replace\":\"yes\"}", INVALID),
        ("requeue", "{}", ACTIVE),
    ] {
        let (what, request) = say(verb, body);
        cases.push(Case::new(what, request, refusal));
    }
    let typed = api.request(Method::POST, &format!("/api/v1/jobs/{job}/cancel")).body("{}");
    cases.push(Case::new("cancel without a type", typed, WRONG_TYPE));
    cases
}

/// So many that the HTTP library answers before we are asked.
async fn crowded_headers(api: &Api) -> Result<()> {
    let mut request = api.request(Method::GET, JOBS);
    for number in 0..500 {
        request = request.header(format!("x-{number}"), "1");
    }
    let status = request.send().await.context("500 headers got no answer")?.status();
    ensure!(status == 431, "500 headers were answered {status}");
    Ok(())
}

/// The body with one member set; null takes it away.
fn with(body: &Value, name: &str, value: Value) -> Result<String> {
    let mut members = body.as_object().context("no object")?.clone();
    members.insert(name.to_owned(), value);
    Ok(Value::Object(members).to_string())
}
