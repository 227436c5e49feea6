//! What a BMC answered, reduced to the parts that decisions are made of.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::{moment, secret::Secret};

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) allow: Option<String>,
    pub(crate) token: Option<Secret>,
    /// `Null` when the body was empty or not JSON.
    pub(crate) body: Value,
    /// The body was there and was not JSON.
    pub(crate) not_json: bool,
    /// Start of the body without secrets, for refusals.
    pub(crate) shown: String,
}

impl Answer {
    /// The parts that come from status and headers; the body is filled in by its reader.
    pub(crate) fn from_head(status: u16, headers: &HeaderMap) -> Self {
        let date = text(headers, "date").and_then(|date| moment::from_http(&date));
        Self {
            status,
            etag: text(headers, "etag"),
            location: text(headers, "location"),
            retry_after: text(headers, "retry-after").and_then(|value| retry_after(&value, date)),
            allow: text(headers, "allow"),
            token: text(headers, "x-auth-token").map(Secret::new),
            body: Value::Null,
            not_json: false,
            shown: String::new(),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Seconds, or a date; dates are compared with the BMC's own clock where it sends one.
fn retry_after(value: &str, date: Option<i64>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = date.or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    })?;
    let pause = moment::from_http(value)? - now;
    Some(Duration::from_secs(u64::try_from(pause).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date_on_the_bmcs_clock() {
        assert_eq!(retry_after("30", None), Some(Duration::from_secs(30)));
        let date = moment::from_http("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:47 GMT", date),
            Some(Duration::from_secs(10))
        );
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", date), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", date), None);
    }
}
