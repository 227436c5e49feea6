//! Stored passwords as `htpasswd -B` and argon2 tools write them.

use std::fmt;
use std::str::FromStr;

use argon2::{Argon2, Params, PasswordVerifier as _};

/// Most memory one check may take, in KiB: a few at once must not matter to the host.
const MEMORY_MAX: u32 = 256 * 1024;
/// Most passes over that memory.
const PASSES_MAX: u32 = 16;
/// Highest cost of bcrypt; each one more doubles the time.
const COST_MAX: u32 = 16;

/// A hash by which a password is recognised. Never printed: it can be guessed against.
#[derive(Clone)]
pub(super) enum PasswordHash {
    Argon2id(String),
    Bcrypt(String),
}

/// A text is no password hash that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadHash;

impl PasswordHash {
    /// Whether `password` is the one. Takes up to seconds of processor time.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2id(text) => argon2::PasswordHash::new(text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }
}

impl FromStr for PasswordHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        if text.starts_with("$argon2id$") {
            let hash = argon2::PasswordHash::new(text).map_err(|_| BadHash)?;
            let costs = Params::try_from(&hash).map_err(|_| BadHash)?;
            let whole = hash.salt.is_some() && hash.hash.is_some();
            let bearable = costs.m_cost() <= MEMORY_MAX && costs.t_cost() <= PASSES_MAX;
            return (whole && bearable).then(|| Self::Argon2id(text.to_owned())).ok_or(BadHash);
        }
        let parts: bcrypt::HashParts = text.parse().map_err(|_| BadHash)?;
        (parts.get_cost() <= COST_MAX).then(|| Self::Bcrypt(text.to_owned())).ok_or(BadHash)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
