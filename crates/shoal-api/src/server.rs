//! Servers over HTTP. Credentials go in and never come out.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Serialize;
use shoal_core::{JobId, ServerSerial};
use shoal_recipe::HttpUrl;
use shoal_store::{
    Caller, Credentials, Deleted, Hardware, Scheme, Secret, Server, ServerChange, ServerRecord,
    TlsPolicy,
};
use zeroize::Zeroizing;

use crate::{
    api::Shared,
    audit,
    body::{self, Bounds},
    document::Document,
    error::{Code, Detail, Error},
    job,
    query::Query,
    timestamp::At,
};

const PAGE: u32 = 100;
/// Longest text of a server's own fields but its certificates.
const TEXT_MAX: usize = 1024;

#[derive(Serialize)]
struct View<'a> {
    server_serial: &'a ServerSerial,
    bmc_address: &'a str,
    /// Whether credentials are stored; they never come back.
    has_credentials: bool,
    vendor_hint: Option<&'a str>,
    tls: &'a TlsPolicy,
    media_scheme: Option<Scheme>,
    allow_plain_media: bool,
    media_host: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    quarantine: Option<&'a str>,
    hardware: Option<&'a Hardware>,
    hands_off_until: Option<At>,
    residue: &'a [String],
    active_job: Option<JobId>,
    created_at: At,
    updated_at: At,
}

#[derive(Serialize)]
struct Listed<'a> {
    server_serial: &'a ServerSerial,
    bmc_address: &'a str,
    labels: &'a BTreeMap<String, String>,
    quarantine: Option<&'a str>,
    hardware: Option<&'a Hardware>,
    created_at: At,
    updated_at: At,
}

#[derive(Serialize)]
struct Page<'a> {
    servers: Vec<Listed<'a>>,
    /// Goes into `cursor` of the next call; null on the last page.
    next: Option<&'a ServerSerial>,
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
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

pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(serial): Path<String>,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    shown(&shared, &serial).await
}

pub(crate) async fn put(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(serial): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|error: shoal_core::InvalidId| {
        Error::invalid(vec![Detail::new("serial", "bad_format", error.to_string())])
    })?;
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = Zeroizing::new(body::json(&headers, body, bounds).await?.to_vec());
    let known = shared.store().server(&serial).await.map_err(Error::store)?.is_some();
    let (server, credentials) = parse(&body, &serial, known)?;
    let put = shared.store().put_server(server, credentials, &caller.name, shared.now());
    let status = match put.await.map_err(Error::store)? {
        ServerChange::Created => StatusCode::CREATED,
        ServerChange::Updated => StatusCode::OK,
    };
    let location = format!("/api/v1/servers/{serial}");
    let mut response = shown(&shared, &serial).await?;
    *response.status_mut() = status;
    Ok((Extension(audit::Kept), [(header::LOCATION, location)], response).into_response())
}

pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(serial): Path<String>,
) -> Result<Response, Error> {
    let serial: ServerSerial = serial.parse().map_err(|_| unknown())?;
    let deleted = shared.store().delete_server(&serial, &caller.name, shared.now());
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
    Ok(Json(View::of(&record, credentials.is_some(), active_job)).into_response())
}

fn unknown() -> Error {
    Error::new(Code::NoServer, "there is no such server")
}

impl<'a> View<'a> {
    fn of(record: &'a ServerRecord, has_credentials: bool, active_job: Option<JobId>) -> Self {
        let server = &record.server;
        Self {
            server_serial: &server.serial,
            bmc_address: &server.bmc_address,
            has_credentials,
            vendor_hint: server.vendor_hint.as_deref(),
            tls: &server.tls,
            media_scheme: server.media_scheme,
            allow_plain_media: server.allow_plain_media,
            media_host: server.media_host.as_deref(),
            labels: &server.labels,
            quarantine: server.quarantine.as_deref(),
            hardware: record.hardware.as_ref(),
            hands_off_until: record.hands_off_until.map(At),
            residue: &record.residue,
            active_job,
            created_at: At(record.created_at),
            updated_at: At(record.updated_at),
        }
    }
}

