//! Durations as people write them: `500ms`, `30s`, `15m`, `1h30m`, `7d`. A bare number is refused,
//! since one product's seconds are another one's minutes.

use std::time::Duration;

/// Far beyond any budget, and far from overflowing an instant.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 10);

/// What to write, for error messages.
pub(super) const EXPECTED: &str = "a duration such as 500ms, 30s, 15m, 4h or 7d";

/// Understands a duration, or not.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let number: u64 = number.parse().ok()?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (total <= LONGEST).then_some(total)
}

/// Writes a duration so that [`parse`] reads it back, in the largest unit that divides it.
pub(super) fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    if millis == 0 {
        return "0s".to_owned();
    }
    let fit = units.into_iter().find(|(size, _)| millis.is_multiple_of(*size));
    fit.map_or_else(|| format!("{millis}ms"), |(size, unit)| format!("{}{unit}", millis / size))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let understood =
            [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000)];
        for (text, millis) in understood {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "30", "s", "-1s", "1.5h", "1 h", "3w", "99999999999999999999s", "4000000d"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 500, 90_000, 600_000, 14_400_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&show(duration)), Some(duration));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_that_reads_back_or_none(
            text in "([0-9]{1,20}(ms|s|m|h|d|w|)){1,3}|\\PC{0,20}",
        ) {
            if let Some(duration) = parse(&text) {
                prop_assert!(duration <= LONGEST);
                prop_assert_eq!(parse(&show(duration)), Some(duration));
            }
        }

        #[test]
        fn parts_add_up(hours in 0..500_u64, minutes in 0..500_u64, seconds in 0..500_u64) {
            let wanted = Duration::from_secs(hours * 3600 + minutes * 60 + seconds);
            prop_assert_eq!(parse(&format!("{hours}h{minutes}m{seconds}s")), Some(wanted));
        }
    }
}
