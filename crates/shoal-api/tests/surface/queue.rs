//! The queue as operators move it, and the drain.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_core::JobId;
use shoal_store::{AuditFilter, Role};

use crate::{
    harness::{App, SERIAL},
    sample::linux,
};

async fn second(app: &App) -> JobId {
    app.add_server("SRV-2", None).await;
    let mut body = linux();
    body["server_serial"] = json!("SRV-2");
    app.created(&body).await
}

#[tokio::test]
async fn a_queued_job_is_let_go_first() {
    let app = App::new().await;
    app.created(&linux()).await;
    let id = second(&app).await;
    let path = format!("/api/v1/jobs/{id}/priority");

    let answer = app.post(&path, &json!({"priority": 7})).send().await;

    assert_eq!(answer.status, StatusCode::OK);
    let told = answer.json();
    let stands = [&told["job_id"], &told["priority"], &told["position"], &told["bmc"]["then"]];
    assert_eq!(stands, [&json!(id), &json!(7), &json!(1), &json!("boot")]);
    for (body, place) in [
        (json!({}), "/priority missing_field"),
        (json!({"priority": 101}), "/priority out_of_range"),
        (json!({"priority": "high"}), "/priority bad_format"),
        (json!({"priority": 1, "x": 1}), "/x unknown_field"),
    ] {
        assert_eq!(app.post(&path, &body).send().await.details(), [place], "{body}");
    }
    assert_eq!(app.job(id).await.priority, 7);
}

#[tokio::test]
async fn a_queued_job_says_when_it_will_start_once_there_is_history() {
    let app = App::new().await;
    let limits = app.gate.limits();
    app.gate.set_limits(shoal_store::Limits { workers: 1, ..limits });
    let done = app.created(&linux()).await;
    app.drive(done, "insert_task").await;
    app.set_now(app.now() + std::time::Duration::from_mins(2));
    app.post(&format!("/api/v1/jobs/{done}/cancel"), &json!({})).send().await;
    app.drive(done, "complete").await;
    let first = app.created(&linux()).await;
    let id = second(&app).await;
    let shown = async || app.get(&format!("/api/v1/jobs/{id}")).send().await.json();

    let estimate = shown().await["estimate"].clone();

    assert_eq!(estimate["starts_in_seconds"], 60, "half of what the one before it will take");
    assert!(estimate["starts_at"].as_str().unwrap().starts_with("2026-01-01T"));
    app.gate.drain(true);
    assert_eq!(shown().await["estimate"], Value::Null, "nobody knows how long a drain takes");
    app.gate.drain(false);
    app.drive(first, "discover").await;
    assert_eq!(shown().await["position"], 1);
}

#[tokio::test]
async fn quarantine_is_put_and_lifted_by_itself() {
    let app = App::new().await;
    let path = format!("/api/v1/servers/{SERIAL}/quarantine");
    let put = |body: &Value| app.request(Method::PUT, &path).json(body);

    let answer = put(&json!({"reason": "fan 3"})).send().await;

    assert_eq!((answer.status, &answer.json()["quarantine"]), (StatusCode::OK, &json!("fan 3")));
    let refused = app.post("/api/v1/jobs", &linux()).send().await;
    assert_eq!(refused.refusal(), (409, "conflict.quarantined".to_owned()));
    for reason in [json!(""), json!(" "), json!("a\nb"), json!("x".repeat(1025))] {
        let answer = put(&json!({"reason": reason})).send().await;
        assert_eq!(answer.details(), ["/reason out_of_range"]);
    }
    assert_eq!(put(&json!({})).send().await.details(), ["/reason missing_field"]);
    let lifted = app.request(Method::DELETE, &path).send().await;
    assert_eq!((lifted.status, &lifted.json()["quarantine"]), (StatusCode::OK, &Value::Null));
    assert_eq!(lifted.json()["bmc_address"], "https://srv-1.example");
    let nobody = app.request(Method::DELETE, "/api/v1/servers/SRV-9/quarantine").send().await;
    assert_eq!(nobody.refusal(), (404, "not_found.server".to_owned()));
    let audited = app.store.audited(AuditFilter::default()).await.unwrap();
    let lines = audited.iter().map(|one| format!("{} {}", one.entry.action, one.entry.detail));
    let lines: Vec<_> = lines.filter(|line| line.contains("quarantine 200")).collect();
    let route = "/api/v1/servers/{serial}/quarantine 200";
    assert_eq!(lines, [format!("DELETE {route} lifted"), format!("PUT {route} fan 3")]);
}

#[tokio::test]
async fn only_administrators_drain_and_everybody_sees_what_is_left() {
    let app = App::new().await;
    let path = "/api/v1/admin/drain";
    let put = |role, drain: Value| app.role(role, Method::PUT, path).json(&json!({"drain": drain}));
    for role in [Role::Reader, Role::Operator] {
        assert_eq!(put(role, json!(true)).send().await.refusal(), (403, "forbidden".to_owned()));
        let read = app.role(role, Method::GET, path).send().await;
        assert_eq!(read.refusal(), (403, "forbidden".to_owned()));
    }
    let id = app.created(&linux()).await;
    app.drive(id, "insert_boot").await;
    second(&app).await;

    let drained = put(Role::Admin, json!(true)).send().await;

    assert_eq!(drained.status, StatusCode::OK);
    let state = json!({
        "drain": true, "picking": false, "bmc_active": 1, "need_media": 1, "queued": 1
    });
    assert_eq!(drained.json(), state);
    assert_eq!(app.role(Role::Admin, Method::GET, path).send().await.json(), state);
    assert!(app.gate.is_draining());
    assert_eq!(put(Role::Admin, json!("yes")).send().await.details(), ["/drain bad_format"]);
    let resumed = put(Role::Admin, json!(false)).send().await.json();
    assert_eq!((&resumed["drain"], &resumed["picking"]), (&json!(false), &json!(true)));
}
