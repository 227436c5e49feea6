//! Whether this process lives and whether it is of use. Probes come often and from anywhere, so the
//! answers are made from values sampled elsewhere, and strangers learn names but no reasons.

use std::{fmt, sync::Arc};

use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    error::{Code, Error},
    openapi::{Operation, Routes},
};

/// The checks behind `/readyz`.
#[derive(Clone)]
pub struct Health(Arc<dyn Fn() -> Vec<Check> + Send + Sync>);

/// One check, as it stood when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked, such as `database`.
    pub name: &'static str,
    /// Why it fails, for operators; none while it passes.
    pub failing: Option<String>,
}

impl Health {
    /// Health told by `checks`, which must not block.
    pub fn new(checks: impl Fn() -> Vec<Check> + Send + Sync + 'static) -> Self {
        Self(Arc::new(checks))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&(self.0)()).finish()
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Readiness")]
struct Ready {
    status: &'static str,
    checks: Vec<CheckView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct CheckView {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(crate) fn public(health: Health) -> Routes {
    let live_doc = Operation::get("/livez", "livez", "Whether the process lives");
    let ready_doc = Operation::get("/readyz", "readyz", "Whether the process is of use");
    Routes::new()
        .add(
            live_doc.tag("health").open().answers_as(
                200,
                "It does",
                "text/plain",
                json!({"const": "ok\n"}),
            ),
            live,
        )
        .add(
            ready_doc
                .tag("health")
                .open()
                .answers::<Ready>(200, "All checks pass")
                .answers::<Ready>(503, "A check fails"),
            async move || ready((health.0)().iter().map(named)),
        )
}

pub(crate) fn admin(
    health: Health,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(async move || ready((health.0)().into_iter().map(explained))))
        .route("/metrics", get(async move || scrape(metrics).await))
}

async fn live() -> &'static str {
    "ok\n"
}

async fn scrape(metrics: impl Fn() -> String + Send + 'static) -> Result<Response, Error> {
    let text = tokio::task::spawn_blocking(metrics)
        .await
        .map_err(|_| Error::new(Code::Internal, "the metrics could not be rendered"))?;
    let exposition = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, exposition)], text).into_response())
}

fn ready(checks: impl Iterator<Item = CheckView>) -> Response {
    let checks: Vec<_> = checks.collect();
    let all = checks.iter().all(|check| check.ok);
    let (code, status) = if all {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    (code, Json(Ready { status, checks })).into_response()
}

fn named(check: &Check) -> CheckView {
    CheckView { name: check.name, ok: check.failing.is_none(), message: None }
}

fn explained(check: Check) -> CheckView {
    CheckView { name: check.name, ok: check.failing.is_none(), message: check.failing }
}
