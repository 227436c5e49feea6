//! Every operator's action in every phase: what is answered, and what the job becomes.

use std::fmt::Write;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_core::{Event, JobId, Milestone};

use crate::{
    harness::{App, SERIAL},
    sample::{esxi, firmware, linux},
};

/// Every phase, with the request whose job gets there.
fn phases() -> Vec<(&'static str, Value)> {
    let linux = |phase| (phase, linux());
    vec![
        linux("queued"),
        linux("discover"),
        linux("build"),
        linux("power_off"),
        linux("clear_media"),
        linux("insert_task"),
        linux("insert_boot"),
        linux("boot_once"),
        linux("power_on"),
        linux("power_on, sent"),
        linux("await_boot"),
        linux("await_report"),
        ("await_flash", firmware()),
        ("await_installer", esxi()),
        linux("settle"),
        linux("clean_power"),
        linux("clean_media"),
        linux("clean_override"),
        linux("deliver"),
        linux("deliver, sent"),
        linux("held"),
        ("held, flashing", firmware()),
        linux("complete"),
    ]
}

/// A job in a phase, the only one of its surface.
async fn job_in(phase: &str, body: &Value) -> (App, JobId) {
    let app = App::new().await;
    let id = app.created(body).await;
    reach(&app, id, phase).await;
    (app, id)
}

/// Drives a job into a phase, with what the machine has to say on the way.
pub(crate) async fn reach(app: &App, id: JobId, phase: &str) {
    match phase {
        "queued" => {}
        "await_report" => app.booted(id).await,
        "await_flash" | "await_installer" => {
            app.drive(id, "await_boot").await;
            app.read(id, Milestone::BootImageRead).await;
            app.drive(id, phase).await;
        }
        "held, flashing" => {
            Box::pin(reach(app, id, "await_flash")).await;
            app.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).send().await;
        }
        "power_on, sent" | "deliver, sent" => {
            let phase = phase.trim_end_matches(", sent");
            Box::pin(reach(app, id, phase)).await;
            let seq = app.job(id).await.job.seq();
            app.record(id, Event::Intended { seq }).await;
        }
        "held" => {
            app.booted(id).await;
            app.read(id, Milestone::BootAgain).await;
        }
        "settle" | "clean_power" | "clean_media" | "clean_override" | "deliver" | "complete" => {
            app.booted(id).await;
            let token = app.token(id, 1).await;
            let report = json!({"status": "success"});
            assert_eq!(app.report(SERIAL, &token, &report).send().await.status, StatusCode::OK);
            app.drive(id, phase).await;
        }
        _ => drop(app.drive(id, phase).await),
    }
    let name = phase.split(',').next().unwrap();
    assert_eq!(app.job(id).await.job.phase().name(), name);
}

/// What an operator may do to a job or its server.
fn actions() -> Vec<(&'static str, Method, &'static str, Value)> {
    let post = |name, verb, body| (name, Method::POST, verb, body);
    let server = json!({
        "bmc_address": "https://10.0.0.8",
        "tls": {"policy": "pin", "sha256": "ab".repeat(32)}
    });
    vec![
        post("cancel", "job/cancel", json!({})),
        post("cancel, forced", "job/cancel", json!({"force": true})),
        post("fail", "job/fail", json!({})),
        post("requeue", "job/requeue", json!({})),
        post("requeue, replace", "job/requeue", json!({"replace": true})),
        post("decide retry", "job/decide", json!({"decision": "retry"})),
        post("decide failed", "job/decide", json!({"decision": "failed"})),
        post("decide succeeded", "job/decide", json!({"decision": "succeeded"})),
        post("priority", "job/priority", json!({"priority": 5})),
        ("quarantine", Method::PUT, "server/quarantine", json!({"reason": "fan 3"})),
        ("put server", Method::PUT, "server", server),
        ("delete server", Method::DELETE, "server", Value::Null),
    ]
}

async fn row(action: &(&str, Method, &str, Value), phase: &str, body: &Value) -> String {
    let (app, id) = job_in(phase, body).await;
    let (name, method, path, said) = action;
    let path = path.replacen("job", &format!("/api/v1/jobs/{id}"), 1).replacen(
        "server",
        &format!("/api/v1/servers/{SERIAL}"),
        1,
    );
    let call = app.request(method.clone(), &path);
    let answer = if said.is_null() { call.send().await } else { call.json(said).send().await };
    let error = if answer.body.is_empty() { Value::Null } else { answer.json()["error"].clone() };
    let job = app.job(id).await.job;
    let outcome = job.outcome().map_or("-", |outcome| outcome.kind.as_str());
    let mut line = format!(
        "{name:<17} {phase:<16} {} {} -> {} {outcome}",
        answer.status.as_u16(),
        error.as_str().unwrap_or("ok"),
        job.phase().name(),
    );
    if job.is_stopping() && job.outcome().is_none() {
        line.push_str(" stopping");
    }
    let newest = app.store.jobs(shoal_store::Filter::default()).await.unwrap();
    if let Some(new) = newest.iter().find(|record| record.job.id() != id) {
        let waits = if new.after_job == Some(id) { "waits for it" } else { "waits for a worker" };
        let _ = write!(line, ", a new job {waits}");
    }
    let told = if answer.body.is_empty() { Value::Null } else { answer.json() };
    for (whose, bmc) in [("", &told["bmc"]), ("replaced: ", &told["replaces"]["bmc"])] {
        if let Some(text) = bmc["text"].as_str() {
            let _ = write!(line, " | {whose}{text}");
        }
    }
    if (200..300).contains(&answer.status.as_u16()) && path.contains("/jobs/") {
        let of_this = if told["job_id"] == json!(id) { &told } else { &told["replaces"] };
        does_as_told(&app, id, of_this).await;
    }
    line
}

/// What was told of the job's BMC is what it does there until it waits or is complete.
async fn does_as_told(app: &App, id: JobId, told: &Value) {
    let Some(will) = told["bmc"]["will"].as_array() else { return };
    let done = app.does(id).await;
    assert_eq!(json!(done), json!(will), "{told}");
}

#[tokio::test]
async fn every_action_has_its_answer_in_every_phase() {
    let mut table = String::new();
    for action in actions() {
        let phases = phases();
        let rows = phases.iter().map(|(phase, body)| row(&action, phase, body));
        table.push_str(&futures_util::future::join_all(rows).await.join("\n"));
        table.push_str("\n\n");
    }
    insta::assert_snapshot!("actions", table);
}

#[tokio::test]
async fn a_replacement_follows_the_job_it_replaces_without_anybody_asking_again() {
    let (app, old) = job_in("insert_boot", &linux()).await;
    let path = format!("/api/v1/jobs/{old}/requeue");
    let replace = || app.post(&path, &json!({"replace": true}));

    let answer = replace().send().await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let new: JobId = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
    let shown = async || app.get(&format!("/api/v1/jobs/{new}")).send().await.json();
    let waiting = shown().await;
    assert_eq!((&waiting["status"], &waiting["after_job"]), (&json!("queued"), &json!(old)));
    let why = format!("the end of job {old}, whose place it takes");
    assert_eq!(waiting["waiting_for"], why);
    assert_eq!(replace().send().await.refusal(), (409, "conflict.active_job".to_owned()));
    app.drive(old, "complete").await;
    let free = shown().await;
    assert_eq!((&free["waiting_for_code"], &free["after_job"]), (&json!("worker"), &Value::Null));
    app.drive(new, "discover").await;
}
