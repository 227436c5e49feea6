//! The token that proves a report. It is read from a file or header once, compared in constant
//! time, sent in one header, and can be neither printed nor serialised.

use std::fmt;
use std::hint::black_box;

use zeroize::Zeroizing;

/// The header which carries the job's token or the fleet secret.
pub const SECRET_HEADER: &str = "X-Webhook-Secret";

/// Longest token in bytes.
const TOKEN_MAX: usize = 512;

/// A job's webhook token, or the fleet secret: 1 to 512 visible ASCII characters.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes the token from a file's or header's text; surrounding white space is not part of it.
    pub fn parse(text: &str) -> Result<Self, BadToken> {
        let token = text.trim_ascii();
        if token.is_empty()
            || token.len() > TOKEN_MAX
            || !token.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(BadToken);
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// Whether the presented bytes are this token.
    ///
    /// The time taken depends on the two lengths, never on where the first difference is.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let own = self.0.as_bytes();
        if own.len() != presented.len() {
            return false;
        }
        let difference =
            own.iter().zip(presented).fold(0_u8, |sum, (a, b)| black_box(sum | (a ^ b)));
        black_box(difference) == 0
    }

    #[cfg(feature = "client")]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The text is no token: empty, longer than 512 bytes, or not visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token must be 1 to 512 visible ASCII characters")]
pub struct BadToken;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_match() {
        let token = Token::parse("s3cret-token\n").unwrap();
        assert!(token.matches(b"s3cret-token"));
        for other in ["s3cret-tokeN", "S3cret-token", "s3cret-toke", "s3cret-token1", ""] {
            assert!(!token.matches(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_could_break_a_header_is_no_token() {
        for text in ["", " \n", "two words", "line\nbreak", "tökén", &"x".repeat(TOKEN_MAX + 1)] {
            assert_eq!(Token::parse(text).unwrap_err(), BadToken);
        }
    }

    #[test]
    fn a_token_prints_as_stars() {
        let token = Token::parse("s3cret").unwrap();
        assert_eq!(format!("{token:?} {:?}", Some(&token)), "*** Some(***)");
    }
}
