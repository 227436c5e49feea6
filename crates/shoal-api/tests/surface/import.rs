//! Lists of servers: all of them, or none.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{call::Answer, harness::App};

fn record(serial: &str) -> Value {
    json!({
        "serial": serial,
        "bmc_address": format!("https://{}.example", serial.to_lowercase()),
        "credentials": {"user": "root", "password": "canary-of-a-password"},
        "tls": {"policy": "pin", "sha256": "ab".repeat(32)}
    })
}

async fn import(app: &App, content_type: &str, body: String) -> Answer {
    app.request(Method::POST, "/api/v1/servers/import")
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
}

async fn array(app: &App, records: &[Value]) -> Answer {
    import(app, "application/json", json!(records).to_string()).await
}

async fn count(app: &App) -> usize {
    app.store.servers(None, 0).await.unwrap().len()
}

#[tokio::test]
async fn a_list_is_imported_as_an_array_and_as_lines() {
    let app = App::new().await;

    let created = array(&app, &[record("A-1"), record("A-2")]).await;

    assert_eq!(created.status, StatusCode::OK, "{}", created.text());
    assert_eq!(created.json(), json!({"created": 2, "updated": 0, "unchanged": 0}));
    let mut moved = record("A-2");
    moved["labels"] = json!({"rack": "b7"});
    moved.as_object_mut().unwrap().remove("credentials");
    let lines = format!("{}\n{}\r\n\n{}\n", record("A-1"), moved, record("A-3"));
    let again = import(&app, "application/x-ndjson; charset=utf-8", lines).await;
    assert_eq!(again.json(), json!({"created": 1, "updated": 1, "unchanged": 1}));
    let shown = app.get("/api/v1/servers/A-2").send().await.json();
    assert_eq!((&shown["labels"]["rack"], &shown["has_credentials"]), (&json!("b7"), &json!(true)));
    let audited = app.store.audited(shoal_store::AuditFilter::default()).await.unwrap();
    let of_olga = audited.iter().filter(|one| one.entry.actor.name == "olga").count();
    assert_eq!(of_olga, 2 + 4, "two calls, and every server that was changed");
}

#[tokio::test]
async fn a_list_that_says_nothing_of_a_quarantine_lifts_none() {
    let app = App::new().await;
    let mut broken = record("A-1");
    broken["quarantine"] = json!("fan 3");
    array(&app, &[broken, record("A-2")]).await;
    let mut moved = record("A-1");
    moved["labels"] = json!({"rack": "b7"});

    let same = array(&app, &[record("A-1"), record("A-2")]).await;
    let changed = array(&app, &[moved]).await;

    assert_eq!(same.json(), json!({"created": 0, "updated": 0, "unchanged": 2}));
    assert_eq!(changed.json(), json!({"created": 0, "updated": 1, "unchanged": 0}));
    let shown = app.get("/api/v1/servers/A-1").send().await.json();
    assert_eq!((&shown["quarantine"], &shown["labels"]["rack"]), (&json!("fan 3"), &json!("b7")));
}

#[tokio::test]
async fn every_mistake_is_told_with_its_record_and_nothing_is_changed() {
    let app = App::new().await;
    let mut nameless = record("x");
    nameless.as_object_mut().unwrap().remove("serial");
    let mut plain = record("B-2");
    plain["bmc_address"] = json!("http://10.0.0.1");
    let mut loud = record("B-3");
    loud["credentials"]["token"] = json!("canary");
    let mut bare = record("B-4");
    bare.as_object_mut().unwrap().remove("credentials");

    let good = record("B-1");
    let answer = array(&app, &[good.clone(), nameless, plain, loud, good, json!("canary")]).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.details(),
        [
            "/1/serial missing_field",
            "/2/bmc_address bad_url",
            "/3/credentials/token unknown_field",
            "/4/serial duplicate_field",
            "/5 wrong_type",
        ]
    );
    assert!(!answer.text().contains("canary"));
    let bare = array(&app, &[record("B-1"), bare]).await;
    assert_eq!(bare.details(), ["/1/credentials missing_field"]);
    assert_eq!(count(&app).await, 1);
}

#[tokio::test]
async fn what_is_no_list_or_too_long_a_list_is_refused() {
    let app = App::new().await;
    for (content_type, body, refusal) in [
        ("application/json", "{}".to_owned(), 400),
        ("application/json", "[{]".to_owned(), 400),
        ("application/json", format!("[{}1]", "1,".repeat(5_000)), 400),
        ("application/x-ndjson", "{\"serial\": \"A-1\"\n".to_owned(), 400),
        ("text/csv", "serial\nA-1".to_owned(), 415),
        ("application/json", " ".repeat(8 * 1024 * 1024 + 1), 413),
    ] {
        let answer = import(&app, content_type, body).await;
        assert_eq!(answer.status.as_u16(), refusal, "{}", answer.text());
    }
    let empty = array(&app, &[]).await;
    assert_eq!(empty.json(), json!({"created": 0, "updated": 0, "unchanged": 0}));
    assert_eq!(count(&app).await, 1);
}

#[tokio::test]
async fn five_thousand_servers_are_one_import() {
    let app = App::new().await;
    let records: Vec<_> = (0..5_000).map(|number| record(&format!("C-{number}"))).collect();

    let answer = array(&app, &records).await;

    assert_eq!(answer.json()["created"], 5_000);
}
