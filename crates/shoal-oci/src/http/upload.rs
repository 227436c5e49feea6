//! `blobs/uploads/`: sessions, from the first request to the last.

use std::pin::Pin;

use ::http::StatusCode;
use bytes::Bytes;
use http_body::Body as HttpBody;

use super::{Answer, Asked, Body, Refusal, answer};
use crate::auth::Action;
use crate::digest::{Algorithm, Digest};
use crate::name::Repository;
use crate::registry::{Registry, Started};
use crate::upload::UploadId;

/// Begins a session, or takes the whole content at once, or mounts it.
pub(super) async fn start<B>(
    registry: &Registry,
    asked: &Asked,
    repository: &Repository,
    body: &mut Pin<Box<B>>,
) -> Answer
where
    B: HttpBody<Data = Bytes>,
{
    asked.may(Action::Push, repository)?;
    if let Some(digest) = asked.query.first("digest") {
        let digest = digest.parse()?;
        registry.put_blob(repository, digest, asked.incoming(body)?).await?;
        return Ok(stored(repository, &digest));
    }
    let algorithm = match asked.query.first("digest-algorithm") {
        Some(name) => name.parse()?,
        None => Algorithm::default(),
    };
    let started = match (asked.query.first("mount"), asked.query.first("from")) {
        (Some(digest), Some(from)) => mount(registry, asked, repository, (digest, from)).await?,
        // Without a source nobody can say whether the client may read it.
        _ => Started::Session(
            registry.start_upload(repository, algorithm, asked.principal.name()).await?,
        ),
    };
    Ok(match started {
        Started::Mounted => {
            let digest = asked.query.first("mount").unwrap_or_default().parse()?;
            stored(repository, &digest)
        }
        Started::Session(id) => answer::session(StatusCode::ACCEPTED, (repository, id), 0),
    })
}

async fn mount(
    registry: &Registry,
    asked: &Asked,
    repository: &Repository,
    (digest, from): (&str, &str),
) -> Result<Started, Refusal> {
    let (digest, from): (Digest, Repository) = (digest.parse()?, from.parse()?);
    if asked.principal.may(Action::Pull, &from) {
        return Ok(registry.mount(repository, &from, digest, asked.principal.name()).await?);
    }
    Ok(Started::Session(
        registry.start_upload(repository, digest.algorithm(), asked.principal.name()).await?,
    ))
}

pub(super) fn show(
    registry: &Registry,
    asked: &Asked,
    (repository, id): (&Repository, UploadId),
) -> Answer {
    asked.may(Action::Push, repository)?;
    let received = registry.upload_offset(repository, id)?;
    Ok(answer::session(StatusCode::NO_CONTENT, (repository, id), received))
}

pub(super) async fn append<B>(
    registry: &Registry,
    asked: &Asked,
    (repository, id): (&Repository, UploadId),
    body: &mut Pin<Box<B>>,
) -> Answer
where
    B: HttpBody<Data = Bytes>,
{
    asked.may(Action::Push, repository)?;
    let appended = registry.append(repository, id, asked.incoming(body)?).await;
    let received = appended.map_err(|error| located(registry, (repository, id), error))?;
    Ok(answer::session(StatusCode::ACCEPTED, (repository, id), received))
}

pub(super) async fn finish<B>(
    registry: &Registry,
    asked: &Asked,
    (repository, id): (&Repository, UploadId),
    body: &mut Pin<Box<B>>,
) -> Answer
where
    B: HttpBody<Data = Bytes>,
{
    asked.may(Action::Push, repository)?;
    let digest = asked.query.first("digest").ok_or(Refusal::NO_DIGEST)?.parse()?;
    let finished = registry.finish_upload(repository, (id, digest), asked.incoming(body)?).await;
    finished.map_err(|error| located(registry, (repository, id), error))?;
    Ok(stored(repository, &digest))
}

pub(super) async fn cancel(
    registry: &Registry,
    asked: &Asked,
    (repository, id): (&Repository, UploadId),
) -> Answer {
    asked.may(Action::Push, repository)?;
    registry.cancel_upload(repository, id).await?;
    Ok(answer::with(answer::of(StatusCode::NO_CONTENT), Body::empty()))
}

fn stored(repository: &Repository, digest: &Digest) -> http::Response<Body> {
    let location = format!("/v2/{repository}/blobs/{digest}");
    answer::with(answer::created(&location, digest), Body::empty())
}

/// A refusal that tells where the session is.
fn located(
    registry: &Registry,
    session: (&Repository, UploadId),
    error: crate::error::Error,
) -> Refusal {
    let received = registry.upload_offset(session.0, session.1).unwrap_or(0);
    Refusal::of(error).at(session, received)
}
