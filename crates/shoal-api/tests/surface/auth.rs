//! Who may call what.

use http::{Method, StatusCode};
use serde_json::json;
use shoal_api::{AuthMode, ClientAddr};
use shoal_store::Role;

use crate::{
    call::Metrics,
    harness::{App, SERIAL, Setup},
    sample::linux,
};

const NO_JOB: &str = "/api/v1/jobs/0190a5d2-7e1c-7cc3-8000-000000000001";

fn routes() -> Vec<(Method, String)> {
    let server = format!("/api/v1/servers/{SERIAL}");
    vec![
        (Method::GET, "/api/v1/jobs".to_owned()),
        (Method::POST, "/api/v1/jobs".to_owned()),
        (Method::GET, NO_JOB.to_owned()),
        (Method::POST, format!("{NO_JOB}/cancel")),
        (Method::POST, format!("{NO_JOB}/fail")),
        (Method::POST, format!("{NO_JOB}/decide")),
        (Method::POST, format!("{NO_JOB}/requeue")),
        (Method::GET, format!("{NO_JOB}/events")),
        (Method::GET, "/api/v1/events".to_owned()),
        (Method::GET, "/api/v1/servers".to_owned()),
        (Method::GET, server.clone()),
        (Method::PUT, server.clone()),
        (Method::DELETE, server),
    ]
}

#[tokio::test]
async fn readers_read_operators_write_and_strangers_do_neither() {
    let app = App::new().await;
    for (method, path) in routes() {
        let stranger = app.anonymous(method.clone(), &path).send().await;
        assert_eq!(stranger.refusal(), (401, "unauthorized".to_owned()), "{method} {path}");
        assert_eq!(stranger.headers.get_all("www-authenticate").iter().count(), 2);
        for role in [Role::Reader, Role::Operator, Role::Admin] {
            let answer = app.role(role, method.clone(), &path).send().await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            let expected = role == Role::Reader && method != Method::GET;
            assert_eq!(refused, expected, "{role:?} {method} {path} {}", answer.status);
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{role:?} {method} {path}");
        }
    }
}

#[tokio::test]
async fn head_is_a_read() {
    let app = App::new().await;
    for (path, status) in [("/api/v1/jobs", StatusCode::OK), (NO_JOB, StatusCode::NOT_FOUND)] {
        let answer = app.role(Role::Reader, Method::HEAD, path).send().await;
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{path}");
    }
}

#[tokio::test]
async fn passwords_open_the_door_of_their_role_and_wrong_ones_are_counted() {
    let metrics = Metrics::record();
    let app = App::new().await;
    let get = |user, password| app.anonymous(Method::GET, "/api/v1/jobs").basic(user, password);
    for _ in 0..2 {
        assert_eq!(get("operator", "secret").send().await.status, StatusCode::OK);
    }
    for (user, password) in
        [("operator", "Secret"), ("operator", ""), ("nobody", "secret"), ("", "secret")]
    {
        let answer = get(user, password).send().await;
        assert_eq!(answer.refusal(), (401, "unauthorized".to_owned()), "{user}:{password}");
    }
    let write = app.anonymous(Method::POST, &format!("{NO_JOB}/cancel")).basic("reader", "secret");
    assert_eq!(write.send().await.refusal(), (403, "forbidden".to_owned()));
    assert_eq!(metrics.value("login_auth_failures_total{surface=\"api\"}"), 4);
}

#[tokio::test]
async fn a_request_without_credentials_is_no_failed_login() {
    let metrics = Metrics::record();
    let app = App::new().await;
    app.anonymous(Method::GET, "/api/v1/jobs").send().await;
    assert_eq!(metrics.value("login_auth_failures_total{surface=\"api\"}"), 0);
    for odd in ["Basic", "Bearer x", "Negotiate abc", "Basic ????"] {
        let answer =
            app.anonymous(Method::GET, "/api/v1/jobs").header("authorization", odd).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{odd}");
    }
    assert_eq!(metrics.value("login_auth_failures_total{surface=\"api\"}"), 4);
}

#[tokio::test]
async fn a_withdrawn_password_is_wrong_at_once() {
    let app = App::new().await;
    let get = || app.anonymous(Method::GET, "/api/v1/jobs").basic("operator", "secret");
    assert_eq!(get().send().await.status, StatusCode::OK);

    app.auth.replace_users(Vec::new());

    assert_eq!(get().send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_removed_token_is_wrong_at_once() {
    let app = App::new().await;
    assert_eq!(app.get("/api/v1/jobs").send().await.status, StatusCode::OK);
    app.store.remove_api_token("olga").await.unwrap();
    assert_eq!(app.get("/api/v1/jobs").send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guessing_is_slowed_per_address_and_still_counted() {
    let metrics = Metrics::record();
    let app = App::with(Setup { login_burst: 3, ..Setup::default() }).await;
    let call = |addr: &str, password: &str| {
        app.anonymous(Method::GET, "/api/v1/jobs")
            .basic("operator", password)
            .extension(ClientAddr(addr.parse().unwrap()))
    };
    assert_eq!(call("2001:db8::1", "secret").send().await.status, StatusCode::OK);
    let mut statuses = Vec::new();
    for n in 0..4 {
        let addr = format!("2001:db8::{n}");
        statuses.push(call(&addr, &format!("guess-{n}")).send().await.status.as_u16());
    }

    assert_eq!(statuses, [401, 401, 429, 429]);
    assert_eq!(metrics.value("login_auth_failures_total{surface=\"api\"}"), 4);
    let known = call("2001:db8::1", "secret").send().await.status;
    assert_eq!(known, StatusCode::OK, "who is logged in stays so");
    let elsewhere = call("2001:db8:1::1", "guess").send().await.status;
    assert_eq!(elsewhere, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_tokens_are_slowed_too() {
    let app = App::with(Setup { login_burst: 2, ..Setup::default() }).await;
    let mut statuses = Vec::new();
    for n in 0..3 {
        let call = app.anonymous(Method::GET, "/api/v1/jobs").bearer(&format!("shoal_{n}"));
        statuses.push(call.send().await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(app.get("/api/v1/jobs").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_web_site_cannot_write_with_a_browsers_login() {
    let app = App::new().await;
    let id = app.created(&linux()).await;
    let path = format!("/api/v1/jobs/{id}/cancel");
    for site in ["cross-site", "same-site"] {
        let answer = app.request(Method::POST, &path).header("sec-fetch-site", site).send().await;
        assert_eq!(answer.refusal(), (403, "forbidden".to_owned()), "{site}");
    }
    let own = app.post(&path, &json!({})).header("sec-fetch-site", "same-origin").send().await;
    assert_eq!(own.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_mode_accepts_its_own_kind_of_login_only() {
    for (mode, basic, token) in
        [(AuthMode::Any, 200, 200), (AuthMode::Basic, 200, 401), (AuthMode::Token, 401, 200)]
    {
        let app = App::with(Setup { mode, ..Setup::default() }).await;
        let call = app.anonymous(Method::GET, "/api/v1/jobs").basic("operator", "secret");
        assert_eq!(call.send().await.status.as_u16(), basic, "{mode:?}");
        assert_eq!(app.get("/api/v1/jobs").send().await.status.as_u16(), token, "{mode:?}");
    }
}
