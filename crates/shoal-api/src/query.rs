//! Query parameters, read one by one like the members of a body: what is unknown, repeated or
//! malformed is refused by name, because a mistyped filter that is ignored answers the wrong question.

use http::Uri;
use serde_json::{Value, json};

use crate::error::{Detail, Error};

/// Longest page of any list.
const LIMIT_MAX: u32 = 1000;

/// The bounds of `limit`, where a page usually has so many entries.
pub(crate) fn limit_schema(usual: u32) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": usual})
}

/// The parameters that are not yet taken, and what was wrong with those that were.
pub(crate) struct Query {
    params: Vec<(String, String)>,
    problems: Vec<Detail>,
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Error> {
        let mut query = Self { params: Vec::new(), problems: Vec::new() };
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                let detail = Detail::new("query", "bad_format", "is not percent-encoded UTF-8");
                return Err(Error::invalid(vec![detail]));
            };
            if query.params.iter().any(|(known, _)| *known == name) {
                query.problem(&name, "duplicate_field", "is given more than once");
            } else {
                query.params.push((name, value));
            }
        }
        Ok(query)
    }

    /// The parameter's value, which may be empty; none when it is absent.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.params.iter().position(|(known, _)| known == name)?;
        Some(self.params.swap_remove(at).1)
    }

    /// The value as `read` understands it; `expected` completes "must be ...".
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.problem(name, "bad_format", &format!("must be {expected}"));
        }
        value
    }

    /// Whether a switch is on.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let read = |text: &str| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.parsed(name, "true or false", read).unwrap_or(false)
    }

    /// How many entries a page shall have.
    pub(crate) fn limit(&mut self, usual: u32) -> u32 {
        let read = |text: &str| text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n));
        self.parsed("limit", "a number from 1 to 1000", read).unwrap_or(usual)
    }

    /// Refuses the request if anything was wrong or is left over.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        for (name, _) in std::mem::take(&mut self.params) {
            self.problem(&name, "unknown_field", "is not a parameter of this call");
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Error::invalid(self.problems)) }
    }

    fn problem(&mut self, name: &str, code: &'static str, message: &str) {
        let shown: String = name.chars().take(60).collect();
        self.problems.push(Detail::new(format!("query {shown}"), code, message));
    }
}

/// Percent-decoding with `+` for a space, as forms write it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex =
            |digit: Option<u8>| char::from(digit?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => (hex(rest.next())? << 4) | hex(rest.next())?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(query: &str) -> Vec<String> {
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        let read = || {
            let mut query = Query::of(&uri)?;
            query.flag("on");
            query.limit(50);
            query.finish()
        };
        let details = read().err().map(|error| error.details).unwrap_or_default();
        details.into_iter().map(|detail| format!("{} {}", detail.path, detail.code)).collect()
    }

    #[test]
    fn what_is_unknown_repeated_or_malformed_is_refused_by_name() {
        assert!(codes("on=true&limit=1000&").is_empty());
        assert_eq!(codes("on=maybe"), ["query on bad_format"]);
        assert_eq!(codes("on=&limit="), ["query on bad_format", "query limit bad_format"]);
        assert_eq!(codes("limit=1001"), ["query limit bad_format"]);
        assert_eq!(codes("off=1"), ["query off unknown_field"]);
        assert_eq!(codes("on=1&on=0"), ["query on duplicate_field"]);
        assert_eq!(codes("on=%zz"), ["query bad_format"]);
        assert_eq!(codes("on=%ff"), ["query bad_format"]);
    }

    #[test]
    fn values_are_decoded() {
        let mut query = Query::of(&"/x?since=2026-01-31T08%3A00%3A00%2B01%3A00+x".parse().unwrap())
            .ok()
            .unwrap();
        assert_eq!(query.text("since").unwrap(), "2026-01-31T08:00:00+01:00 x");
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused_with_places_that_say_so(query in "[a-z_=&%+0-9A-F.-]{0,60}") {
            let Ok(uri) = format!("/x?{query}").parse::<Uri>() else { return Ok(()) };
            let read = Query::of(&uri).and_then(|mut query| {
                query.flag("stuck");
                query.limit(50);
                query.finish()
            });
            if let Err(error) = read {
                prop_assert!(!error.details.is_empty());
                prop_assert!(error.details.iter().all(|detail| detail.path.starts_with("query")));
            }
        }

        #[test]
        fn any_value_arrives_as_it_was_sent(value in "\\PC{0,40}", plus in any::<bool>()) {
            let escaped: String = value
                .bytes()
                .map(|byte| match byte {
                    b' ' if plus => "+".to_owned(),
                    byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                    byte => format!("%{byte:02X}"),
                })
                .collect();
            prop_assert_eq!(decoded(&escaped), Some(value));
        }
    }
}
