//! Asking for jobs and looking at them.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_core::{Milestone, Status};
use shoal_store::{Filter, Role};

use crate::{
    harness::{App, SERIAL},
    sample::{firmware, linux},
};

async fn stored(app: &App) -> usize {
    app.store.jobs(Filter::default()).await.unwrap().len()
}

#[tokio::test]
async fn a_request_becomes_a_queued_job() {
    let app = App::new().await;

    let answer = app.post("/api/v1/jobs", &linux()).send().await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.json()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["location"], format!("/api/v1/jobs/{id}"));
    insta::assert_json_snapshot!("accepted", answer.stable());
    let record = app.job(id.parse().unwrap()).await;
    assert_eq!(record.job.status(), Status::Queued);
    assert_eq!(record.job.serial().as_str(), SERIAL);
}

#[tokio::test]
async fn the_same_key_and_request_give_the_same_job_however_it_is_written() {
    let app = App::new().await;
    let post = |body: String| {
        app.request(Method::POST, "/api/v1/jobs")
            .header("content-type", "application/json; charset=utf-8")
            .header("idempotency-key", "ci-run-17")
            .body(body)
    };
    let first = post(linux().to_string()).send().await;

    let again = post(serde_json::to_string_pretty(&linux()).unwrap()).send().await;

    assert_eq!((first.status, again.status), (StatusCode::ACCEPTED, StatusCode::OK));
    assert_eq!(again.json(), first.json());
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(stored(&app).await, 1);
}

#[tokio::test]
async fn a_repeat_is_answered_when_the_server_is_gone_and_when_the_plan_would_fail_now() {
    let app = App::new().await;
    let post = || app.post("/api/v1/jobs", &linux()).header("idempotency-key", "k");
    let first = post().send().await;
    let path = format!("{}/cancel", first.headers["location"].to_str().unwrap());
    app.post(&path, &json!({})).send().await;
    let server = format!("/api/v1/servers/{SERIAL}");
    assert_eq!(app.request(Method::DELETE, &server).send().await.status, StatusCode::NO_CONTENT);

    for refuse in [false, true] {
        app.planner.refuse.store(refuse, std::sync::atomic::Ordering::SeqCst);
        let again = post().send().await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.text());
        assert_eq!(again.json()["job_id"], first.json()["job_id"]);
        assert_eq!(again.json()["status"], "complete");
    }
}

#[tokio::test]
async fn the_same_key_for_another_request_is_refused() {
    let app = App::new().await;
    let post = |body: &Value| app.post("/api/v1/jobs", body).header("idempotency-key", "k");
    assert_eq!(post(&linux()).send().await.status, StatusCode::ACCEPTED);
    let changed = |name: &str, value: Value| {
        let mut body = linux();
        body[name] = value;
        body
    };
    let mut other_secret = linux();
    other_secret["recipe"]["user_data"] = json!("#cloud-config\n");

    for other in [
        changed("priority", json!(1)),
        changed("labels", json!({"a": "b"})),
        changed("on_failure", json!("leave")),
        changed("maintenance_iso_url", json!("https://files.example/boot.iso")),
        other_secret,
        firmware(),
    ] {
        let refused = post(&other).send().await.refusal();
        assert_eq!(refused, (422, "idempotency_key_reused".to_owned()), "{other}");
    }
    let same = changed("priority", json!(0));
    assert_eq!(post(&same).send().await.status, StatusCode::OK, "a default may be written out");
}

#[tokio::test]
async fn keys_of_different_callers_are_different() {
    let app = App::new().await;
    let post = |role| {
        app.role(role, Method::POST, "/api/v1/jobs").header("idempotency-key", "k").json(&linux())
    };
    assert_eq!(post(Role::Operator).send().await.status, StatusCode::ACCEPTED);

    let other = post(Role::Admin).send().await;

    assert_eq!(other.refusal(), (409, "conflict.active_job".to_owned()));
}

#[tokio::test]
async fn a_malformed_key_is_refused_and_not_ignored() {
    let app = App::new().await;
    for key in ["", "two words", &"k".repeat(256)] {
        let answer = app.post("/api/v1/jobs", &linux()).header("idempotency-key", key).send().await;
        assert_eq!(answer.details(), ["Idempotency-Key bad_format"], "{key:?}");
    }
    let twice = app
        .post("/api/v1/jobs", &linux())
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    assert_eq!(twice.send().await.status, StatusCode::BAD_REQUEST);
    assert_eq!(stored(&app).await, 0);
}

#[tokio::test]
async fn a_server_has_one_unfinished_job() {
    let app = App::new().await;
    let first = app.created(&linux()).await;

    let second = app.post("/api/v1/jobs", &firmware()).send().await;

    assert_eq!(second.refusal(), (409, "conflict.active_job".to_owned()));
    assert_eq!(second.json()["details"][0]["message"], first.to_string());
}

#[tokio::test]
async fn unknown_and_quarantined_servers_get_no_job() {
    let app = App::new().await;
    app.add_server("SRV-Q", Some("fan 3 is dead")).await;
    let ask = async |serial: &str| {
        let mut body = linux();
        body["server_serial"] = json!(serial);
        app.post("/api/v1/jobs", &body).send().await
    };

    assert_eq!(ask("SRV-9").await.refusal(), (404, "not_found.server".to_owned()));
    let quarantined = ask("SRV-Q").await;
    assert_eq!(quarantined.refusal(), (409, "conflict.quarantined".to_owned()));
    assert!(quarantined.text().contains("fan 3 is dead"));
    assert_eq!(stored(&app).await, 0);
}

