//! Operators' words to jobs.

use http::StatusCode;
use serde_json::{Value, json};
use shoal_core::{Event, JobId, Milestone, OutcomeKind, Status};

use crate::{
    call::Answer,
    harness::{App, SERIAL},
    sample::{firmware, linux},
};

async fn say(app: &App, id: JobId, verb: &str, body: &Value) -> Answer {
    app.post(&format!("/api/v1/jobs/{id}/{verb}"), body).send().await
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_only_once() {
    let app = App::new().await;
    let id = app.created(&linux()).await;

    let answer = app.request(http::Method::POST, &format!("/api/v1/jobs/{id}/cancel")).send().await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    insta::assert_json_snapshot!("cancelled", answer.stable());
    assert_eq!(app.job(id).await.job.outcome().unwrap().kind, OutcomeKind::Cancelled);
    let again = say(&app, id, "cancel", &json!({})).await;
    assert_eq!(again.refusal(), (409, "conflict.job_state".to_owned()));
}

#[tokio::test]
async fn a_running_job_fails_when_an_operator_says_so() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;

    let answer = say(&app, id, "fail", &json!({})).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json()["status"], "failed");
    assert_eq!(app.job(id).await.job.outcome().unwrap().kind, OutcomeKind::Failed);
}

#[tokio::test]
async fn ending_a_firmware_job_asks_back_unless_forced() {
    let app = App::new().await;
    let id = app.created(&firmware()).await;
    app.drive(id, "await_boot").await;
    app.read(id, Milestone::BootImageRead).await;

    let asked = say(&app, id, "cancel", &json!({})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();
    assert_eq!((&job["phase"], &job["held"]), (&json!("held"), &json!("stop_during_flash")));

    let forced = say(&app, id, "cancel", &json!({"force": true})).await;
    assert_eq!(forced.status, StatusCode::ACCEPTED);
    assert_eq!(app.job(id).await.job.outcome().unwrap().kind, OutcomeKind::Cancelled);
}

#[tokio::test]
async fn a_held_job_takes_a_decision_and_others_do_not() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let decide = async |word: &str| say(&app, id, "decide", &json!({"decision": word})).await;
    assert_eq!(decide("retry").await.refusal(), (409, "conflict.job_state".to_owned()));
    app.booted(id).await;
    app.read(id, Milestone::BootAgain).await;
    assert_eq!(app.job(id).await.job.phase().name(), "held");

    assert_eq!(decide("maybe").await.details(), ["/decision bad_format"]);
    assert_eq!(decide("succeeded").await.status, StatusCode::ACCEPTED);
    assert_eq!(app.job(id).await.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
    assert_eq!(say(&app, id, "decide", &json!({})).await.details(), ["/decision missing_field"]);
}

#[tokio::test]
async fn a_complete_job_is_done_again_as_a_new_one() {
    let app = App::new().await;
    let mut body = linux();
    body["priority"] = json!(7);
    body["labels"] = json!({"team": "db"});
    body["maintenance_iso_url"] = json!("https://files.example/boot.iso");
    body["on_failure"] = json!("leave");
    let old = app.created(&body).await;
    let early = say(&app, old, "requeue", &json!({})).await;
    assert_eq!(early.refusal(), (409, "conflict.active_job".to_owned()));
    say(&app, old, "cancel", &json!({})).await;
    assert_eq!(app.drive(old, "complete").await.job.status(), Status::Complete);

    let answer = say(&app, old, "requeue", &json!({})).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let new: JobId = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
    assert_ne!(new, old);
    let (before, after) = (app.job(old).await, app.job(new).await);
    assert_eq!((after.retry_of, after.lineage), (Some(old), old));
    assert_eq!(after.recipe_sha256, before.recipe_sha256);
    assert_eq!((after.priority, &after.labels), (before.priority, &before.labels));
    assert_eq!(after.boot_url, before.boot_url);
    assert_eq!(after.job.plan(), before.job.plan());
    assert_eq!(after.traceparent, before.traceparent);
}

#[tokio::test]
async fn words_to_no_job_are_not_found() {
    let app = App::new().await;
    for verb in ["cancel", "fail", "requeue"] {
        let answer = app
            .post(&format!("/api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001/{verb}"), &json!({}));
        assert_eq!(answer.send().await.refusal(), (404, "not_found.job".to_owned()), "{verb}");
    }
}

#[tokio::test]
async fn every_write_is_in_the_audit_log_the_refused_ones_too() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.post("/api/v1/jobs", &linux()).send().await;
    say(&app, id, "cancel", &json!({})).await;
    let path = format!("/api/v1/jobs/{id}/fail");
    app.role(shoal_store::Role::Reader, http::Method::POST, &path).send().await;
    app.get("/api/v1/jobs").send().await;

    let entries = app.store.audited(shoal_store::AuditFilter::default()).await.unwrap();

    let lines: Vec<_> = entries
        .into_iter()
        .rev()
        .filter(|audited| audited.entry.actor.name != "test")
        .map(|audited| {
            let entry = audited.entry;
            let line = format!(
                "{} {} [{}] {} ok={}",
                entry.actor.name, entry.action, entry.target, entry.detail, entry.ok
            );
            line.replace(&id.to_string(), "<job>")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "olga job.create [SRV-1] job <job> ok=true",
            "olga POST /api/v1/jobs [] 409 conflict.active_job ok=false",
            "olga POST /api/v1/jobs/{id}/cancel [<job>] 202 ok=true",
            "rita POST /api/v1/jobs/{id}/fail [<job>] 403 forbidden ok=false",
        ]
    );
}

#[tokio::test]
async fn a_server_with_an_unfinished_job_cannot_be_removed() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let remove = || app.request(http::Method::DELETE, &format!("/api/v1/servers/{SERIAL}"));

    assert_eq!(remove().send().await.refusal(), (409, "conflict.active_job".to_owned()));
    say(&app, id, "cancel", &json!({})).await;
    app.drive(id, "complete").await;
    assert_eq!(remove().send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(remove().send().await.refusal(), (404, "not_found.server".to_owned()));
    // The job stays in history, and its server is unknown to a retry.
    let requeued = say(&app, id, "requeue", &json!({})).await;
    assert_eq!(requeued.refusal(), (404, "not_found.server".to_owned()));
    assert!(matches!(app.record(id, Event::ServerChanged).await.job.status(), Status::Complete));
}
