//! API tokens over HTTP: made, listed, revoked. A token's text is in one answer and nowhere else.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::Time;
use shoal_store::{ApiToken, Caller, Role, TokenRecord};

use crate::{
    api::Shared,
    audit::Note,
    body::{self, Bounds},
    document::Document,
    error::{Code, Error},
    openapi::shape,
    param::Named,
    timestamp::{self, At},
};

/// Longest name of a token.
pub(super) const NAME_MAX: usize = 64;

#[derive(Serialize, JsonSchema)]
pub(super) struct Tokens {
    tokens: Vec<TokenView>,
}

/// One token, without its text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
struct TokenView {
    id: String,
    name: String,
    #[schemars(with = "shape::RoleName")]
    role: Role,
    created_at: At,
    /// To the day; null: never.
    last_used_at: Option<At>,
    /// Null: never.
    expires_at: Option<At>,
}

/// The one answer that has the text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenMade")]
pub(super) struct Made {
    #[serde(flatten)]
    view: TokenView,
    token: String,
}

impl From<TokenRecord> for TokenView {
    fn from(record: TokenRecord) -> Self {
        Self {
            id: record.id,
            name: record.caller.name,
            role: record.caller.role,
            created_at: At(record.created_at),
            last_used_at: record.used_at.map(At),
            expires_at: record.expires_at.map(At),
        }
    }
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, Error> {
    let tokens = shared.store().api_tokens().await.map_err(Error::store)?;
    let tokens = tokens.into_iter().map(TokenView::from).collect();
    Ok(Json(Tokens { tokens }).into_response())
}

pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let bounds = Bounds { most: body::SMALL, within: shared.api.limits.body };
    let body = body::json(&headers, body, bounds).await?;
    let now = shared.now();
    let (caller, expires_at) = parse(&body, now)?;
    let token = ApiToken::draw().map_err(Error::store)?;
    let kept = shared.store().keep_api_token(caller, &token, expires_at, now).await;
    let record = kept.map_err(|error| match error {
        shoal_store::Error::NameTaken(_) => {
            Error::new(Code::NameTaken, "a token of this name exists; choose another, or revoke it")
        }
        other => Error::store(other),
    })?;
    let note = Note(format!("id={} role={}", record.id, record.caller.role.as_str()));
    let location = format!("/api/v1/admin/tokens/{}", record.id);
    let made = Made { view: record.into(), token: token.text.expose().clone() };
    let headers = [(header::LOCATION, location)];
    Ok((StatusCode::CREATED, Extension(note), headers, Json(made)).into_response())
}

pub(crate) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Named(id): Named,
) -> Result<Response, Error> {
    let revoked = shared.store().revoke_api_token(&id).await.map_err(Error::store)?;
    let caller = revoked.ok_or_else(|| Error::new(Code::NoToken, "there is no such token"))?;
    let note = Note(format!("name={}", caller.name));
    Ok((StatusCode::NO_CONTENT, Extension(note)).into_response())
}

fn parse(body: &[u8], now: Time) -> Result<(Caller, Option<Time>), Error> {
    let mut document = Document::read(body)?;
    let expected = "a name of 1 to 64 letters, digits and . _ - @";
    let name: Option<String> = document.required("name", expected);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    if let Some(name) = &name
        && !((1..=NAME_MAX).contains(&name.len()) && name.bytes().all(fits))
    {
        document.problem("name", "bad_format", format!("must be {expected}"));
    }
    let role: Option<Role> = document.required("role", "reader, operator or admin");
    let ends: Option<String> = document.optional("expires_at", "an RFC 3339 time");
    let expires_at = ends.as_deref().and_then(timestamp::parse).filter(|end| *end > now);
    if ends.is_some() && expires_at.is_none() {
        document.problem("expires_at", "bad_format", "must be an RFC 3339 time to come");
    }
    let (name, role) = document.finish_with(name.zip(role))?;
    Ok((Caller { name, role }, expires_at))
}