#[tokio::test]
async fn everything_wrong_with_a_request_is_told_at_once() {
    let app = App::new().await;
    let body = json!({
        "server_serial": "../etc",
        "recipe": {"task_target": "install-linux.target", "target_disk": "/dev/sda1", "x": 1},
        "maintenance_iso_url": "ftp://files.example/boot.iso",
        "priority": 101,
        "labels": {"a b": "c"},
        "on_failure": "explode",
        "recipes": {}
    });

    let answer = app.post("/api/v1/jobs", &body).header("x-request-id", "r-1").send().await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    insta::assert_json_snapshot!("invalid", answer.json());
}

#[tokio::test]
async fn what_the_planner_refuses_is_a_mistake_of_the_request() {
    let app = App::new().await;
    let mut body = linux();
    body["labels"] = json!({"refuse": "yes"});

    let answer = app.post("/api/v1/jobs", &body).send().await;

    assert_eq!(answer.refusal(), (400, "validation_error".to_owned()));
    assert_eq!(answer.details(), ["/recipe/task_target unsupported_value"]);
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_and_stores_nothing() {
    let app = App::new().await;

    let answer = app.post("/api/v1/jobs?dry_run=true", &linux()).send().await;

    assert_eq!(answer.status, StatusCode::OK);
    insta::assert_json_snapshot!("dry_run", answer.stable());
    assert_eq!(stored(&app).await, 0);
    assert!(!answer.text().contains("canary"));
    let active = app.created(&linux()).await;
    let busy = app.post("/api/v1/jobs?dry_run=true", &linux()).send().await;
    assert_eq!(busy.status, StatusCode::OK);
    assert!(busy.json()["notes"][1].as_str().unwrap().contains(&active.to_string()));
}

#[tokio::test]
async fn a_mistyped_switch_does_not_become_a_real_job() {
    let app = App::new().await;
    for query in ["dryrun=true", "dry_run=yes", "dry_run=true&probe=dead", "probe=live"] {
        let answer = app.post(&format!("/api/v1/jobs?{query}"), &linux()).send().await;
        assert_eq!(answer.refusal(), (400, "validation_error".to_owned()), "{query}");
    }
    assert_eq!(stored(&app).await, 0);
}

#[tokio::test]
async fn a_job_is_shown_in_full_without_its_secrets() {
    let app = App::new().await;
    let mut body = linux();
    body["labels"] = json!({"rack": "b/7"});
    let id = app.created(&body).await;
    app.booted(id).await;
    app.read(id, Milestone::TaskRead).await;
    let token = app.token(id, 1).await;
    let progress = json!({"status": "progress", "step": "workflow.image-linux", "percent": 40});
    assert_eq!(app.report(SERIAL, &token, &progress).send().await.status, StatusCode::OK);

    let answer = app.get(&format!("/api/v1/jobs/{id}")).send().await;

    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.text().contains("canary"), "{}", answer.text());
    let mut shown = answer.stable();
    let events = shown["events"].take();
    let kinds: Vec<_> =
        events.as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"created"));
    assert!(kinds.contains(&"media_read") && kinds.contains(&"progressed"), "{kinds:?}");
    insta::assert_json_snapshot!("shown", shown);
}

#[tokio::test]
async fn a_trace_is_kept_when_it_is_one_and_made_when_it_is_not() {
    let app = App::new().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let given = format!("00-{trace}-b7ad6b7169203331-01");
    app.add_server("SRV-2", None).await;
    let mut other = linux();
    other["server_serial"] = json!("SRV-2");
    let ask = async |body: &Value, header: &str| {
        let answer = app.post("/api/v1/jobs", body).header("traceparent", header).send().await;
        let id = answer.json()["job_id"].as_str().unwrap().to_owned();
        let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();
        job["trace_id"].as_str().unwrap().to_owned()
    };

    assert_eq!(ask(&linux(), &given).await, trace);
    let made = ask(&other, "00-nonsense").await;
    assert_eq!(made.len(), 32);
    assert_ne!(made, trace);
}

#[tokio::test]
async fn a_queued_job_says_where_it_stands() {
    let app = App::new().await;
    app.add_server("SRV-2", None).await;
    app.created(&linux()).await;
    let mut second = linux();
    second["server_serial"] = json!("SRV-2");
    let id = app.created(&second).await;

    let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();

    assert_eq!((&job["position"], &job["ahead_active"]), (&json!(2), &json!(0)));
    assert_eq!(job["waiting_for"], "a free worker");
}

#[tokio::test]
async fn ids_of_no_job_are_not_found() {
    let app = App::new().await;
    for id in ["x", "0190a5d2-7e1c-7cc3-8000-000000000001", "..%2f..", "%00", "%ff"] {
        for path in ["", "/events"] {
            let answer = app.get(&format!("/api/v1/jobs/{id}{path}")).send().await;
            assert!(answer.status.is_client_error(), "{id}{path} {}", answer.status);
            assert!(!answer.json()["error"].as_str().unwrap().is_empty());
        }
    }
}
