//! `/admin/drain`: an operator stops this controller from taking jobs out of the queue, and sees
//! when nothing depends on it any more. It is a state of the process: a restart ends it, because
//! what drains before a restart must not have to be remembered after it.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    document::Document,
    error::Error,
};

/// Whether this controller drains, and what still depends on it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Drain")]
pub(super) struct DrainView {
    /// Whether an operator drains it.
    drain: bool,
    /// Whether jobs are taken out of the queue; limits and back-pressure hold them back as well.
    picking: bool,
    /// Jobs that work on their BMCs.
    bmc_active: u64,
    /// Jobs whose machines may still read media from us.
    need_media: u64,
    /// Jobs in the queue.
    queued: u64,
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    Ok(Json(shown(&shared).await?).into_response())
}

pub(crate) async fn put(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = body::json(&headers, body, bounds).await?;
    let mut document = Document::read(&body)?;
    let drain: Option<bool> = document.required("drain", "true or false");
    let drain = document.finish_with(drain)?;
    shared.api.gate.drain(drain);
    let note = Note(format!("drain {drain}"));
    Ok((Extension(note), Json(shown(&shared).await?)).into_response())
}

async fn shown(shared: &Shared) -> Result<DrainView, Error> {
    let load = shared.store().load().await.map_err(Error::store)?;
    Ok(DrainView {
        drain: shared.api.gate.is_draining(),
        picking: shared.api.gate.closed().is_none(),
        bmc_active: load.bmc_active,
        need_media: load.need_media,
        queued: load.queued,
    })
}
