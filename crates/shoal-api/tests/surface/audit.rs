//! Reading the audit log.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_api::ClientAddr;
use shoal_store::Role;

use crate::{
    harness::{App, SERIAL},
    sample::linux,
};

async fn page(app: &App, query: &str) -> Value {
    let path = format!("/api/v1/admin/audit?{query}");
    let answer = app.role(Role::Admin, Method::GET, &path).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn actions(app: &App, query: &str) -> Vec<String> {
    let page = page(app, query).await;
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_what_when_and_where_from() {
    let app = App::new().await;
    let from = ClientAddr("::ffff:192.0.2.7".parse().unwrap());
    let created = app.post("/api/v1/jobs", &linux()).extension(from).send().await.json();
    let job = created["job_id"].as_str().unwrap();
    app.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).extension(from).send().await;
    let path = "/api/v1/admin/tokens/nothing";
    app.role(Role::Admin, Method::DELETE, path).send().await;

    let shown = page(&app, "limit=3").await;

    let told: Vec<String> = shown["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let text = |name: &str| it[name].as_str().unwrap_or("-").replace(job, "<job>");
            let [actor, address, action] = ["actor", "address", "action"].map(text);
            let [target, detail] = ["target", "detail"].map(text);
            assert!(it["at"].is_string() && it["id"].is_i64());
            format!("{actor} {address} {action} [{target}] {detail} {}", it["ok"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "anna - DELETE /api/v1/admin/tokens/{id} [nothing] 404 not_found.token false",
            "olga 192.0.2.7 POST /api/v1/jobs/{id}/cancel [<job>] 202 true",
            "olga 192.0.2.7 job.create [SRV-1] job <job> true",
        ]
    );
}

#[tokio::test]
async fn entries_are_found_by_actor_action_target_and_time() {
    let app = App::new().await;
    let job = app.created(&linux()).await;
    app.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).send().await;
    app.add_server("SRV-2", None).await;
    app.set_now(app.now() + std::time::Duration::from_hours(2));
    app.role(Role::Reader, Method::POST, "/api/v1/jobs").send().await;

    let cancel = "POST /api/v1/jobs/{id}/cancel";
    let create = "POST /api/v1/jobs";
    assert_eq!(actions(&app, "actor=rita").await, [create]);
    assert_eq!(actions(&app, "action=cancel").await, [cancel]);
    assert_eq!(actions(&app, "since=1h").await, [create]);
    assert_eq!(actions(&app, "target=SRV-2").await, ["server.put"]);
    let of_server = actions(&app, &format!("target={SERIAL}")).await;
    assert_eq!(of_server, [cancel, "job.create", "server.put"]);
    assert_eq!(actions(&app, &format!("target={job}")).await, [cancel, "job.create"]);
    assert_eq!(actions(&app, "target=1").await, [""; 0]);
    assert_eq!(actions(&app, "actor=olga&action=job.&target=SRV-1&since=3h").await, ["job.create"]);
}

#[tokio::test]
async fn pages_follow_each_other_to_the_first_entry() {
    let app = App::new().await;
    for serial in ["SRV-2", "SRV-3", "SRV-4", "SRV-5"] {
        app.add_server(serial, None).await;
    }
    let (mut targets, mut query) = (Vec::new(), "limit=2".to_owned());
    for _ in 0..3 {
        let page = page(&app, &query).await;
        let entries = page["entries"].as_array().unwrap();
        targets.extend(entries.iter().map(|it| it["target"].as_str().unwrap().to_owned()));
        query = match page["next"].as_i64() {
            Some(next) => format!("limit=2&cursor={next}"),
            None => break,
        };
    }
    assert_eq!(targets, ["SRV-5", "SRV-4", "SRV-3", "SRV-2", SERIAL]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name_and_only_administrators_ask() {
    let app = App::new().await;
    for (query, place) in [
        ("cursor=0", "query cursor bad_format"),
        ("cursor=x", "query cursor bad_format"),
        ("since=yesterday", "query since bad_format"),
        ("limit=0", "query limit bad_format"),
        ("who=anna", "query who unknown_field"),
    ] {
        let path = format!("/api/v1/admin/audit?{query}");
        let answer = app.role(Role::Admin, Method::GET, &path).send().await;
        assert_eq!((answer.status.as_u16(), answer.details()), (400, vec![place.to_owned()]));
    }
    let answer = app.get("/api/v1/admin/audit").send().await;
    assert_eq!(answer.refusal(), (403, "forbidden".to_owned()));
}
