//! Content digests as values: parsed once, compared as bytes, and the only thing a blob's file name
//! is ever made from.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256, SHA512};
use serde::{Serialize, Serializer};
use shoal_sqlite::rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use shoal_sqlite::rusqlite::{Result as SqlResult, ToSql};

/// A hash function content may be addressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Algorithm {
    /// SHA-256, which every client uses.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Every one there is.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The word before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a digest.
    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(BadDigest::UnknownAlgorithm)
    }
}

/// A text is no digest this registry can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDigest {
    /// It is not `algorithm:lower case hex` of the right length.
    #[error("read digest: it must be sha256: and 64, or sha512: and 128 lower case hex digits")]
    Malformed,
    /// It may be a digest, but of a hash function that is not supported.
    #[error("read digest: only sha256 and sha512 are supported")]
    UnknownAlgorithm,
}

/// The name of content: a hash function and its value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// Filled from the front, the rest is zero.
    value: [u8; 64],
}

impl Digest {
    /// The digest of `content`.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hash = Hash::new(algorithm);
        hash.update(content);
        hash.digest()
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The value in lower case hex, which is the blob's file name.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.value())
    }

    /// The value, 32 or 64 bytes.
    pub(crate) fn value(&self) -> &[u8] {
        self.value.get(..self.algorithm.length()).unwrap_or_default()
    }

    fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let mut value = [0; 64];
        value
            .get_mut(..algorithm.length())?
            .copy_from_slice(Some(bytes).filter(|bytes| bytes.len() == algorithm.length())?);
        Some(Self { algorithm, value })
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(BadDigest::Malformed)?;
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if algorithm.is_empty()
            || !algorithm.bytes().all(|byte| named(byte) || b"+._-".contains(&byte))
        {
            return Err(BadDigest::Malformed);
        }
        let algorithm: Algorithm = algorithm.parse()?;
        let value = HEXLOWER.decode(hex.as_bytes()).map_err(|_| BadDigest::Malformed)?;
        Self::new(algorithm, &value).ok_or(BadDigest::Malformed)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ToSql for Digest {
    fn to_sql(&self) -> SqlResult<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.to_string()))
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

/// A hash being computed. It can be asked for its value at any point and go on afterwards.
#[derive(Clone)]
pub(crate) struct Hash {
    algorithm: Algorithm,
    context: Context,
}

impl Hash {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let function = match algorithm {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        };
        Self { algorithm, context: Context::new(function) }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(crate) fn digest(&self) -> Digest {
        let value = self.context.clone().finish();
        let mut digest = Digest { algorithm: self.algorithm, value: [0; 64] };
        for (to, from) in digest.value.iter_mut().zip(value.as_ref()) {
            *to = *from;
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_back_as_it_was_written() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"content");
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
    }

    #[test]
    fn what_is_no_digest_is_refused_and_told_apart_from_unknown_functions() {
        for odd in [
            "",
            ":",
            "sha256",
            "sha256:",
            "sha256:totallywrong",
            "sha256:../../etc/passwd",
            &EMPTY.to_uppercase(),
            &EMPTY[..70],
            &format!("{EMPTY}0"),
            "../sha256:00",
            "a/b:00",
        ] {
            assert_eq!(odd.parse::<Digest>(), Err(BadDigest::Malformed), "{odd}");
        }
        for unknown in ["md5:d41d8cd98f00b204e9800998ecf8427e", "sha384:00", "blake3:aa"] {
            assert_eq!(unknown.parse::<Digest>(), Err(BadDigest::UnknownAlgorithm), "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_path(text in "\\PC{0,80}|sha(256|512):[0-9a-f./]{60,130}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
