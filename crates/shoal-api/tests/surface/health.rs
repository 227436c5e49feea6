//! Probes, metrics and media: what needs no login.

use axum::{Router, body::Body, extract::Request};
use http::{Method, StatusCode};
use shoal_api::{Check, Health, admin_router, media_router};
use tower::ServiceExt;

use crate::{
    call::{Answer, Metrics},
    harness::App,
    sample::{media, media_path},
};

async fn get(router: &Router, path: &str) -> Answer {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

fn admin() -> Router {
    let health = Health::new(|| {
        vec![
            Check { name: "database", failing: None },
            Check { name: "disk", failing: Some("/var/lib/shoal has 1 GiB left".to_owned()) },
        ]
    });
    admin_router(health, || "job_total 1\n".to_owned())
}

#[tokio::test]
async fn the_admin_listener_names_what_fails_and_why() {
    let router = admin();

    let ready = get(&router, "/readyz").await;

    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    insta::assert_json_snapshot!("not_ready", ready.json());
    assert_eq!(get(&router, "/livez").await.text(), "ok\n");
    let metrics = get(&router, "/metrics").await;
    assert_eq!(metrics.text(), "job_total 1\n");
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain; version="));
    assert_eq!(get(&router, "/api/v1/jobs").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_main_listener_answers_probes_without_a_login_and_without_reasons() {
    let app = App::new().await;
    let live = app.anonymous(Method::GET, "/livez").send().await;
    assert_eq!((live.status, live.text().as_str()), (StatusCode::OK, "ok\n"));
    let ready = app.anonymous(Method::GET, "/readyz").send().await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!(ready.json()["checks"][0]["name"], "database");
    let metrics = app.anonymous(Method::GET, "/metrics").send().await;
    assert_eq!(metrics.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn media_are_served_by_both_listeners_with_ranges_and_without_a_login() {
    let recorded = Metrics::record();
    let app = App::new().await;
    let plain = media_router(media());
    for router in [&app.router, &plain] {
        let request = Request::builder().uri(media_path()).header("range", "bytes=1-2");
        let request = request.body(Body::empty()).unwrap();
        let answer = Answer::of(router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (206, "as"));
        assert_eq!(answer.headers["content-range"], "bytes 1-2/4");
        assert!(answer.headers.contains_key("etag"));
        assert_eq!(get(router, "/media/t/x/task.iso").await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(get(&plain, "/livez").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&plain, "/api/v1/jobs").await.status, StatusCode::NOT_FOUND);
    let series = "http_requests_total{route=\"/media/{*path}\",code=\"206\"}";
    assert_eq!(recorded.value(series), 2);
}

#[tokio::test]
async fn head_of_a_medium_tells_its_length_and_writes_are_refused() {
    let router = media_router(media());
    let send = async |method: Method| {
        let request = Request::builder().method(method).uri(media_path());
        let request = request.body(Body::empty()).unwrap();
        Answer::of(router.clone().oneshot(request).await.unwrap()).await
    };
    let head = send(Method::HEAD).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-length"], "4");
    assert_eq!(send(Method::POST).await.status, StatusCode::METHOD_NOT_ALLOWED);
}
