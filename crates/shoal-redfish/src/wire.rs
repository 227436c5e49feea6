//! One HTTP exchange with a BMC: bounded in time and size, recorded, measured, and judged only as
//! far as the transport goes. Whether a status means success is decided elsewhere; what is decided
//! here is whether a request can have reached the BMC when no answer came back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder, Response, header::HeaderValue};
use serde_json::Value;
use tracing::{Instrument as _, Span, field::Empty};
use url::Url;

use crate::{
    answer::Answer,
    certificate::Certificate,
    dial::DialCounter,
    endpoint::{Credentials, Endpoint, Tls},
    error::Error,
    kind::Kind,
    redact,
    secret::Secret,
    tls::{self, SeenChain},
    transcript::{Exchange, Op, Transcript},
    vendor::Vendor,
};

/// Largest body read; the largest honest answers (expanded collections) are some hundred KiB.
const BODY_LIMIT: usize = 4 << 20;
/// Bytes of a body shown in errors and in the transcript.
const ERROR_SHOWN: usize = 2048;
const TRANSCRIPT_SHOWN: usize = 1024;
/// Redirects followed within the BMC itself; some answer `/redfish/v1` with one.
const REDIRECTS: usize = 3;
/// Time to connect, handshake included: slow BMCs need seconds for it, dead ones should not use up
/// the minutes that an insert may take.
const CONNECT: Duration = Duration::from_secs(30);
/// Idle connections are given up before most BMCs close them, because a request that meets a closing
/// connection is a request whose answer is lost.
const IDLE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn changes_state(self) -> bool {
        self != Self::Get
    }
}

pub(crate) enum Auth<'a> {
    Nobody,
    Token(&'a Secret),
    Basic(&'a Credentials),
}

pub(crate) struct Request<'a> {
    pub(crate) op: Op,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) if_match: Option<&'a str>,
    pub(crate) timeout: Duration,
}

pub(crate) struct Wire {
    client: Client,
    base: Url,
    /// None over plain HTTP.
    policy: Option<Tls>,
    chain: SeenChain,
    vendor: Mutex<Vendor>,
    secrets: Mutex<Vec<Secret>>,
    transcript: Transcript,
    dials: DialCounter,
}

