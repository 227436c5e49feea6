//! Times reach us in four shapes (HTTP dates, Redfish timestamps, two ASN.1 forms) and we only ever
//! need differences in seconds, so one small conversion replaces a calendar library.

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Counting years from March puts the leap day at the end of the year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

fn seconds(date: [i64; 3], time: [i64; 3]) -> Option<i64> {
    let [year, month, day] = date;
    let [hour, minute, second] = time;
    let plausible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    plausible.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// A part of a date or time. None has more than four digits, and what is made of numbers that small
/// never overflows.
fn number(text: &str) -> Option<i64> {
    if !(1..=4).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the form HTTP servers must send (RFC 9110, section 5.6.7).
pub(crate) fn from_http(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split_whitespace();
    let day = number(words.next()?)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = number(words.next()?)?;
    let time = clock(words.next()?)?;
    seconds([year, i64::try_from(month).ok()? + 1, day], time)
}

/// `2024-08-08T18:48:10-05:00`, the form of Redfish `DateTime` properties (DSP0266, date-time values).
pub(crate) fn from_redfish(text: &str) -> Option<i64> {
    let (date, rest) = text.trim().split_once('T')?;
    let mut parts = date.split('-').map(number);
    let date = [parts.next()??, parts.next()??, parts.next()??];
    let split = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(split)?;
    let time = clock(time.split('.').next()?)?;
    Some(seconds(date, time)? - offset(zone)?)
}

/// `UTCTime` (tag 23) and `GeneralizedTime` (tag 24) as certificates use them.
pub(crate) fn from_asn1(tag: u8, content: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        23 => {
            let two = number(text.get(..2)?)?;
            // RFC 5280, section 4.1.2.5.1: 50 and later are the twentieth century.
            (if two < 50 { 2000 + two } else { 1900 + two }, text.get(2..)?)
        }
        24 => (number(text.get(..4)?)?, text.get(4..)?),
        _ => return None,
    };
    let part = |start: usize| number(rest.get(start..start + 2)?);
    seconds([year, part(0)?, part(2)?], [part(4)?, part(6)?, part(8)?])
}

fn clock(text: &str) -> Option<[i64; 3]> {
    let mut parts = text.split(':').map(number);
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("Z" | "z", _) => return Some(0),
        ("+", digits) => (1, digits),
        (_, digits) => (-1, digits),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_shapes_of_one_instant_agree() {
        let instant = 784_111_777;
        assert_eq!(from_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(instant));
        assert_eq!(from_redfish("1994-11-06T08:49:37Z"), Some(instant));
        assert_eq!(from_redfish("1994-11-06T03:49:37.25-05:00"), Some(instant));
        assert_eq!(from_asn1(23, b"941106084937Z"), Some(instant));
        assert_eq!(from_asn1(24, b"19941106084937Z"), Some(instant));
    }

    #[test]
    fn leap_days_and_the_epoch_are_right() {
        assert_eq!(from_redfish("1970-01-01T00:00:00+00:00"), Some(0));
        assert_eq!(from_redfish("2024-02-29T12:00:00Z"), Some(1_709_208_000));
    }

    #[test]
    fn placeholders_are_not_times() {
        assert_eq!(from_redfish("0000-00-00T00:00:00+00:00"), None);
        assert_eq!(from_http("tomorrow"), None);
        assert_eq!(from_redfish(""), None);
    }
    #[test]
    fn years_beyond_counting_are_not_times() {
        assert_eq!(from_redfish("9223372036854775807-12-31T23:59:59Z"), None);
        assert_eq!(from_redfish("2024-01-01T00:00:00+9223372036854775807:00"), None);
        assert_eq!(from_http("Sun, 06 Nov 9223372036854775807 08:49:37 GMT"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_of_these_millennia_or_none(
            text in "[0-9]{1,20}-[0-9]{1,20}-[0-9]{1,20}T[0-9]{1,20}:[0-9]{2}:[0-9]{2}[Z+-][0-9:]{0,25}\
                     |[A-Z][a-z]{2}, [0-9]{1,20} (Nov|Feb) [0-9]{1,20} [0-9:]{1,20} GMT|\\PC{0,40}",
        ) {
            // Ten thousand years, and the largest offset that four digits can ask for.
            let most = 10_000 * 366 * 86_400 + 10_000 * 3_660;
            for time in [from_http(&text), from_redfish(&text)].into_iter().flatten() {
                prop_assert!(time.abs() <= most, "{time}");
            }
        }

        #[test]
        fn any_asn1_content_is_a_time_or_none(
            tag in 22..26_u8,
            content in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            // There always is an answer, and only the two forms have one.
            prop_assert!(from_asn1(tag, &content).is_none() || (23..=24).contains(&tag));
        }
    }
}
