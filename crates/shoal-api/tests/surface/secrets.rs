//! Whose reports are believed: the rows of the webhook's table about its secrets.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use http::{Method, StatusCode};
use serde_json::json;
use shoal_api::{ClientAddr, ClientCertificate, Limits, Rate, WebhookCertificates};
use shoal_core::{JobId, Milestone};

use crate::{
    call::Metrics,
    harness::{App, FLEET, SERIAL, Setup},
    sample::linux,
    webhook::{refused, success},
};

#[tokio::test]
async fn the_fleet_secret_needs_a_boot_that_was_seen() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.drive(id, "await_boot").await;

    let unseen = app.report(SERIAL, FLEET, &success()).send().await;
    assert_eq!(unseen.refusal(), refused(409, "webhook.unexpected"));
    assert!(app.job(id).await.job.outcome().is_none());
    let last = app.store.last_events(id, 1).await.unwrap();
    assert_eq!(last[0].name, "unexpected", "the history keeps that it came");

    app.read(id, Milestone::BootImageRead).await;
    let seen = app.report(SERIAL, FLEET, &success()).send().await;
    assert_eq!(seen.effect(), refused(200, "recorded"));
}

#[tokio::test]
async fn the_fleet_secret_proves_nothing_where_the_boot_medium_is_not_ours() {
    let app = App::new().await;
    let mut body = linux();
    body["maintenance_iso_url"] = json!("https://files.example/boot.iso");
    let id = app.created(&body).await;
    app.drive(id, "await_report").await;
    app.read(id, Milestone::TaskRead).await;

    let answer = app.report(SERIAL, FLEET, &success()).send().await;

    assert_eq!(answer.refusal(), refused(409, "webhook.unexpected"));
    let token = app.token(id, 1).await;
    assert_eq!(app.report(SERIAL, &token, &success()).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_fleet_secret_is_wrong_while_it_is_not_set() {
    let metrics = Metrics::record();
    let app = App::with(Setup { fleet_secret: false, ..Setup::default() }).await;
    let id = app.created(&linux()).await;
    app.booted(id).await;

    let answer = app.report(SERIAL, FLEET, &success()).send().await;

    assert_eq!(answer.refusal(), refused(403, "webhook.token_wrong"));
    assert_eq!(metrics.value("webhook_auth_failures_total{reason=\"mismatch\"}"), 1);
}

#[tokio::test]
async fn missing_and_wrong_tokens_are_refused_and_counted() {
    let metrics = Metrics::record();
    let app = App::new().await;
    app.add_server("SRV-2", None).await;
    let id = app.created(&linux()).await;
    let mut second = linux();
    second["server_serial"] = json!("SRV-2");
    let other = app.created(&second).await;
    app.booted(id).await;
    let mut flipped = app.token(id, 1).await;
    flipped.replace_range(50..51, if flipped.as_bytes()[50] == b'a' { "b" } else { "a" });
    let path = format!("/api/v1/status-webhook/{SERIAL}");

    let missing = app.anonymous(Method::POST, &path).json(&success()).send().await;
    assert_eq!(missing.refusal(), refused(401, "webhook.token_missing"));
    assert!(missing.headers.contains_key("www-authenticate"));
    let empty = app.report(SERIAL, "", &success()).send().await;
    assert_eq!(empty.refusal(), refused(401, "webhook.token_missing"));
    for wrong in ["x", &flipped, &"y".repeat(600), &app.token(other, 1).await] {
        let answer = app.report(SERIAL, wrong, &success()).send().await;
        assert_eq!(answer.refusal(), refused(403, "webhook.token_wrong"), "{wrong}");
    }

    assert!(app.job(id).await.job.outcome().is_none());
    assert_eq!(metrics.value("webhook_auth_failures_total{reason=\"missing\"}"), 2);
    assert_eq!(metrics.value("webhook_auth_failures_total{reason=\"mismatch\"}"), 4);
}

#[tokio::test]
async fn no_match_and_no_active_job_is_not_found() {
    let metrics = Metrics::record();
    let app = App::new().await;
    let stranger = app.token(JobId::from_u128(7), 1).await;
    for (serial, secret) in [
        (SERIAL, "wrong"),
        (SERIAL, FLEET),
        (SERIAL, &stranger),
        ("NO-1", "wrong"),
        ("..%2fx", "w"),
    ] {
        let answer = app.report(serial, secret, &success()).send().await;
        assert_eq!(answer.refusal(), refused(404, "webhook.no_job"), "{serial} {secret}");
    }
    assert_eq!(metrics.value("webhook_auth_failures_total{reason=\"mismatch\"}"), 3);
    assert_eq!(metrics.value("webhook_rejected_total{reason=\"no_job\"}"), 2);
}

#[tokio::test]
async fn wrong_tokens_are_counted_even_where_the_rate_limit_answers() {
    let metrics = Metrics::record();
    let burst = NonZeroU32::new(2).unwrap();
    let reports = Rate { burst, every: Duration::from_hours(24) };
    let limits = Limits { reports, ..Limits::default() };
    let app = App::with(Setup { limits, ..Setup::default() }).await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let from = |text: &str| ClientAddr(text.parse::<IpAddr>().unwrap());
    let send = async |addr: &str| {
        let call = app.report(SERIAL, "wrong", &success()).extension(from(addr));
        call.send().await
    };

    let statuses = [
        send("192.0.2.1").await.status,
        send("192.0.2.1").await.status,
        send("192.0.2.1").await.status,
        send("192.0.2.2").await.status,
    ];

    let (wrong, many) = (StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(statuses, [wrong, wrong, many, wrong]);
    assert!(send("192.0.2.1").await.headers.contains_key("retry-after"));
    assert_eq!(metrics.value("webhook_auth_failures_total{reason=\"mismatch\"}"), 5);
    // The machine itself has an allowance of its own.
    let token = app.token(id, 1).await;
    let report = app.report(SERIAL, &token, &success()).extension(from("192.0.2.1"));
    assert_eq!(report.send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn certificates_are_demanded_of_reports_as_far_as_the_operator_wants() {
    use ClientCertificate::{Foreign, None, Trusted};
    use WebhookCertificates::{Off, Optional, Required};
    let metrics = Metrics::record();
    let missing = Some("webhook.certificate_missing");
    let foreign = Some("webhook.certificate_foreign");
    for (certificates, shown, refused) in [
        (Off, None, Option::None),
        (Off, Foreign, Option::None),
        (Optional, None, Option::None),
        (Optional, Foreign, foreign),
        (Optional, Trusted, Option::None),
        (Required, None, missing),
        (Required, Foreign, foreign),
        (Required, Trusted, Option::None),
    ] {
        let app = App::with(Setup { certificates, ..Setup::default() }).await;
        let id = app.created(&linux()).await;
        app.booted(id).await;
        let token = app.token(id, 1).await;
        let report = app.report(SERIAL, &token, &success()).extension(shown).send().await;
        let code = report.json()["error"].as_str().map(ToOwned::to_owned);
        assert_eq!(code.as_deref(), refused, "{certificates:?} {shown:?}");
        assert_eq!(app.job(id).await.job.outcome().is_some(), refused.is_none());
        let login = app.get("/api/v1/jobs").extension(shown).send().await;
        assert_eq!(login.status, StatusCode::OK, "only the webhook minds");
    }
    assert_eq!(metrics.value("webhook_auth_failures_total{reason=\"cert\"}"), 3);
}
