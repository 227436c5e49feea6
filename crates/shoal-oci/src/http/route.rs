//! Paths. Names of repositories have slashes and may contain any word of the protocol, so a path is
//! read from its end.

use std::borrow::Cow;

use ::http::Method;

use super::query::Query;
use super::refusal::Refusal;
use crate::audit::Verb;
use crate::digest::Digest;
use crate::name::{Reference, Repository};
use crate::upload::UploadId;

/// Most characters of a value of a query in a record; every digest is shorter.
const WHAT_MAX: usize = 140;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Ping,
    Catalog,
    Tags(Repository),
    Referrers(Repository, Digest),
    Manifest(Repository, Reference),
    Blob(Repository, Digest),
    Uploads(Repository),
    Upload(Repository, UploadId),
}

impl Route {
    /// Reads the path of a request.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let path = decode(path).ok_or(Refusal::NOT_FOUND)?;
        let segments: Vec<&str> = path.split('/').collect();
        let ["", "v2", rest @ ..] = segments.as_slice() else {
            return Err(Refusal::NOT_FOUND);
        };
        let name = |parts: &[&str]| -> Result<Repository, Refusal> { Ok(parts.join("/").parse()?) };
        match rest {
            [] | [""] => Ok(Self::Ping),
            ["_catalog"] => Ok(Self::Catalog),
            [parts @ .., "tags", "list"] => Ok(Self::Tags(name(parts)?)),
            [parts @ .., "blobs", "uploads"] | [parts @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(name(parts)?))
            }
            [parts @ .., "blobs", "uploads", id] => Ok(Self::Upload(name(parts)?, id.parse()?)),
            [parts @ .., "blobs", digest] => Ok(Self::Blob(name(parts)?, digest.parse()?)),
            [parts @ .., "manifests", reference] => {
                Ok(Self::Manifest(name(parts)?, reference.parse()?))
            }
            [parts @ .., "referrers", digest] => Ok(Self::Referrers(name(parts)?, digest.parse()?)),
            _ => Err(Refusal::NOT_FOUND),
        }
    }

    /// The route as the metrics show it.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Ping => "/v2/",
            Self::Catalog => "/v2/_catalog",
            Self::Tags(_) => "/v2/{name}/tags/list",
            Self::Referrers(..) => "/v2/{name}/referrers/{digest}",
            Self::Manifest(..) => "/v2/{name}/manifests/{reference}",
            Self::Blob(..) => "/v2/{name}/blobs/{digest}",
            Self::Uploads(_) => "/v2/{name}/blobs/uploads/",
            Self::Upload(..) => "/v2/{name}/blobs/uploads/{id}",
        }
    }

    /// What may be done there, if everything is allowed.
    pub(super) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Ping => &["GET", "HEAD"],
            Self::Catalog | Self::Tags(_) | Self::Referrers(..) => &["GET"],
            Self::Manifest(..) => &["GET", "HEAD", "PUT", "DELETE"],
            Self::Blob(..) => &["GET", "HEAD", "DELETE"],
            Self::Uploads(_) => &["POST"],
            Self::Upload(..) => &["GET", "HEAD", "PATCH", "PUT", "DELETE"],
        }
    }

    /// Whether the request sends content that is to stay.
    pub(super) fn uploads(&self, method: &Method) -> bool {
        match self {
            Self::Manifest(..) => method == Method::PUT,
            Self::Uploads(_) => method == Method::POST,
            Self::Upload(..) => method == Method::PATCH || method == Method::PUT,
            Self::Ping | Self::Catalog | Self::Tags(_) | Self::Referrers(..) | Self::Blob(..) => {
                false
            }
        }
    }

    /// What the request would change, for the audit; none if it only reads or only sends a part.
    pub(super) fn change(
        &self,
        method: &Method,
        query: &Query,
    ) -> Option<(Verb, &Repository, String)> {
        let asked = |key: &str| plain(query.first(key).unwrap_or_default());
        match (self, method.as_str()) {
            (Self::Manifest(name, reference), "PUT") => {
                Some((Verb::PushManifest, name, reference.to_string()))
            }
            (Self::Manifest(name, reference), "DELETE") => {
                Some((Verb::DeleteManifest, name, reference.to_string()))
            }
            (Self::Blob(name, digest), "DELETE") => {
                Some((Verb::DeleteBlob, name, digest.to_string()))
            }
            (Self::Upload(name, _), "PUT") => Some((Verb::PushBlob, name, asked("digest"))),
            (Self::Uploads(name), "POST") if query.first("digest").is_some() => {
                Some((Verb::PushBlob, name, asked("digest")))
            }
            (Self::Uploads(name), "POST") if query.first("mount").is_some() => {
                Some((Verb::MountBlob, name, asked("mount")))
            }
            _ => None,
        }
    }
}

