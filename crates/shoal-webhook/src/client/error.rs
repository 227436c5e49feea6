//! Why a report did not arrive, and whether sending it again can help. This file holds the policy
//! of final and passing refusals in one place.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::answer::code;
use crate::token::Token;

/// Longest part of a refusal's text that is kept, in bytes.
const TEXT_MAX: usize = 300;

/// The target cannot be used at all; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTarget {
    /// Not an absolute `http` or `https` URL, or one with user info.
    #[error("webhook URL is not an absolute http or https URL without user info")]
    Url,
    /// The URL says `https` and the bundle holds no certificate.
    #[error("CA bundle holds no certificate")]
    NoAuthority,
    /// The bundle is not PEM, or holds something that cannot be an authority.
    #[error("CA bundle holds an unreadable certificate")]
    Bundle,
}

/// One try failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// No whole answer came: unreachable, not trusted, too slow or cut off. It may have arrived.
    #[error("report was not answered")]
    Unanswered(#[from] Transport),
    /// A success status came without the body of this contract, so something else answered.
    #[error("report was answered with status {status} by something that is not the controller")]
    Foreign {
        /// The HTTP status.
        status: u16,
    },
    /// The controller, or something before it, refused the report.
    #[error("report was refused with status {status}{}{explanation}", if explanation.is_empty() { "" } else { ": " })]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Code and message of the error body, bounded and without the token; may be empty.
        explanation: String,
        /// How long the controller asks to wait.
        retry_after: Option<Duration>,
    },
}

impl PostError {
    pub(super) fn refused(
        status: u16,
        retry_after: Option<Duration>,
        body: &[u8],
        token: &Token,
    ) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: String,
            #[serde(default)]
            message: String,
        }
        let explanation = serde_json::from_slice::<Body>(body)
            .map(|body| printable(&format!("{} {}", body.error, body.message), token))
            .unwrap_or_default();
        Self::Refused { status, explanation, retry_after }
    }

    /// Whether the same report would be refused for ever.
    ///
    /// Only what is wrong with the bytes themselves is final. A refused token is not: a rotation
    /// may be under way, or a database restore; nor is 404 or 409: the controller may be ahead of
    /// or behind what we know. The sender goes on until its deadline.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                matches!(*status, code::INVALID | code::TOO_LARGE | code::NOT_JSON)
            }
            Self::Unanswered(_) | Self::Foreign { .. } => false,
        }
    }

    /// How long the controller asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Unanswered(_) | Self::Foreign { .. } => None,
        }
    }
}

/// What went wrong between here and the controller.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Transport(Cause);

/// Keeps the HTTP library out of the public signatures.
#[derive(Debug)]
struct Cause(ureq::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {}

impl From<ureq::Error> for Transport {
    fn from(error: ureq::Error) -> Self {
        Self(Cause(error))
    }
}

/// A box between us and the controller may echo request headers in its error page.
fn printable(text: &str, token: &Token) -> String {
    let text = text.replace(token.expose(), "***");
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> PostError {
        PostError::refused(status, None, body.as_bytes(), &Token::parse("s3cret").unwrap())
    }

    #[test]
    fn only_a_report_that_is_wrong_in_itself_is_final() {
        for status in [400, 413, 415] {
            assert!(refused(status, "").is_final(), "{status}");
        }
        for status in [301, 401, 403, 404, 408, 409, 429, 500, 502, 503, 507] {
            assert!(!refused(status, "").is_final(), "{status}");
        }
        assert!(!PostError::Foreign { status: 200 }.is_final());
        assert!(!PostError::from(Transport::from(ureq::Error::ConnectionFailed)).is_final());
    }

    #[test]
    fn an_echoed_token_is_not_shown() {
        let error = refused(403, r#"{"error":"forbidden","message":"X-Webhook-Secret: s3cret\n"}"#);
        assert_eq!(
            error.to_string(),
            "report was refused with status 403: forbidden X-Webhook-Secret: ***"
        );
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn a_foreign_error_page_is_left_out() {
        let error = refused(502, "<html>s3cret</html>");
        assert_eq!(error.to_string(), "report was refused with status 502");
    }
}
