//! Administration: who may, what is shown once, and what is never shown.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_store::{AuditFilter, KeyPurpose, Role};

use crate::{
    call::Call,
    harness::{App, Setup},
    sample::linux,
    webhook::success,
};

fn admin<'a>(app: &'a App, method: Method, path: &str) -> Call<'a> {
    app.role(Role::Admin, method, &format!("/api/v1/admin/{path}"))
}

#[tokio::test]
async fn administration_is_for_administrators_alone() {
    let app = App::new().await;
    let calls = [
        (Method::GET, "tokens"),
        (Method::POST, "tokens"),
        (Method::DELETE, "tokens/0123456789abcdef"),
        (Method::GET, "secrets"),
        (Method::POST, "secrets/media"),
        (Method::DELETE, "secrets/media/1"),
        (Method::GET, "changes"),
        (Method::POST, "reload"),
    ];
    for (method, path) in calls {
        let path = format!("/api/v1/admin/{path}");
        let stranger = app.anonymous(method.clone(), &path).send().await;
        assert_eq!(stranger.refusal(), (401, "unauthorized".to_owned()), "{method} {path}");
        for role in [Role::Reader, Role::Operator] {
            let answer = app.role(role, method.clone(), &path).send().await;
            assert_eq!(answer.refusal(), (403, "forbidden".to_owned()), "{role:?} {method} {path}");
        }
        let answer = app.role(Role::Admin, method.clone(), &path).send().await;
        assert_ne!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_is_shown_once_opens_the_door_of_its_role_and_is_revoked_at_once() {
    let app = App::new().await;
    let end = "2099-01-01T00:00:00.000Z";
    let body = json!({"name": "ci", "role": "operator", "expires_at": end});
    let made = admin(&app, Method::POST, "tokens").json(&body).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());

    let with = |method, path: &str| app.anonymous(method, path).bearer(token);
    assert_eq!(with(Method::GET, "/api/v1/jobs").send().await.status, StatusCode::OK);
    let above = with(Method::GET, "/api/v1/admin/tokens").send().await;
    assert_eq!(above.refusal(), (403, "forbidden".to_owned()));

    let listed = admin(&app, Method::GET, "tokens").send().await;
    assert!(!listed.text().contains(token));
    let listed = listed.json();
    let of_ci = |entry: &&Value| entry["name"] == "ci";
    let entry = listed["tokens"].as_array().unwrap().iter().find(of_ci).unwrap().clone();
    assert_eq!((&entry["id"], &entry["role"]), (&json!(id), &json!("operator")));
    assert_eq!((&entry["expires_at"], entry["last_used_at"].is_string()), (&json!(end), true));

    let again = admin(&app, Method::POST, "tokens").json(&body).send().await;
    assert_eq!(again.refusal(), (409, "conflict.name_taken".to_owned()));
    let revoked = admin(&app, Method::DELETE, &format!("tokens/{id}")).send().await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(with(Method::GET, "/api/v1/jobs").send().await.status, StatusCode::UNAUTHORIZED);
    let gone = admin(&app, Method::DELETE, &format!("tokens/{id}")).send().await;
    assert_eq!(gone.refusal(), (404, "not_found.token".to_owned()));
    let audit = format!("{:?}", app.store.audited(AuditFilter::default()).await.unwrap());
    assert!(audit.contains(id) && !audit.contains(token), "{audit}");
}

#[tokio::test]
async fn a_token_is_refused_once_its_time_is_over() {
    let app = App::new().await;
    let body = json!({"name": "ci", "role": "reader", "expires_at": "2026-01-01T00:00:10Z"});
    let made = admin(&app, Method::POST, "tokens").json(&body).send().await.json();
    let token = made["token"].as_str().unwrap();
    let get = || app.anonymous(Method::GET, "/api/v1/jobs").bearer(token);
    assert_eq!(get().send().await.status, StatusCode::OK);

    app.set_now(app.now() + std::time::Duration::from_secs(10));

    assert_eq!(get().send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_nobody_could_name_or_use_is_refused() {
    let app = App::new().await;
    for (body, place) in [
        (json!({"role": "reader"}), "/name missing_field"),
        (json!({"name": "a b", "role": "reader"}), "/name bad_format"),
        (json!({"name": "", "role": "reader"}), "/name bad_format"),
        (json!({"name": "a".repeat(65), "role": "reader"}), "/name bad_format"),
        (json!({"name": "a", "role": "root"}), "/role bad_format"),
        (
            json!({"name": "a", "role": "reader", "expires_at": "1999-01-01T00:00:00Z"}),
            "/expires_at bad_format",
        ),
        (json!({"name": "a", "role": "reader", "expires_at": "soon"}), "/expires_at bad_format"),
        (json!({"name": "a", "role": "reader", "token": "x"}), "/token unknown_field"),
    ] {
        let answer = admin(&app, Method::POST, "tokens").json(&body).send().await;
        assert_eq!((answer.status.as_u16(), answer.details()), (400, vec![place.to_owned()]));
    }
    assert_eq!(app.store.api_tokens().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_rotation_accepts_both_secrets_and_a_revocation_ends_one() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let path = "secrets/fleet_webhook";
    let given = json!({"value": "a-secret-of-sixteen-and-more"});
    let set = admin(&app, Method::POST, path).json(&given).send().await;
    assert_eq!(set.status, StatusCode::CREATED, "{}", set.text());
    assert_eq!((&set.json()["id"], &set.json()["value"]), (&json!(2), &Value::Null));
    let drawn = admin(&app, Method::POST, path).send().await.json();
    let value = drawn["value"].as_str().unwrap().to_owned();

    let serial = crate::harness::SERIAL;
    for secret in [crate::harness::FLEET, "a-secret-of-sixteen-and-more", &value] {
        let report = app.report(serial, secret, &success()).send().await;
        assert_eq!(report.status, StatusCode::OK, "{secret}");
    }
    let revoked = admin(&app, Method::DELETE, "secrets/fleet_webhook/2").send().await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT, "{}", revoked.text());
    let report = app.report(serial, "a-secret-of-sixteen-and-more", &success()).send().await;
    assert_eq!(report.status, StatusCode::FORBIDDEN);
    let twice = admin(&app, Method::DELETE, "secrets/fleet_webhook/2").send().await;
    assert_eq!(twice.status, StatusCode::NO_CONTENT, "an answer may have been lost");

    let known = admin(&app, Method::POST, path).json(&given).send().await;
    assert_eq!(known.refusal(), (409, "conflict.known_secret".to_owned()));
    let current = admin(&app, Method::DELETE, "secrets/fleet_webhook/3").send().await;
    assert_eq!(current.refusal(), (409, "conflict.current_key".to_owned()));
    let listed = admin(&app, Method::GET, "secrets").send().await;
    for secret in ["a-secret-of-sixteen-and-more", &value, crate::harness::FLEET] {
        assert!(!listed.text().contains(secret));
    }
    let listed = listed.json();
    let fleet = |key: &&Value| key["purpose"] == "fleet_webhook";
    let states: Vec<_> =
        listed["keys"].as_array().unwrap().iter().filter(fleet).map(|key| &key["state"]).collect();
    assert_eq!(states, ["current", "revoked", "accepted"]);

    let changes = admin(&app, Method::GET, "changes?since=1h").send().await.json();
    let kinds: Vec<_> =
        changes["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    // The first is the one of the configuration.
    assert_eq!(kinds, ["secret_set", "secret_set", "secret_set", "secret_revoked"]);
    let told = format!("{changes} {:?}", app.store.audited(AuditFilter::default()).await.unwrap());
    assert!(!told.contains("sixteen") && !told.contains(&value), "{told}");
}

#[tokio::test]
async fn secrets_that_cannot_serve_are_refused() {
    let app = App::with(Setup { fleet_secret: false, ..Setup::default() }).await;
    let unused = admin(&app, Method::POST, "secrets/fleet_webhook").send().await;
    assert_eq!(unused.refusal(), (409, "conflict.unused_secret".to_owned()));
    for path in ["secrets/none", "secrets/media%2f1"] {
        let unknown = admin(&app, Method::POST, path).send().await;
        assert_eq!(unknown.refusal(), (404, "not_found.key".to_owned()), "{path}");
    }
    for path in ["secrets/media/99", "secrets/media/900", "secrets/media/x", "secrets/no/1"] {
        let unknown = admin(&app, Method::DELETE, path).send().await;
        assert_eq!(unknown.refusal(), (404, "not_found.key".to_owned()), "{path}");
    }
    for value in [json!("short"), json!("x".repeat(1025)), json!("sixteen bytes\nor more")] {
        let body = json!({"value": value});
        let answer = admin(&app, Method::POST, "secrets/media").json(&body).send().await;
        assert_eq!(answer.details(), ["/value out_of_range"]);
        assert!(!answer.text().contains("sixteen bytes"));
    }
    let keys = app.store.key_records().await.unwrap();
    assert!(keys.iter().all(|key| key.purpose == KeyPurpose::FleetWebhook), "{keys:?}");
}

#[tokio::test]
async fn a_reload_tells_what_changed_or_why_it_did_not() {
    let app = App::new().await;
    let refused = admin(&app, Method::POST, "reload").send().await;
    assert_eq!(refused.refusal(), (409, "conflict.reload_refused".to_owned()));
    assert_eq!(refused.details(), ["TLS_CERT_FILE refused"]);

    let done = admin(&app, Method::POST, "reload?dry_run=true&force=true").send().await.json();
    assert_eq!(done["dry_run"], true);
    assert_eq!(done["changed"][0]["key"], "LOG_LEVEL");
    let odd = admin(&app, Method::POST, "reload?now=true").send().await;
    assert_eq!(odd.details(), ["query now unknown_field"]);
}