/// What a client wrote, as a record may hold it: a query can be longer than a page of a log, and can
/// have any character.
fn plain(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(WHAT_MAX).collect()
}

/// Undoes the percent encoding some clients apply to the colon of a digest. What it brings to light
/// has to be a name or a digest like everything else; an encoded slash never is.
fn decode(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        let decoded = u8::try_from(high * 16 + low).ok()?;
        if decoded == b'/' {
            return None;
        }
        bytes.push(decoded);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn name(text: &str) -> Repository {
        text.parse().unwrap()
    }

    #[test]
    fn names_may_contain_the_words_of_the_protocol() {
        let digest: Digest = DIGEST.parse().unwrap();
        let route = |path: &str| Route::parse(path).unwrap();
        assert_eq!(route("/v2/"), Route::Ping);
        assert_eq!(route("/v2"), Route::Ping);
        assert_eq!(route("/v2/tags/list/tags/list"), Route::Tags(name("tags/list")));
        assert_eq!(
            route(&format!("/v2/blobs/uploads/blobs/{DIGEST}")),
            Route::Blob(name("blobs/uploads"), digest)
        );
        assert_eq!(
            route("/v2/a/manifests/manifests/blobs"),
            Route::Manifest(name("a/manifests"), "blobs".parse().unwrap())
        );
        assert_eq!(route("/v2/a/blobs/uploads"), Route::Uploads(name("a")));
        assert_eq!(route("/v2/a/blobs/uploads/"), Route::Uploads(name("a")));
        let encoded = DIGEST.replace(':', "%3A");
        assert_eq!(route(&format!("/v2/a/blobs/{encoded}")), Route::Blob(name("a"), digest));
    }

    #[test]
    fn no_path_leads_out() {
        for path in [
            "/v2/../tags/list",
            "/v2/a/../../tags/list",
            "/v2/%2e%2e/tags/list",
            "/v2//tags/list",
            "/v2/a%2f../tags/list",
            "/v2/a/blobs/../../../etc/passwd",
            "/v2/a/blobs/uploads/../x",
            "/v2/a/manifests/..",
            "/v2/a/manifests/%2e%2e%2fx",
            "/v2/a%00/tags/list",
            "/v2/a/b",
            "/v2/a/blobs/uploads/x",
            "/v2/a/tags/list/",
            "/v2/%zz",
        ] {
            assert!(Route::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_record_holds_a_line_of_what_a_client_wrote() {
        let route = Route::parse("/v2/a/blobs/uploads/").unwrap();
        let long = format!("digest=x%0Ay%1B%C2%9B{}", "z".repeat(60_000));
        let (verb, _, what) = route.change(&Method::POST, &Query::parse(&long)).unwrap();
        assert_eq!((verb, what), (Verb::PushBlob, format!("xy{}", "z".repeat(138))));
        let digest = format!("sha512:{}", "a".repeat(128));
        let query = Query::parse(&format!("mount={digest}"));
        assert_eq!(route.change(&Method::POST, &query).unwrap().2, digest);
    }

    proptest! {
        #[test]
        fn any_path_is_answered(path in "/v2/\\PC{0,60}|/v2(/(a|tags|list|blobs|uploads|%[0-9a-g]{2})){0,6}/?") {
            let _ = Route::parse(&path);
        }
    }
}
