//! One HTTP exchange with a BMC: bounded in time and size, recorded, measured, and judged only as
//! far as the transport goes. Whether a status means success is decided elsewhere; what is decided
//! here is whether a request can have reached the BMC when no answer came back.

mod record;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONNECTION, HeaderValue},
};
use serde_json::Value;
use tracing::{Instrument as _, field::Empty};
use url::Url;

use record::Unanswered;

use crate::{
    answer::Answer,
    certificate::Certificate,
    dial::{Dials, awaited},
    endpoint::{Credentials, Endpoint, Tls},
    error::Error,
    hidden::Hidden,
    kind::Kind,
    media_url::MediaUrl,
    patience::Deadline,
    secret::Secret,
    tls::{self, SeenChain},
    transcript::{Op, Transcript},
    vendor::Vendor,
};

/// Largest body read; the largest honest answers (expanded collections) are some hundred KiB.
const BODY_LIMIT: usize = 4 << 20;
/// Bytes of a body shown in errors.
const ERROR_SHOWN: usize = 2048;
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

/// How often a request was sent so far; whatever repeats a request counts on.
#[derive(Debug, Default)]
pub(crate) struct Sent(AtomicU32);

#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) op: Op,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) if_match: Option<&'a str>,
    pub(crate) timeout: Duration,
    pub(crate) sent: &'a Sent,
}

pub(crate) struct Wire {
    client: Client,
    base: Url,
    /// None over plain HTTP.
    policy: Option<Tls>,
    chain: SeenChain,
    vendor: Mutex<Vendor>,
    hidden: Hidden,
    transcript: Transcript,
    dials: Dials,
}