impl Wire {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let chain = SeenChain::default();
        let config = tls::client_config(endpoint.tls(), Arc::clone(&chain))
            .map_err(|fault| Error::new(Kind::Tls(fault)))?;
        let dials = DialCounter::default();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connector_layer(dials.clone())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("shoal-redfish/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(Kind::Protocol { what: "no client for this address" })
                    .because(error.to_string())
            })?;
        Ok(Self {
            client,
            base: endpoint.base().clone(),
            policy: (endpoint.base().scheme() == "https").then(|| endpoint.tls().clone()),
            chain,
            vendor: Mutex::default(),
            secrets: Mutex::new(vec![endpoint.credentials().password.clone()]),
            transcript: Transcript::default(),
            dials,
        })
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(crate) fn dials(&self) -> u64 {
        self.dials.dials()
    }

    /// The BMC's origin.
    pub(crate) fn address_shown(&self) -> &str {
        self.base.as_str()
    }

    pub(crate) fn policy(&self) -> Option<&Tls> {
        self.policy.as_ref()
    }

    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn vendor(&self) -> Vendor {
        *self.vendor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_vendor(&self, vendor: Vendor) {
        *self.vendor.lock().unwrap_or_else(PoisonError::into_inner) = vendor;
    }

    /// The path of a link within this BMC; `None` for anything that points elsewhere.
    pub(crate) fn local_path(&self, link: &str) -> Option<String> {
        let url = self.base.join(link).ok()?;
        if url.origin() != self.base.origin() {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{}{query}", url.path()))
    }

    /// Sends one request. Any status is an answer; an error means that none was understood.
    pub(crate) async fn exchange(
        &self,
        request: &Request<'_>,
        auth: Auth<'_>,
    ) -> Result<Answer, Error> {
        let span = tracing::info_span!(
            "redfish.request",
            op = request.op.label(),
            method = request.method.name(),
            path = request.path,
            code = Empty,
            duration_ms = Empty,
        );
        let started = Instant::now();
        let result = self.follow(request, &auth).instrument(span.clone()).await;
        self.record(request, &result, started.elapsed(), &span);
        if let Ok(Answer { token: Some(token), .. }) = &result {
            let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
            // The first entry is the password; of the tokens only the newest two can still be echoed.
            if secrets.len() > 2 {
                secrets.remove(1);
            }
            secrets.push(token.clone());
        }
        result
    }

    async fn follow(&self, request: &Request<'_>, auth: &Auth<'_>) -> Result<Answer, Error> {
        let mut path = request.path.to_owned();
        for _ in 0..=REDIRECTS {
            let answer = self.send(request, &path, auth).await?;
            let redirected = matches!(answer.status, 301 | 302 | 307 | 308);
            if !redirected || request.method.changes_state() {
                return Ok(answer);
            }
            let target = answer.location.as_deref().and_then(|location| self.local_path(location));
            let Some(target) = target.filter(|target| *target != path) else { break };
            path = target;
        }
        Err(Error::new(Kind::Protocol { what: "a redirect away from the BMC" })
            .at(request.method.name(), request.path))
    }

    async fn send(
        &self,
        request: &Request<'_>,
        path: &str,
        auth: &Auth<'_>,
    ) -> Result<Answer, Error> {
        let url = self.address(path).ok_or_else(|| {
            Error::new(Kind::Protocol { what: "a link away from the BMC" })
                .at(request.method.name(), path)
        })?;
        let builder = match request.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url),
            Method::Patch => self.client.patch(url),
            Method::Delete => self.client.delete(url),
        };
        let builder = authorise(builder, auth)
            .timeout(request.timeout)
            .header("Accept", "application/json")
            .header("OData-Version", "4.0");
        let builder = match request.if_match {
            Some(etag) => builder.header("If-Match", etag),
            None => builder,
        };
        let builder = match request.body {
            Some(body) => builder.header("Content-Type", "application/json").body(body.to_string()),
            None => builder,
        };
        let response = builder.send().await.map_err(|error| self.broken(request, &error))?;
        self.read(request, response).await
    }

    fn address(&self, path: &str) -> Option<Url> {
        let url = self.base.join(path).ok()?;
        (path.starts_with('/') && url.origin() == self.base.origin()).then_some(url)
    }

    async fn read(&self, request: &Request<'_>, mut response: Response) -> Result<Answer, Error> {
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut bytes = Vec::new();
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| self.broken(request, &error).with_status(status))?;
            let Some(chunk) = chunk else { break };
            if bytes.len() + chunk.len() > BODY_LIMIT {
                return Err(Error::new(Kind::Protocol { what: "the body is larger than 4 MiB" })
                    .at(request.method.name(), request.path)
                    .with_status(status)
                    .unsure(request.method.changes_state()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let parsed = serde_json::from_slice::<Value>(&bytes);
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        let not_json = parsed.is_err() && !blank;
        let body = parsed.unwrap_or_default();
        let shown =
            if status >= 400 || not_json { self.shown(&body, &bytes) } else { String::new() };
        Ok(Answer { body, not_json, shown, ..Answer::from_head(status, &headers) })
    }

    fn shown(&self, body: &Value, bytes: &[u8]) -> String {
        if body.is_null() {
            let start = bytes.get(..ERROR_SHOWN.min(bytes.len())).unwrap_or_default();
            return self.redacted(&String::from_utf8_lossy(start));
        }
        self.with_secrets(|secrets| redact::json(body, secrets, ERROR_SHOWN))
    }

    pub(crate) fn redacted(&self, text: &str) -> String {
        self.with_secrets(|secrets| redact::text(text, secrets, ERROR_SHOWN))
    }

    fn with_secrets<T>(&self, f: impl FnOnce(&[&str]) -> T) -> T {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let plain: Vec<&str> = secrets.iter().map(Secret::reveal).collect();
        f(&plain)
    }

    /// Turns a transport failure into our terms. Only a failed connection proves that nothing was sent.
    fn broken(&self, request: &Request<'_>, error: &reqwest::Error) -> Error {
        let unsure = request.method.changes_state() && !error.is_connect();
        let kind = match tls::fault_in(error) {
            Some(fault) if error.is_connect() => Kind::Tls(fault),
            _ if error.is_timeout() && error.is_connect() => Kind::Unreachable,
            _ if error.is_timeout() => Kind::Timeout { phase: "an answer" },
            _ => Kind::Unreachable,
        };
        let certain = matches!(kind, Kind::Tls(_));
        let failure = Error::new(kind).at(request.method.name(), request.path).unsure(unsure);
        if certain { failure } else { failure.because(self.redacted(&root_cause(error))) }
    }

    fn record(
        &self,
        request: &Request<'_>,
        result: &Result<Answer, Error>,
        took: Duration,
        span: &Span,
    ) {
        let (status, received) = match result {
            Ok(answer) if request.method.changes_state() || answer.status >= 400 => {
                (Some(answer.status), self.received(answer))
            }
            Ok(answer) => (Some(answer.status), None),
            Err(error) => (error.status(), Some(error.to_string())),
        };
        let code = status.map_or_else(|| "error".to_owned(), |status| status.to_string());
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        span.record("code", code.as_str());
        span.record("duration_ms", duration_ms);
        let (op, vendor) = (request.op.label(), self.vendor().label());
        metrics::counter!("redfish_requests_total", "op" => op, "code" => code, "vendor" => vendor)
            .increment(1);
        metrics::histogram!("redfish_request_duration_seconds", "op" => op, "vendor" => vendor)
            .record(took.as_secs_f64());
        let sent = request
            .body
            .map(|body| self.with_secrets(|secrets| redact::json(body, secrets, TRANSCRIPT_SHOWN)));
        self.transcript.add(Exchange {
            number: 0,
            op,
            method: request.method.name(),
            path: request.path.to_owned(),
            sent,
            status,
            received,
            duration_ms,
        });
    }

    fn received(&self, answer: &Answer) -> Option<String> {
        if !answer.shown.is_empty() {
            return Some(answer.shown.clone());
        }
        (!answer.body.is_null()).then(|| {
            self.with_secrets(|secrets| redact::json(&answer.body, secrets, TRANSCRIPT_SHOWN))
        })
    }
}

fn authorise(builder: RequestBuilder, auth: &Auth<'_>) -> RequestBuilder {
    match auth {
        Auth::Nobody => builder,
        Auth::Token(token) => match HeaderValue::from_str(token.reveal()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                builder.header("X-Auth-Token", value)
            }
            // A token that is no header value was never a token; the BMC answers 401 and we log in again.
            Err(_) => builder,
        },
        Auth::Basic(credentials) => {
            builder.basic_auth(&credentials.user, Some(credentials.password.reveal()))
        }
    }
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
