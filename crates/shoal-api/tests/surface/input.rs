//! What nobody should send, and what becomes of it.

use http::{Method, StatusCode};
use serde_json::json;
use shoal_store::Filter;

use crate::{call::Metrics, harness::App, sample::linux};

async fn post(app: &App, body: impl Into<axum::body::Body>) -> (u16, String) {
    let call = app.request(Method::POST, "/api/v1/jobs").header("content-type", "application/json");
    call.body(body).send().await.refusal()
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused() {
    let app = App::new().await;
    let deep = format!("{{\"recipe\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let nested = format!("{{\"a\":{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_001));
    let twice = linux().to_string().replacen('{', "{\"server_serial\":\"OTHER\",", 1);
    for body in ["", "{", "[]", "null", "7", "\"x\"", &deep, &nested, &twice, "{\"recipe\":1}"] {
        let shown: String = body.chars().take(40).collect();
        assert_eq!(
            post(&app, body.to_owned()).await,
            (400, "validation_error".to_owned()),
            "{shown}"
        );
    }
    let utf8 = post(&app, b"{\"server_serial\":\"\xff\"}".to_vec()).await;
    assert_eq!(utf8, (400, "validation_error".to_owned()));
    assert!(app.store.jobs(Filter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn bodies_beyond_eight_mebibytes_are_refused_announced_or_not() {
    let app = App::new().await;
    let large = vec![b' '; 8 * 1024 * 1024 + 1];
    assert_eq!(post(&app, large.clone()).await, (413, "payload_too_large".to_owned()));
    let call = app.request(Method::POST, "/api/v1/jobs").header("content-type", "application/json");
    let unread = call.body(large).send().await;
    assert_eq!(unread.headers["connection"], "close", "the rest of the body is not waited for");
    let short = app.request(Method::POST, "/api/v1/jobs").body("{}").send().await;
    assert!(!short.headers.contains_key("connection"));
    let announced = app
        .request(Method::POST, "/api/v1/jobs")
        .header("content-type", "application/json")
        .header("content-length", "9000000");
    assert_eq!(announced.send().await.refusal(), (413, "payload_too_large".to_owned()));
    let mut padded = linux().to_string();
    padded.push_str(&" ".repeat(8 * 1024 * 1024 - padded.len()));
    let call = app.request(Method::POST, "/api/v1/jobs").header("content-type", "application/json");
    assert_eq!(call.body(padded).send().await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn other_types_are_refused() {
    let app = App::new().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
        let call = app.request(Method::POST, "/api/v1/jobs").header("content-type", kind);
        let answer = call.body(linux().to_string()).send().await;
        assert_eq!(answer.refusal(), (415, "unsupported_media_type".to_owned()), "{kind}");
    }
}

#[tokio::test]
async fn addresses_and_headers_are_bounded() {
    let app = App::new().await;
    let long = app.get(&format!("/api/v1/jobs?task_target={}", "x".repeat(4096))).send().await;
    assert_eq!(long.refusal(), (414, "uri_too_long".to_owned()));
    let heavy = app.get("/api/v1/jobs").header("x-a", &"x".repeat(33 * 1024)).send().await;
    assert_eq!(heavy.refusal(), (431, "headers_too_large".to_owned()));
}

#[tokio::test]
async fn paths_and_methods_that_are_not_ours_have_the_same_kind_of_answer() {
    let app = App::new().await;
    let lost = app.get("/api/v1/nothing").header("x-request-id", "r-7").send().await;
    assert_eq!(lost.refusal(), (404, "not_found".to_owned()));
    assert_eq!(lost.json()["request_id"], "r-7");
    let method = app.request(Method::PATCH, "/api/v1/jobs").send().await;
    assert_eq!(method.refusal(), (405, "method_not_allowed".to_owned()));
    assert!(method.headers.contains_key("allow"));
}

#[tokio::test]
async fn a_request_id_comes_back_if_it_can_be_printed_anywhere_and_is_made_if_not() {
    let app = App::new().await;
    let id = async |given: &str| {
        let answer = app.get("/api/v1/jobs").header("x-request-id", given).send().await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("ci.17_a-b").await, "ci.17_a-b");
    for odd in ["", "two words", "<script>", &"x".repeat(65)] {
        let made = id(odd).await;
        assert_eq!(made.len(), 36, "{odd}");
        assert_ne!(made, id(odd).await);
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_an_answer_with_an_id() {
    let app = App::new().await;
    let mut body = linux();
    body["labels"] = json!({"panic": "now"});

    let answer = app.post("/api/v1/jobs", &body).header("x-request-id", "r-9").send().await;

    assert_eq!(answer.refusal(), (500, "internal".to_owned()));
    assert_eq!(answer.json()["request_id"], "r-9");
    assert!(!answer.text().contains("planner that breaks"));
    assert_eq!(app.get("/api/v1/jobs").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_counted_by_template_and_never_by_path() {
    let metrics = Metrics::record();
    let app = App::new().await;
    app.get("/api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001").send().await;
    app.get("/secret-in-a-path").send().await;

    let job = "route=\"/api/v1/jobs/{id}\",code=\"404\"";
    assert_eq!(metrics.value(&format!("http_requests_total{{{job}}}")), 1);
    assert_eq!(metrics.value(&format!("http_request_duration_seconds_count{{{job}}}")), 1);
    for failure in [500, 503] {
        let failed =
            format!("http_requests_total{{route=\"/api/v1/jobs/{{id}}\",code=\"{failure}\"}}");
        assert_eq!(metrics.exported(&failed), Some(0), "a burst of {failure} would be invisible");
    }
    let other = "route=\"other\",code=\"404\"";
    assert_eq!(metrics.value(&format!("http_requests_total{{{other}}}")), 1);
}
