//! The history of jobs, as a list or as it happens. Both read the same table by id; the store's
//! broadcast only says when to look, so nothing is lost when it lags.

mod doc;
mod stream;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::JobId;
use shoal_store::{EventFilter, StoredEvent};

use self::stream::Reader;
use crate::{
    api::Shared,
    error::{Detail, Error},
    job,
    openapi::{Routes, shape},
    param::Named,
    query::Query,
    timestamp::At,
};

const PAGE: u32 = 100;

pub(crate) fn routes() -> Routes<Arc<Shared>> {
    Routes::new().add(doc::of_job(), of_job).add(doc::of_all(), of_all)
}

/// One event as callers see it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventView {
    id: i64,
    #[schemars(with = "shape::JobId")]
    job_id: JobId,
    at: At,
    /// What happened.
    kind: String,
    detail: BTreeMap<String, String>,
    /// The job's trace, by which its lines and spans are found.
    trace_id: Option<String>,
}

impl From<StoredEvent> for EventView {
    fn from(event: StoredEvent) -> Self {
        let StoredEvent { id, job, at, name, detail, trace_id, .. } = event;
        Self { id, job_id: job, at: At(at), kind: name, detail, trace_id }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventPage")]
struct Page {
    events: Vec<EventView>,
    /// Goes into `after` of the next call; null when nothing more has happened yet.
    next: Option<i64>,
}

async fn of_job(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let job = job::find(&shared, &id).await?.job.id();
    let asked = Asked::of(&uri, &headers)?;
    if !asked.live {
        return list(&shared, Some(job), &asked).await;
    }
    let after = asked.after.unwrap_or(0);
    let reader = Reader::of_job(&shared, job, after)?;
    // A browser comes back after every end of a stream, and only this answer keeps it away.
    if reader.is_over().await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(reader.into_response())
}

async fn of_all(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::of(&uri, &headers)?;
    if !asked.live {
        return list(&shared, None, &asked).await;
    }
    // Who has seen nothing yet wants to see what happens, not all that ever did.
    let after = match asked.after {
        Some(after) => after,
        None => shared.store().last_event_id().await.map_err(Error::store)?,
    };
    Ok(Reader::of_all(&shared, after)?.into_response())
}

async fn list(shared: &Shared, job: Option<JobId>, asked: &Asked) -> Result<Response, Error> {
    let filter = EventFilter { job, after: asked.after.unwrap_or(0), limit: asked.limit + 1 };
    let mut events = shared.store().events(filter).await.map_err(Error::store)?;
    let more = events.len() > asked.limit as usize;
    events.truncate(asked.limit as usize);
    let next = events.last().filter(|_| more).map(|event| event.id);
    let events = events.into_iter().map(EventView::from).collect();
    Ok(Json(Page { events, next }).into_response())
}

/// What a caller asks for.
struct Asked {
    live: bool,
    after: Option<i64>,
    limit: u32,
}

impl Asked {
    fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Error> {
        let id = |text: &str| text.parse::<i64>().ok().filter(|id| *id >= 0);
        let mut query = Query::of(uri)?;
        let after = query.parsed("after", "the id of an event", id);
        let limit = query.limit(PAGE);
        query.finish()?;
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let live = accept.is_some_and(|accept| {
            accept.split(',').any(|part| {
                part.split(';').next().unwrap_or_default().trim() == "text/event-stream"
            })
        });
        // A reconnecting browser repeats the address it began with, so what it saw last wins.
        let seen = match headers.get("last-event-id").map(|value| value.to_str()) {
            None => None,
            Some(text) => Some(text.ok().and_then(id).ok_or_else(|| {
                let message = "must be the id of an event";
                Error::invalid(vec![Detail::new("Last-Event-ID", "bad_format", message)])
            })?),
        };
        Ok(Self { live, after: seen.or(after), limit })
    }
}
