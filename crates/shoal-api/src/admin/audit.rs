//! `GET /admin/audit`: who did what, to what and from where; the newest first, a page at a time.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::Uri;
use schemars::JsonSchema;
use serde::Serialize;
use shoal_store::{AuditFilter, Audited};

use crate::{
    api::Shared,
    error::Error,
    query::Query,
    timestamp::{self, At},
};

pub(super) const PAGE: u32 = 100;

#[derive(Serialize, JsonSchema)]
pub(super) struct AuditPage {
    entries: Vec<EntryView>,
    /// Goes into `cursor` of the next call; null on the last page.
    next: Option<i64>,
}

/// One thing somebody did or tried to do.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
struct EntryView {
    id: i64,
    at: At,
    actor: String,
    /// Where they called from; null where nobody knows.
    address: Option<String>,
    action: String,
    /// What it was done to: a serial, a job's id, a token's id, what a key is for.
    target: String,
    detail: String,
    /// Whether it was done.
    ok: bool,
}

impl From<Audited> for EntryView {
    fn from(audited: Audited) -> Self {
        let Audited { id, at, entry } = audited;
        Self {
            id,
            at: At(at),
            actor: entry.actor.name,
            address: entry.actor.address.map(|address| address.to_string()),
            action: entry.action,
            target: entry.target,
            detail: entry.detail,
            ok: entry.ok,
        }
    }
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let now = shared.now();
    let mut query = Query::of(&uri)?;
    let limit = query.limit(PAGE);
    let since = "a time such as 2026-01-31T08:00:00Z, or how long ago, such as 24h";
    let filter = AuditFilter {
        actor: query.text("actor"),
        action: query.text("action"),
        target: query.text("target"),
        since: query.parsed("since", since, |text| timestamp::since(text, now)),
        before: query.parsed("cursor", "the next of an earlier page", |text| {
            text.parse().ok().filter(|id| *id > 0)
        }),
        limit: limit + 1,
    };
    query.finish()?;
    let mut entries = shared.store().audited(filter).await.map_err(Error::store)?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more).map(|entry| entry.id);
    let entries = entries.into_iter().map(EntryView::from).collect();
    Ok(Json(AuditPage { entries, next }).into_response())
}
