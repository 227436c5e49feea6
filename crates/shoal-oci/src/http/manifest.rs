//! `manifests/<reference>`: pull, push, delete.

use std::pin::Pin;

use ::http::StatusCode;
use ::http::header::CONTENT_TYPE;
use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;

use super::{Answer, Asked, Body, Refusal, answer};
use crate::auth::Action;
use crate::error::Error;
use crate::name::{Reference, Repository, Tag};
use crate::registry::Registry;

/// Most tags one push may name beside its reference.
const TAGS_MAX: usize = 64;

pub(super) async fn pull(
    registry: &Registry,
    asked: &Asked,
    (repository, reference): (&Repository, &Reference),
) -> Answer {
    asked.may_read(registry, repository, reference).await?;
    let (content, media_type) = registry.manifest(repository, reference).await?;
    answer::content(asked, content, &media_type)
}

pub(super) async fn push<B>(
    registry: &Registry,
    asked: &Asked,
    (repository, reference): (&Repository, &Reference),
    body: &mut Pin<Box<B>>,
) -> Answer
where
    B: HttpBody<Data = Bytes>,
{
    asked.may(Action::Push, repository)?;
    let tags = more_tags(asked, reference)?;
    // Held in memory while it comes, so the number of those who send is what bounds it.
    let _place = registry.enter().await?;
    let content = collect(registry, asked.length(), body).await?;
    let pushed = (asked.header(CONTENT_TYPE), content);
    let pushed = registry.put_manifest(repository, reference, tags, pushed).await?;
    let location = format!("/v2/{repository}/manifests/{}", pushed.digest);
    let mut builder = answer::created(&location, &pushed.digest);
    if let Some(subject) = &pushed.subject {
        builder = builder.header(answer::SUBJECT, subject.to_string());
    }
    for tag in &pushed.tags {
        builder = builder.header(answer::TAG, tag.as_str());
    }
    Ok(answer::with(builder, Body::empty()))
}

pub(super) async fn delete(
    registry: &Registry,
    asked: &Asked,
    (repository, reference): (&Repository, &Reference),
) -> Answer {
    asked.may(Action::Delete, repository)?;
    registry.delete_manifest(repository, reference).await?;
    Ok(answer::with(answer::of(StatusCode::ACCEPTED), Body::empty()))
}

/// The tags a push by digest names in its query.
fn more_tags(asked: &Asked, reference: &Reference) -> Result<Vec<Tag>, Refusal> {
    if matches!(reference, Reference::Tag(_)) {
        return Ok(Vec::new());
    }
    let tags = asked.query.all("tag").map(str::parse).collect::<Result<Vec<Tag>, _>>()?;
    if tags.len() > TAGS_MAX { Err(Refusal::TOO_MANY_TAGS) } else { Ok(tags) }
}

/// Reads a manifest, which is small, as a whole.
async fn collect<B>(
    registry: &Registry,
    length: Option<u64>,
    body: &mut Pin<Box<B>>,
) -> Result<Vec<u8>, Error>
where
    B: HttpBody<Data = Bytes>,
{
    let most = registry.manifest_bytes_max();
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    if length.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { limit });
    }
    let mut content = Vec::new();
    loop {
        let received = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let stopped = Error::BodyStopped { received };
        let Ok(frame) = tokio::time::timeout(registry.idle(), body.frame()).await else {
            return Err(stopped);
        };
        let Some(frame) = frame else { return Ok(content) };
        let Ok(frame) = frame else { return Err(stopped) };
        let Ok(bytes) = frame.into_data() else { continue };
        if content.len() + bytes.len() > most {
            return Err(Error::TooLarge { limit });
        }
        content.extend_from_slice(&bytes);
    }
}
