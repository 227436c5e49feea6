//! `POST /jobs`: from a request to a stored job, or to the plan it would have.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Serialize;
use shoal_core::{JobId, NewJob, ServerSerial, StepKey};
use shoal_recipe::{Problem, SCHEMA_ID};
use shoal_store::{Actor, Created, Idempotency, NewRecord, Record, ServerRecord};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    preview::{Found, Preview},
    request::{self, BODY_MAX, fingerprint},
    trace,
    view::Accepted,
};
use crate::{
    api::Shared,
    audit::{self, Note},
    body::{self, Bounds},
    error::{Code, Detail, Error},
    planner::{JobRequest, Planned},
    prober::Asked,
    query::Query,
    server,
};

const KEY_HEADER: &str = "idempotency-key";
pub(super) const KEY_MAX: usize = 255;

pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let dry_run = query.flag("dry_run");
    let read = |text: &str| match text {
        "live" => Some(true),
        "last" => Some(false),
        _ => None,
    };
    // Without a dry run it is a parameter that this call does not have.
    let live = dry_run && query.parsed("probe", "live or last", read).unwrap_or(false);
    query.finish()?;
    let key = idempotency_key(&headers)?;
    let bounds = Bounds { most: BODY_MAX, within: shared.api.limits.body };
    let body = body::json(&headers, body, bounds).await?;
    let request = parsed(body).await.inspect_err(tell_refused)?;
    let planned = match plan(&shared, &request) {
        Ok(planned) => planned,
        Err(refused) if dry_run => return Err(refused),
        Err(refused) => {
            let replayed = replayed(&shared, &request, key, &actor.name).await?;
            return replayed.ok_or(refused).inspect_err(tell_refused);
        }
    };
    if dry_run {
        let server = server_of(&shared, &request).await?;
        let active = shared.store().active_on(&request.serial).await.map_err(Error::store)?;
        let active = active.map(|record| record.job.id());
        let asked = Asked {
            server: server.clone(),
            plan: planned.plan.clone(),
            boot_url: planned.boot_url.clone(),
            live,
        };
        let forecast = shared.api.prober.forecast(asked).await;
        let forecast = forecast.map_err(|error| server::probe::refused(&shared, error))?;
        let found = Found { server: &server, active, forecast: &forecast, now: shared.now() };
        return Ok(Json(Preview::of(&request, &planned, found)).into_response());
    }
    let idempotency = key.map(|key| Idempotency { key, request_sha256: fingerprint(&request) });
    let span = trace::span(&headers);
    let new = NewRecord {
        idempotency,
        traceparent: trace::context(&span, &headers),
        ..new_record(&shared, request, planned, actor)
    };
    let serial = new.job.serial.clone();
    let created = shared.store().create(new).instrument(span.clone()).await;
    span.in_scope(|| answer(created.map_err(Error::store)?, &serial))
}

/// The answer to a request that was admitted before, even if the same one would be refused now.
async fn replayed(
    shared: &Shared,
    request: &JobRequest,
    key: Option<String>,
    actor: &str,
) -> Result<Option<Response>, Error> {
    let Some(key) = key else { return Ok(None) };
    let idempotency = Idempotency { key, request_sha256: fingerprint(request) };
    let repeated = shared.store().repeated(actor, idempotency).await.map_err(Error::store)?;
    repeated.map(|created| answer(created, &request.serial)).transpose()
}

/// Bytes that are parsed on the spot. More take long enough to keep other requests waiting.
const PARSED_HERE: usize = 64 * 1024;

async fn parsed(body: bytes::Bytes) -> Result<JobRequest, Error> {
    if body.len() <= PARSED_HERE {
        return request::parse(&body);
    }
    match tokio::task::spawn_blocking(move || request::parse(&body)).await {
        Ok(parsed) => parsed,
        Err(broken) => match broken.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::unavailable("the controller is about to stop; try again")),
        },
    }
}

async fn server_of(shared: &Shared, request: &JobRequest) -> Result<ServerRecord, Error> {
    let found = shared.store().server(&request.serial).await.map_err(Error::store)?;
    found.ok_or_else(|| unknown_server(request.serial.as_str()))
}

pub(super) fn plan(shared: &Shared, request: &JobRequest) -> Result<Planned, Error> {
    let refused =
        |problems: Vec<Problem>| Error::invalid(problems.into_iter().map(Detail::from).collect());
    shared.api.planner.plan(request).map_err(refused)
}

