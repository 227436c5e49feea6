//! `POST /admin/reload`: another configuration without a restart.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::Uri;
use schemars::JsonSchema;
use serde::Serialize;

use super::port::{Changed, Reload, ReloadRefusal};
use crate::{
    api::Shared,
    error::{Code, Detail, Error},
    query::Query,
};

/// The answer: what is different from now on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reload")]
pub(super) struct ReloadView {
    dry_run: bool,
    changed: Vec<ChangedView>,
    warnings: Vec<String>,
    config_sha256: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangedKey")]
struct ChangedView {
    key: String,
    from: String,
    to: String,
    source: String,
}

impl From<Changed> for ChangedView {
    fn from(Changed { key, from, to, source }: Changed) -> Self {
        Self { key, from, to, source }
    }
}

pub(crate) async fn run(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let wanted = Reload { dry_run: query.flag("dry_run"), force: query.flag("force") };
    query.finish()?;
    let reloaded = shared.api.installation.reload(wanted).await.map_err(refused)?;
    let view = ReloadView {
        dry_run: wanted.dry_run,
        changed: reloaded.changed.into_iter().map(ChangedView::from).collect(),
        warnings: reloaded.warnings,
        config_sha256: reloaded.config_sha256,
    };
    Ok(Json(view).into_response())
}

fn refused(refusal: ReloadRefusal) -> Error {
    let message = "the configuration in force stays; details say what is refused and why";
    let detail = |(key, reason): (String, String)| Detail::new(key, "refused", reason);
    let details = refusal.reasons.into_iter().map(detail).collect();
    Error { details, ..Error::new(Code::ReloadRefused, message) }
}
