//! The webhook, row by row of its table.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_core::{JobId, Milestone, OutcomeKind, StepKey};
use shoal_store::EventFilter;

use crate::{
    call::Metrics,
    harness::{App, SERIAL},
    sample::linux,
};

pub(crate) fn success() -> Value {
    json!({"status": "success", "delivery_id": "d-1"})
}

fn failed() -> Value {
    json!({"status": "failed", "failed_step": "partition.service", "delivery_id": "d-2"})
}

async fn kinds(app: &App, id: JobId) -> Vec<String> {
    let filter = EventFilter { job: Some(id), after: 0, limit: 500 };
    app.store.events(filter).await.unwrap().into_iter().map(|event| event.name).collect()
}

pub(crate) fn refused(code: u16, word: &str) -> (u16, String) {
    (code, word.to_owned())
}

#[tokio::test]
async fn a_report_after_power_on_is_the_outcome_with_or_without_a_boot_seen() {
    for boot_seen in [true, false] {
        let metrics = Metrics::record();
        let app = App::new().await;
        let id = app.created(&linux()).await;
        app.drive(id, "await_boot").await;
        if boot_seen {
            app.read(id, Milestone::BootImageRead).await;
        }
        let token = app.token(id, 1).await;

        let answer = app.report(SERIAL, &token, &success()).send().await;

        assert_eq!(answer.effect(), refused(200, "recorded"), "{boot_seen}");
        insta::assert_json_snapshot!("recorded", answer.json());
        assert_eq!(app.job(id).await.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
        assert_eq!(metrics.value("webhook_received_total{status=\"success\"}"), 1);
        assert_eq!(metrics.value("webhook_processing_duration_seconds_count"), 1);
    }
}

#[tokio::test]
async fn a_failed_unit_is_kept_as_sent_and_mapped_to_its_step() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let token = app.token(id, 1).await;

    assert_eq!(app.report(SERIAL, &token, &failed()).send().await.status, StatusCode::OK);

    let record = app.job(id).await;
    let outcome = record.job.outcome().unwrap();
    assert_eq!(outcome.failed_step, Some(StepKey::WorkflowPartition));
    assert_eq!(outcome.unit.as_deref(), Some("partition.service"));
}

#[tokio::test]
async fn a_report_before_power_on_is_an_event_only_and_right_when_it_comes_again() {
    let metrics = Metrics::record();
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.drive(id, "insert_boot").await;
    let token = app.token(id, 1).await;

    let early = app.report(SERIAL, &token, &success()).send().await;

    assert_eq!(early.refusal(), refused(409, "webhook.unexpected"));
    assert!(app.job(id).await.job.outcome().is_none());
    assert!(kinds(&app, id).await.contains(&"unexpected".to_owned()));
    assert_eq!(metrics.value("webhook_rejected_total{reason=\"unexpected\"}"), 1);
    assert_eq!(metrics.value("webhook_received_total{status=\"success\"}"), 0);
    app.booted(id).await;
    let again = app.report(SERIAL, &token, &success()).send().await;
    assert_eq!(again.effect(), refused(200, "recorded"));
}

#[tokio::test]
async fn the_same_delivery_counts_once_by_its_id_or_by_what_it_says() {
    for body in [success(), json!({"status": "success"})] {
        let metrics = Metrics::record();
        let app = App::new().await;
        let id = app.created(&linux()).await;
        app.booted(id).await;
        let token = app.token(id, 1).await;
        app.report(SERIAL, &token, &body).send().await;
        let before = kinds(&app, id).await;

        let again = app.report(SERIAL, &token, &body).send().await;

        assert_eq!(again.effect(), refused(200, "duplicate"), "{body}");
        assert_eq!(kinds(&app, id).await, before);
        assert_eq!(metrics.value("webhook_deduplicated_total"), 1);
    }
}

#[tokio::test]
async fn thirty_two_deliveries_are_remembered() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let token = app.token(id, 1).await;
    let send = async |n: u32| {
        let body = json!({"status": "progress", "bytes": n, "delivery_id": format!("p-{n}")});
        app.report(SERIAL, &token, &body).send().await.effect()
    };
    for n in 1..=33 {
        assert_eq!(send(n).await, refused(200, "recorded"), "{n}");
    }
    for n in [1, 2, 33] {
        assert_eq!(send(n).await, refused(200, "duplicate"), "{n}");
    }
}

