//! Stored passwords in the two forms operators have: argon2id, which we make, and bcrypt, which
//! `htpasswd -B` makes.

use std::{fmt, str::FromStr};

use argon2::{Argon2, PasswordVerifier};

/// A hash by which a password is recognised. Never printed: it can be guessed against.
#[derive(Clone)]
pub struct PasswordHash(Form);

#[derive(Clone)]
enum Form {
    Argon2id(String),
    Bcrypt(String),
}

/// A text is no password hash we can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read password hash: it must be argon2id ($argon2id$...) or bcrypt ($2a$, $2b$ or $2y$)")]
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
            let complete = whole.salt.is_some() && whole.hash.is_some();
            return complete.then(|| Self(Form::Argon2id(text.to_owned()))).ok_or(BadPasswordHash);
        }
        let bcrypt: Result<bcrypt::HashParts, _> = text.parse();
        bcrypt.map(|_| Self(Form::Bcrypt(text.to_owned()))).map_err(|_| BadPasswordHash)
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
    fn a_hash_prints_as_stars() {
        assert_eq!(format!("{:?}", PasswordHash::of_test("x")), "***");
    }
}
