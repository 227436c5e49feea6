//! What operators say to a job: end it, decide about it, do it again, let it go first.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use shoal_core::{Decision, Event, Ignored, StopAs};
use shoal_recipe::{HttpUrl, Parsed, lints};
use shoal_store::{Actor, Caller, NewRecord, Prioritised};

use super::{
    create, find, request, show,
    told::{Moved, Requeued, Told},
};
use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    document::Document,
    error::{Code, Error},
    param::Named,
    planner::JobRequest,
};

pub(crate) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    stop(&shared, &id, StopAs::Cancelled, small(&shared, &headers, body).await?).await
}

pub(crate) async fn fail(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    stop(&shared, &id, StopAs::Failed, small(&shared, &headers, body).await?).await
}

pub(crate) async fn decide(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let body = small(&shared, &headers, body).await?;
    let mut document = Document::read(&body)?;
    let decision: Option<Decision> = document.required("decision", "retry, failed or succeeded");
    let decision = document.finish_with(decision)?;
    tell(&shared, &id, Event::Decided { decision }).await
}

pub(crate) async fn requeue(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let body = small(&shared, &headers, body).await?;
    let mut document = Document::read(&body)?;
    let replace: bool = document.optional("replace", "true or false").unwrap_or(false);
    document.finish()?;
    let record = find(&shared, &id).await?;
    let old = record.job.id();
    if !record.job.is_complete() && !replace {
        let hint = "the job is unfinished: say {\"replace\": true} to end it and start anew";
        return Err(Error { message: hint.to_owned(), ..create::active_job(old) });
    }
    let recipe = show::recipe(&shared, old).await?;
    let boot_url = record.boot_url.as_deref().map(str::parse::<HttpUrl>);
    let request = JobRequest {
        serial: record.job.serial().clone(),
        recipe: Parsed { lints: lints(&recipe), recipe },
        maintenance_iso_url: boot_url.and_then(Result::ok),
        priority: record.priority,
        labels: record.labels,
        on_failure: record.job.plan().on_failure,
    };
    let planned = create::plan(&shared, &request)?;
    let new = NewRecord {
        retry_of: Some(old),
        replaces: replace.then_some(old),
        // The chain of retries is one story, told in one trace.
        traceparent: record.traceparent,
        ..create::new_record(&shared, request, planned, actor)
    };
    let new = create::stored(&shared, new).await?;
    let replaced = match new.after_job {
        // What was done is done: an answer that tells less of it must not look like a failure.
        Some(old) => shared.store().job(old).await.ok().flatten(),
        None => None,
    };
    let replaced = replaced.as_ref().map(|record| &record.job);
    let view = Requeued::of(&new.job, replaced, shared.now());
    Ok(create::accepted(new.job.id(), &view))
}

pub(crate) async fn priority(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let body = small(&shared, &headers, body).await?;
    let mut document = Document::read(&body)?;
    let before = document.problems();
    let priority = document.whole("priority", request::PRIORITY);
    if priority.is_none() && document.problems() == before {
        let message = format!("is missing; it must be {}", request::PRIORITY);
        document.problem("priority", "missing_field", message);
    }
    if let Some(priority) = priority {
        request::check_priority(&mut document, priority);
    }
    let priority = document.finish_with(priority)?;
    let job = find(&shared, &id).await?.job.id();
    let moved = shared.store().prioritise(job, priority, &caller.name, shared.now()).await;
    match moved.map_err(Error::store)? {
        Prioritised::Done(record) => {
            let place = show::place(&shared, &record).await?;
            let stands = (priority, place.map(|it| it.position));
            let view = Moved::of(&record.job, stands, shared.now());
            let note = Note(format!("priority {priority}"));
            Ok((Extension(note), Json(view)).into_response())
        }
        Prioritised::NotQueued(status) => {
            let message = format!("the job is {}; only a queued job can be moved", status.as_str());
            Err(Error::new(Code::JobState, message))
        }
    }
}

async fn stop(
    shared: &Shared,
    id: &str,
    stop: StopAs,
    body: bytes::Bytes,
) -> Result<Response, Error> {
    let mut document = Document::read(&body)?;
    let force = document.optional("force", "true or false").unwrap_or(false);
    document.finish()?;
    tell(shared, id, Event::StopRequested { stop, force }).await
}

/// Tells the job, and answers with what it is then.
async fn tell(shared: &Shared, id: &str, event: Event) -> Result<Response, Error> {
    let job = find(shared, id).await?.job.id();
    let recorded =
        shared.store().record(job, event, shared.now(), None).await.map_err(Error::store)?;
    let refuse = |message: &str| Err(Error::new(Code::JobState, message));
    match recorded.applied {
        Ok(()) | Err(Ignored::Duplicate) => {
            let view = Told::of(&recorded.record.job, shared.now());
            Ok((StatusCode::ACCEPTED, Json(view)).into_response())
        }
        Err(Ignored::LateReport) => refuse("the job has its outcome already"),
        Err(Ignored::NotNow) => refuse("the job is not held, so there is nothing to decide"),
        Err(Ignored::Stale | Ignored::FinishedAttempt | Ignored::Unexpected | Ignored::Closed) => {
            refuse("the job is not where this can be done")
        }
    }
}

async fn small(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Error> {
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    body::json_or_none(headers, body, bounds).await
}
