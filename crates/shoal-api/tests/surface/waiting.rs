//! In every phase a job says what it waits for, what was seen of it, and when patience ends.

use std::fmt::Write;

use serde_json::{Value, json};
use shoal_core::{Event, Milestone};

use crate::{
    actions::reach,
    harness::{App, SERIAL},
    sample::{esxi, firmware, linux},
};

async fn line(app: &App, id: shoal_core::JobId, what: &str) -> String {
    let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();
    let listed = app.get("/api/v1/jobs").send().await.json();
    let listed = listed["jobs"].as_array().unwrap().iter().find(|one| one["job_id"] == json!(id));
    assert_eq!(listed.unwrap()["waiting_for"], job["waiting_for"], "lists say the same");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let deadline = if job["deadline"].is_null() { "no deadline" } else { "a deadline" };
    format!(
        "{what}: {} [{}]; {}; {deadline}",
        text(&job["waiting_for"]),
        text(&job["waiting_for_code"]),
        text(&job["evidence"]["says"]),
    )
}

#[tokio::test]
async fn every_phase_says_what_it_waits_for() {
    let mut table = String::new();
    for (phase, body) in [
        ("queued", linux()),
        ("discover", linux()),
        ("build", linux()),
        ("power_off", linux()),
        ("clear_media", linux()),
        ("insert_task", linux()),
        ("insert_boot", linux()),
        ("boot_once", linux()),
        ("power_on", linux()),
        ("await_boot", linux()),
        ("await_report", linux()),
        ("await_flash", firmware()),
        ("await_installer", esxi()),
        ("settle", linux()),
        ("clean_power", linux()),
        ("clean_media", linux()),
        ("clean_override", linux()),
        ("deliver", linux()),
        ("held", linux()),
        ("complete", linux()),
    ] {
        let app = App::new().await;
        let id = app.created(&body).await;
        reach(&app, id, phase).await;
        let _ = writeln!(table, "{}", line(&app, id, phase).await);
    }
    insta::assert_snapshot!("phases", table);
}

#[tokio::test]
async fn a_wait_is_named_while_the_bmc_is_looked_at() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    app.read(id, Milestone::TaskRead).await;
    let due = app.now() + std::time::Duration::from_mins(30);
    app.set_now(due);
    let record = app.job(id).await;
    assert!(matches!(record.job.next(due), shoal_core::Next::Do(_)));

    let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();

    assert_eq!(job["waiting_for"], "the maintenance OS to report");
    assert_eq!(job["evidence"]["says"], "the task medium was read");
}

#[tokio::test]
async fn a_queued_job_says_what_holds_it_back() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let mut table = String::new();
    app.gate.drain(true);
    let _ = writeln!(table, "{}", line(&app, id, "drained").await);
    app.gate.drain(false);
    let limits = app.gate.limits();
    app.gate.set_limits(shoal_store::Limits { workers: 0, ..limits.clone() });
    let _ = writeln!(table, "{}", line(&app, id, "no workers").await);
    app.gate.set_limits(shoal_store::Limits { active: 0, ..limits.clone() });
    let _ = writeln!(table, "{}", line(&app, id, "full").await);
    app.gate.set_limits(limits);
    let quarantine = format!("/api/v1/servers/{SERIAL}/quarantine");
    app.request(http::Method::PUT, &quarantine).json(&json!({"reason": "fan 3"})).send().await;
    let _ = writeln!(table, "{}", line(&app, id, "quarantined").await);
    insta::assert_snapshot!("held_back", table);
}

#[tokio::test]
async fn a_command_that_failed_says_why_it_is_tried_again() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let record = app.drive(id, "discover").await;
    let fault = shoal_core::Fault::transient("the BMC is busy");
    let event = Event::Answered {
        seq: record.job.seq(),
        command: shoal_core::Command::ReadBmc,
        verdict: shoal_core::Verdict::Refused { fault },
    };
    app.record(id, event).await;

    let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();

    assert_eq!(job["waiting_for"], "another try: the BMC is busy");
    assert_eq!(job["waiting_for_code"], "retry");
}
