//! BMCs apart from servers, and what was said to a job's BMC before its steps failed.

use http::{Method, StatusCode};
use serde_json::json;
use shoal_core::{StepKey, Time};
use shoal_store::{AuditFilter, Role, StoredLearned, StoredTranscript};

use crate::{harness::App, sample::linux};

const NOW: Time = Time::from_millis(1_767_225_600_000);

#[tokio::test]
async fn a_bmc_is_examined_as_far_as_was_said_how_and_nothing_of_it_is_kept() {
    let app = App::new().await;
    let call = |body| {
        let call = app.role(Role::Operator, Method::POST, "/api/v1/bmc/examine");
        async move { call.json(&body).send().await }
    };
    let tls = json!({"policy": "pin", "sha256": "ab".repeat(32)});
    let account = json!({"user": "root", "password": "canary"});
    let whole = json!({"bmc_address": "https://192.0.2.9", "tls": tls, "credentials": account});

    let bare = call(json!({"bmc_address": "https://192.0.2.9"})).await.json();
    let logged_in = call(whole.clone()).await;

    assert_eq!(bare["login"]["state"], "not_tried");
    assert_eq!(logged_in.json()["login"]["state"], "accepted");
    assert!(!logged_in.text().contains("canary"));
    let of = AuditFilter { action: Some("examine".to_owned()), ..AuditFilter::default() };
    let audited = app.store.audited(of).await.unwrap();
    let where_to: Vec<_> = audited.iter().map(|kept| kept.entry.detail.as_str()).collect();
    assert_eq!(where_to, ["200 https://192.0.2.9", "200 https://192.0.2.9"]);
    for (member, value) in [
        ("bmc_address", json!("http://192.0.2.9")),
        ("tls", json!({"policy": "trust"})),
        ("tls", json!({"policy": "pin", "sha256": "short"})),
        ("credentials", json!({"user": "root"})),
        ("serial", json!("SRV-1")),
    ] {
        let mut body = whole.clone();
        body[member] = value;
        let refused = call(body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{member}: {}", refused.text());
        assert!(!refused.text().contains("canary"), "{}", refused.text());
    }
    let reader = app.role(Role::Reader, Method::POST, "/api/v1/bmc/examine");
    assert_eq!(reader.json(&whole).send().await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.store.servers(None, 10).await.unwrap().len(), 1, "it was registered");
}

#[tokio::test]
async fn what_is_known_of_kinds_of_bmcs_is_told() {
    let app = App::new().await;
    let forms = r#"{"kind":"dell/x/1","etag":"any"}"#.to_owned();
    let learned = StoredLearned { kind: "dell/x/1".to_owned(), at: NOW, forms };
    app.store.set_learned(learned).await.unwrap();

    let told = app.get("/api/v1/bmc/learned").send().await.json();

    assert_eq!(
        told,
        json!({"kinds": [{
            "kind": "dell/x/1",
            "learned_at": "2026-01-01T00:00:00.000Z",
            "forms": {"kind": "dell/x/1", "etag": "any"},
        }]})
    );
}

#[tokio::test]
async fn what_is_known_of_a_kind_is_forgotten_by_word_of_an_operator() {
    let app = App::new().await;
    let forget = |role, query: &str| {
        let path = format!("/api/v1/bmc/learned{query}");
        let call = app.role(role, Method::DELETE, &path);
        async move { call.send().await }
    };
    let known = "?kind=dell%2FiDRAC%209%2F6.10";
    for (query, forgotten) in [(known, true), ("?kind=hpe%2FiLO%205%2F2.72", false)] {
        let told = forget(Role::Operator, query).await;
        assert_eq!((told.status, told.json()), (StatusCode::OK, json!({"forgotten": forgotten})));
    }
    for query in ["", "?kind=", "?kind=x&all=true"] {
        assert_eq!(forget(Role::Operator, query).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(forget(Role::Reader, known).await.status, StatusCode::FORBIDDEN);
    let of = AuditFilter { action: Some("learned".to_owned()), ..AuditFilter::default() };
    let audited = app.store.audited(of).await.unwrap();
    let told: Vec<_> = audited.iter().map(|kept| kept.entry.detail.as_str()).collect();
    assert!(told.contains(&"200 dell/iDRAC 9/6.10"), "{told:?}");
}

#[tokio::test]
async fn a_failed_step_tells_what_was_said_to_the_bmc() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let path = format!("/api/v1/jobs/{id}/transcripts");
    assert_eq!(app.get(&path).send().await.json()["transcripts"], json!([]));
    let exchange = json!({"number": 7, "op": "reset", "method": "POST", "path": "/redfish/v1/x",
        "sent": "{\"ResetType\":\"On\"}", "status": 409, "received": "busy", "duration_ms": 12});
    let transcript = StoredTranscript {
        attempt: 1,
        step: StepKey::RedfishReset,
        at: NOW,
        fault: "the server is busy".to_owned(),
        exchanges: json!([exchange]).to_string(),
    };
    app.store.set_transcript(id, transcript).await.unwrap();

    let told = app.get(&path).send().await.json();

    assert_eq!(
        told,
        json!({"job_id": id.to_string(), "transcripts": [{
            "attempt": 1, "step": "redfish.reset", "at": "2026-01-01T00:00:00.000Z",
            "fault": "the server is busy", "exchanges": [exchange],
        }]})
    );
    let strange = app.get("/api/v1/jobs/none/transcripts").send().await;
    assert_eq!(strange.status, StatusCode::NOT_FOUND);
}
