//! Every row of the webhook's table, against jobs on real (simulated) machines: one that waits for
//! its report, one that is over, and one that has not been powered on.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shoal_redfish_mock::{Action, EffectKind, Ending, Rule, Step, When};
use shoal_tests::{Api, PATIENCE};
use tokio::time::timeout;

use super::{Case, INVALID, TOO_LARGE, WRONG_TYPE, refuse_one};
use crate::{
    medium,
    reports::token,
    stage::{Stage, host},
    suite::Place,
};

const MISSING: (u16, &str) = (401, "webhook.token_missing");
const WRONG: (u16, &str) = (403, "webhook.token_wrong");
const NOBODY: (u16, &str) = (404, "webhook.no_job");

pub(super) async fn run(place: Place) -> Result<()> {
    let stage = Stage::set(&place).await?;
    let api = &stage.api;
    let machine = stage.machine("ilo5", host(Ending::HangAt(Step::Partition))).await?;
    let other =
        stage.stranger("idrac9-6x", "SN0002", host(Ending::HangAt(Step::Partition))).await?;
    api.enrol(&other).await?;
    let (job, follow) = stage.job(&machine).await?;
    let (other_job, other_follow) = stage.job(&other).await?;
    let (secret, others) = (token(&machine).await?, token(&other).await?);
    follow.phase("await_report").await?;
    machine
        .wait_for(|event| *event == shoal_redfish_mock::Event::StepStarted(Step::Partition))
        .await?;

    let before = Seen::of(api, &job).await?;
    let mut cases = of_strangers(api, machine.serial(), &others);
    cases.extend(of_nonsense(api, machine.serial(), &secret));
    for case in cases {
        let what = case.what.clone();
        refuse_one(case).await.with_context(|| what.clone())?;
        before.check(api, &job).await.with_context(|| what)?;
    }

    let says = |secret: String, body: Value| {
        report(api, machine.serial(), Some(&secret), body.to_string())
    };
    let moved =
        json!({"status": "progress", "step": "workflow.partition", "percent": 7, "colour": 1});
    effect(says(secret.clone(), moved.clone()), "recorded").await?;
    effect(says(secret.clone(), moved), "duplicate").await?;
    let failed = json!({"status": "failed", "failed_step": "\u{202e}<b>'\"; rm -rf /", "delivery_id": "d-1"});
    effect(says(secret.clone(), failed.clone()), "recorded").await?;
    effect(says(secret.clone(), failed), "duplicate").await?;
    effect(says(secret.clone(), json!({"status": "success"})), "ignored").await?;
    follow.completed().await?;
    let ended = api.job(&job).await?;
    ensure!(ended.failed_step.as_deref() == Some("workflow.dispatcher"), "{}", ended.story());
    refuse_one(Case::new(
        "a guess, no job",
        report(api, machine.serial(), Some("guess"), "{}"),
        NOBODY,
    ))
    .await?;

    let rule = Rule::once(When::Intends(EffectKind::BootOnce), Action::HoldBefore);
    let held = machine.mock().faults().add(rule);
    let (next, next_follow) = stage.job(&machine).await?;
    timeout(PATIENCE, held.reached()).await.context("no boot override was set")?;
    let before = Seen::of(api, &next).await?;
    let late = json!({"status": "success", "delivery_id": "d-2"});
    effect(says(secret, late), "ignored").await.context("a token of the job before")?;
    before.check(api, &next).await?;
    let early = medium::token(api, &machine, &place.directory).await?;
    let early =
        report(api, machine.serial(), Some(&early), json!({"status": "success"}).to_string());
    refuse_one(Case::new("too early", early, (409, "webhook.unexpected"))).await?;
    ensure!(api.job(&next).await?.outcome.is_none(), "an early report was believed");

    api.cancel(&next).await?;
    held.release();
    api.cancel(&other_job).await?;
    next_follow.completed().await?;
    other_follow.completed().await?;
    machine.shutdown().await;
    other.shutdown().await;
    super::strike(stage, &place).await.map(drop)
}

