//! Artifacts are named as container tools name them, with the one ambiguity of that syntax removed:
//! the registry is always written, because a server must never fall back to somebody's default.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::http_url::parse_authority;

/// The longest reference in bytes.
const MAX_REFERENCE_BYTES: usize = 512;
/// The OCI distribution specification recommends that host and repository stay within 255 bytes.
const MAX_REPOSITORY_BYTES: usize = 255;
/// Length of a tag by the OCI distribution specification.
const MAX_TAG_BYTES: usize = 128;

/// A reference to an OCI artifact: `[oci://]registry[:port]/repository[:tag][@digest]`, with a tag,
/// a digest, or both.
///
/// Without `oci://` the registry must contain a dot, a port, or be `localhost`, as otherwise it
/// cannot be told from the first part of a repository. When both a tag and a digest are given the
/// digest decides. The text form is always written with `oci://`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OciRef {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is not an [`OciRef`]. The text is not repeated, as it may hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OciRefError {
    /// Longer than 512 bytes.
    #[error("must not be longer than 512 bytes")]
    TooLong,
    /// A scheme other than `oci://`.
    #[error("must start with oci:// or directly with the registry, not with another scheme")]
    Scheme,
    /// No registry, or something that is not a host.
    #[error("must name the registry first, such as registry.example/os-images/debian")]
    Registry,
    /// A user name or password.
    #[error("must not contain a user name or password")]
    Credentials,
    /// A repository that the distribution specification does not allow.
    #[error(
        "has a repository that is not allowed: lower case letters and digits in parts separated by \
         /, with single . _ __ or dashes inside"
    )]
    Repository,
    /// A tag that the distribution specification does not allow.
    #[error("has a tag that is not allowed: letters, digits, _ . - and at most 128 bytes")]
    Tag,
    /// A digest other than SHA-256 or SHA-512 in lower case.
    #[error("has a digest that is not sha256: or sha512: with lower case hexadecimal digits")]
    Digest,
    /// Neither tag nor digest.
    #[error("must end with a tag or, better, a digest; there is no default tag")]
    NeitherTagNorDigest,
}

impl OciRef {
    /// Host of the registry with its port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Repository, without slash at either end.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Digest such as `sha256:…`, if one was written.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// What the registry is asked for: the digest, else the tag.
    pub fn reference(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or_default()
    }
}

impl FromStr for OciRef {
    type Err = OciRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(OciRefError::TooLong);
        }
        let (bare, has_scheme) = match text.strip_prefix("oci://") {
            Some(bare) => (bare, true),
            None if text.contains("://") => return Err(OciRefError::Scheme),
            None => (text, false),
        };
        let (registry, rest) = bare.split_once('/').ok_or(OciRefError::Registry)?;
        if registry.contains('@') {
            return Err(OciRefError::Credentials);
        }
        let is_plainly_a_host =
            has_scheme || registry.contains(['.', ':']) || registry == "localhost";
        if !is_plainly_a_host || parse_authority(registry).is_err() {
            return Err(OciRefError::Registry);
        }
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (rest, None),
        };
        let (repository, tag) = match named.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (named, None),
        };
        if !is_repository(repository) {
            return Err(OciRefError::Repository);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(OciRefError::Tag);
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(OciRefError::Digest);
        }
        if tag.is_none() && digest.is_none() {
            return Err(OciRefError::NeitherTagNorDigest);
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*` of the OCI distribution
/// specification.
fn is_repository(text: &str) -> bool {
    text.len() <= MAX_REPOSITORY_BYTES && text.split('/').all(is_repository_part)
}

fn is_repository_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_fit = || {
        part.split(is_word).all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-')
        })
    };
    part.starts_with(is_word) && part.ends_with(is_word) && separators_fit()
}

fn is_tag(text: &str) -> bool {
    (1..=MAX_TAG_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && !text.starts_with(['.', '-'])
}

fn is_digest(text: &str) -> bool {
    let is_hex = |hex: &str, length: usize| {
        hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match text.split_once(':') {
        Some(("sha256", hex)) => is_hex(hex, 64),
        Some(("sha512", hex)) => is_hex(hex, 128),
        _ => false,
    }
}

impl TryFrom<String> for OciRef {
    type Error = OciRefError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OciRef> for String {
    fn from(reference: OciRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for OciRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0b4f8a2a3a5c6d7e8f90112233445566778899aabbccddeeff00112233445566";

    fn parts(text: &str) -> Result<(String, String, Option<String>, bool), OciRefError> {
        let r: OciRef = text.parse()?;
        Ok((r.registry.clone(), r.repository.clone(), r.tag.clone(), r.digest.is_some()))
    }

    #[test]
    fn references_are_taken_apart() {
        let seen = parts(&format!("oci://controller:8443/os-images/debian:13@{DIGEST}"));
        let whole = ("controller:8443".into(), "os-images/debian".into(), Some("13".into()), true);
        assert_eq!(seen, Ok(whole));

        let seen = parts(&format!("registry.example/os__x/a-b.c@{DIGEST}"));
        assert_eq!(seen, Ok(("registry.example".into(), "os__x/a-b.c".into(), None, true)));

        let seen = parts("[::1]:5000/a:T_1");
        assert_eq!(seen, Ok(("[::1]:5000".into(), "a".into(), Some("T_1".into()), false)));
    }

    #[test]
    fn a_digest_decides_over_a_tag() {
        let both: OciRef = format!("localhost/a:1@{DIGEST}").parse().unwrap();

        assert_eq!(both.reference(), DIGEST);
        assert_eq!(both.to_string().parse(), Ok(both));
    }

    #[test]
    fn ambiguous_and_malformed_references_are_refused() {
        use OciRefError as E;
        for (text, error) in [
            ("debian:13", E::Registry),
            ("os-images/debian:13", E::Registry),
            ("oci://x", E::Registry),
            ("oci:///a:1", E::Registry),
            ("r.example:0/a:1", E::Registry),
            ("https://r.example/a:1", E::Scheme),
            ("oci://u:p@r.example/a:1", E::Credentials),
            ("r.example/A:1", E::Repository),
            ("r.example/a/../b:1", E::Repository),
            ("r.example/a//b:1", E::Repository),
            ("r.example/a___b:1", E::Repository),
            ("r.example/a_.b:1", E::Repository),
            ("r.example/:1", E::Repository),
            ("r.example/a:", E::Tag),
            ("r.example/a:-1", E::Tag),
            ("r.example/a:1 2", E::Tag),
            ("r.example/a@sha256:12", E::Digest),
            ("r.example/a@md5:12", E::Digest),
            ("r.example/a", E::NeitherTagNorDigest),
        ] {
            assert_eq!(parts(text), Err(error), "{text}");
        }
        let upper = format!("r.example/a@{}", DIGEST.to_uppercase());
        assert_eq!(parts(&upper), Err(E::Digest));
        assert_eq!(parts(&format!("r.example/{}:1", "a/".repeat(300))), Err(E::TooLong));
    }
}
