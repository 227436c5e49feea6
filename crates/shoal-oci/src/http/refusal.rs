//! Answers that say no: the one table from errors to statuses and codes.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt::Write as _;

use ::http::header::{ALLOW, CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{Response, StatusCode};
use serde_json::json;

use super::Body;
use super::answer;
use crate::auth::Refused;
use crate::digest::BadDigest;
use crate::error::Error;
use crate::name::{BadName, BadReference, Repository};
use crate::upload::UploadId;

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    more: More,
    /// What an operator has to know and a client has not.
    cause: Option<Box<Error>>,
}

/// What an answer carries beside its body.
#[derive(Debug)]
enum More {
    Nothing,
    Authenticate,
    RetryAfter,
    /// So many seconds.
    Wait(u64),
    /// The size of the content of which no byte was asked for.
    Size(u64),
    /// What may be done there instead.
    Allow(String),
    /// The state of the session, which is as it was.
    Session(Box<(Repository, UploadId, u64)>),
}

impl Refusal {
    pub(super) const NOT_FOUND: Self =
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "there is nothing at this path");
    pub(super) const METHOD: Self =
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this path has no such method");
    pub(super) const DENIED: Self =
        Self::new(StatusCode::FORBIDDEN, "DENIED", "these credentials do not allow it");
    pub(super) const BAD_CONTENT_RANGE: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "BLOB_UPLOAD_INVALID",
        "Content-Range must be first-last, in bytes from 0, both included",
    );
    pub(super) const NO_DIGEST: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "DIGEST_INVALID",
        "an upload ends with ?digest=<algorithm>:<hex>",
    );
    pub(super) const BAD_PAGE: Self =
        Self::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "n must be a number");
    pub(super) const TOO_MANY_TAGS: Self = Self::new(
        StatusCode::URI_TOO_LONG,
        "TAG_INVALID",
        "too many tags in one request: push the manifest again with the others",
    );

    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message: Cow::Borrowed(message), more: More::Nothing, cause: None }
    }

    /// No byte of what was asked for exists.
    pub(super) fn range(size: u64) -> Self {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let message = "no byte of the range is in the content";
        Self { more: More::Size(size), ..Self::new(status, "SIZE_INVALID", message) }
    }

    pub(super) fn of(error: Error) -> Self {
        let (status, code) = classify(&error);
        let more = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => More::RetryAfter,
            _ => More::Nothing,
        };
        // Paths and the database's own words are for the log.
        let message = if is_ours(&error) {
            "the registry cannot do this now; its log says why".into()
        } else {
            chain(&error).into()
        };
        Self { status, code, message, more, cause: Some(Box::new(error)) }
    }

    /// Adds where the session is, so that the client can go on from there.
    pub(super) fn at(mut self, session: (&Repository, UploadId), received: u64) -> Self {
        if self.status == StatusCode::RANGE_NOT_SATISFIABLE {
            let (repository, id) = session;
            self.more = More::Session(Box::new((repository.clone(), id, received)));
        }
        self
    }

    /// Adds what may be done at the place instead of `method`, where that may not.
    pub(super) fn instead(mut self, method: &str, methods: &[&str]) -> Self {
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            let may = |other: &&str| match self.cause.as_deref() {
                Some(Error::ReadOnly) => matches!(*other, "GET" | "HEAD"),
                Some(Error::DeleteDisabled) => *other != "DELETE",
                _ => *other != method,
            };
            let others: Vec<_> = methods.iter().copied().filter(may).collect();
            self.more = More::Allow(others.join(", "));
        }
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The client itself stopped sending: there is nothing more to read.
    pub(super) fn is_silence(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT
    }

    /// Tells the operator of what is ours to mend.
    pub(super) fn log(&self) {
        let Some(cause) = &self.cause else { return };
        if self.status.is_server_error() {
            tracing::error!(code = self.status.as_str(), error = %chain(cause), "request failed");
        } else {
            tracing::debug!(code = self.status.as_str(), error = %cause, "request refused");
        }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let builder = answer::of(self.status);
        let builder = match &self.more {
            More::Nothing => builder,
            More::Authenticate => {
                builder.header(WWW_AUTHENTICATE, "Basic realm=\"shoal registry\"")
            }
            More::RetryAfter => builder.header(RETRY_AFTER, "1"),
            More::Wait(seconds) => builder.header(RETRY_AFTER, *seconds),
            More::Size(size) => builder.header(CONTENT_RANGE, format!("bytes */{size}")),
            More::Allow(methods) => builder.header(ALLOW, methods),
            More::Session(session) => {
                let (repository, id, received) = &**session;
                answer::session_headers(builder, (repository, *id), *received)
            }
        };
        let error = json!({"code": self.code, "message": self.message, "detail": null});
        answer::json(builder, json!({"errors": [error]}).to_string().into_bytes())
    }
}

