//! The outermost layer: every request gets an id, a bound, a metric, a log line, and an answer even
//! if its handler panics. It is also where a refusal gets its body.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use shoal_store::Actor;
use shoal_telemetry::traces;
use shoal_webhook::{PATH, TRACEPARENT_HEADER};
use tracing::{Instrument as _, Span, field::Empty};
use uuid::Uuid;

use crate::{
    error::{Code, Error},
    unread::Rest,
};

/// Header of the request's id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const REQUEST_ID_MAX: usize = 64;
const URI_MAX: usize = 4096;
const HEADERS_MAX: usize = 32 * 1024;
/// The failures that the API answers. A burst on a route whose series were born with it would be
/// invisible to a rate, so each route that is asked has them from then on.
const FAILURES: [&str; 2] = ["500", "503"];

pub(crate) async fn request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = known_method(request.method());
    let (request, rest) = Rest::of(request);
    // The path itself may be a media token, so only the template is ever shown.
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("other", MatchedPath::as_str).to_owned();
    let span = span(&request, &id, (method, &route));
    let mut response = match oversized(&request) {
        Some(error) => error.into_response(),
        None => {
            let handled = AssertUnwindSafe(next.run(request).instrument(span.clone()));
            handled.catch_unwind().await.unwrap_or_else(|_| {
                // The panic hook has told and counted it.
                Error::new(Code::Internal, "the controller could not do this; its log says why")
                    .into_response()
            })
        }
    };
    let error = response.extensions_mut().remove::<Error>();
    if let Some(error) = &error {
        response = written(error, response, &id);
    }
    // How slowly a client sends what nobody wants is no time of ours.
    let took = started.elapsed();
    if rest.ends_connection(error.is_some()).await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(value) = HeaderValue::try_from(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    count(&route, &response, took);
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let line = Line { id: &id, method, route: &route, error: error.as_ref(), took };
    span.in_scope(|| log(&line, &response));
    response
}

/// The span of a request. Health checks, scrapes and reads of media are too many and say nothing; a
/// report belongs to its job's trace and has its own span there.
fn span(request: &Request, id: &str, (method, route): (&str, &str)) -> Span {
    let frequent = ["/livez", "/readyz", "/metrics", "other"].contains(&route);
    if frequent || route.starts_with("/media/") || route == PATH {
        return Span::none();
    }
    let span = tracing::info_span!(
        "http.request",
        "otel.name" = format!("{method} {route}"),
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = Empty,
        request_id = id,
    );
    // Nobody has said yet who calls, so the caller's context is a link and no parent.
    if let Some(context) = request.headers().get(TRACEPARENT_HEADER).and_then(|it| it.to_str().ok())
    {
        traces::follow(&span, context);
    }
    span
}

/// The method as spans and lines call it. A method is a word of the caller's choice, of any length,
/// and whoever may not log in must choose neither the names of spans nor what is logged.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What is told about one request besides its response.
struct Line<'a> {
    id: &'a str,
    method: &'static str,
    route: &'a str,
    error: Option<&'a Error>,
    took: Duration,
}

fn oversized(request: &Request) -> Option<Error> {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri > URI_MAX {
        return Some(Error::new(Code::UriTooLong, format!("the address exceeds {URI_MAX} bytes")));
    }
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (headers > HEADERS_MAX).then(|| {
        Error::new(Code::HeadersTooLarge, format!("the headers exceed {HEADERS_MAX} bytes"))
    })
}

/// The id the caller gave, if it is one that can be printed anywhere; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let usable =
        given.filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(plain));
    usable.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

/// The same response with the error's body. HEAD keeps none: the server cuts it.
fn written(error: &Error, response: Response, id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    let json = HeaderValue::from_static("application/json");
    parts.headers.insert(header::CONTENT_TYPE, json);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(error.body(id)))
}

fn count(route: &str, response: &Response, took: Duration) {
    let code = response.status().as_str().to_owned();
    let route = route.to_owned();
    for failure in FAILURES {
        metrics::counter!("http_requests_total", "route" => route.clone(), "code" => failure)
            .increment(0);
    }
    metrics::counter!("http_requests_total", "route" => route.clone(), "code" => code.clone())
        .increment(1);
    // Transfers of media last as long as a BMC takes to read and would drown everything else.
    if !route.starts_with("/media/") {
        let seconds = took.as_secs_f64();
        metrics::histogram!("http_request_duration_seconds", "route" => route, "code" => code)
            .record(seconds);
    }
}

fn log(line: &Line<'_>, response: &Response) {
    let status = response.status();
    let code = status.as_str();
    let duration_ms = u64::try_from(line.took.as_millis()).unwrap_or(u64::MAX);
    let actor = response.extensions().get::<Actor>().map(|actor| actor.name.as_str());
    let error = line.error.map(|error| error.code.as_str());
    let Line { id: request_id, method, route, .. } = *line;
    let read = matches!(method, "GET" | "HEAD");
    if response.status().is_server_error() {
        tracing::warn!(
            request_id,
            method,
            route,
            code,
            duration_ms,
            actor,
            error,
            "request failed"
        );
    } else if read {
        tracing::debug!(request_id, method, route, code, duration_ms, actor, error, "request");
    } else {
        tracing::info!(request_id, method, route, code, duration_ms, actor, error, "request");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt,
        sync::{Arc, Mutex},
    };

    use axum::{Router, middleware, routing::get};
    use tower::ServiceExt as _;
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id, Record},
        subscriber::with_default,
    };

    use super::*;

    /// Every value of every span and line.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl Visit for Told {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0.lock().unwrap().push(format!("{field}={value:?}"));
        }
    }

    impl Subscriber for Told {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            span.record(&mut self.clone());
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, values: &Record<'_>) {
            values.record(&mut self.clone());
        }

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_method_of_the_callers_choice_names_no_span_and_is_in_no_line() {
        let told = Told::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        with_default(told.clone(), || {
            for method in ["EVIL-WORD", "GET"] {
                let app = Router::new()
                    .route("/api/v1/jobs", get(async || ""))
                    .layer(middleware::from_fn(super::request));
                let request = http::Request::builder().method(method).uri("/api/v1/jobs");
                let request = request.body(Body::empty()).unwrap();
                runtime.block_on(app.oneshot(request)).unwrap();
            }
        });

        let told = told.0.lock().unwrap();
        for wanted in [
            "otel.name=\"other /api/v1/jobs\"",
            "http.request.method=\"other\"",
            "method=\"other\"",
            "otel.name=\"GET /api/v1/jobs\"",
            "method=\"GET\"",
        ] {
            assert!(told.iter().any(|value| value == wanted), "{wanted}: {told:?}");
        }
        assert!(!told.iter().any(|value| value.contains("EVIL")), "{told:?}");
    }
}
