//! Servers: what goes in, what comes back, what never does.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    call::Answer,
    harness::{App, SERIAL},
};

fn server() -> Value {
    json!({
        "bmc_address": "https://10.0.0.7",
        "credentials": {"user": "root", "password": "canary-of-a-password"},
        "vendor_hint": "dell",
        "tls": {"policy": "pin", "sha256": "AB".repeat(32)},
        "media_scheme": "https",
        "allow_plain_media": true,
        "media_host": "media.example",
        "labels": {"rack": "b7"}
    })
}

async fn put(app: &App, serial: &str, body: &Value) -> Answer {
    app.request(Method::PUT, &format!("/api/v1/servers/{serial}")).json(body).send().await
}

#[tokio::test]
async fn a_server_is_put_shown_and_put_again_without_its_credentials_coming_back() {
    let app = App::new().await;

    let created = put(&app, "SRV-2", &server()).await;

    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.headers["location"], "/api/v1/servers/SRV-2");
    insta::assert_json_snapshot!("server", created.json());
    let shown = app.get("/api/v1/servers/SRV-2").send().await;
    assert_eq!(shown.json(), created.json());
    let mut without = server();
    without.as_object_mut().unwrap().remove("credentials");
    without["quarantine"] = json!("fan 3 is dead");
    let updated = put(&app, "SRV-2", &without).await;
    assert_eq!(updated.status, StatusCode::OK);
    assert_eq!(updated.json()["quarantine"], "fan 3 is dead");
    assert_eq!(updated.json()["has_credentials"], true);
    let stored = app.store.credentials(&"SRV-2".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.password.expose(), "canary-of-a-password");
    for answer in [created, shown, updated] {
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
}

