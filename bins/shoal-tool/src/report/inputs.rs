//! The files which the dispatcher leaves for the report unit below `run/provision`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use shoal_webhook::{Id, Token, TraceParent};

/// Largest file that is read; a CA bundle of two certificates has a few KiB.
const FILE_MAX: u64 = 256 * 1024;

/// What the files say.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) webhook_url: String,
    pub(super) job_id: Id,
    pub(super) attempt: u32,
    /// Unix seconds.
    pub(super) report_until: u64,
    pub(super) traceparent: Option<TraceParent>,
    pub(super) token: Token,
    /// Empty when there is no bundle, which a plain webhook does not need.
    pub(super) ca_pem: Vec<u8>,
    pub(super) failure: Option<Failure>,
}

/// `failure.json`: how the dispatcher failed.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) failed_step: String,
    #[serde(default)]
    pub(super) unit: Option<String>,
    pub(super) exit_code: i64,
    #[serde(default)]
    pub(super) message: String,
}

/// `report.json`, as far as it is used; `server_serial` is part of the URL already.
#[derive(Deserialize)]
struct Order {
    webhook_url: String,
    job_id: String,
    attempt: u32,
    report_until: u64,
    #[serde(default)]
    traceparent: Option<String>,
}

/// A file cannot be used. Contents are never quoted: one of the files is the token.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}", path.display())]
pub(super) struct BadFile {
    path: PathBuf,
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is larger than {FILE_MAX} bytes")]
    TooLarge,
    #[error("not the expected JSON at line {line} column {column}")]
    Json { line: usize, column: usize },
    #[error("job_id {0}")]
    JobId(shoal_webhook::Code),
    #[error("not UTF-8")]
    Text,
    #[error(transparent)]
    Token(#[from] shoal_webhook::BadToken),
}

impl Inputs {
    pub(super) fn read(dir: &Path) -> Result<Self, BadFile> {
        let order: Order = required(&dir.join("report.json"), json)?;
        let job_id = Id::parse(&order.job_id).map_err(|code| BadFile {
            path: dir.join("report.json"),
            source: Cause::JobId(code),
        })?;
        Ok(Self {
            webhook_url: order.webhook_url,
            job_id,
            attempt: order.attempt,
            report_until: order.report_until,
            // A malformed trace costs the link between two traces, never the report.
            traceparent: order.traceparent.as_deref().and_then(TraceParent::parse),
            token: required(&dir.join("webhook-token"), token)?,
            ca_pem: optional(&dir.join("ca.pem"), |bytes| Ok(bytes.to_vec()))?.unwrap_or_default(),
            failure: optional(&dir.join("failure.json"), json)?,
        })
    }
}

fn required<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, Cause>) -> Result<T, BadFile> {
    contents(path)
        .and_then(|bytes| parse(&bytes))
        .map_err(|source| BadFile { path: path.to_owned(), source })
}

fn optional<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, Cause>,
) -> Result<Option<T>, BadFile> {
    match contents(path) {
        Err(Cause::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other
            .and_then(|bytes| parse(&bytes))
            .map(Some)
            .map_err(|source| BadFile { path: path.to_owned(), source }),
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX { Err(Cause::TooLarge) } else { Ok(bytes) }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Cause> {
    serde_json::from_slice(bytes)
        .map_err(|error| Cause::Json { line: error.line(), column: error.column() })
}

fn token(bytes: &[u8]) -> Result<Token, Cause> {
    let text = std::str::from_utf8(bytes).map_err(|_| Cause::Text)?;
    Ok(Token::parse(text)?)
}