impl<'a> Listed<'a> {
    fn of(record: &'a ServerRecord) -> Self {
        Self {
            server_serial: &record.server.serial,
            bmc_address: &record.server.bmc_address,
            labels: &record.server.labels,
            quarantine: record.server.quarantine.as_deref(),
            hardware: record.hardware.as_ref(),
            created_at: At(record.created_at),
            updated_at: At(record.updated_at),
        }
    }
}

/// Reads the body of a PUT. A new server needs credentials; a known one keeps those it has.
fn parse(
    body: &[u8],
    serial: &ServerSerial,
    known: bool,
) -> Result<(Server, Option<Credentials>), Error> {
    let mut document = Document::read(body)?;
    let bmc_address = address(&mut document);
    let tls = tls(&mut document);
    let credentials = credentials(&mut document, known);
    let server = Server {
        serial: serial.clone(),
        bmc_address: bmc_address.unwrap_or_default(),
        vendor_hint: text(&mut document, "vendor_hint"),
        tls: tls.unwrap_or(TlsPolicy::Ca { pem: String::new() }),
        media_scheme: document.optional("media_scheme", "https or http"),
        allow_plain_media: document.optional("allow_plain_media", "true or false").unwrap_or(false),
        media_host: text(&mut document, "media_host"),
        labels: job::labels(&mut document),
        quarantine: text(&mut document, "quarantine"),
    };
    // Stand-ins above are never stored: whatever they stand for has been refused here.
    document.finish()?;
    Ok((server, credentials))
}

fn address(document: &mut Document<'_>) -> Option<String> {
    let expected = "the https URL of the BMC";
    let text: String = document.required("bmc_address", expected)?;
    let url = text.parse::<HttpUrl>().ok().filter(HttpUrl::is_https);
    if url.is_none() {
        document.problem("bmc_address", "bad_url", format!("must be {expected}"));
    }
    url.map(|url| url.as_str().to_owned())
}

fn tls(document: &mut Document<'_>) -> Option<TlsPolicy> {
    let expected = "one of {\"ca\":{\"pem\":...}}, {\"pin\":{\"sha256\":...}} or \
                    {\"insecure\":{\"reason\":...}}";
    let policy: TlsPolicy = document.required("tls", expected)?;
    let problem = match &policy {
        TlsPolicy::Ca { pem } if !pem.contains("-----BEGIN CERTIFICATE-----") => {
            Some("must hold certificates in PEM")
        }
        TlsPolicy::Pin { sha256 }
            if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            Some("must be the certificate's SHA-256 in 64 hex digits")
        }
        TlsPolicy::Insecure { reason } if reason.trim().is_empty() || reason.len() > TEXT_MAX => {
            Some("must say in at most 1024 bytes why the BMC's identity need not be checked")
        }
        TlsPolicy::Ca { .. } | TlsPolicy::Pin { .. } | TlsPolicy::Insecure { .. } => None,
    };
    if let Some(problem) = problem {
        document.problem("tls", "bad_format", problem);
    }
    Some(policy)
}

fn credentials(document: &mut Document<'_>, known: bool) -> Option<Credentials> {
    let before = document.problems();
    let Some(mut nested) = document.nested("credentials", "/credentials") else {
        if !known && document.problems() == before {
            let message = "is missing; a new server needs user and password";
            document.problem("credentials", "missing_field", message);
        }
        return None;
    };
    let expected = "a text of 1 to 1024 bytes without control characters";
    let user: Option<String> = nested.required("user", expected);
    let password: Option<Zeroizing<String>> =
        nested.required::<String>("password", expected).map(Zeroizing::new);
    let fits =
        |text: &str| (1..=TEXT_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    for (name, text) in [
        ("user", user.as_deref()),
        ("password", password.as_ref().map(|password| password.as_str())),
    ] {
        if text.is_some_and(|text| !fits(text)) {
            nested.problem(name, "out_of_range", format!("must be {expected}"));
        }
    }
    document.close(nested);
    let password = Secret::new(password?.as_str().to_owned());
    Some(Credentials { user: user?, password })
}

/// A short text; an empty one counts as left out.
fn text(document: &mut Document<'_>, name: &str) -> Option<String> {
    let expected = "a text of at most 1024 bytes without control characters";
    let text: String = document.optional(name, expected)?;
    if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        document.problem(name, "out_of_range", format!("must be {expected}"));
    }
    (!text.is_empty()).then_some(text)
}