fn classify(error: &Error) -> (StatusCode, &'static str) {
    if error.is_full() {
        return (StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL");
    }
    if error.is_readonly() {
        return (StatusCode::SERVICE_UNAVAILABLE, "STORAGE_READ_ONLY");
    }
    match error {
        Error::RepositoryUnknown { .. } => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        Error::BlobUnknown { .. } | Error::BlobDamaged { .. } => {
            (StatusCode::NOT_FOUND, "BLOB_UNKNOWN")
        }
        Error::ManifestUnknown { .. } => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        Error::UploadUnknown { .. } => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        Error::ManifestBlobUnknown { .. } => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
        Error::ManifestInvalid(_) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
        Error::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        Error::OutOfOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
        Error::SizeMismatch { .. } => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
        Error::UploadBusy { .. } => (StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID"),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        Error::TooManyUploads { .. } => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
        Error::BodyStopped { .. } => (StatusCode::REQUEST_TIMEOUT, "BLOB_UPLOAD_INVALID"),
        Error::ReadOnly | Error::DeleteDisabled => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        Error::PushDenied { .. } | Error::QuotaExceeded { .. } => (StatusCode::FORBIDDEN, "DENIED"),
        // No request of `/v2/` collects; whoever asks otherwise is told why not.
        Error::TagImmutable { .. } | Error::CollectionUnconfirmed => {
            (StatusCode::CONFLICT, "DENIED")
        }
        Error::Closed => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Error::DiskFull { .. }
        | Error::Storage { .. }
        | Error::Database(_)
        | Error::CatalogueLost { .. }
        | Error::RebuildUnfinished
        | Error::CatalogueExists { .. }
        | Error::BadIndex { .. }
        | Error::Encode(_) => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
    }
}

fn is_ours(error: &Error) -> bool {
    matches!(error, Error::Storage { .. } | Error::Database(_) | Error::Encode(_))
}

/// An error with everything behind it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthenticated => {
                let message = "log in: credentials are missing or wrong";
                let status = StatusCode::UNAUTHORIZED;
                Self { more: More::Authenticate, ..Self::new(status, "UNAUTHORIZED", message) }
            }
            Refused::TooMany { wait } => {
                let message = "too many logins from there were wrong: wait, then try again";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let more = More::Wait(wait.as_secs().saturating_add(1));
                Self { more, ..Self::new(status, "TOOMANYREQUESTS", message) }
            }
            Refused::Unavailable => {
                let message = "credentials cannot be checked now";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self { more: More::RetryAfter, ..Self::new(status, "UNAVAILABLE", message) }
            }
        }
    }
}

impl From<BadName> for Refusal {
    fn from(bad: BadName) -> Self {
        let (status, code) = match bad {
            BadName::Repository => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            BadName::Tag => (StatusCode::BAD_REQUEST, "TAG_INVALID"),
            // Nothing that was ever handed out.
            BadName::Upload => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        };
        Self { message: bad.to_string().into(), ..Self::new(status, code, "") }
    }
}

impl From<BadDigest> for Refusal {
    fn from(bad: BadDigest) -> Self {
        let refusal = Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "");
        Self { message: bad.to_string().into(), ..refusal }
    }
}

impl From<BadReference> for Refusal {
    fn from(bad: BadReference) -> Self {
        match bad {
            BadReference::Digest(bad) => bad.into(),
            BadReference::Tag(bad) => bad.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn storage(kind: io::ErrorKind) -> Refusal {
        let path = "/srv/secret/place".into();
        Refusal::of(Error::Storage { action: "write", path, source: kind.into() })
    }

    #[test]
    fn what_is_wrong_with_the_disk_is_told_apart_without_telling_where_it_is() {
        for (kind, status, code) in [
            (io::ErrorKind::StorageFull, 507, "STORAGE_FULL"),
            (io::ErrorKind::QuotaExceeded, 507, "STORAGE_FULL"),
            (io::ErrorKind::ReadOnlyFilesystem, 503, "STORAGE_READ_ONLY"),
            (io::ErrorKind::Other, 500, "UNKNOWN"),
        ] {
            let refusal = storage(kind);
            assert_eq!((refusal.status().as_u16(), refusal.code), (status, code));
            assert!(!refusal.message.contains("secret"), "{}", refusal.message);
            let later = refusal.into_response().headers().contains_key(RETRY_AFTER);
            assert_eq!(later, status == 503);
        }
    }

    #[test]
    fn a_refused_manifest_says_everything_that_is_wrong_with_it() {
        let bad = crate::manifest::Manifest::parse(Some("a/b"), b"{]").unwrap_err();
        let refusal = Refusal::of(bad.into());
        assert_eq!((refusal.status().as_u16(), refusal.code), (400, "MANIFEST_INVALID"));
        assert!(refusal.message.contains("line 1 column 2"), "{}", refusal.message);
    }
}
