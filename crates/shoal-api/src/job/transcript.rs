//! What was said to a job's BMC before its steps failed.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_core::JobId;
use shoal_store::{Error as StoreError, StoredTranscript};

use super::find;
use crate::{api::Shared, error::Error, openapi::shape, param::Named, timestamp::At};

/// The transcripts of a job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Transcripts")]
pub(super) struct Transcripts {
    #[schemars(with = "shape::JobId")]
    job_id: JobId,
    /// The newest of each step of an attempt, the oldest first.
    transcripts: Vec<Transcript>,
}

/// What was said before a step failed.
#[derive(Serialize, JsonSchema)]
struct Transcript {
    attempt: u32,
    #[schemars(with = "shape::Step")]
    step: &'static str,
    at: At,
    /// What failed.
    fault: String,
    /// Requests and answers, the oldest first, without passwords, tokens and the paths of media.
    exchanges: Vec<Exchange>,
}

/// One request and its answer.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Exchange {
    /// Its place among all of the connection, from 1.
    number: u64,
    /// What it served, such as `mount.task`.
    op: String,
    method: String,
    path: String,
    /// The start of the body sent.
    sent: Option<String>,
    /// None where no answer came.
    status: Option<u16>,
    /// The start of the answer, or what went wrong.
    received: Option<String>,
    duration_ms: u64,
}

/// `GET /jobs/{id}/transcripts`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
) -> Result<Response, Error> {
    let job_id = find(&shared, &id).await?.job.id();
    let stored = shared.store().transcripts(job_id).await.map_err(Error::store)?;
    let transcripts = stored.into_iter().map(Transcript::of).collect::<Result<_, Error>>()?;
    Ok(Json(Transcripts { job_id, transcripts }).into_response())
}

impl Transcript {
    fn of(stored: StoredTranscript) -> Result<Self, Error> {
        let exchanges = serde_json::from_str(&stored.exchanges)
            .map_err(|source| Error::store(StoreError::Stored { what: "transcript", source }))?;
        Ok(Self {
            attempt: stored.attempt,
            step: stored.step.as_str(),
            at: At(stored.at),
            fault: stored.fault,
            exchanges,
        })
    }
}
