//! The surface of `/v2/`: who asks, what for, may they, one use case, one answer. Whoever owns a
//! listener hands requests to [`Service::respond`]; bodies stream both ways.

mod answer;
mod blob;
mod body;
mod drain;
mod list;
mod manifest;
mod query;
mod range;
mod refusal;
mod route;
mod span;
mod stall;
mod upload;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ::http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT};
use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body as HttpBody;
use tracing::Instrument as _;

use crate::audit::{Audit, Record};
use crate::auth::{Access, Action, Claim, Principal, Readable, Refused};
use crate::error::Error;
use crate::name::{Reference, Repository};
use crate::registry::{Incoming, Registry};

pub use body::Body;
use query::Query;
use refusal::Refusal;
use route::Route;
use span::Told;
pub use stall::{Patience, Watched};

/// A registry with who may use it and who is told.
#[derive(Clone, Debug)]
pub struct Service {
    registry: Registry,
    access: Arc<dyn Access>,
    audit: Arc<dyn Audit>,
}

/// The address of whoever sends a request, put into its extensions by the listener, which knows about
/// proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// One request, taken apart, without its body.
#[derive(Debug)]
struct Asked {
    method: Method,
    headers: HeaderMap,
    query: Query,
    principal: Principal,
}

impl Asked {
    /// A header as text.
    fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The length of the body, if the request says so.
    fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.parse().ok()
    }

    /// The body, with what the request says about it.
    fn incoming<B>(&self, body: B) -> Result<Incoming<B>, Refusal> {
        let range = match self.header(http::header::CONTENT_RANGE) {
            Some(text) => Some(range::content_range(text).ok_or(Refusal::BAD_CONTENT_RANGE)?),
            None => None,
        };
        Ok(Incoming { body, length: self.length(), range })
    }

    fn may(&self, action: Action, repository: &Repository) -> Result<(), Refusal> {
        if self.principal.may(action, repository) { Ok(()) } else { Err(Refusal::DENIED) }
    }

    /// Whether the principal may read what goes by the reference, alone or as a part of something.
    async fn may_read(
        &self,
        registry: &Registry,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<(), Refusal> {
        let roots = match self.principal.readable(repository) {
            Readable::All => return Ok(()),
            Readable::Only(roots) => roots,
        };
        if roots.contains(reference) {
            return Ok(());
        }
        let Reference::Digest(digest) = reference else { return Err(Refusal::DENIED) };
        if registry.belongs(repository, roots, *digest).await? {
            Ok(())
        } else {
            Err(Refusal::DENIED)
        }
    }
}

type Answer = Result<Response<Body>, Refusal>;

/// Counts an upload that ended. One of which a part arrived goes on, and what is refused because of
/// what the client sent, or did not send in time, is no error of ours.
fn count_upload(status: StatusCode) {
    let result = match status {
        StatusCode::CREATED => "ok",
        // Who may not push has not begun to.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return,
        status if status.is_success() => return,
        status if status.is_server_error() => "error",
        _ => "client_abort",
    };
    metrics::counter!("registry_uploads_total", "result" => result).increment(1);
}

impl Service {
    /// A surface on a registry.
    pub fn new(registry: Registry, access: Arc<dyn Access>, audit: Arc<dyn Audit>) -> Self {
        Self { registry, access, audit }
    }

    /// The registry behind it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Answers one request whose path begins with `/v2`.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: fmt::Display,
    {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        if let Some(patience) = head.extensions.get::<Patience>() {
            patience.limit(self.registry.stall());
        }
        let mut body = Box::pin(body);
        let route = Route::parse(head.uri.path());
        let template = route.as_ref().map_or("other", Route::template);
        let told = Told { method: head.method.clone(), route: template, started };
        let span = told.begin();
        let expects = head.headers.contains_key(EXPECT);
        let uploads = route.as_ref().is_ok_and(|route| route.uploads(&head.method));
        let answered = self.answer(head, route, &mut body).instrument(span.clone()).await;
        let status = answered.as_ref().map_or_else(Refusal::status, Response::status);
        let span = told.end(span, status);
        let response = match answered {
            Ok(response) => response,
            Err(refusal) => {
                span.in_scope(|| refusal.log());
                if !expects && !refusal.is_silence() {
                    drain::rest(&mut body).await;
                }
                refusal.into_response()
            }
        };
        if uploads {
            count_upload(status);
        }
        let code = status.as_str().to_owned();
        metrics::histogram!("registry_request_duration_seconds", "route" => template, "code" => code)
            .record(started.elapsed());
        response
    }

