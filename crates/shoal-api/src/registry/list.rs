//! Looking: repositories, tags, manifests, what they cost, and what the rules would remove.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::Uri;
use schemars::JsonSchema;
use serde::Serialize;

use super::{declined, registrar, slice};
use crate::{
    api::Shared,
    error::Error,
    param::{Named, NamedPair},
    query::Query,
    registrar::{Listed, RepositorySeen, Retention, RetentionRule, TagSeen, TagVerdict},
};

/// Repositories of `usage` unless it says otherwise, and the most it may say.
pub(super) const TOP: u32 = 10;
pub(super) const TOP_MAX: u32 = 100;

/// A page of repositories.
#[derive(Serialize, JsonSchema)]
pub(super) struct Repositories {
    repositories: Vec<RepositorySeen>,
    /// What the next page begins with; null on the last one.
    next: Option<String>,
}

/// A page of tags.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistryTags")]
pub(super) struct Tags {
    tags: Vec<TagSeen>,
    /// What the next page begins with; null on the last one.
    next: Option<String>,
}

/// The rules of retention, and a page of what they come to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegistryRetention")]
pub(super) struct RetentionView {
    /// The rules; the first that is about a repository counts.
    rules: Vec<RetentionRule>,
    tags: Vec<TagVerdict>,
    /// What the next page begins with; null on the last one.
    next: Option<String>,
}

pub(super) async fn repositories(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let (prefix, slice) = (query.text("prefix").unwrap_or_default(), slice(&mut query));
    query.finish()?;
    let listed = registrar(&shared)?.repositories(prefix, slice).await.map_err(declined)?;
    let Listed { entries: repositories, next } = listed;
    Ok(Json(Repositories { repositories, next }).into_response())
}

pub(super) async fn repository(
    State(shared): State<Arc<Shared>>,
    Named(repository): Named,
) -> Result<Response, Error> {
    let seen = registrar(&shared)?.repository(repository).await.map_err(declined)?;
    Ok(Json(seen).into_response())
}

pub(super) async fn tags(
    State(shared): State<Arc<Shared>>,
    Named(repository): Named,
    uri: Uri,
) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let slice = slice(&mut query);
    query.finish()?;
    let listed = registrar(&shared)?.tags(repository, slice).await.map_err(declined)?;
    let Listed { entries: tags, next } = listed;
    Ok(Json(Tags { tags, next }).into_response())
}

pub(super) async fn manifest(
    State(shared): State<Arc<Shared>>,
    NamedPair(repository, reference): NamedPair,
) -> Result<Response, Error> {
    let seen = registrar(&shared)?.manifest(repository, reference).await.map_err(declined)?;
    Ok(Json(seen).into_response())
}

pub(super) async fn usage(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let read = |text: &str| text.parse().ok().filter(|top| (1..=TOP_MAX).contains(top));
    let top = query.parsed("top", "a number from 1 to 100", read).unwrap_or(TOP);
    query.finish()?;
    let usage = registrar(&shared)?.usage(top).await.map_err(declined)?;
    Ok(Json(usage).into_response())
}

pub(super) async fn retention(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Response, Error> {
    let mut query = Query::of(&uri)?;
    let (repository, slice) = (query.text("repository"), slice(&mut query));
    query.finish()?;
    let retention = registrar(&shared)?.retention(repository, slice).await.map_err(declined)?;
    let Retention { rules, tags, next } = retention;
    Ok(Json(RetentionView { rules, tags, next }).into_response())
}
