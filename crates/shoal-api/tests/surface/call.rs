//! Requests to a surface, and its answers in the forms tests compare.

use axum::{Router, body::Body, extract::Request};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use serde_json::{Value, json};
use shoal_core::JobId;
use tower::ServiceExt;

use crate::conformance;

pub(crate) struct Call<'a> {
    router: &'a Router,
    method: Method,
    path: String,
    request: http::request::Builder,
    body: Body,
}

impl<'a> Call<'a> {
    pub(crate) fn new(router: &'a Router, method: Method, path: &str) -> Self {
        let request = Request::builder().method(&method).uri(path);
        Self { router, method, path: path.to_owned(), request, body: Body::empty() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let pair = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
        self.header("authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request = self.request.extension(value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn open(self) -> Response<Body> {
        let request = self.request.body(self.body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The answer, which must be one that the OpenAPI document of the surface knows.
    pub(crate) async fn send(self) -> Answer {
        let (router, method, path) = (self.router, self.method.clone(), self.path.clone());
        let answer = Answer::of(self.open().await).await;
        conformance::check(router, &method, &path, &answer).await;
        answer
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and code, for tables.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), code)
    }

    /// Status and what an arrived report did.
    pub(crate) fn effect(&self) -> (u16, String) {
        let effect = self.json()["result"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), effect)
    }

    /// Path and code of every detail.
    pub(crate) fn details(&self) -> Vec<String> {
        let json = self.json();
        let details = json["details"].as_array().cloned().unwrap_or_default();
        let text = |detail: &Value, name: &str| detail[name].as_str().unwrap().to_owned();
        details.iter().map(|d| format!("{} {}", text(d, "path"), text(d, "code"))).collect()
    }

    /// The body with what differs from run to run replaced.
    pub(crate) fn stable(&self) -> Value {
        stable(self.json())
    }
}

fn stable(value: Value) -> Value {
    match value {
        Value::String(text) if text.parse::<JobId>().is_ok() => json!("<uuid>"),
        Value::Array(entries) => entries.into_iter().map(stable).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                "trace_id" | "version" => (name, json!("<varies>")),
                _ => (name, stable(value)),
            })
            .collect(),
        other => other,
    }
}

/// Metrics of this thread, where every handler of a test runs.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    _recorder: &'static PrometheusRecorder,
    _guard: metrics::LocalRecorderGuard<'static>,
}

impl Metrics {
    pub(crate) fn record() -> Self {
        let recorder: &'static PrometheusRecorder =
            Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let handle = recorder.handle();
        let guard = metrics::set_default_local_recorder(recorder);
        Self { handle, _recorder: recorder, _guard: guard }
    }

    /// The value of a series, 0 if it does not exist.
    pub(crate) fn value(&self, series: &str) -> u64 {
        self.exported(series).unwrap_or_default()
    }

    /// The value of a series that is there.
    pub(crate) fn exported(&self, series: &str) -> Option<u64> {
        let text = self.handle.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}
