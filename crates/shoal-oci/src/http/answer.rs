//! Answers that say yes, and the headers they share.

use ::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE,
};
use ::http::response::Builder;
use ::http::{HeaderValue, Response, StatusCode};

use super::range::{Part, select};
use super::{Answer, Asked, Body, Refusal};
use crate::digest::Digest;
use crate::name::Repository;
use crate::registry::Content;
use crate::upload::UploadId;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(super) const TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(super) const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// An answer of this status.
pub(super) fn of(status: StatusCode) -> Builder {
    Response::builder().status(status).header(VERSION, "registry/2.0")
}

/// Ends an answer. Every header value here is made from what was parsed.
pub(super) fn with(builder: Builder, body: Body) -> Response<Body> {
    builder.body(body).unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

pub(super) fn ping() -> Response<Body> {
    json(of(StatusCode::OK), "{}".into())
}

/// An answer in JSON.
pub(super) fn json(builder: Builder, text: Vec<u8>) -> Response<Body> {
    with(builder.header(CONTENT_TYPE, "application/json"), Body::text(text))
}

/// Content was stored and is found at `location`.
pub(super) fn created(location: &str, digest: &Digest) -> Builder {
    of(StatusCode::CREATED).header(LOCATION, location).header(CONTENT_DIGEST, digest.to_string())
}

/// What an answer says was stored.
pub(super) fn stored_digest(response: &Response<Body>) -> Option<&str> {
    response.headers().get(CONTENT_DIGEST)?.to_str().ok()
}

/// Where a session is and how far. `0-0` stands for one byte and, since the protocol has no word for
/// it, for none.
pub(super) fn session(
    status: StatusCode,
    (repository, id): (&Repository, UploadId),
    received: u64,
) -> Response<Body> {
    with(session_headers(of(status), (repository, id), received), Body::empty())
}

pub(super) fn session_headers(
    builder: Builder,
    (repository, id): (&Repository, UploadId),
    received: u64,
) -> Builder {
    builder
        .header(LOCATION, format!("/v2/{repository}/blobs/uploads/{id}"))
        .header(RANGE, format!("0-{}", received.saturating_sub(1)))
        .header(UPLOAD, id.to_string())
}

/// Content, whole or the part that was asked for.
pub(super) fn content(asked: &Asked, content: Content, media_type: &str) -> Answer {
    let Content { file, size, digest } = content;
    let etag = format!("\"{digest}\"");
    let builder = of(StatusCode::OK)
        .header(CONTENT_DIGEST, digest.to_string())
        .header(ETAG, &etag)
        .header(ACCEPT_RANGES, "bytes")
        // What a digest names never changes, but only its own repository's readers may have it.
        .header(CACHE_CONTROL, "private, no-transform, max-age=0");
    if asked.header(IF_NONE_MATCH).is_some_and(|tags| tags.contains(&etag)) {
        return Ok(with(builder.status(StatusCode::NOT_MODIFIED), Body::empty()));
    }
    let media_type = HeaderValue::try_from(media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let builder = builder.header(CONTENT_TYPE, media_type);
    let same = asked.header(IF_RANGE).is_none_or(|tag| tag == etag);
    let part = match asked.header(RANGE) {
        Some(range) if same => select(range, size),
        _ => Part::Whole,
    };
    let (builder, first, length) = match part {
        Part::Whole => (builder, 0, size),
        Part::Bytes(first, last) => {
            let range = format!("bytes {first}-{last}/{size}");
            let builder = builder.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range);
            (builder, first, last - first + 1)
        }
        Part::Unsatisfiable => return Err(Refusal::range(size)),
    };
    let builder = builder.header(CONTENT_LENGTH, length);
    let head = asked.method == http::Method::HEAD;
    Ok(with(builder, if head { Body::empty() } else { Body::file(file, first, length) }))
}
