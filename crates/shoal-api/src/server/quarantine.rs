//! `/servers/{serial}/quarantine`: takes a server out of use and into use again, without anybody
//! having to repeat the rest of its record.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use shoal_core::ServerSerial;
use shoal_store::Caller;

use super::{request::TEXT_MAX, shown, unknown};
use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    document::Document,
    error::Error,
    param::Named,
};

pub(crate) async fn put(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(serial): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = body::json(&headers, body, bounds).await?;
    let mut document = Document::read(&body)?;
    let expected = "why the server takes no jobs, 1 to 1024 bytes without control characters";
    let reason: Option<String> = document.required("reason", expected);
    let fits = |text: &str| {
        !text.trim().is_empty() && text.len() <= TEXT_MAX && !text.chars().any(char::is_control)
    };
    if reason.as_deref().is_some_and(|text| !fits(text)) {
        document.problem("reason", "out_of_range", format!("must be {expected}"));
    }
    let reason = document.finish_with(reason)?;
    set(&shared, &caller, &serial, Some(reason)).await
}

pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Named(serial): Named,
) -> Result<Response, Error> {
    set(&shared, &caller, &serial, None).await
}

async fn set(
    shared: &Shared,
    caller: &Caller,
    serial: &str,
    reason: Option<String>,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    let note = Note(reason.clone().unwrap_or_else(|| "lifted".to_owned()));
    let set = shared.store().quarantine(&serial, reason, &caller.name, shared.now()).await;
    set.map_err(|error| match error {
        shoal_store::Error::UnknownServer(_) => unknown(),
        other => Error::store(other),
    })?;
    Ok((Extension(note), shown(shared, &serial).await?).into_response())
}
