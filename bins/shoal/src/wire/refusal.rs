//! What the API says when it does not do what it was asked to.

use std::fmt;

use reqwest::StatusCode;
use serde::Deserialize;

/// The error body of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) details: Vec<Detail>,
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Detail {
    #[serde(default)]
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
}

impl Refusal {
    /// Reads an error body; what is none, such as a proxy's page, is told by its status alone.
    pub(crate) fn read(status: StatusCode, bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Self {
            error: format!("http.{}", status.as_u16()),
            message: status.canonical_reason().unwrap_or("no reason given").to_lowercase(),
            details: Vec::new(),
            request_id: None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_page_is_told_by_its_status() {
        let refusal = Refusal::read(StatusCode::BAD_GATEWAY, b"<html>");

        assert_eq!(refusal.to_string(), "bad gateway (http.502)");
    }
}
