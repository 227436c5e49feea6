//! The record of who tried to change what. One layer around every call with a login, so that no
//! handler can forget it; refused tries are kept as well.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    middleware::Next,
    response::Response,
};
use shoal_store::{Actor, AuditEntry};

use crate::{
    api::Shared,
    auth,
    error::{Error, chain},
};

/// What a handler adds to the record of its call, in the response's extensions.
#[derive(Clone)]
pub(crate) struct Note(pub(crate) String);

/// Marks the response of a call whose record the store wrote together with the change itself.
#[derive(Clone, Copy)]
pub(crate) struct Kept;

pub(crate) async fn keep(
    State(shared): State<Arc<Shared>>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    if auth::is_read(request.method()) {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str);
    let action = format!("{} {route}", request.method());
    let actor = request.extensions().get::<Actor>().cloned();
    // The path is a stranger's text until a handler has parsed it.
    let target =
        params.as_ref().map_or(Some("?"), |params| params.iter().next().map(|(_, text)| text));
    let target = target.unwrap_or_default().chars().take(64).collect();
    let response = next.run(request).await;
    if response.extensions().get::<Kept>().is_some() {
        return response;
    }
    let status = response.status();
    let refused = response.extensions().get::<Error>().map(|error| error.code.as_str());
    let note = response.extensions().get::<Note>().map(|note| note.0.as_str());
    let words = [Some(status.as_str()), refused, note];
    let entry = AuditEntry {
        actor: actor.unwrap_or_else(|| Actor::from("")),
        action,
        target,
        detail: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        ok: status.is_success(),
    };
    // What was done is done; a missing record must not look like a failed call.
    if let Err(error) = shared.store().audit(entry, shared.now()).await {
        tracing::error!(error = %chain(&error), "audit entry lost");
    }
    response
}
