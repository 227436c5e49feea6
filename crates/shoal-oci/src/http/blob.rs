//! `blobs/<digest>`: pull and delete.

use ::http::StatusCode;

use super::{Answer, Asked, Body, answer};
use crate::auth::Action;
use crate::digest::Digest;
use crate::name::{Reference, Repository};
use crate::registry::Registry;

pub(super) async fn pull(
    registry: &Registry,
    asked: &Asked,
    (repository, digest): (&Repository, Digest),
) -> Answer {
    asked.may_read(registry, repository, &Reference::Digest(digest)).await?;
    let content = registry.blob(repository, digest).await?;
    answer::content(asked, content, "application/octet-stream")
}

pub(super) async fn delete(
    registry: &Registry,
    asked: &Asked,
    (repository, digest): (&Repository, Digest),
) -> Answer {
    asked.may(Action::Delete, repository)?;
    registry.delete_blob(repository, digest).await?;
    Ok(answer::with(answer::of(StatusCode::ACCEPTED), Body::empty()))
}
