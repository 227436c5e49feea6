//! Every call that changes something, made once: each leaves an entry that says who did what, to what
//! and where from, and nothing that was secret in it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use shoal_tests::{Api, linux_job};

use crate::{stage::Stage, suite::Place};

const SERIAL: &str = "SN-AUDITED";
/// Part of everything that is secret here.
const CANARY: &str = "canary-in-the-mine";

/// A call, how it is answered, and what it leaves in the log.
struct Call {
    /// As the OpenAPI document has it.
    route: &'static str,
    path: String,
    body: Value,
    status: u16,
    /// What the log calls it; the route itself unless the store wrote the entry with the change.
    action: &'static str,
    target: String,
}

impl Call {
    fn new(route: &'static str, body: Value, status: u16) -> Self {
        let path = route.split_once(' ').map_or(route, |(_, path)| path).to_owned();
        Self { route, path, body, status, action: route, target: String::new() }
    }

    /// With this in the place of the path's first parameter, which is what the entry is about.
    fn to(mut self, target: &str) -> Self {
        let (before, rest) = self.path.split_once('{').unwrap_or((&self.path, ""));
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        self.path = format!("{before}{target}{after}");
        target.clone_into(&mut self.target);
        self
    }

    /// With this in the place of the next parameter.
    fn and(self, other: &str) -> Self {
        let target = self.target.clone();
        Self { target, ..self.to(other) }
    }

    /// With this behind the path.
    fn at(mut self, query: &str) -> Self {
        self.path.push_str(query);
        self
    }

    fn noted_as(self, action: &'static str, target: &str) -> Self {
        Self { action, target: target.to_owned(), ..self }
    }
}

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = Stage::set_with(&place, |mut config| {
        config.workers = 0;
        config
    })
    .await?;
    let api = &stage.api;
    let mut made = BTreeSet::new();
    let mut make = async |call: Call| {
        made.insert(call.route);
        let answer = audited(api, &call).await;
        answer.with_context(|| format!("{} at {}", call.route, call.path))
    };
    for call in servers() {
        make(call).await?;
    }
    let job = make(job_call()?).await?;
    let job = job.get("job_id").and_then(Value::as_str).context("no job")?.to_owned();
    for call in words_to(&job) {
        make(call).await?;
    }
    let post = "POST /api/v1/admin/tokens";
    let asked = json!({"name": "ci", "role": "reader"});
    let token = make(Call::new(post, asked, 201)).await?;
    let text = |name: &str| token.get(name).and_then(Value::as_str).map(str::to_owned);
    let (id, secret) = text("id").zip(text("token")).context("no token")?;
    make(Call::new("DELETE /api/v1/admin/tokens/{id}", Value::Null, 204).to(&id)).await?;
    for call in installation().into_iter().chain(registry()) {
        make(call).await?;
    }
    let remove = Call::new("DELETE /api/v1/servers/{serial}", Value::Null, 204).to("SN-LISTED");
    make(remove.noted_as("server.delete", "SN-LISTED")).await?;

    let all = writes(api).await?;
    let forgotten: Vec<&String> = all.iter().filter(|it| !made.contains(it.as_str())).collect();
    ensure!(forgotten.is_empty(), "not tried: {forgotten:?}");
    let log = api.get("/admin/audit?limit=1000").await?.wants(200)?.to_string();
    for word in [CANARY, &secret] {
        ensure!(!log.contains(word), "the audit log tells {word}");
    }
    filtered(api, &job).await?;
    stage.strike([]).await
}

fn record() -> Value {
    json!({
        "bmc_address": "https://127.0.0.1:9",
        "credentials": {"user": "operator", "password": CANARY},
        "tls": {"policy": "pin", "sha256": "ab".repeat(32)},
    })
}

fn servers() -> Vec<Call> {
    let mut listed = record();
    if let Some(members) = listed.as_object_mut() {
        members.insert("serial".to_owned(), json!("SN-LISTED"));
    }
    let quarantine = "PUT /api/v1/servers/{serial}/quarantine";
    let lift = "DELETE /api/v1/servers/{serial}/quarantine";
    let retry = "POST /api/v1/servers/{serial}/retry-login";
    vec![
        Call::new("PUT /api/v1/servers/{serial}", record(), 201)
            .to(SERIAL)
            .noted_as("server.put", SERIAL),
        Call::new("POST /api/v1/servers/import", json!([listed]), 200),
        Call::new(quarantine, json!({"reason": "fan 3"}), 200).to(SERIAL),
        Call::new(lift, Value::Null, 200).to(SERIAL),
        Call::new(retry, Value::Null, 200).to(SERIAL).noted_as("server.retry_login", SERIAL),
        Call::new("POST /api/v1/servers/{serial}/probe", Value::Null, 200).to(SERIAL),
        Call::new("DELETE /api/v1/bmc/learned", Value::Null, 200).at("?kind=dell"),
        // Nobody listens there.
        Call::new("POST /api/v1/bmc/examine", json!({"bmc_address": "https://127.0.0.1:1"}), 200),
    ]
}

