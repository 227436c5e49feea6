//! Conditional requests (RFC 9110 section 13) against the one entity tag and the one date a medium
//! has: the bytes behind a path never change, so every comparison is for equality.

use http::{HeaderMap, HeaderValue, header};

/// The date every medium claims. Which bytes a path gives is fixed before it is first opened and does
/// not depend on when, so a real time would only add a difference between identical answers.
pub(crate) const LAST_MODIFIED: HeaderValue =
    HeaderValue::from_static("Sat, 01 Jan 2000 00:00:00 GMT");

/// What the request's conditions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answer with bytes, and look at `Range`.
    Proceed,
    /// Answer with all bytes: the client's part is of something else.
    ProceedWhole,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the conditions in the order of RFC 9110 section 13.2.2.
pub(crate) fn evaluate(headers: &HeaderMap, etag: &HeaderValue) -> Outcome {
    if headers.contains_key(header::IF_MATCH) && !lists(headers, &header::IF_MATCH, etag, Weak::No)
    {
        return Outcome::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if lists(headers, &header::IF_NONE_MATCH, etag, Weak::Counts) {
            return Outcome::NotModified;
        }
    } else if headers.get(header::IF_MODIFIED_SINCE) == Some(&LAST_MODIFIED) {
        return Outcome::NotModified;
    }
    match headers.get(header::IF_RANGE) {
        Some(validator) if validator != etag && validator != LAST_MODIFIED => Outcome::ProceedWhole,
        _ => Outcome::Proceed,
    }
}

#[derive(Clone, Copy)]
enum Weak {
    Counts,
    No,
}

fn lists(headers: &HeaderMap, name: &header::HeaderName, etag: &HeaderValue, weak: Weak) -> bool {
    let values =
        headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    values.map(<[u8]>::trim_ascii).any(|tag| {
        let tag = match weak {
            Weak::Counts => tag.strip_prefix(b"W/").unwrap_or(tag),
            Weak::No => tag,
        };
        tag == b"*" || tag == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: HeaderValue = HeaderValue::from_static("\"abc\"");

    fn outcome(name: header::HeaderName, value: &'static str) -> Outcome {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        evaluate(&headers, &TAG)
    }

    #[test]
    fn if_none_match_compares_weakly_and_takes_lists() {
        for value in ["\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\""] {
            assert_eq!(outcome(header::IF_NONE_MATCH, value), Outcome::NotModified, "{value}");
        }
        assert_eq!(outcome(header::IF_NONE_MATCH, "\"abcd\""), Outcome::Proceed);
    }

    #[test]
    fn if_match_compares_strongly() {
        assert_eq!(outcome(header::IF_MATCH, "\"abc\""), Outcome::Proceed);
        assert_eq!(outcome(header::IF_MATCH, "*"), Outcome::Proceed);
        assert_eq!(outcome(header::IF_MATCH, "W/\"abc\""), Outcome::Failed);
    }

    #[test]
    fn if_range_holds_for_our_tag_and_our_date_only() {
        let date = LAST_MODIFIED.to_str().unwrap().to_owned().leak();
        assert_eq!(outcome(header::IF_RANGE, "\"abc\""), Outcome::Proceed);
        assert_eq!(outcome(header::IF_RANGE, date), Outcome::Proceed);
        for value in ["W/\"abc\"", "\"x\"", "Sat, 01 Jan 2000 00:00:01 GMT"] {
            assert_eq!(outcome(header::IF_RANGE, value), Outcome::ProceedWhole, "{value}");
        }
    }

    #[test]
    fn a_date_counts_only_without_a_tag() {
        let date = LAST_MODIFIED.to_str().unwrap().to_owned().leak();
        assert_eq!(outcome(header::IF_MODIFIED_SINCE, date), Outcome::NotModified);
        let mut headers = HeaderMap::from_iter([(header::IF_MODIFIED_SINCE, LAST_MODIFIED)]);
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"x\""));
        assert_eq!(evaluate(&headers, &TAG), Outcome::Proceed);
    }
}
