//! Events, as lists and as they happen.

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_api::Limits;
use shoal_core::{JobId, Milestone};

use crate::{
    harness::{App, SERIAL, Setup},
    sample::linux,
};

/// A stream of Server-Sent Events as a client reads it.
struct Live {
    body: BodyDataStream,
    buffer: String,
}

impl Live {
    async fn open(app: &App, path: &str, last: Option<i64>) -> Self {
        let mut call = app.get(path).header("accept", "text/event-stream");
        if let Some(last) = last {
            call = call.header("last-event-id", &last.to_string());
        }
        let response = call.open().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), buffer: String::new() }
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((message, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
                };
                // What only keeps a quiet connection open, as whoever reads late is sent too.
                if message.starts_with(':') && field("data:").is_none() {
                    self.buffer = rest.into();
                    continue;
                }
                let event: Value = serde_json::from_str(field("data:").unwrap()).unwrap();
                assert_eq!(field("id:").unwrap(), event["id"].to_string());
                self.buffer = rest.into();
                return Some(event);
            }
            let chunk = self.body.next().await?.unwrap();
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn rest(mut self) -> Vec<i64> {
        let mut ids = Vec::new();
        while let Some(event) = self.next().await {
            ids.push(event["id"].as_i64().unwrap());
        }
        ids
    }
}

async fn ids(app: &App, path: &str) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut after = 0;
    for _ in 0..100 {
        let page = app.get(&format!("{path}?limit=3&after={after}")).send().await.json();
        let events = page["events"].as_array().unwrap();
        ids.extend(events.iter().map(|event| event["id"].as_i64().unwrap()));
        let Some(next) = page["next"].as_i64() else { break };
        after = next;
    }
    ids
}

async fn complete(app: &App, id: JobId) {
    app.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).send().await;
    app.drive(id, "complete").await;
}

#[tokio::test]
async fn the_list_pages_through_all_of_a_jobs_events_in_order() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let path = format!("/api/v1/jobs/{id}/events");

    let seen = ids(&app, &path).await;

    assert!(seen.len() > 6 && seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    assert_eq!(ids(&app, "/api/v1/events").await, seen);
    let first = app.get(&format!("{path}?limit=1")).send().await;
    let job = app.get(&format!("/api/v1/jobs/{id}")).send().await.json();
    assert!(job["trace_id"].is_string(), "{job}");
    assert_eq!(first.json()["events"][0]["trace_id"], job["trace_id"]);
    insta::assert_json_snapshot!("event_list", first.stable());
}

#[tokio::test]
async fn a_stream_tells_what_was_then_what_happens_and_ends_with_the_job() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let mut live = Live::open(&app, &format!("/api/v1/jobs/{id}/events"), None).await;
    let created = live.next().await.unwrap();
    assert_eq!(created["kind"], "created");
    assert!(created["trace_id"].is_string(), "{created}");

    app.drive(id, "await_boot").await;
    app.read(id, Milestone::BootImageRead).await;
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "media_read") {
        kinds.push(live.next().await.unwrap()["kind"].as_str().unwrap().to_owned());
    }
    complete(&app, id).await;
    let rest = live.rest().await;

    let all = ids(&app, &format!("/api/v1/jobs/{id}/events")).await;
    assert_eq!(rest.last(), all.last());
    assert_eq!(1 + kinds.len() + rest.len(), all.len());
}

#[tokio::test]
async fn a_stream_resumes_behind_the_last_event_seen_wherever_it_was_cut() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    complete(&app, id).await;
    let path = format!("/api/v1/jobs/{id}/events");
    let all = ids(&app, &path).await;

    for (at, last) in all.iter().enumerate().take(all.len() - 1) {
        // What the address says was the beginning; what was seen last is newer.
        let live = Live::open(&app, &format!("{path}?after=0"), Some(*last)).await;
        assert_eq!(live.rest().await, all[at + 1..]);
    }
    let over = app.get(&path).header("accept", "text/event-stream");
    let over = over.header("last-event-id", &all.last().unwrap().to_string()).send().await;
    assert_eq!(over.status, StatusCode::NO_CONTENT, "a browser must not come back for ever");
}

#[tokio::test]
async fn the_stream_of_all_jobs_begins_now_or_where_it_was_cut() {
    let app = App::new().await;
    app.add_server("SRV-2", None).await;
    let first = app.created(&linux()).await;
    let mut live = Live::open(&app, "/api/v1/events", None).await;
    let mut body = linux();
    body["server_serial"] = json!("SRV-2");
    let second = app.created(&body).await;

    let event = live.next().await.unwrap();

    assert_eq!((&event["job_id"], &event["kind"]), (&json!(second), &json!("created")));
    let mut whole = Live::open(&app, "/api/v1/events", Some(0)).await;
    assert_eq!(whole.next().await.unwrap()["job_id"], json!(first));
    app.stop.cancel();
    assert!(live.next().await.is_none(), "streams end when the process does");
}

#[tokio::test]
async fn more_events_than_a_page_or_a_channel_holds_all_arrive() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    app.booted(id).await;
    let mut live = Live::open(&app, &format!("/api/v1/jobs/{id}/events"), None).await;
    let token = app.token(id, 1).await;
    for n in 0..1100 {
        // Alternating steps are each news, so each is an event and a change.
        let event = shoal_core::Event::Progressed {
            attempt: 1,
            activity: shoal_core::Activity {
                step: Some(format!("step-{n}")),
                ..shoal_core::Activity::default()
            },
        };
        app.record(id, event).await;
    }
    let done = json!({"status": "success"});
    assert_eq!(app.report(SERIAL, &token, &done).send().await.status, StatusCode::OK);
    app.drive(id, "complete").await;

    let mut steps = 0;
    while let Some(event) = live.next().await {
        steps += usize::from(event["kind"] == "progressed");
    }

    assert_eq!(steps, 1100);
}

#[tokio::test]
async fn open_streams_are_bounded_and_a_closed_one_makes_room() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let app = App::with(Setup { limits, ..Setup::default() }).await;
    let live = Live::open(&app, "/api/v1/events", None).await;
    let second = app.get("/api/v1/events").header("accept", "text/event-stream").send().await;
    assert_eq!(second.refusal(), (503, "unavailable".to_owned()));
    drop(live);
    Live::open(&app, "/api/v1/events", None).await;
}

#[tokio::test]
async fn places_that_are_none_are_refused() {
    let app = App::new().await;
    for last in ["x", "-1", "1.5", ""] {
        let call = app.get("/api/v1/events").header("last-event-id", last);
        assert_eq!(call.send().await.details(), ["Last-Event-ID bad_format"], "{last:?}");
    }
    let answer = app.request(Method::GET, "/api/v1/events?after=x").send().await;
    assert_eq!(answer.details(), ["query after bad_format"]);
}
