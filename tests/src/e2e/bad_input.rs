//! What nobody should send, to the real controller: each request is answered with its status, a
//! stable code and a place, changes nothing, and leaves a log of whole lines without a panic.

mod media;
mod names;
mod recipes;
mod reports;
mod requests;
mod routes;
mod state;

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shoal_tests::Api;

use self::state::State;
use crate::{
    Group,
    stage::Stage,
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let new = |name: &str, run: fn(Place) -> Running| {
        Scenario::new(Group::Input, None, name.to_owned(), run)
    };
    vec![
        new("bad requests are refused and change nothing", |place| Box::pin(requests::run(place))),
        new("every call refuses what it does not take", |place| Box::pin(routes::run(place))),
        new("a recipe is refused for every rule it breaks", |place| Box::pin(recipes::run(place))),
        new("every row of the webhook's table", |place| Box::pin(reports::run(place))),
        new("no media address opens but the one that was given", |place| {
            Box::pin(media::run(place))
        }),
        new("hostile names go nowhere", |place| Box::pin(names::run(place))),
    ]
}

type Running = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A server whose BMC nobody ever calls, because the controller starts nothing.
const IDLE: &str = "SN-IDLE";

/// A controller that takes jobs and starts none, so that whatever changes was changed by a request.
async fn standing_still(place: &Place) -> Result<Stage> {
    let stage = Stage::set_with(place, |mut config| {
        config.workers = 0;
        config
    })
    .await?;
    stage.api.put_server(IDLE, &record()).await?.wants(201)?;
    Ok(stage)
}

/// A server at an address where nothing listens.
fn record() -> Value {
    json!({
        "bmc_address": "https://127.0.0.1:9",
        "credentials": {"user": "operator", "password": "calvin"},
        "tls": {"policy": "pin", "sha256": "ab".repeat(32)},
    })
}

/// One request and how it must be refused.
struct Case {
    what: String,
    request: RequestBuilder,
    status: u16,
    code: &'static str,
    /// The place that has to be among the details; none when there need not be any.
    place: Option<String>,
}

impl Case {
    fn new(
        what: impl Into<String>,
        request: RequestBuilder,
        (status, code): (u16, &'static str),
    ) -> Self {
        Self { what: what.into(), request, status, code, place: None }
    }

    /// Whether it would reach a call that changes something, had it been right.
    fn is_write(&self) -> bool {
        let request = self.request.try_clone().and_then(|request| request.build().ok());
        let known = !matches!(self.code, "not_found" | "method_not_allowed");
        known && request.is_some_and(|request| *request.method() != Method::GET)
    }

    fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

const INVALID: (u16, &str) = (400, "validation_error");
const WRONG_TYPE: (u16, &str) = (415, "unsupported_media_type");
const TOO_LARGE: (u16, &str) = (413, "payload_too_large");
const NO_ROUTE: (u16, &str) = (404, "not_found");
const NO_SERVER: (u16, &str) = (404, "not_found.server");
const NO_JOB: (u16, &str) = (404, "not_found.job");
const NO_METHOD: (u16, &str) = (405, "method_not_allowed");

/// Sends every case, and looks at everything after each.
async fn refuse(api: &Api, cases: Vec<Case>) -> Result<()> {
    let before = State::of(api).await?;
    for case in cases {
        let what = case.what.clone();
        refuse_one(case).await.with_context(|| what.clone())?;
        before.check(api).await.with_context(|| what)?;
    }
    Ok(())
}

async fn refuse_one(case: Case) -> Result<()> {
    let response = case.request.send().await.context("no answer")?;
    let status = response.status().as_u16();
    let text = response.text().await.context("a broken answer")?;
    ensure!(status == case.status, "answered {status} instead of {}: {text}", case.status);
    let body: Value = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
    let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    ensure!(word("error") == case.code, "refused as {} instead of {}", word("error"), case.code);
    ensure!(!word("message").is_empty(), "no message: {text}");
    ensure!(!word("message").contains(char::is_control), "an unprintable message: {text}");
    ensure!(!word("request_id").is_empty(), "no request id: {text}");
    let details = body.get("details").and_then(Value::as_array).cloned().unwrap_or_default();
    let said = |detail: &Value, name: &str| {
        detail.get(name).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
    };
    for detail in &details {
        let whole = !said(detail, "code").is_empty() && !said(detail, "message").is_empty();
        ensure!(whole && detail.get("path").is_some(), "half a detail: {detail}");
    }
    if (case.status, case.code) == INVALID {
        ensure!(!details.is_empty(), "nothing says what is wrong: {text}");
    }
    if let Some(place) = &case.place {
        let places: Vec<String> = details.iter().map(|detail| said(detail, "path")).collect();
        ensure!(places.contains(place), "{place} is not among {places:?}");
    }
    Ok(())
}

/// `POST` of a body as it is, called JSON.
fn post(api: &Api, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = api.request(Method::POST, path).header("content-type", "application/json");
    request.body(body)
}

/// Ends the controller and judges what it left behind: no panic, no failure of ours, and a log in
/// which every line is one JSON object. Gives the metrics and the log.
async fn strike(stage: Stage, place: &Place) -> Result<(String, String)> {
    let metrics = stage.api.metrics().await?;
    stage.strike([]).await?;
    let log = fs::read_to_string(place.directory.join("controller/controller.log"))
        .context("read the controller's log as UTF-8")?;
    for line in log.lines() {
        let parsed: Result<BTreeMap<String, Value>, _> = serde_json::from_str(line);
        ensure!(parsed.is_ok(), "a line of the log is no JSON object: {line:?}");
        ensure!(!line.contains("panicked"), "a panic: {line}");
    }
    for line in metrics.lines().filter(|line| line.starts_with("http_requests_total{")) {
        let failed = line.contains("code=\"5") && !line.ends_with(" 0");
        ensure!(!failed, "the controller failed at something: {line}");
    }
    Ok((metrics, log))
}
