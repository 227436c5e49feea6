//! The registry for operators: who may look, who may change, and what is told where there is none.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_store::{AuditFilter, Role};

use crate::{
    call::Answer,
    harness::{App, Setup},
    registrar::CONFIRMATION,
};

const PREFIX: &str = "/api/v1/registry";
const UPLOAD: &str = "0123456789abcdef0123456789abcdef";

async fn look(app: &App, path: &str) -> Answer {
    app.role(Role::Reader, Method::GET, &format!("{PREFIX}/{path}")).send().await
}

async fn begin(app: &App, body: &Value) -> Answer {
    app.role(Role::Admin, Method::POST, &format!("{PREFIX}/runs")).json(body).send().await
}

#[tokio::test]
async fn readers_look_and_only_administrators_change() {
    let app = App::new().await;
    for path in ["repositories", "usage?top=3", "uploads", "retention", "runs"] {
        assert_eq!(look(&app, path).await.status, StatusCode::OK, "{path}");
    }
    let changes = [
        (Method::POST, "runs".to_owned()),
        (Method::DELETE, "runs/1-1".to_owned()),
        (Method::DELETE, format!("uploads/{UPLOAD}")),
    ];
    for (method, path) in changes {
        let path = format!("{PREFIX}/{path}");
        for role in [Role::Reader, Role::Operator] {
            let answer = app.role(role, method.clone(), &path).send().await;
            assert_eq!(answer.refusal(), (403, "forbidden".to_owned()), "{role:?} {method} {path}");
        }
        let answer = app.role(Role::Admin, method, &path).send().await;
        assert_ne!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn slashes_of_a_name_are_escaped_and_what_is_not_there_is_said() {
    let app = App::new().await;
    let shown = look(&app, "repositories/tools%2Fpartition").await.json();
    assert_eq!((&shown["repository"], &shown["tags"]), (&json!("tools/partition"), &json!(2)));
    assert_eq!(shown["pushed_at"], "2026-01-01T00:00:00.000Z");
    let manifest = look(&app, "repositories/tools%2Fpartition/manifests/v1").await.json();
    assert_eq!(manifest["contents"][0]["title"], "tool.squashfs");
    for (path, code) in [
        ("repositories/tools%2Fother", "not_found.repository"),
        ("repositories/tools/partition", "not_found"),
        ("repositories/tools%2Fother/tags", "not_found.repository"),
        ("repositories/tools%2Fpartition/manifests/v9", "not_found.manifest"),
        ("retention?repository=none", "not_found.repository"),
        ("runs/1-1", "not_found.run"),
    ] {
        assert_eq!(look(&app, path).await.refusal(), (404, code.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = App::new().await;
    let path = "repositories/tools%2Fpartition/tags?limit=1";
    let first = look(&app, path).await.json();
    assert_eq!((&first["tags"][0]["tag"], &first["next"]), (&json!("v1"), &json!("v1")));
    let second = look(&app, &format!("{path}&cursor=v1")).await.json();
    assert_eq!((&second["tags"][0]["tag"], &second["next"]), (&json!("v2"), &Value::Null));
    let wrong = look(&app, "retention?cursor=nowhere").await;
    assert_eq!(wrong.refusal(), (400, "validation_error".to_owned()));
    let wrong = look(&app, "usage?top=0").await;
    assert_eq!(wrong.refusal(), (400, "validation_error".to_owned()));
}

#[tokio::test]
async fn one_run_at_a_time_is_begun_followed_stopped_and_recorded() {
    let app = App::new().await;
    let begun = begin(&app, &json!({"task": "gc", "dry_run": true})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    let location = begun.headers["location"].to_str().unwrap().to_owned();
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("{PREFIX}/runs/{id}"));
    let busy = begin(&app, &json!({"task": "check"})).await;
    assert_eq!(busy.refusal(), (409, "conflict.registry_busy".to_owned()));
    assert!(busy.text().contains(&id));
    assert_eq!(look(&app, &format!("runs/{id}")).await.json()["state"], "running");
    let stopped = app.role(Role::Admin, Method::DELETE, &location).send().await;
    assert_eq!(
        (stopped.status, &stopped.json()["state"]),
        (StatusCode::ACCEPTED, &json!("stopped"))
    );
    let confirmed = json!({"task": "gc", "confirmation": "guessed"});
    let refused = begin(&app, &confirmed).await;
    assert_eq!(refused.refusal(), (409, "conflict.gc_unconfirmed".to_owned()));
    let confirmed = json!({"task": "gc", "confirmation": CONFIRMATION});
    assert_eq!(begin(&app, &confirmed).await.status, StatusCode::ACCEPTED);

    let entries = app.store.audited(AuditFilter { limit: 10, ..AuditFilter::default() }).await;
    let details: Vec<_> = entries.unwrap().into_iter().map(|kept| kept.entry.detail).collect();
    assert!(details.iter().any(|it| it == &format!("202 gc dry run run {id}")), "{details:?}");
    assert!(details.iter().any(|it| it == "409 conflict.registry_busy"), "{details:?}");
    assert!(details.iter().all(|it| !it.contains(CONFIRMATION)), "{details:?}");
}

#[tokio::test]
async fn orders_that_contradict_themselves_are_refused() {
    let app = App::new().await;
    for body in [
        json!({}),
        json!({"task": "rebuild"}),
        json!({"task": "check", "dry_run": true}),
        json!({"task": "check", "confirmation": "x"}),
        json!({"task": "gc", "dry_run": true, "confirmation": "x"}),
        json!({"task": "gc", "confirmation": ""}),
        json!({"task": "gc", "confirmation": "a\nb"}),
        json!({"task": "gc", "force": true}),
    ] {
        let refused = begin(&app, &body).await;
        assert_eq!(refused.refusal(), (400, "validation_error".to_owned()), "{body}");
    }
    assert_eq!(look(&app, "runs").await.json()["runs"], json!([]));
}

#[tokio::test]
async fn where_there_is_no_registry_every_call_says_which_setting_made_it_so() {
    let app = App::with(Setup { registry: false, ..Setup::default() }).await;
    for (method, path) in [
        (Method::GET, "repositories"),
        (Method::GET, "usage"),
        (Method::GET, "retention"),
        (Method::GET, "uploads"),
        (Method::GET, "runs"),
        (Method::DELETE, "runs/1-1"),
    ] {
        let call = app.role(Role::Admin, method, &format!("{PREFIX}/{path}"));
        let refused = call.send().await;
        assert_eq!(refused.refusal(), (409, "conflict.registry_off".to_owned()), "{path}");
        assert!(refused.text().contains("ENABLE_REGISTRY"));
    }
    let refused = begin(&app, &json!({"task": "gc"})).await;
    assert_eq!(refused.refusal(), (409, "conflict.registry_off".to_owned()));
}
