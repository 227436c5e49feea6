//! `GET /jobs/{id}`: one job with everything an operator asks about it, its recipe included as far
//! as it is not secret.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use ring::digest;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use shoal_core::{JobId, Status};
use shoal_recipe::Recipe;
use shoal_store::{Place, Record, WholeJob};

use super::{
    media::{self, MediumReads},
    parse, unknown,
    view::Full,
    waiting::Situation,
};
use crate::{
    api::Shared,
    error::{Code, Error},
    event::EventView,
    openapi::shape,
    param::Named,
    timestamp::At,
};

/// Events shown with the job; the rest are a call of their own.
const EVENTS_SHOWN: u32 = 50;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    job: Full<'a>,
    /// Where a queued job stands; 1 is next.
    position: Option<u64>,
    /// Jobs that hold a worker's place while it is queued.
    ahead_active: Option<u64>,
    /// When it will probably start; null without history, and while an operator, a limit or
    /// another job holds it back.
    estimate: Option<EstimateView>,
    /// What was read of the current attempt's media.
    media: Vec<MediumReads>,
    #[schemars(with = "shape::ShownRecipe")]
    recipe: Value,
    recipe_bytes: u64,
    recipe_sha256: &'a str,
    /// The last ones, oldest first.
    events: Vec<EventView>,
}

/// When a queued job will probably start, judged by the last complete jobs of its target.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Estimate")]
struct EstimateView {
    starts_in_seconds: u64,
    starts_at: At,
}

pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
) -> Result<Response, Error> {
    let id = parse(&id)?;
    let whole = shared.store().whole(id, EVENTS_SHOWN).await.map_err(Error::store)?;
    let WholeJob { record, recipe, events, reads } = whole.ok_or_else(unknown)?;
    let place = place(&shared, &record).await?;
    let now = shared.now();
    let situation = Situation::of(&shared, std::slice::from_ref(&record)).await?;
    let starts_in = place.as_ref().and_then(|place| place.starts_in);
    let starts_in = starts_in.filter(|_| shared.api.gate.closed().is_none());
    let shown = Shown {
        estimate: starts_in.map(|wait| EstimateView {
            starts_in_seconds: wait.as_secs(),
            starts_at: At(now + wait),
        }),
        position: place.as_ref().map(|place| place.position),
        ahead_active: place.as_ref().map(|place| place.ahead_active),
        media: media::views(&record.job, &reads),
        recipe: without_secrets(&read_recipe(id, &recipe)?),
        recipe_bytes: record.recipe_bytes,
        recipe_sha256: &record.recipe_sha256,
        events: events.into_iter().map(EventView::from).collect(),
        job: Full::of(&record, situation.waiting(&record, now), now),
    };
    Ok(Json(shown).into_response())
}

pub(super) async fn place(shared: &Shared, record: &Record) -> Result<Option<Place>, Error> {
    if record.job.status() != Status::Queued {
        return Ok(None);
    }
    let limits = shared.api.gate.limits();
    shared.store().queue(record.job.id(), &limits, shared.now()).await.map_err(Error::store)
}

/// The recipe as it was admitted.
pub(super) async fn recipe(shared: &Shared, job: JobId) -> Result<Recipe, Error> {
    let bytes = shared.store().recipe(job).await.map_err(Error::store)?.unwrap_or_default();
    read_recipe(job, &bytes)
}

fn read_recipe(job: JobId, bytes: &[u8]) -> Result<Recipe, Error> {
    serde_json::from_slice(bytes).map_err(|_| {
        // The reader's words could repeat what is sealed.
        tracing::error!(job_id = %job, "stored recipe cannot be read");
        Error::new(Code::Internal, "the controller could not do this; its log says why")
    })
}

/// The recipe with size and SHA-256 in the place of every sealed member.
fn without_secrets(recipe: &Recipe) -> Value {
    let mut shown = serde_json::to_value(recipe).unwrap_or_default();
    if let Some(members) = shown.as_object_mut() {
        for (name, text) in recipe.sealed() {
            let sha256 = digest::digest(&digest::SHA256, text.reveal().as_bytes());
            let sha256 = HEXLOWER.encode(sha256.as_ref());
            members.insert(name.to_owned(), json!({"bytes": text.len(), "sha256": sha256}));
        }
    }
    shown
}