impl Wire {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let chain = SeenChain::default();
        let config = tls::client_config(endpoint.tls(), Arc::clone(&chain))
            .map_err(|fault| Error::new(Kind::Tls(fault)))?;
        let dials = Dials::default();
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
            hidden: Hidden::new(endpoint.credentials().password.clone()),
            transcript: Transcript::default(),
            dials,
        })
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(crate) fn dials(&self) -> u64 {
        self.dials.count()
    }

    /// The BMC's origin.
    pub(crate) fn address_shown(&self) -> &str {
        self.base.as_str()
    }

    /// The BMC's host as it was given.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
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

    /// The path of a link that a BMC has made for us, such as that of a session or a task. Only the
    /// path counts: a BMC behind address translation names an address of its own.
    pub(crate) fn path_of_own(&self, link: &str) -> Option<String> {
        let url = self.base.join(link).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| path_and_query(&url))
    }

    /// The path of a link within this BMC; `None` for anything that points elsewhere.
    pub(crate) fn local_path(&self, link: &str) -> Option<String> {
        let url = self.base.join(link).ok()?;
        (url.origin() == self.base.origin()).then(|| path_and_query(&url))
    }

    /// Sends one request. Any status is an answer; an error means that none was understood.
    ///
    /// Redirects are followed within the BMC, because some answer `/redfish/v1` with one: those of
    /// reads, and those of changes that say to send the same change elsewhere, since a BMC that
    /// points elsewhere has done nothing. All of them share the request's time.
    pub(crate) async fn exchange(
        &self,
        request: &Request<'_>,
        auth: Auth<'_>,
    ) -> Result<Answer, Error> {
        let deadline = Deadline::after(request.timeout);
        let mut path = request.path.to_owned();
        for _ in 0..=REDIRECTS {
            let hop = Request { path: &path, timeout: deadline.left(), ..*request };
            let answer = self.measured(&hop, &auth).await?;
            let moved = match answer.status {
                301 | 302 => !request.method.changes_state(),
                307 | 308 => true,
                _ => false,
            };
            if !moved {
                return Ok(answer);
            }
            let target = answer.location.as_deref().and_then(|location| self.local_path(location));
            let Some(target) = target.filter(|target| *target != path) else { break };
            path = target;
        }
        Err(Error::new(Kind::Protocol { what: "a redirect away from the BMC" })
            .at(request.method.name(), request.path))
    }

    /// One request on the wire: a span, a count, a duration and an entry of the transcript.
    async fn measured(&self, request: &Request<'_>, auth: &Auth<'_>) -> Result<Answer, Error> {
        let span = tracing::info_span!(
            "redfish.request",
            "otel.name" = request.method.name(),
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "error.type" = Empty,
            "http.request.method" = request.method.name(),
            "http.response.status_code" = Empty,
            "server.address" = self.host(),
            bmc = self.base.authority(),
            vendor = self.vendor().label(),
            op = request.op.label(),
            method = request.method.name(),
            path = request.path.split('?').next(),
            http.request.resend_count = request.sent.0.fetch_add(1, Ordering::Relaxed),
            code = Empty,
            message_id = Empty,
            duration_ms = Empty,
        );
        let started = Instant::now();
        let sent = self.send(request, auth).instrument(span.clone()).await;
        self.record(request, &sent, started.elapsed(), &span);
        if let Ok(Answer { token: Some(token), .. }) = &sent {
            self.hidden.token(token);
        }
        sent.map_err(|unanswered| unanswered.error)
    }

    async fn send(&self, request: &Request<'_>, auth: &Auth<'_>) -> Result<Answer, Unanswered> {
        let url = self.address(request.path).ok_or_else(|| {
            let error = Error::new(Kind::Protocol { what: "a link away from the BMC" });
            Unanswered::new("protocol", error.at(request.method.name(), request.path))
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
        let sent = awaited(builder.send()).await;
        let stays_open = sent.as_ref().is_ok_and(keeps_open);
        // Not before there is an answer, which may come in parts.
        self.dials.answered(false);
        let response = sent.map_err(|error| self.broken(request, &error))?;
        let answer = self.read(request, response).await;
        self.dials.answered(stays_open && answer.is_ok());
        answer
    }

    fn address(&self, path: &str) -> Option<Url> {
        let url = self.base.join(path).ok()?;
        (path.starts_with('/') && url.origin() == self.base.origin()).then_some(url)
    }

    async fn read(
        &self,
        request: &Request<'_>,
        mut response: Response,
    ) -> Result<Answer, Unanswered> {
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let head = Answer::from_head(status, &headers);
        let mut bytes = Vec::new();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                // The head of a login says all there is to know, and a token that is not used is a
                // session that stays open.
                Err(_) if status < 300 && head.token.is_some() => break,
                Err(error) => return Err(self.broken(request, &error).with_status(status)),
            };
            if bytes.len() + chunk.len() > BODY_LIMIT {
                let error = Error::new(Kind::Protocol { what: "the body is larger than 4 MiB" })
                    .at(request.method.name(), request.path)
                    .unsure(request.method.changes_state());
                return Err(Unanswered::new("protocol", error).with_status(status));
            }
            bytes.extend_from_slice(&chunk);
        }
        let parsed = serde_json::from_slice::<Value>(&bytes);
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        let not_json = parsed.is_err() && !blank;
        let body = parsed.unwrap_or_default();
        let shown =
            if status >= 400 || not_json { self.shown(&body, &bytes) } else { String::new() };
        Ok(Answer { body, not_json, shown, ..head })
    }

    fn shown(&self, body: &Value, bytes: &[u8]) -> String {
        if body.is_null() {
            // All of it, since a secret that is cut in two is not found any more.
            return self.redacted(&String::from_utf8_lossy(bytes));
        }
        self.hidden.json(body, ERROR_SHOWN)
    }

    /// Hides where an image lies, from before it is inserted on.
    pub(crate) fn hide_media(&self, url: &MediaUrl) {
        self.hidden.media(url);
    }

    pub(crate) fn redacted(&self, text: &str) -> String {
        self.hidden.text(text, ERROR_SHOWN)
    }

    /// Turns a transport failure into our terms. Only a failed connection proves that nothing was
    /// sent. (What met a connection that the BMC had closed before a byte of it was written was sent
    /// again by the HTTP client and never comes here.)
    fn broken(&self, request: &Request<'_>, error: &reqwest::Error) -> Unanswered {
        let unsure = request.method.changes_state() && !error.is_connect();
        let (code, kind) = match tls::fault_in(error) {
            Some(fault) if error.is_connect() => ("tls", Kind::Tls(fault)),
            _ if error.is_connect() => ("connect", Kind::Unreachable),
            _ if error.is_timeout() => ("timeout", Kind::Timeout { phase: "an answer" }),
            _ => ("lost", Kind::Unreachable),
        };
        let certain = matches!(kind, Kind::Tls(_));
        let failure = Error::new(kind).at(request.method.name(), request.path).unsure(unsure);
        let failure =
            if certain { failure } else { failure.because(self.redacted(&root_cause(error))) };
        Unanswered::new(code, failure)
    }
}

/// Whether a connection outlives its answer, as far as that says.
fn keeps_open(response: &Response) -> bool {
    let said = response.headers().get(CONNECTION).and_then(|value| value.to_str().ok());
    !said.is_some_and(|said| said.eq_ignore_ascii_case("close"))
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

fn path_and_query(url: &Url) -> String {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", url.path())
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
