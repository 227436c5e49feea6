//! Points in time as the API writes and reads them: RFC 3339 in UTC with milliseconds.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use shoal_core::Time;

/// A time that serialises as `2026-01-31T08:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Time);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        write!(f, "{at:.3}")
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// Writes a time of a plain record as [`At`] does.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
pub(crate) fn required<S: Serializer>(time: &Time, out: S) -> Result<S::Ok, S::Error> {
    At(*time).serialize(out)
}

/// The same for one that may be missing.
#[expect(clippy::ref_option, reason = "the shape that serde calls")]
pub(crate) fn optional<S: Serializer>(time: &Option<Time>, out: S) -> Result<S::Ok, S::Error> {
    time.map(At).serialize(out)
}

impl JsonSchema for At {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Reads an RFC 3339 time that does not lie before 1970.
pub(crate) fn parse(text: &str) -> Option<Time> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(Time::from_millis)
}

/// Reads the beginning of a span: any RFC 3339 time, of which those before 1970 mean "ever".
pub(crate) fn ever_since(text: &str) -> Option<Time> {
    let at: Timestamp = text.parse().ok()?;
    Some(Time::from_millis(u64::try_from(at.as_millisecond()).unwrap_or(0)))
}

/// Reads a time as [`ever_since`] does, or how long before `now` it was: `90s`, `15m`, `24h`, `7d`.
pub(crate) fn since(text: &str, now: Time) -> Option<Time> {
    ever_since(text).or_else(|| {
        let unit = match text.bytes().last()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 24 * 3600,
            _ => return None,
        };
        let count: u64 = text.get(..text.len() - 1)?.parse().ok()?;
        let millis = count.checked_mul(unit)?.checked_mul(1000)?;
        Some(Time::from_millis(now.as_millis().saturating_sub(millis)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds_and_read_back() {
        for (millis, text) in
            [(0, "1970-01-01T00:00:00.000Z"), (1_700_000_000_123, "2023-11-14T22:13:20.123Z")]
        {
            let time = Time::from_millis(millis);
            assert_eq!(serde_json::to_value(At(time)).unwrap(), text);
            assert_eq!(parse(text), Some(time));
        }
        assert_eq!(
            parse("2023-11-14T23:13:20.123+01:00"),
            Some(Time::from_millis(1_700_000_000_123))
        );
    }

    #[test]
    fn how_long_ago_is_a_time_too() {
        let now = Time::from_millis(10 * 24 * 3600 * 1000);
        let ago = |text| since(text, now).map(Time::as_secs);
        assert_eq!(ago("24h"), Some(9 * 24 * 3600));
        assert_eq!(ago("11d"), Some(0));
        assert_eq!(ago("1970-01-01T00:00:05Z"), Some(5));
        assert_eq!(ago("0258-04-19T10:49:45-11:02"), Some(0));
        for odd in ["", "h", "-1h", "5", "5w", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(ago(odd), None, "{odd}");
        }
    }

    #[test]
    fn nonsense_is_no_time_and_no_time_is_a_crash() {
        for odd in ["", "yesterday", "1969-12-31T23:59:59Z", "2023-11-14"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        assert!(serde_json::to_string(&At(Time::from_millis(u64::MAX))).is_ok());
    }

    proptest! {
        #[test]
        fn every_time_of_this_age_reads_back(millis in 0..4_000_000_000_000_u64) {
            let written = serde_json::to_value(At(Time::from_millis(millis))).unwrap();
            prop_assert_eq!(parse(written.as_str().unwrap()), Some(Time::from_millis(millis)));
        }

        #[test]
        fn any_text_is_a_time_or_none(
            text in "[0-9+-]{4,7}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9.]{2,14})?(Z|[+-][0-9:]{2,8})?|\\PC{0,40}",
        ) {
            if let Some(time) = parse(&text) {
                let again = serde_json::to_value(At(time)).unwrap();
                prop_assert_eq!(parse(again.as_str().unwrap()), Some(time));
            }
        }
    }
}