/// A report with this secret and body.
fn report(
    api: &Api,
    serial: &str,
    secret: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> RequestBuilder {
    let path = format!("/api/v1/status-webhook/{serial}");
    let request = api.request(Method::POST, &path).header("content-type", "application/json");
    match secret {
        Some(secret) => request.header("x-webhook-secret", secret.trim()).body(body),
        None => request.body(body),
    }
}

/// Whoever has no token of this job.
fn of_strangers(api: &Api, serial: &str, others: &str) -> Vec<Case> {
    let success = || json!({"status": "success"}).to_string();
    let case = |what: &str, serial: &str, secret: Option<&str>, refusal| {
        Case::new(what, report(api, serial, secret, success()), refusal)
    };
    let long = "x".repeat(4096);
    vec![
        case("no token", serial, None, MISSING),
        case("an empty token", serial, Some(""), MISSING),
        case("a guess", serial, Some("guess"), WRONG),
        case("a long guess", serial, Some(&long), WRONG),
        case("the token of another job", serial, Some(others), WRONG),
        case("a guess for nobody", "SN-NOBODY", Some("guess"), NOBODY),
        case("a guess for a path", "..%2f..%2fetc", Some("guess"), NOBODY),
        case("a guess for no UTF-8", "%ff", Some("guess"), NOBODY),
        case("no token for nobody", "SN-NOBODY", None, MISSING),
    ]
}

/// The right token, and what is no report.
fn of_nonsense(api: &Api, serial: &str, secret: &str) -> Vec<Case> {
    let deep =
        format!("{{\"status\":\"success\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let mut cases: Vec<Case> = [
        ("", ""),
        ("not json", ""),
        ("[]", ""),
        ("{\"status\":", ""),
        ("{}", "/status"),
        ("{\"status\":\"done\"}", "/status"),
        ("{\"status\":1}", "/status"),
        ("{\"status\":\"failed\"}", "/failed_step"),
        ("{\"status\":\"failed\",\"failed_step\":\"a\\u0007b\"}", "/failed_step"),
        ("{\"status\":\"failed\",\"failed_step\":7}", "/failed_step"),
        ("{\"status\":\"success\",\"delivery_id\":\"a b\"}", "/delivery_id"),
        ("{\"status\":\"success\",\"delivery_id\":\"a\\nb\"}", "/delivery_id"),
        ("{\"status\":\"success\",\"attempt\":-1}", "/attempt"),
        ("{\"status\":\"progress\",\"percent\":101}", "/percent"),
        ("{\"status\":\"progress\",\"bytes\":1.5}", "/bytes"),
        (&deep, ""),
    ]
    .into_iter()
    .map(|(body, place)| {
        let shown: String = body.chars().take(60).collect();
        let request = report(api, serial, Some(secret), body.to_owned());
        Case::new(format!("the report {shown:?}"), request, INVALID).at(place)
    })
    .collect();
    let bytes = report(api, serial, Some(secret), &b"{\"status\":\"\xff\"}"[..]);
    cases.push(Case::new("no UTF-8", bytes, INVALID).at(""));
    let large = report(api, serial, Some(secret), vec![b' '; 64 * 1024 + 1]);
    cases.push(Case::new("too large", large, TOO_LARGE));
    let path = format!("/api/v1/status-webhook/{serial}");
    let typed = api.request(Method::POST, &path).header("x-webhook-secret", secret.trim());
    let typed = typed.header("content-type", "text/plain").body("{\"status\":\"success\"}");
    cases.push(Case::new("another type", typed, WRONG_TYPE));
    cases
}

/// That the report is taken, with this effect.
async fn effect(request: RequestBuilder, wanted: &str) -> Result<()> {
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    ensure!(status == 200, "answered {status}: {text}");
    let body: Value = serde_json::from_str(&text).context("not JSON")?;
    let seen = body.get("result").and_then(Value::as_str);
    ensure!(seen == Some(wanted), "the effect is {seen:?} instead of {wanted}: {text}");
    Ok(())
}

/// Where a job stands, but for the times at which it was looked at.
struct Seen([Option<Value>; 7]);

impl Seen {
    async fn of(api: &Api, job: &str) -> Result<Self> {
        let job = api.job(job).await?.whole;
        let members =
            ["status", "phase", "outcome", "failed_step", "attempt", "progress", "evidence"];
        Ok(Self(members.map(|member| job.get(member).cloned())))
    }

    async fn check(&self, api: &Api, job: &str) -> Result<()> {
        let now = Self::of(api, job).await?;
        ensure!(self.0 == now.0, "the job has changed from {:?} to {:?}", self.0, now.0);
        Ok(())
    }
}
