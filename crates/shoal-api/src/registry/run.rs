//! Work on the registry that takes its time. One call begins it, others tell how it goes; nobody has
//! to keep a connection open meanwhile.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::{PREFIX, declined, registrar};
use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    document::Document,
    error::Error,
    param::Named,
    registrar::{Order, Run, RunTask},
};

/// Longest confirmation.
pub(super) const CONFIRMATION_MAX: usize = 64;

/// The runs that are remembered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistryRuns")]
pub(super) struct Runs {
    runs: Vec<Run>,
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    let runs = registrar(&shared)?.runs().await.map_err(declined)?;
    Ok(Json(Runs { runs }).into_response())
}

pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = body::json(&headers, body, bounds).await?;
    let order = order(&body)?;
    let how = match (order.dry_run, order.confirmation.is_some()) {
        (true, _) => " dry run",
        (false, true) => " confirmed",
        (false, false) => "",
    };
    let task = order.task.as_str();
    let run = registrar(&shared)?.begin(order).await.map_err(declined)?;
    let note = format!("{task}{how} run {}", run.id);
    let location = [(header::LOCATION, format!("{PREFIX}runs/{}", run.id))];
    Ok((StatusCode::ACCEPTED, Extension(Note(note)), location, Json(run)).into_response())
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
) -> Result<Response, Error> {
    let run = registrar(&shared)?.run(id).await.map_err(declined)?;
    Ok(Json(run).into_response())
}

pub(super) async fn stop(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
) -> Result<Response, Error> {
    let run = registrar(&shared)?.stop(id).await.map_err(declined)?;
    Ok((StatusCode::ACCEPTED, Json(run)).into_response())
}

fn order(body: &[u8]) -> Result<Order, Error> {
    let mut document = Document::read(body)?;
    let task: Option<RunTask> = document.required("task", "gc, retention or check");
    let dry_run: bool = document.optional("dry_run", "true or false").unwrap_or(false);
    let confirmation: Option<String> =
        document.optional("confirmation", "what the last dry run of gc told");
    if dry_run && task == Some(RunTask::Check) {
        document.problem("dry_run", "not_allowed", "a check removes nothing; leave it out");
    }
    if let Some(text) = &confirmation {
        if dry_run || task.is_some_and(|task| task != RunTask::Gc) {
            let message = "only confirms a gc that is no dry run";
            document.problem("confirmation", "not_allowed", message);
        } else if text.is_empty()
            || text.chars().count() > CONFIRMATION_MAX
            || text.contains(char::is_control)
        {
            document.problem("confirmation", "bad_format", "must be what the last dry run told");
        }
    }
    let task = document.finish_with(task)?;
    Ok(Order { task, dry_run, confirmation })
}
