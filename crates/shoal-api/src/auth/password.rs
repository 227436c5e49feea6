//! Stored passwords in the two forms operators have: argon2id, which we make, and bcrypt, which
//! `htpasswd -B` makes.

use std::{fmt, str::FromStr};

use argon2::{Argon2, Params, PasswordVerifier};

/// A hash by which a password is recognised. Never printed: it can be guessed against.
#[derive(Clone)]
pub struct PasswordHash(Form);

#[derive(Clone)]
enum Form {
    Argon2id(String),
    Bcrypt(String),
}

/// Most memory that one check may take, in KiB: a few checks at once must not matter to the host.
const MEMORY_MAX: u32 = 256 * 1024;
/// Most passes over that memory.
const PASSES_MAX: u32 = 16;
/// Highest cost of bcrypt; each one more doubles the time, and this one takes seconds.
const COST_MAX: u32 = 16;

/// A text is no password hash we can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "read password hash: it must be argon2id ($argon2id$...) with at most {MEMORY_MAX} KiB (m=) and \
     {PASSES_MAX} passes (t=), or bcrypt ($2a$, $2b$ or $2y$) with a cost of at most {COST_MAX}"
)]
pub struct BadPasswordHash;

impl PasswordHash {
    /// Whether `password` is the one. Takes tens of milliseconds of processor time.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match &self.0 {
            Form::Argon2id(text) => argon2::PasswordHash::new(text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            Form::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }

    /// A cheap hash of `password`.
    #[cfg(test)]
    pub(super) fn of_test(password: &str) -> Self {
        Self(Form::Bcrypt(bcrypt::hash(password, 4).unwrap()))
    }
}

impl FromStr for PasswordHash {
    type Err = BadPasswordHash;

    fn from_str(text: &str) -> Result<Self, BadPasswordHash> {
        let text = text.trim();
        if text.starts_with("$argon2id$") {
            let whole = argon2::PasswordHash::new(text).map_err(|_| BadPasswordHash)?;
            let costs = Params::try_from(&whole).map_err(|_| BadPasswordHash)?;
            let bearable = costs.m_cost() <= MEMORY_MAX && costs.t_cost() <= PASSES_MAX;
            let usable = bearable && whole.salt.is_some() && whole.hash.is_some();
            return usable.then(|| Self(Form::Argon2id(text.to_owned()))).ok_or(BadPasswordHash);
        }
        let bcrypt: bcrypt::HashParts = text.parse().map_err(|_| BadPasswordHash)?;
        let bearable = bcrypt.get_cost() <= COST_MAX;
        bearable.then(|| Self(Form::Bcrypt(text.to_owned()))).ok_or(BadPasswordHash)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `crypt` of the C library libxcrypt made this of `secret`.
    const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    /// A vector of the reference implementation's own test for `password` (test.c, Argon2id 1.3).
    const ARGON2ID: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn hashes_of_other_programs_are_recognised() {
        for (text, password) in [(BCRYPT, "secret"), (ARGON2ID, "password")] {
            let hash: PasswordHash = text.parse().unwrap();
            assert!(hash.matches(password.as_bytes()));
            assert!(!hash.matches(b"Secret"));
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for odd in
            ["", "secret", "$argon2id$", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA", "$2y$05$"]
        {
            assert_eq!(odd.parse::<PasswordHash>().unwrap_err(), BadPasswordHash, "{odd}");
        }
    }

    #[test]
    fn a_hash_whose_check_would_exhaust_the_host_is_refused() {
        for costs in ["m=4194304,t=2", "m=256,t=1000"] {
            let dear = ARGON2ID.replace("m=256,t=2", costs);
            assert_eq!(dear.parse::<PasswordHash>().unwrap_err(), BadPasswordHash, "{costs}");
        }
        assert!(BCRYPT.replace("$05$", "$31$").parse::<PasswordHash>().is_err());
    }

    #[test]
    fn a_hash_prints_as_stars() {
        assert_eq!(format!("{:?}", PasswordHash::of_test("x")), "***");
    }
}
