//! BMCs apart from servers: one nobody has registered yet, and what is known of their kinds.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shoal_store::{Error as StoreError, TlsPolicy};
use zeroize::Zeroizing;

use super::{probe, request};
use crate::{
    Stranger,
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    error::{Detail, Error},
    query::Query,
    timestamp::At,
};

/// Most characters of the name of a kind.
pub(super) const KIND_MAX: usize = 200;

/// What is known of kinds of BMCs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LearnedKinds")]
pub(super) struct Kinds {
    kinds: Vec<OfKind>,
}

/// What is known of one kind of BMC.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LearnedKind")]
struct OfKind {
    /// Vendor, model and firmware.
    kind: String,
    learned_at: At,
    /// Which request forms it takes.
    forms: Value,
}

/// `POST /bmc/examine`: looks at a BMC no server was registered with. Nothing of it is kept.
pub(super) async fn examine(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = Zeroizing::new(body::json(&headers, body, bounds).await?.to_vec());
    let stranger = request::parse_stranger(&body)?;
    let note = Extension(Note(noted(&stranger)));
    let probe = shared.api.prober.examine(stranger).await;
    let probe = probe.map_err(|error| probe::refused(&shared, error)).map(Json);
    Ok((note, probe).into_response())
}

/// For the audit log: where the controller was made to connect to, and on which trust.
fn noted(stranger: &Stranger) -> String {
    match &stranger.tls {
        Some(TlsPolicy::Insecure { reason }) => {
            format!("{} insecure: {reason}", stranger.bmc_address)
        }
        _ => stranger.bmc_address.clone(),
    }
}

/// What became of what was known of a kind.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LearnedForgotten")]
pub(super) struct Forgotten {
    /// Whether anything was known.
    forgotten: bool,
}

/// `DELETE /bmc/learned?kind=`: the next BMC of this kind is met as if none had been before.
pub(super) async fn forget(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let is_kind = |text: &&str| {
        (1..=KIND_MAX).contains(&text.chars().count()) && !text.contains(char::is_control)
    };
    let expected = "a kind as GET /api/v1/bmc/learned lists it";
    let read = |text: &str| Some(text).filter(is_kind).map(str::to_owned);
    let kind = query.parsed("kind", expected, read);
    query.finish()?;
    let missing = || Detail::new("query kind", "missing_field", format!("is needed: {expected}"));
    let kind = kind.ok_or_else(|| Error::invalid(vec![missing()]))?;
    let note = Extension(Note(kind.clone()));
    let forgotten = shared.api.prober.forget(kind).await;
    let forgotten = forgotten.map_err(|error| probe::refused(&shared, error))?;
    Ok((note, Json(Forgotten { forgotten })).into_response())
}

/// `GET /bmc/learned`: what is known of kinds of BMCs, to look at or to carry elsewhere.
pub(super) async fn learned(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    let stored = shared.store().learned().await.map_err(Error::store)?;
    let kinds = stored.into_iter().map(|stored| {
        let forms = serde_json::from_str(&stored.forms);
        let what = "what is known of a kind of BMC";
        let forms = forms.map_err(|source| Error::store(StoreError::Stored { what, source }))?;
        Ok(OfKind { kind: stored.kind, learned_at: At(stored.at), forms })
    });
    Ok(Json(Kinds { kinds: kinds.collect::<Result<_, Error>>()? }).into_response())
}
