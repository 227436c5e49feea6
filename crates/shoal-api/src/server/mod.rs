//! Servers over HTTP. Credentials go in and never come out.

mod bmc;
mod doc;
mod import;
pub(crate) mod probe;
mod quarantine;
mod request;
mod tls;
mod view;

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::ServerSerial;
use shoal_store::{Actor, Deleted, ServerChange};
use zeroize::Zeroizing;

use self::view::{Listed, Looked, View};
use crate::{
    api::Shared,
    audit,
    body::{self, Bounds},
    error::{Code, Detail, Error},
    job,
    openapi::{Routes, shape},
    param::Named,
    query::Query,
};

const PAGE: u32 = 100;

pub(crate) fn routes() -> Routes<Arc<Shared>> {
    Routes::new()
        .add(doc::list(), list)
        .add(doc::put(), put)
        .add(doc::show(), show)
        .add(doc::remove(), remove)
        .add(doc::import(), import::import)
        .add(doc::quarantine(), quarantine::put)
        .add(doc::lift_quarantine(), quarantine::remove)
        .add(doc::probe(), probe::probe)
        .add(doc::retry_login(), probe::retry_login)
        .add(doc::examine(), bmc::examine)
        .add(doc::learned(), bmc::learned)
        .add(doc::forget_learned(), bmc::forget)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ServerPage")]
struct Page<'a> {
    servers: Vec<Listed<'a>>,
    /// Goes into `cursor` of the next call; null on the last page.
    #[schemars(with = "Option<shape::ServerSerial>")]
    next: Option<&'a ServerSerial>,
}

async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let limit = query.limit(PAGE);
    let after = query.parsed("cursor", "the next of an earlier page", |text| text.parse().ok());
    query.finish()?;
    let mut records = shared.store().servers(after, limit + 1).await.map_err(Error::store)?;
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let next = records.last().filter(|_| more).map(|record| &record.server.serial);
    let servers = records.iter().map(Listed::of).collect();
    Ok(Json(Page { servers, next }).into_response())
}

async fn show(State(shared): State<Arc<Shared>>, Named(serial): Named) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    shown(&shared, &serial).await
}

async fn put(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Named(serial): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|error: shoal_core::InvalidId| {
        Error::invalid(vec![Detail::new("serial", "bad_format", error.to_string())])
    })?;
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = Zeroizing::new(body::json(&headers, body, bounds).await?.to_vec());
    let known = shared.store().server(&serial).await.map_err(Error::store)?.is_some();
    let (server, credentials) = request::parse(&body, &serial, known)?;
    let put = shared.store().put_server(server, credentials, actor, shared.now());
    let status = match put.await.map_err(Error::store)? {
        ServerChange::Created => StatusCode::CREATED,
        ServerChange::Updated => StatusCode::OK,
    };
    let location = format!("/api/v1/servers/{serial}");
    let mut response = shown(&shared, &serial).await?;
    *response.status_mut() = status;
    Ok((Extension(audit::Kept), [(header::LOCATION, location)], response).into_response())
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Named(serial): Named,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    let deleted = shared.store().delete_server(&serial, actor, shared.now());
    match deleted.await.map_err(Error::store)? {
        Deleted::Deleted => Ok((Extension(audit::Kept), StatusCode::NO_CONTENT).into_response()),
        Deleted::Unknown => Err(unknown()),
        Deleted::Busy(job) => Err(job::active_job(job)),
    }
}

async fn shown(shared: &Shared, serial: &ServerSerial) -> Result<Response, Error> {
    let store = shared.store();
    let record = store.server(serial).await.map_err(Error::store)?.ok_or_else(unknown)?;
    let active = store.active_on(serial).await.map_err(Error::store)?;
    let credentials = store.credentials(serial).await.map_err(Error::store)?;
    let active_job = active.map(|record| record.job.id());
    let stored = store.probe(serial).await.map_err(Error::store)?;
    // A look of a release that described it otherwise is no look.
    let last =
        stored.and_then(|stored| Some((stored.at, serde_json::from_str(&stored.report).ok()?)));
    let looked = Looked {
        logins: store.logins(serial).await.map_err(Error::store)?,
        last_probe: last.as_ref().map(|(at, probe)| probe::shown(serial, probe, *at, shared.now())),
    };
    Ok(Json(View::of(&record, credentials.is_some(), active_job, looked)).into_response())
}

fn unknown() -> Error {
    Error::new(Code::NoServer, "there is no such server")
}
