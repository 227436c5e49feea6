//! Keys over HTTP: which there are, a new one, an old one's end. No key is in any answer but a fleet
//! secret that we made up ourselves, since machines have to be told it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::Time;
use shoal_store::{KeyPurpose, KeyRecord, KeySet, KeyState, Revocation, Revoke, Secret};
use zeroize::Zeroizing;

use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    document::Document,
    error::{Code, Error},
    openapi::shape,
    param::{Named, NamedPair},
    query::Query,
    timestamp::At,
};

/// Shortest secret an operator may choose, in bytes.
pub(super) const SECRET_MIN: usize = 16;
/// Longest.
pub(super) const SECRET_MAX: usize = 1024;

#[derive(Serialize, JsonSchema)]
pub(super) struct Keys {
    keys: Vec<KeyView>,
}

/// One key, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
struct KeyView {
    #[schemars(with = "shape::Purpose")]
    purpose: &'static str,
    id: u8,
    /// current, accepted, expired or revoked
    state: &'static str,
    /// drawn, configured or operator
    source: &'static str,
    created_at: Option<At>,
    accepted_until: Option<At>,
    revoked_at: Option<At>,
}

impl KeyView {
    fn of(key: &KeyRecord, now: Time) -> Self {
        let over = key.accepted_until.is_some_and(|until| until <= now);
        let expired = key.state == KeyState::Accepted && over;
        Self {
            purpose: key.purpose.as_str(),
            id: key.id,
            state: if expired { "expired" } else { key.state.as_str() },
            source: key.source.as_str(),
            created_at: key.created_at.map(At),
            accepted_until: key.accepted_until.map(At),
            revoked_at: key.revoked_at.map(At),
        }
    }
}

/// A key that is current from now on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeySet")]
pub(super) struct SetView {
    #[schemars(with = "shape::Purpose")]
    purpose: &'static str,
    id: u8,
    former_accepted_until: At,
    /// A fleet secret that was made up here. It is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    let keys = shared.store().key_records().await.map_err(Error::store)?;
    let now = shared.now();
    let keys = keys.iter().map(|key| KeyView::of(key, now)).collect();
    Ok(Json(Keys { keys }).into_response())
}

pub(crate) async fn set(
    State(shared): State<Arc<Shared>>,
    Named(purpose): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let purpose = named(&purpose)?;
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = Zeroizing::new(body::json_or_none(&headers, body, bounds).await?.to_vec());
    let given = parse(&body)?;
    let fleet = purpose == KeyPurpose::FleetWebhook;
    if fleet && !shared.api.installation.accepts_fleet_secret() {
        let message = "fleet secrets are accepted only while WEBHOOK_SECRET is set; set it there";
        return Err(Error::new(Code::SecretUnused, message));
    }
    let (text, shown) = match given {
        Some(text) => (text, None),
        None => {
            let drawn = Secret::draw().map_err(Error::store)?;
            let shown = fleet.then(|| drawn.expose().clone());
            (drawn, shown)
        }
    };
    let (now, accept_for) = (shared.now(), shared.api.installation.dual_accept());
    let set = shared.store().set_key(purpose, &text, now, accept_for).await;
    let KeySet::Current(id) = set.map_err(Error::store)? else {
        let message = "this value is or was a key of this purpose; choose another one";
        return Err(Error::new(Code::SecretKnown, message));
    };
    in_force(&shared, "secret_set", purpose, id).await?;
    let former_accepted_until = At(now + accept_for);
    let view = SetView { purpose: purpose.as_str(), id, former_accepted_until, value: shown };
    let note = Note(format!("key={id}"));
    Ok((StatusCode::CREATED, Extension(note), Json(view)).into_response())
}

pub(crate) async fn revoke(
    State(shared): State<Arc<Shared>>,
    NamedPair(purpose, id): NamedPair,
    uri: Uri,
) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let how = if query.flag("emergency") { Revoke::Emergency } else { Revoke::IfUnused };
    query.finish()?;
    let unknown = || Error::new(Code::NoKey, "there is no such key");
    let purpose = named(&purpose)?;
    let id: u8 = id.parse().map_err(|_| unknown())?;
    let revoked = shared.store().revoke_key(purpose, id, how, shared.now()).await;
    match revoked.map_err(Error::store)? {
        Revocation::Revoked { jobs } => {
            in_force(&shared, "secret_revoked", purpose, id).await?;
            let note = Note(format!("key={id} jobs={jobs}"));
            Ok((StatusCode::NO_CONTENT, Extension(note)).into_response())
        }
        // A repetition of a call whose answer was lost.
        Revocation::Already => {
            shared.api.installation.keys_changed().await.map_err(Error::store)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Revocation::Current => {
            let message = "this key makes what is new: set another one, then revoke it";
            Err(Error::new(Code::KeyCurrent, message))
        }
        Revocation::InUse { jobs } => {
            let message = format!(
                "the media or tokens of {jobs} unfinished jobs depend on this key; wait for them, \
                 or send emergency=true and lose them"
            );
            Err(Error::new(Code::KeyInUse, message))
        }
        Revocation::Unknown => Err(unknown()),
    }
}

/// Makes the process follow what the store has, and notes it.
async fn in_force(shared: &Shared, kind: &str, purpose: KeyPurpose, id: u8) -> Result<(), Error> {
    shared.api.installation.keys_changed().await.map_err(Error::store)?;
    let words = [("purpose", purpose.as_str().to_owned()), ("key_id", id.to_string())];
    let detail: BTreeMap<_, _> = words.map(|(name, word)| (name.to_owned(), word)).into();
    shared.store().installation_event(kind, detail, shared.now()).await.map_err(Error::store)?;
    Ok(())
}

fn named(purpose: &str) -> Result<KeyPurpose, Error> {
    let found = KeyPurpose::ALL.into_iter().find(|known| known.as_str() == purpose);
    found.ok_or_else(|| {
        let message =
            "there are keys for media, webhook_token, registry_token and fleet_webhook only";
        Error::new(Code::NoKey, message)
    })
}

fn parse(body: &[u8]) -> Result<Option<Secret>, Error> {
    let mut document = Document::read(body)?;
    let expected = "a text of 16 to 1024 bytes without control characters";
    let value: Option<String> = document.optional("value", expected);
    let value = value.map(Secret::new);
    if let Some(value) = &value {
        let text = value.expose();
        let fits = (SECRET_MIN..=SECRET_MAX).contains(&text.len());
        if !fits || text.chars().any(char::is_control) {
            document.problem("value", "out_of_range", format!("must be {expected}"));
        }
    }
    document.finish()?;
    Ok(value)
}