#[tokio::test]
async fn mistakes_are_told_with_their_place_and_without_what_was_sent() {
    let app = App::new().await;
    let changed = |name: &str, value: Value| {
        let mut body = server();
        body[name] = value;
        body
    };
    for (body, places) in [
        (changed("bmc_address", json!("http://10.0.0.7")), vec!["/bmc_address bad_url"]),
        (changed("bmc_address", json!(7)), vec!["/bmc_address bad_format"]),
        (changed("tls", json!({"policy": "insecure", "reason": " "})), vec!["/tls bad_format"]),
        (changed("tls", json!({"policy": "insecure"})), vec!["/tls bad_format"]),
        (changed("tls", json!({"policy": "none"})), vec!["/tls bad_format"]),
        (changed("tls", json!({"policy": "pin", "sha256": "ab"})), vec!["/tls bad_format"]),
        (changed("tls", json!({"policy": "ca", "pem": "x"})), vec!["/tls bad_format"]),
        (changed("tls", Value::Null), vec!["/tls missing_field"]),
        (changed("credentials", Value::Null), vec!["/credentials missing_field"]),
        (changed("credentials", json!("canary")), vec!["/credentials wrong_type"]),
        (
            changed("credentials", json!({"user": "root", "password": 4711, "token": "canary"})),
            vec!["/credentials/password bad_format", "/credentials/token unknown_field"],
        ),
        (
            changed("credentials", json!({"user": "", "password": "can\nary"})),
            vec!["/credentials/password out_of_range", "/credentials/user out_of_range"],
        ),
        (changed("serial", json!("SRV-2")), vec!["/serial unknown_field"]),
        (changed("media_scheme", json!("nfs")), vec!["/media_scheme bad_format"]),
        (changed("quarantine", json!("x".repeat(1025))), vec!["/quarantine out_of_range"]),
    ] {
        let answer = put(&app, "SRV-2", &body).await;
        assert_eq!(answer.details(), places, "{body}");
        assert!(!answer.text().contains("canary") && !answer.text().contains("4711"));
    }
    assert_eq!(app.get("/api/v1/servers/SRV-2").send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn authorities_are_whole_certificates_every_one_of_them() {
    let app = App::new().await;
    let whole = include_str!("authority.pem");
    let cut = whole.replacen("\nMII", "\nMIJ", 1);
    let not_closed = whole.replace("-----END CERTIFICATE-----", "");
    let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    let key = whole.replace("CERTIFICATE", "PRIVATE KEY");
    let put_with = async |pem: &str| {
        let mut body = server();
        body["tls"] = json!({"policy": "ca", "pem": pem});
        put(&app, "SRV-2", &body).await
    };
    for broken in [&cut, &format!("{whole}{cut}"), &not_closed, empty, &key, ""] {
        let answer = put_with(broken).await;
        assert_eq!(answer.details(), ["/tls bad_format"], "{broken}");
    }
    assert_eq!(put_with(&format!("a rack\n{whole}\n{whole}")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_put_that_says_nothing_of_a_quarantine_lifts_none() {
    let app = App::new().await;
    let mut body = server();
    body["quarantine"] = json!("fan 3");
    put(&app, "SRV-2", &body).await;

    for nothing in [None, Some(Value::Null), Some(json!(""))] {
        match nothing {
            Some(nothing) => body["quarantine"] = nothing,
            None => drop(body.as_object_mut().unwrap().remove("quarantine")),
        }
        assert_eq!(put(&app, "SRV-2", &body).await.json()["quarantine"], "fan 3");
    }
    body["quarantine"] = json!("fan 4");
    assert_eq!(put(&app, "SRV-2", &body).await.json()["quarantine"], "fan 4");
    let path = "/api/v1/servers/SRV-2/quarantine";
    let lifted = app.request(http::Method::DELETE, path).send().await.json();
    assert_eq!(lifted["quarantine"], Value::Null);
}

#[tokio::test]
async fn hostile_serials_make_no_server() {
    let app = App::new().await;
    for serial in ["a%20b", "%2e%2e", "a%2Fb", "%00", "%C3%A9", &"x".repeat(65), "%ff"] {
        let answer = put(&app, serial, &server()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{serial}");
        assert_eq!(answer.json()["error"], "validation_error", "{serial}");
    }
    let listed = app.get("/api/v1/servers").send().await.json();
    assert_eq!(listed["servers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_pages_in_the_order_of_serials() {
    let app = App::new().await;
    for serial in ["B-2", "B-1", "C-1"] {
        put(&app, serial, &server()).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..2 {
        let page = app.get(&format!("/api/v1/servers?limit=2{cursor}")).send().await.json();
        let servers = page["servers"].as_array().unwrap();
        seen.extend(servers.iter().map(|s| s["serial"].as_str().unwrap().to_owned()));
        cursor = page["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!(seen, ["B-1", "B-2", "C-1", SERIAL]);
    assert_eq!(cursor, "");
}

#[tokio::test]
async fn an_insecure_bmc_is_in_the_audit_log_with_its_reason_once() {
    let app = App::new().await;
    let mut body = server();
    body["tls"] = json!({"policy": "insecure", "reason": "lab bench 4"});
    put(&app, "SRV-2", &body).await;

    let entries = app.store.audited(shoal_store::AuditFilter::default()).await.unwrap();

    let of_olga: Vec<_> = entries.iter().filter(|a| a.entry.actor.name == "olga").collect();
    assert_eq!(of_olga.len(), 1);
    assert!(of_olga[0].entry.detail.contains("lab bench 4"));
}

#[tokio::test]
async fn a_bmc_that_cannot_be_reached_is_an_answer_and_a_busy_one_is_asked_again_later() {
    let app = App::new().await;
    let probe = |serial: &str| format!("/api/v1/servers/{serial}/probe");
    let answer = app.request(Method::POST, &probe(SERIAL)).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert_eq!((&body["reachable"], &body["server_serial"]), (&json!(false), &json!(SERIAL)));
    assert_eq!(body["problems"][0]["next_step"], "check its network");
    for (hint, status) in
        [("busy", StatusCode::SERVICE_UNAVAILABLE), ("gone", StatusCode::NOT_FOUND)]
    {
        let mut body = server();
        body["vendor_hint"] = json!(hint);
        put(&app, "SRV-2", &body).await;
        let answer = app.request(Method::POST, &probe("SRV-2")).send().await;
        assert_eq!(answer.status, status, "{hint}");
    }
    let unknown = app.request(Method::POST, &probe("SRV-9")).send().await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let reader = app.role(shoal_store::Role::Reader, Method::POST, &probe(SERIAL)).send().await;
    assert_eq!(reader.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_server_shows_its_last_probe_with_its_age_and_its_refused_logins_until_they_are_retried()
{
    let app = App::new().await;
    let path = format!("/api/v1/servers/{SERIAL}");
    let serial = SERIAL.parse().unwrap();
    let report = json!({"bmc_address": "https://192.0.2.7", "reachable": true}).to_string();
    let stored = shoal_store::StoredProbe { at: app.now(), report, discovery: None };
    app.store.set_probe(&serial, stored).await.unwrap();
    let stopped = shoal_store::Logins { refused: 2, stopped_at: Some(app.now()) };
    app.store.set_logins(&serial, stopped).await.unwrap();
    app.set_now(app.now() + std::time::Duration::from_secs(90));

    let shown = app.get(&path).send().await.json();

    assert_eq!(shown["last_probe"]["age_seconds"], 90);
    assert_eq!(shown["last_probe"]["reachable"], true);
    assert_eq!(shown["refused_logins"], 2);
    assert!(shown["logins_stopped_at"].is_string());
    let retry = format!("{path}/retry-login");
    for cleared in [true, false] {
        let answer = app.request(Method::POST, &retry).send().await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json()["cleared"], cleared);
    }
    assert_eq!(app.get(&path).send().await.json()["refused_logins"], 0);
    let unknown = app.request(Method::POST, "/api/v1/servers/SRV-9/retry-login").send().await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
