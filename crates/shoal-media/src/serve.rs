//! The media server: from a request's head to a response, every refusal counted by its reason.
//!
//! It owns no socket and no router; it answers what it is given, so the same object serves a TLS
//! listener, a plain one and a test.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::body::Body;
use crate::catalog::{Catalog, OpenError};
use crate::clock::Clock;
use crate::content::Content;
use crate::key::Keyring;
use crate::medium::Medium;
use crate::milestone::Milestone;
use crate::reply::{Reply, is_read, method_not_allowed, refusal, try_later};
use crate::stream::{Cut, Stream};
use crate::token::{ObjectId, Rejection, Verified, kind_of};
use crate::watch::{CatalogLedger, Gate, Ledger, Watches};

/// Serves signed media paths from a [`Catalog`].
pub struct MediaServer<C> {
    catalog: Arc<C>,
    ledger: Arc<dyn Ledger>,
    keyring: RwLock<Arc<Keyring>>,
    clock: Arc<dyn Clock>,
    watches: Watches,
}

impl<C: Catalog> MediaServer<C> {
    /// A server that accepts the keys of `keyring`.
    pub fn new(catalog: Arc<C>, keyring: Keyring, clock: impl Clock) -> Self {
        let ledger = Arc::new(CatalogLedger(Arc::clone(&catalog)));
        let watches = Watches::new(clock.monotonic());
        let keyring = RwLock::new(Arc::new(keyring));
        Self { catalog, ledger, keyring, clock: Arc::new(clock), watches }
    }

    /// The keys accepted now; signs too.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Accepts the keys of `keyring` from the next request on, and no others.
    pub fn replace_keyring(&self, keyring: Keyring) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
    }

    /// Cuts every response that streams `object` and forgets what this process knew of it. Every
    /// attempt must end with this call, or its entry stays in memory. Call it after the catalog has begun to answer [`OpenError::Revoked`]: then no byte of the object
    /// leaves after the chunk that is on its way.
    pub fn revoke(&self, object: ObjectId) {
        self.watches.revoke(object);
    }

    /// Answers a request under `/media/`. Other paths and other methods than GET and HEAD get 404
    /// and 405. The body of GET commits milestones as it streams, see the crate's invariants.
    pub async fn respond(&self, request: &Parts) -> Response<Body> {
        let Some((kind, _)) = kind_of(request.uri.path()) else {
            return refusal(StatusCode::NOT_FOUND, "not found\n");
        };
        let response = if is_read(&request.method) {
            match self.verified(request) {
                Ok(verified) => self.open(request, &verified).await,
                Err(rejection) => rejected(kind.label(), rejection),
            }
        } else {
            method_not_allowed()
        };
        count(kind.label(), response.status());
        response
    }

    fn verified(&self, request: &Parts) -> Result<Verified, Rejection> {
        if request.uri.query().is_some() {
            return Err(Rejection::Malformed);
        }
        let keyring = self.keyring();
        let verified = keyring.verify(request.uri.path(), self.clock.unix_seconds())?;
        let key = if verified.key == keyring.current().id() { "current" } else { "previous" };
        metrics::counter!("secret_key_used_total", "secret" => "media", "key" => key).increment(1);
        Ok(verified)
    }

    async fn open(&self, request: &Parts, verified: &Verified) -> Response<Body> {
        let (object, kind) = (verified.grant.object, verified.grant.kind);
        // Taken before the catalog is asked: a revocation after its answer then cuts this response.
        let watch = self.watches.of(object);
        let opened = match self.catalog.open(object, kind).await {
            Ok(opened) => opened,
            Err(OpenError::Unavailable) => return try_later(),
            Err(OpenError::Gone | OpenError::Revoked) => {
                self.watches.revoke(object);
                return rejected(kind.label(), Rejection::NotFound);
            }
        };
        watch.add(opened.already);
        let quiet = self.watches.quiet(opened.together);
        if verified.expired && !watch.committed().contains(Milestone::Opened) {
            return rejected(kind.label(), Rejection::Expired);
        }
        let gate = Gate {
            object,
            medium: opened.medium,
            watch,
            quiet,
            clock: Arc::clone(&self.clock),
            ledger: Arc::clone(&self.ledger),
        };
        let reply = Reply::to(request, &gate.medium);
        let (content, ranges) = (gate.medium.content().clone(), reply.ranges);
        let response = match fill(request, reply, content, Some(gate)).await {
            Ok(response) => response,
            Err(Cut::Revoked) => return rejected(kind.label(), Rejection::NotFound),
            Err(cut) => failed(&cut),
        };
        tracing::debug!(
            kind = kind.label(),
            object = %object.short(),
            code = response.status().as_str(),
            ranges,
            bytes = response.body().bytes_left(),
            "media request"
        );
        response
    }
}

/// Answers a request for a medium that needs no token and proves nothing, such as a boot ISO offered
/// for download: same ranges, same headers, no milestones. Counted as kind `static`.
pub async fn respond_static(request: &Parts, medium: &Medium) -> Response<Body> {
    let response = if is_read(&request.method) {
        let reply = Reply::to(request, medium);
        let filled = fill(request, reply, medium.content().clone(), None).await;
        filled.unwrap_or_else(|cut| failed(&cut))
    } else {
        method_not_allowed()
    };
    count("static", response.status());
    response
}

impl<C> fmt::Debug for MediaServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaServer").field("watches", &self.watches).finish_non_exhaustive()
    }
}

/// Puts the body to a planned answer. The first chunk is read here, so that what fails at once can
/// still be a status.
async fn fill(
    request: &Parts,
    mut reply: Reply,
    content: Content,
    gate: Option<Gate>,
) -> Result<Response<Body>, Cut> {
    let pieces = std::mem::take(&mut reply.pieces);
    if request.method == Method::HEAD || pieces.is_empty() {
        return Ok(reply.with_body(None));
    }
    let mut stream = Stream::new(content, gate, pieces);
    stream.prime().await?;
    Ok(reply.with_body(Some(Body::stream(stream))))
}

fn failed(cut: &Cut) -> Response<Body> {
    let cause = std::error::Error::source(cut).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(error = %cut, cause, "media request failed");
    match cut {
        Cut::Ledger(_) => try_later(),
        Cut::Read(_) | Cut::Revoked => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "media not readable\n")
        }
    }
}

fn rejected(kind: &'static str, rejection: Rejection) -> Response<Body> {
    let reason = rejection.label();
    metrics::counter!("media_signed_url_validation_failures_total", "reason" => reason)
        .increment(1);
    tracing::info!(kind, reason, "media path refused");
    match rejection {
        Rejection::NotFound => refusal(StatusCode::NOT_FOUND, "not found\n"),
        Rejection::Expired => refusal(StatusCode::FORBIDDEN, "expired\n"),
        Rejection::Signature => refusal(StatusCode::FORBIDDEN, "signature\n"),
        Rejection::Malformed => refusal(StatusCode::FORBIDDEN, "malformed\n"),
        Rejection::UnknownKey => refusal(StatusCode::FORBIDDEN, "unknown_key\n"),
    }
}

fn count(kind: &'static str, status: StatusCode) {
    let code = status.as_str().to_owned();
    metrics::counter!("media_requests_total", "code" => code, "kind" => kind).increment(1);
}
