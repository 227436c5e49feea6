//! The signed path: everything a BMC needs to prove it may read one medium, in one path segment,
//! because BMCs refuse query strings, long URLs and most punctuation.
//!
//! A segment is 38 bytes in lower-case base32 without padding (61 characters): two bytes of format
//! version (4 bits) and key id (12 bits), four of expiry (seconds since 1970, big endian), the
//! 16-byte object id, and 16 bytes of HMAC-SHA256. The HMAC covers all of that and the file name,
//! which names the kind of medium too. The whole path is 79 characters.

use std::fmt::{self, Write as _};
use std::hint::black_box;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

use crate::key::{Key, KeyId, Keyring, MAC_LEN};

/// How long after its expiry a segment still opens a medium, in seconds: BMC and controller may
/// disagree about the time without anything being wrong.
pub const SKEW_TOLERANCE_SECONDS: u64 = 60;

const VERSION: u16 = 1;
const VERSION_SHIFT: u32 = 12;
const CLAIMS_LEN: usize = 2 + 4 + 16;
const TOKEN_LEN: usize = CLAIMS_LEN + MAC_LEN;
const SEGMENT_LEN: usize = 61;
const MAC_DOMAIN: &[u8] = b"shoal media path\0";

static BASE32: LazyLock<Encoding> = LazyLock::new(base32);

/// What a segment names: one medium of one attempt. The bytes mean nothing to this crate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub [u8; 16]);

impl ObjectId {
    /// The first four bytes in hex: enough to follow one medium through a log.
    pub fn short(&self) -> String {
        self.0.iter().take(4).fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({})", self.short())
    }
}

/// Which of the two media a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The task medium, `/media/t/`.
    Task,
    /// The boot medium, with or without task bytes overlaid, `/media/b/`.
    Boot,
}

impl Kind {
    /// The word used in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Boot => "boot",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Task => 't',
            Self::Boot => 'b',
        }
    }
}

/// The suffix the slot wants: BMCs judge an image by its file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `.iso`, for CD and DVD slots.
    Iso,
    /// `.img`, for USB stick and floppy slots.
    Img,
}

/// What a signed path allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The medium.
    pub object: ObjectId,
    /// Its kind.
    pub kind: Kind,
    /// The suffix.
    pub form: Form,
    /// Seconds since 1970 (good until 2106) up to which the medium may be opened for the first time.
    pub expires_at: u32,
}

/// A signed path, `/media/t/<segment>/task.iso`. It is a capability: `Debug` hides the segment.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaPath(String);

impl MediaPath {
    /// The path, to be put behind the media server's address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaPath(***)")
    }
}

/// Why a path opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// First opened too long after its expiry.
    #[error("open media with an expired path")]
    Expired,
    /// The HMAC does not match: tampered, or signed with another secret.
    #[error("verify the signature of a media path")]
    Signature,
    /// Not a path this controller could have signed.
    #[error("parse media path")]
    Malformed,
    /// Signed with a key that is not accepted (any more).
    #[error("find the key a media path was signed with")]
    UnknownKey,
    /// The medium is gone or its path was revoked.
    #[error("find the medium of a media path")]
    NotFound,
}

impl Rejection {
    /// The value of the metric's `reason` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Signature => "signature",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::NotFound => "not_found",
        }
    }
}

/// A path whose signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// What it allows.
    pub grant: Grant,
    /// The key that signed it.
    pub key: KeyId,
    /// Whether the expiry lies further back than the skew tolerance. It bounds the first open only,
    /// so whether this matters depends on whether the medium was opened before.
    pub expired: bool,
}

impl Keyring {
    /// The path for `grant` signed with the current key. The same grant gives the same path.
    pub fn sign(&self, grant: &Grant) -> MediaPath {
        signed(self.current(), grant)
    }

    /// The path for `grant` signed with the key an attempt was frozen with, so that a restart after a
    /// rotation gives the URL the BMC already has. `None` when that key is not accepted any more.
    pub fn sign_with(&self, key: KeyId, grant: &Grant) -> Option<MediaPath> {
        self.find(key).map(|key| signed(key, grant))
    }