#[tokio::test]
async fn a_finished_attempt_speaks_to_its_own_job_even_while_another_is_active() {
    let metrics = Metrics::record();
    let app = App::new().await;
    let old = app.created(&linux()).await;
    app.booted(old).await;
    let token = app.token(old, 1).await;
    app.report(SERIAL, &token, &failed()).send().await;
    app.drive(old, "complete").await;
    let new = app.created(&linux()).await;
    app.booted(new).await;
    let before = kinds(&app, new).await;

    let late = app.report(SERIAL, &token, &success()).send().await;

    assert_eq!(late.effect(), refused(200, "ignored"));
    assert!(app.job(new).await.job.outcome().is_none());
    assert_eq!(kinds(&app, new).await, before);
    assert_eq!(kinds(&app, old).await.last().unwrap(), "late_report");
    assert_eq!(metrics.value("webhook_rejected_total{reason=\"late_report\"}"), 1);
}

#[tokio::test]
async fn a_token_of_an_earlier_attempt_changes_nothing() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let first = app.token(id, 1).await;
    app.read(id, Milestone::BootAgain).await;
    app.post(&format!("/api/v1/jobs/{id}/decide"), &json!({"decision": "retry"})).send().await;
    assert_eq!(app.job(id).await.job.attempt(), 2);
    app.booted(id).await;

    let answer = app.report(SERIAL, &first, &success()).send().await;

    assert_eq!(answer.effect(), refused(200, "ignored"));
    assert!(app.job(id).await.job.outcome().is_none());
    let second = app.token(id, 2).await;
    let answer = app.report(SERIAL, &second, &success()).send().await;
    assert_eq!(answer.effect(), refused(200, "recorded"), "the same delivery id, another attempt");
}

#[tokio::test]
async fn what_contradicts_the_first_outcome_is_ignored_and_kept_as_an_event() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let token = app.token(id, 1).await;
    app.report(SERIAL, &token, &success()).send().await;

    let other = app.report(SERIAL, &token, &failed()).send().await;

    assert_eq!(other.effect(), refused(200, "ignored"));
    assert_eq!(app.job(id).await.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
    assert_eq!(kinds(&app, id).await.last().unwrap(), "late_report");
}

#[tokio::test]
async fn what_is_no_report_is_refused_with_its_place() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let token = app.token(id, 1).await;
    let send = |body: Vec<u8>, kind: &str| {
        app.anonymous(Method::POST, &format!("/api/v1/status-webhook/{SERIAL}"))
            .header("x-webhook-secret", &token)
            .header("content-type", kind)
            .body(body)
    };
    for (body, place) in [
        (&br#"{"status":"failed"}"#[..], "/failed_step required"),
        (br#"{"status":"done"}"#, "/status unknown"),
        (b"not json", " json"),
        (b"\xff\xfe", " json"),
        (b"[]", " type"),
    ] {
        let answer = send(body.to_vec(), "application/json").send().await;
        assert_eq!(answer.refusal(), refused(400, "validation_error"));
        assert_eq!(answer.details(), [place]);
    }
    let typed = send(b"{}".to_vec(), "text/plain").send().await;
    assert_eq!(typed.refusal(), refused(415, "unsupported_media_type"));
    let large = send(vec![b' '; 64 * 1024 + 1], "application/json").send().await;
    assert_eq!(large.refusal(), refused(413, "payload_too_large"));
    assert!(app.job(id).await.job.outcome().is_none());
    let unknown = br#"{"status":"success","colour":"green"}"#.to_vec();
    assert_eq!(send(unknown, "application/json").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn progress_moves_nothing_but_progress() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let before = app.job(id).await.job;
    let token = app.token(id, 1).await;
    let body = json!({"status": "progress", "step": "media_released"});

    let answer = app.report(SERIAL, &token, &body).send().await;

    assert_eq!(answer.effect(), refused(200, "recorded"));
    let after = app.job(id).await.job;
    assert_eq!((after.phase(), after.deadline()), (before.phase(), before.deadline()));
    assert_eq!(after.progress().activity.step.as_deref(), Some("media_released"));
}
