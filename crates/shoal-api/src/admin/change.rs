//! `GET /admin/changes`: what happened to the installation, the first question after "since when".

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::Uri;
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::Time;

use crate::{api::Shared, error::Error, query::Query, timestamp};

/// How far back a call without `since` looks.
const USUAL: u64 = 24 * 3600;

#[derive(Serialize, JsonSchema)]
pub(super) struct Changes {
    changes: Vec<ChangeView>,
}

/// One thing that happened.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Change")]
struct ChangeView {
    id: i64,
    at: timestamp::At,
    kind: String,
    detail: BTreeMap<String, String>,
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let now = shared.now();
    let mut query = Query::of(&uri)?;
    let expected = "a time such as 2026-01-31T08:00:00Z, or how long ago, such as 24h";
    let since = query.parsed("since", expected, |text| timestamp::since(text, now));
    query.finish()?;
    let usual = || Time::from_millis(now.as_millis().saturating_sub(USUAL * 1000));
    let since = since.unwrap_or_else(usual);
    let events = shared.store().installation_events(since).await.map_err(Error::store)?;
    let changes = events.into_iter().map(|event| ChangeView {
        id: event.id,
        at: timestamp::At(event.at),
        kind: event.kind,
        detail: event.detail,
    });
    Ok(Json(Changes { changes: changes.collect() }).into_response())
}
