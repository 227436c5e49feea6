//! Uploads that have not ended, and giving one up that somebody has left.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{declined, registrar};
use crate::{api::Shared, audit::Note, error::Error, param::Named, registrar::UploadSeen};

/// Every upload; their number is bounded by the registry.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistryUploads")]
pub(super) struct Uploads {
    uploads: Vec<UploadSeen>,
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    let uploads = registrar(&shared)?.uploads().await.map_err(declined)?;
    Ok(Json(Uploads { uploads }).into_response())
}

pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
) -> Result<Response, Error> {
    let repository = registrar(&shared)?.remove_upload(id).await.map_err(declined)?;
    Ok((Extension(Note(format!("for {repository}"))), StatusCode::NO_CONTENT).into_response())
}
