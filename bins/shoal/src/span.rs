//! Time for people: how long ago, and how far back.

use jiff::{SignedDuration, Timestamp};

const UNITS: [(char, i64); 5] =
    [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];

/// How long ago `then` was, in the two largest units that say something; `in …` for the future.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    let text = span(seconds.unsigned_abs());
    if seconds < 0 { format!("in {text}") } else { text }
}

/// A span in the two largest units that say something.
pub(crate) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// The point in time that `text` means: a span back from `now` such as `90m`, or a time itself.
pub(crate) fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    text.parse().ok().or_else(|| now.checked_sub(length(text)?).ok())
}

/// The point in time that `text` means: a span from `now` on such as `90d`, or a time itself.
pub(crate) fn until(text: &str, now: Timestamp) -> Option<Timestamp> {
    text.parse().ok().or_else(|| now.checked_add(length(text)?).ok())
}

/// How long `text` is: a number and one of s, m, h, d, w.
pub(crate) fn length(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().next_back()?;
    let (_, factor) = UNITS.into_iter().find(|(letter, _)| *letter == unit)?;
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    i64::from(number).checked_mul(factor).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn ages_have_the_two_units_that_matter() {
        let age = |seconds: i64| age(at(1_000_000 - seconds), at(1_000_000));

        assert_eq!([age(0), age(59), age(61)], ["0s", "59s", "1m01s"]);
        assert_eq!([age(3661), age(90_000), age(-120)], ["1h01m", "1d01h", "in 2m00s"]);
    }

    #[test]
    fn a_span_or_a_time_says_since_when() {
        let now = at(1_000_000);

        assert_eq!(since("90m", now), Some(at(1_000_000 - 5400)));
        assert_eq!(since("1w", now), Some(at(1_000_000 - 604_800)));
        assert_eq!(since("1970-01-01T00:00:05Z", now), Some(at(5)));
        assert_eq!(until("1w", now), Some(at(1_000_000 + 604_800)));
        assert_eq!(until("2970-01-01T00:00:05Z", now), "2970-01-01T00:00:05Z".parse().ok());
        for wrong in ["", "m", "-5m", "5", "5y", "5 m", "é", "4294967295w", "yesterday"] {
            assert_eq!((since(wrong, now), until(wrong, now)), (None, None), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_past_time_or_none(text in "[0-9]{0,12}[smhdwy]|\\PC{0,30}") {
            let now = at(1_000_000);
            if let Some(time) = since(&text, now) {
                // A span goes back; only a time that is written out may lie ahead.
                prop_assert!(time <= now || text.parse::<Timestamp>().is_ok(), "{}", text);
            }
        }
    }
}
