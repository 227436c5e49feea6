//! `POST /servers/import`: a list of servers, as one JSON array or as one JSON object per line, put
//! as a whole or not at all.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use shoal_core::ServerSerial;
use shoal_store::{Actor, Credentials, ImportCounts, Server, ServerImport};
use zeroize::Zeroizing;

use super::request;
use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    error::{Code, Detail, Error},
};

/// Longest body, in bytes.
pub(super) const BODY_MAX: usize = 8 * 1024 * 1024;
/// Most servers of one import.
pub(super) const RECORDS_MAX: usize = 5_000;
/// Content types: an array, and lines under two names.
pub(super) const TYPES: [&str; 3] =
    ["application/json", "application/x-ndjson", "application/jsonl"];
/// Most mistakes that are told; more help nobody.
const DETAILS_MAX: usize = 100;

/// What an import did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Imported")]
pub(super) struct ImportView {
    created: u64,
    updated: u64,
    unchanged: u64,
}

/// How the records are written one after the other.
#[derive(Clone, Copy)]
enum Form {
    Array,
    Lines,
}

pub(crate) async fn import(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let form = form(&headers)?;
    let bounds = Bounds { most: BODY_MAX, within: shared.api.limits.body };
    let body = body::whole(&headers, body, bounds).await?;
    let servers = parsed(form, body).await?;
    let imported = shared.store().import(servers, actor, shared.now());
    let ImportCounts { created, updated, unchanged } = match imported.await.map_err(Error::store)? {
        ServerImport::Done(counts) => counts,
        ServerImport::WithoutCredentials(records) => return Err(bare(&records)),
    };
    let note = format!("{created} created, {updated} updated, {unchanged} unchanged");
    let view = ImportView { created, updated, unchanged };
    Ok((Extension(Note(note)), Json(view)).into_response())
}

fn form(headers: &HeaderMap) -> Result<Form, Error> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Array),
        "application/x-ndjson" | "application/jsonl" => Ok(Form::Lines),
        _ => Err(Error::new(
            Code::MediaType,
            "the body must be an array as application/json, or lines as application/x-ndjson",
        )),
    }
}

/// Parsing thousands of records takes long enough to keep other requests waiting.
async fn parsed(form: Form, body: Bytes) -> Result<Vec<(Server, Option<Credentials>)>, Error> {
    let body = Zeroizing::new(body.to_vec());
    match tokio::task::spawn_blocking(move || parse(form, &body)).await {
        Ok(parsed) => parsed,
        Err(_) => Err(Error::new(Code::Internal, "the servers could not be read")),
    }
}

fn parse(form: Form, body: &[u8]) -> Result<Vec<(Server, Option<Credentials>)>, Error> {
    let records = split(form, body)?;
    if records.len() > RECORDS_MAX {
        let message = format!("{} servers are too many for one import", records.len());
        return Err(refused("", "out_of_range", format!("{message}; send {RECORDS_MAX} at most")));
    }
    let mut servers = Vec::with_capacity(records.len());
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, record) in records.into_iter().enumerate() {
        match request::parse_record(record) {
            Ok((server, credentials)) => {
                if !seen.insert(server.serial.clone()) {
                    problems.push(twice(at, &server.serial));
                }
                servers.push((server, credentials));
            }
            Err(error) => problems.extend(
                error
                    .details
                    .into_iter()
                    .map(|detail| Detail { path: format!("/{at}{}", detail.path), ..detail }),
            ),
        }
        if problems.len() >= DETAILS_MAX {
            break;
        }
    }
    problems.truncate(DETAILS_MAX);
    if problems.is_empty() { Ok(servers) } else { Err(Error::invalid(problems)) }
}

/// The records, each as its own text.
fn split(form: Form, body: &[u8]) -> Result<Vec<&[u8]>, Error> {
    match form {
        Form::Lines => {
            let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            Ok(lines.filter(|line| !line.is_empty()).collect())
        }
        Form::Array => {
            let text = std::str::from_utf8(body)
                .map_err(|_| refused("", "not_utf8", "the body is not UTF-8"))?;
            let records: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
                if error.is_data() {
                    return refused("", "wrong_type", "the body must be an array of servers");
                }
                let (line, column) = (error.line(), error.column());
                let message = format!("the body is not JSON at line {line}, column {column}");
                refused("", "not_json", message)
            })?;
            Ok(records.into_iter().map(|record| record.get().as_bytes()).collect())
        }
    }
}

fn twice(at: usize, serial: &ServerSerial) -> Detail {
    let message = format!("{serial} appears more than once; keep the record that is meant");
    Detail::new(format!("/{at}/serial"), "duplicate_field", message)
}

fn bare(records: &[usize]) -> Error {
    let detail = |at: &usize| {
        let message = "is missing; a new server needs user and password";
        Detail::new(format!("/{at}/credentials"), "missing_field", message)
    };
    Error::invalid(records.iter().take(DETAILS_MAX).map(detail).collect())
}

fn refused(path: &str, code: &'static str, message: impl Into<String>) -> Error {
    Error::invalid(vec![Detail::new(path, code, message)])
}