    async fn answer<B>(
        &self,
        head: http::request::Parts,
        route: Result<Route, Refusal>,
        body: &mut std::pin::Pin<Box<B>>,
    ) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: fmt::Display,
    {
        let from = head.extensions.get::<Client>().map(|client| client.0);
        let claim = Claim { header: head.headers.get(AUTHORIZATION), from };
        // Before anything is said about the path, or strangers could ask which names exist.
        let principal = match self.access.authenticate(claim).await {
            Ok(principal) => principal,
            Err(error) => {
                // Where nobody can tell, nothing was wrong with the credentials.
                if claim.header.is_some() && error != Refused::Unavailable {
                    metrics::counter!("login_auth_failures_total", "surface" => "registry")
                        .increment(1);
                }
                return Err(error.into());
            }
        };
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let asked = Asked { method: head.method, headers: head.headers, query, principal };
        let route = route?;
        let change = route.change(&asked.method, &asked.query);
        let record = change.as_ref().map(|(verb, repository, what)| {
            let (principal, verb) = (asked.principal.name(), *verb);
            Record::new(&*self.audit, (principal, from), (verb, repository, what))
        });
        let answered = self.dispatch(&asked, &route, body).await;
        let answered =
            answered.map_err(|refusal| refusal.instead(asked.method.as_str(), route.methods()));
        if let Some(record) = record {
            match &answered {
                Ok(response) => record.end(response.status(), answer::stored_digest(response)),
                Err(refusal) => record.end(refusal.status(), None),
            }
        }
        answered
    }

    async fn dispatch<B>(
        &self,
        asked: &Asked,
        route: &Route,
        body: &mut std::pin::Pin<Box<B>>,
    ) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: fmt::Display,
    {
        let registry = &self.registry;
        match (route, asked.method.as_str()) {
            (Route::Ping, "GET" | "HEAD") => Ok(answer::ping()),
            (Route::Catalog, "GET") => list::repositories(registry, asked).await,
            (Route::Tags(repository), "GET") => list::tags(registry, asked, repository).await,
            (Route::Referrers(repository, subject), "GET") => {
                list::referrers(registry, asked, (repository, *subject)).await
            }
            (Route::Blob(repository, digest), "GET" | "HEAD") => {
                blob::pull(registry, asked, (repository, *digest)).await
            }
            (Route::Blob(repository, digest), "DELETE") => {
                blob::delete(registry, asked, (repository, *digest)).await
            }
            (Route::Manifest(repository, reference), "GET" | "HEAD") => {
                manifest::pull(registry, asked, (repository, reference)).await
            }
            (Route::Manifest(repository, reference), "PUT") => {
                manifest::push(registry, asked, (repository, reference), body).await
            }
            (Route::Manifest(repository, reference), "DELETE") => {
                manifest::delete(registry, asked, (repository, reference)).await
            }
            (Route::Uploads(repository), "POST") => {
                upload::start(registry, asked, repository, body).await
            }
            (Route::Upload(repository, id), "GET" | "HEAD") => {
                upload::show(registry, asked, (repository, *id))
            }
            (Route::Upload(repository, id), "PATCH") => {
                upload::append(registry, asked, (repository, *id), body).await
            }
            (Route::Upload(repository, id), "PUT") => {
                upload::finish(registry, asked, (repository, *id), body).await
            }
            (Route::Upload(repository, id), "DELETE") => {
                upload::cancel(registry, asked, (repository, *id)).await
            }
            _ => Err(Refusal::METHOD),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::of(error)
    }
}