/// What the store keeps of a request.
pub(super) fn new_record(
    shared: &Shared,
    request: JobRequest,
    planned: Planned,
    actor: Actor,
) -> NewRecord {
    NewRecord {
        job: NewJob {
            id: JobId::from_u128(Uuid::now_v7().as_u128()),
            serial: request.serial,
            plan: planned.plan,
            created_at: shared.now(),
            // The store knows what the server's last job asks for.
            hands_off_until: None,
        },
        recipe: request.recipe.recipe.reveal_document(),
        priority: request.priority,
        labels: request.labels,
        retry_of: None,
        replaces: None,
        boot_url: planned.boot_url,
        traceparent: None,
        idempotency: None,
        actor,
    }
}

/// Stores a job that no earlier request can have made.
pub(super) async fn stored(shared: &Shared, new: NewRecord) -> Result<Record, Error> {
    let serial = new.job.serial.clone();
    let created = shared.store().create(new).await.map_err(Error::store)?;
    Ok(known(created, &serial)?.0)
}

fn answer(created: Created, serial: &ServerSerial) -> Result<Response, Error> {
    let (record, is_new) = known(created, serial)?;
    let (job, view) = (record.job.id(), Accepted::of(&record.job));
    if is_new {
        tell(&record);
        return Ok(accepted(job, &view));
    }
    let note = Note(format!("job {job}"));
    Ok((Extension(note), located(StatusCode::OK, job, &view)).into_response())
}

/// What was validated, for whoever reads the job's log from its first line on.
fn tell(record: &Record) {
    tracing::info!(
        job_id = %record.job.id(),
        server_serial = record.job.serial().as_str(),
        trace_id = record.trace_id(),
        step = StepKey::ValidationSchema.as_str(),
        op = "validate",
        schema_id = SCHEMA_ID,
        task_target = record.job.plan().task_target.as_str(),
        size = record.recipe_bytes,
        sha256 = record.recipe_sha256,
        "recipe validated"
    );
}

/// A recipe that was refused: the codes of what is wrong with it, and nothing of what it says.
fn tell_refused(error: &Error) {
    let mut codes: Vec<&str> = error.details.iter().map(|detail| detail.code.as_ref()).collect();
    codes.sort_unstable();
    codes.dedup();
    tracing::warn!(
        step = StepKey::ValidationSchema.as_str(),
        op = "validate",
        code = error.code.as_str(),
        schema_id = SCHEMA_ID,
        retried = false,
        problems = error.details.len(),
        reason = codes.join(","),
        "request for a job refused"
    );
}

/// The job a request has now, and whether it was made just now.
fn known(created: Created, serial: &ServerSerial) -> Result<(Record, bool), Error> {
    match created {
        Created::New(record) => Ok((*record, true)),
        Created::Existing(record) => Ok((*record, false)),
        Created::KeyReused => Err(Error::new(
            Code::KeyReused,
            "this Idempotency-Key was used for another request; use a new one",
        )),
        Created::ActiveJob(job) => Err(active_job(job)),
        Created::AlreadyReplaced(job) => Err(already_replaced(job)),
        Created::UnknownServer => Err(unknown_server(serial.as_str())),
        Created::Quarantined(reason) => {
            Err(Error::new(Code::Quarantined, format!("the server takes no jobs: {reason}")))
        }
    }
}

pub(crate) fn active_job(job: JobId) -> Error {
    Error {
        details: vec![Detail::new("/server_serial", "active_job", job.to_string())],
        ..Error::new(Code::ActiveJob, format!("the server has the unfinished job {job}"))
    }
}

fn already_replaced(job: JobId) -> Error {
    let message = format!("job {job} waits already to take its place; cancel or requeue that one");
    Error {
        details: vec![Detail::new("/replace", "active_job", job.to_string())],
        ..Error::new(Code::ActiveJob, message)
    }
}

fn unknown_server(serial: &str) -> Error {
    let message =
        format!("there is no server {serial}; register it with PUT /api/v1/servers/{serial}");
    Error::new(Code::NoServer, message)
}

/// The answer for a new job, whose audit entry the store wrote with it.
pub(super) fn accepted(job: JobId, view: &impl Serialize) -> Response {
    (Extension(audit::Kept), located(StatusCode::ACCEPTED, job, view)).into_response()
}

fn located(status: StatusCode, job: JobId, view: &impl Serialize) -> Response {
    let location = format!("/api/v1/jobs/{job}");
    (status, [(header::LOCATION, location)], Json(view)).into_response()
}

/// The caller's name for this request, if it gave one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => {
            let message = "must be one header of 1 to 255 visible ASCII characters";
            Err(Error::invalid(vec![Detail::new("Idempotency-Key", "bad_format", message)]))
        }
    }
}
