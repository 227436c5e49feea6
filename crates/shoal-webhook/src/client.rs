//! Posting a report from the maintenance OS: one try here, the patience in [`Pace`] and
//! [`Poster::post_until`].
//!
//! The connection trusts exactly the CA bundle of the task medium (current and next), because the
//! maintenance OS knows no other authority and a token must not travel to anybody else. For the
//! same reason no redirect is followed and no proxy is used. Every try opens a fresh connection,
//! so that a controller restart between two tries cannot leave a dead one behind.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use ureq::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::answer::Answer;
use crate::report::Report;
use crate::token::{SECRET_HEADER, Token};
use crate::trace::{TRACEPARENT_HEADER, TraceParent};

mod error;
mod retry;

pub use error::{BadTarget, PostError, Transport};
pub use retry::{LONGEST_PAUSE, MAX_TRIES, Pace, WallClock};

/// Largest answer that is read, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

/// Where and how to report.
#[derive(Debug)]
pub struct Target {
    /// The whole webhook URL, `https://...` or `http://...`, without user info.
    pub url: String,
    /// What proves the report.
    pub token: Token,
    /// PEM certificates of the authorities to trust; needed for `https`, unused for `http`.
    pub ca_pem: Vec<u8>,
    /// The trace to join.
    pub traceparent: Option<TraceParent>,
    /// Longest time one try may take, from resolving the name to the end of the answer.
    pub timeout: Duration,
}

/// Posts reports to one target.
#[derive(Debug)]
pub struct Poster {
    agent: Agent,
    uri: Uri,
    token: Token,
    traceparent: Option<TraceParent>,
}

impl Poster {
    /// Checks the target without connecting to it.
    pub fn new(target: Target) -> Result<Self, BadTarget> {
        let uri: Uri = target.url.parse().map_err(|_| BadTarget::Url)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadTarget::Url),
        };
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(BadTarget::Url);
        }
        let roots = if secure { authorities(&target.ca_pem)? } else { Vec::new() };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::from(roots))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(secure)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(0)
            .http_status_as_error(false)
            .timeout_global(Some(target.timeout))
            .build()
            .new_agent();
        Ok(Self { agent, uri, token: target.token, traceparent: target.traceparent })
    }

    /// Tries once.
    ///
    /// `Ok` means that the report has arrived, whatever it did. A report whose answer was lost may
    /// have arrived as well; sending it again is harmless because it is recognised.
    pub fn post(&self, report: &Report) -> Result<Answer, PostError> {
        let mut secret = HeaderValue::from_str(self.token.expose())
            .map_err(|error| Transport::from(ureq::Error::from(ureq::http::Error::from(error))))?;
        secret.set_sensitive(true);
        let mut request = self
            .agent
            .post(&self.uri)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("shoal-webhook/", env!("CARGO_PKG_VERSION")))
            .header(SECRET_HEADER, secret);
        if let Some(parent) = &self.traceparent {
            request = request.header(TRACEPARENT_HEADER, parent.as_str());
        }
        let response = request.send(report.to_json().as_bytes()).map_err(Transport::from)?;
        self.read(response)
    }

    fn read(&self, mut response: Response<Body>) -> Result<Answer, PostError> {
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
        if (200..300).contains(&status) {
            let body = body.map_err(Transport::from)?;
            return serde_json::from_slice(&body).map_err(|_| PostError::Foreign { status });
        }
        // The status alone decides; a body that cannot be read only costs the explanation.
        let body = body.unwrap_or_default();
        Err(PostError::refused(status, retry_after, &body, &self.token))
    }
}

/// Reads the bundle strictly: an authority that would be skipped silently is an outage later.
fn authorities(pem: &[u8]) -> Result<Vec<Certificate<'static>>, BadTarget> {
    let mut store = RootCertStore::empty();
    let mut roots = Vec::new();
    for item in CertificateDer::pem_slice_iter(pem) {
        let der = item.map_err(|_| BadTarget::Bundle)?;
        store.add(der.clone()).map_err(|_| BadTarget::Bundle)?;
        roots.push(Certificate::from_der(&der).to_owned());
    }
    if roots.is_empty() { Err(BadTarget::NoAuthority) } else { Ok(roots) }
}