fn job_call() -> Result<Call> {
    let mut request = linux_job(SERIAL)?;
    let recipe = request.get_mut("recipe").and_then(Value::as_object_mut).context("no recipe")?;
    recipe.insert("user_data".to_owned(), json!(format!("#cloud-config\npassword: {CANARY}\n")));
    Ok(Call::new("POST /api/v1/jobs", request, 202).noted_as("job.create", SERIAL))
}

/// The job is in the queue, so that a decision is refused and a replacement ends it.
fn words_to(job: &str) -> Vec<Call> {
    let call = |route, body, status| Call::new(route, body, status).to(job);
    let requeue = "POST /api/v1/jobs/{id}/requeue";
    vec![
        call("POST /api/v1/jobs/{id}/priority", json!({"priority": 5}), 200),
        call("POST /api/v1/jobs/{id}/decide", json!({"decision": "retry"}), 409),
        call("POST /api/v1/jobs/{id}/cancel", json!({}), 202),
        call("POST /api/v1/jobs/{id}/fail", json!({}), 409),
        call(requeue, json!({}), 202).noted_as("job.create", SERIAL),
    ]
}

fn installation() -> Vec<Call> {
    let value = json!({"value": format!("{CANARY}-of-media")});
    let revoke = "DELETE /api/v1/admin/secrets/{purpose}/{id}";
    vec![
        Call::new("PUT /api/v1/admin/drain", json!({"drain": true}), 200),
        Call::new("POST /api/v1/admin/secrets/{purpose}", value, 201).to("media"),
        Call::new(revoke, Value::Null, 204).to("media").and("1"),
        Call::new("POST /api/v1/admin/reload", Value::Null, 200),
    ]
}

/// What is not there is asked for as well as what is: both are kept.
fn registry() -> Vec<Call> {
    const NONE: &str = "00000000-0000-7000-8000-000000000000";
    vec![
        Call::new("POST /api/v1/registry/runs", json!({"task": "check"}), 202),
        Call::new("DELETE /api/v1/registry/runs/{id}", Value::Null, 404).to(NONE),
        Call::new("DELETE /api/v1/registry/uploads/{id}", Value::Null, 404).to(NONE),
    ]
}

/// Makes the call, and looks for the entry that it left.
async fn audited(api: &Api, call: &Call) -> Result<Value> {
    let method = call.route.split_once(' ').map_or("", |(method, _)| method);
    let path = call.path.trim_start_matches("/api/v1");
    let body = (!call.body.is_null()).then_some(&call.body);
    let method = Method::from_bytes(method.as_bytes())?;
    let answer = api.call(method, path, body).await?.wants(call.status)?;
    let page = api.get("/admin/audit?limit=1").await?.wants(200)?;
    let entry = page.pointer("/entries/0").context("an empty log")?;
    let word = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    ensure!(word("action") == call.action, "the newest entry is {entry}");
    ensure!(word("target") == call.target, "about something else: {entry}");
    ensure!(!word("actor").is_empty() && word("address") == "127.0.0.1", "from nobody: {entry}");
    let done = (200..300).contains(&call.status);
    ensure!(entry.get("ok") == Some(&json!(done)), "not as it was: {entry}");
    Ok(answer)
}

/// Every call of the API that changes something, but for reports, which machines make.
async fn writes(api: &Api) -> Result<BTreeSet<String>> {
    let document = api.get("/openapi.json").await?.wants(200)?;
    let paths = document.get("paths").and_then(Value::as_object).context("no paths")?;
    let mut writes = BTreeSet::new();
    for (path, methods) in paths.iter().filter(|(path, _)| !path.contains("/status-webhook/")) {
        let methods = methods.as_object().context("no methods")?;
        let changing = methods.keys().filter(|it| ["post", "put", "delete"].contains(&it.as_str()));
        writes.extend(changing.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    ensure!(writes.len() > 15, "too few calls that change something: {writes:?}");
    Ok(writes)
}

/// What was done to one job, and to all jobs of its server.
async fn filtered(api: &Api, job: &str) -> Result<()> {
    let found = async |query: String| {
        let page = api.get(&format!("/admin/audit?{query}")).await?.wants(200)?;
        let entries = page.get("entries").and_then(Value::as_array).map_or(0, Vec::len);
        anyhow::Ok(entries)
    };
    // Four words to it, how it came about, and the job that repeats it.
    ensure!(found(format!("target={job}")).await? == 6, "the story of a job");
    // Five calls about the server, two jobs that came about, and the words to the first of them.
    ensure!(found(format!("target={SERIAL}")).await? == 11, "the story of a server");
    ensure!(found("action=cancel&since=1h".to_owned()).await? == 1, "cancellations");
    ensure!(found("actor=nobody".to_owned()).await? == 0, "of nobody");
    Ok(())
}