    /// Checks a request path at `now` (seconds since 1970).
    ///
    /// Gives [`Rejection::Malformed`], [`Rejection::UnknownKey`] or [`Rejection::Signature`]; expiry
    /// is left to the caller as [`Verified::expired`].
    pub fn verify(&self, path: &str, now: u64) -> Result<Verified, Rejection> {
        let (kind, rest) = kind_of(path).ok_or(Rejection::Malformed)?;
        let (segment, file) = rest.split_once('/').ok_or(Rejection::Malformed)?;
        let form = [Form::Iso, Form::Img].into_iter().find(|form| file == file_name(kind, *form));
        let form = form.ok_or(Rejection::Malformed)?;
        let token = decode(segment).ok_or(Rejection::Malformed)?;
        let (claims, mac) = token.split_first_chunk::<CLAIMS_LEN>().ok_or(Rejection::Malformed)?;
        let (key, expires_at, object) = read_claims(*claims).ok_or(Rejection::Malformed)?;
        let signer = self.find(key).ok_or(Rejection::UnknownKey)?;
        if !equal_in_constant_time(&claims_mac(signer, claims, file), mac) {
            return Err(Rejection::Signature);
        }
        let expired = now > u64::from(expires_at) + SKEW_TOLERANCE_SECONDS;
        Ok(Verified { grant: Grant { object, kind, form, expires_at }, key, expired })
    }
}

/// The kind a request path asks for and what follows it; `None` when it is no media path at all.
pub(crate) fn kind_of(path: &str) -> Option<(Kind, &str)> {
    let path = path.strip_prefix("/media/")?;
    let kind = [Kind::Task, Kind::Boot].into_iter().find(|kind| path.starts_with(kind.letter()))?;
    Some((kind, path.get(1..)?.strip_prefix('/')?))
}

fn file_name(kind: Kind, form: Form) -> &'static str {
    match (kind, form) {
        (Kind::Task, Form::Iso) => "task.iso",
        (Kind::Task, Form::Img) => "task.img",
        (Kind::Boot, Form::Iso) => "boot.iso",
        (Kind::Boot, Form::Img) => "boot.img",
    }
}

fn signed(key: &Key, grant: &Grant) -> MediaPath {
    let file = file_name(grant.kind, grant.form);
    let head = (VERSION << VERSION_SHIFT) | key.id().value();
    let mut token = Vec::with_capacity(TOKEN_LEN);
    token.extend(head.to_be_bytes());
    token.extend(grant.expires_at.to_be_bytes());
    token.extend(grant.object.0);
    token.extend(claims_mac(key, &token, file));
    let segment = BASE32.encode(&token);
    MediaPath(format!("/media/{}/{segment}/{file}", grant.kind.letter()))
}

/// The claims have a fixed length and come last, so no two inputs give the same message.
fn claims_mac(key: &Key, claims: &[u8], file: &str) -> [u8; MAC_LEN] {
    key.mac(&[MAC_DOMAIN, file.as_bytes(), b"\0", claims])
}

fn decode(segment: &str) -> Option<[u8; TOKEN_LEN]> {
    if segment.len() != SEGMENT_LEN {
        return None;
    }
    let mut token = [0; TOKEN_LEN];
    BASE32.decode_mut(segment.as_bytes(), &mut token).ok()?;
    Some(token)
}

fn read_claims(claims: [u8; CLAIMS_LEN]) -> Option<(KeyId, u32, ObjectId)> {
    let (head, rest) = claims.split_first_chunk::<2>()?;
    let (expires_at, object) = rest.split_first_chunk::<4>()?;
    let head = u16::from_be_bytes(*head);
    if head >> VERSION_SHIFT != VERSION {
        return None;
    }
    let key = KeyId::new(head & KeyId::MAX)?;
    Some((key, u32::from_be_bytes(*expires_at), ObjectId(object.try_into().ok()?)))
}

/// Looks at every byte whatever the first ones say, so that timing tells nothing about the tag.
fn equal_in_constant_time(a: &[u8; MAC_LEN], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (x, y)| black_box(seen | (x ^ y))) == 0
}

#[expect(clippy::expect_used, reason = "a constant alphabet of 32 distinct ASCII characters")]
fn base32() -> Encoding {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("the alphabet is a valid base32 specification")
}

#[cfg(test)]
mod tests;
