//! The one time a medium knows. Builds must not depend on the clock, so every date field of an
//! image holds the time its caller gave.

use crate::Error;

/// Days of the months of a common year.
const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const SECONDS_PER_DAY: u64 = 86_400;

/// A date field that says "not specified" (ECMA-119, 8.4.26.1): sixteen digits zero, offset zero.
pub(crate) const UNSPECIFIED: [u8; 17] = *b"0000000000000000\0";

/// The time written into every date field of a medium: UTC, whole seconds, 1970 to 2155.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceDateEpoch {
    seconds: u64,
}

impl SourceDateEpoch {
    /// 2155-12-31T23:59:59Z, the last second a directory record can hold.
    pub const MAX: Self = Self { seconds: 5_869_583_999 };

    /// Takes seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// [`Error::TimeOutOfRange`] for a time after [`Self::MAX`].
    pub const fn new(seconds: u64) -> Result<Self, Error> {
        if seconds > Self::MAX.seconds {
            return Err(Error::TimeOutOfRange { seconds });
        }
        Ok(Self { seconds })
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn seconds(self) -> u64 {
        self.seconds
    }

    /// The seven-byte form of directory records and Rock Ridge (ECMA-119, 9.1.5).
    pub(crate) fn short(self) -> [u8; 7] {
        let utc = self.utc();
        [utc.years_since_1900, utc.month, utc.day, utc.hour, utc.minute, utc.second, 0]
    }

    /// The seventeen-byte form of volume descriptors (ECMA-119, 8.4.26.1).
    pub(crate) fn long(self) -> Vec<u8> {
        let utc = self.utc();
        let year = 1900 + u16::from(utc.years_since_1900);
        let mut field = format!(
            "{year:04}{:02}{:02}{:02}{:02}{:02}00",
            utc.month, utc.day, utc.hour, utc.minute, utc.second
        )
        .into_bytes();
        field.push(0);
        field
    }

    /// Date and time of FAT's directories: years from 1980, two seconds fine. Earlier times are 1980's
    /// first moment, later ones than it can say 2107's last.
    pub(crate) fn dos(self) -> (u16, u16) {
        let utc = self.utc();
        // Fields of 7, 4 and 5 bits, and of 5, 6 and 5.
        let packed = |[year, month, day]: [u8; 3], [hour, minute, second]: [u8; 3]| {
            let date = u16::from(year) * 512 + u16::from(month) * 32 + u16::from(day);
            (date, u16::from(hour) * 2048 + u16::from(minute) * 32 + u16::from(second / 2))
        };
        match utc.years_since_1900.checked_sub(80) {
            None => packed([0, 1, 1], [0, 0, 0]),
            Some(128..) => packed([127, 12, 31], [23, 59, 59]),
            Some(year) => packed([year, utc.month, utc.day], [utc.hour, utc.minute, utc.second]),
        }
    }

    fn utc(self) -> Utc {
        let mut days = self.seconds / SECONDS_PER_DAY;
        let time = self.seconds % SECONDS_PER_DAY;

        let mut year = 1970;
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        let mut month = 1;
        for length in MONTHS {
            let length = if month == 2 && is_leap(year) { 29 } else { length };
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        Utc {
            years_since_1900: low_byte(year - 1900),
            month,
            day: low_byte(days + 1),
            hour: low_byte(time / 3600),
            minute: low_byte(time / 60 % 60),
            second: low_byte(time % 60),
        }
    }
}

/// A time split into the fields which both date formats have in common.
struct Utc {
    years_since_1900: u8,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "years since 1900 are at most 255 by the constructor, the other fields below 60"
)]
const fn low_byte(value: u64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values come from `date -u -d @SECONDS`.
    #[test]
    fn dates_match_the_civil_calendar() {
        for (seconds, expected) in [
            (0, "1970010100000000"),
            (951_782_400, "2000022900000000"),
            (951_868_799, "2000022923595900"),
            (1_700_000_000, "2023111422132000"),
            (4_107_542_399, "2100022823595900"),
            (4_107_542_400, "2100030100000000"),
            (5_869_583_999, "2155123123595900"),
        ] {
            let long = SourceDateEpoch::new(seconds).unwrap().long();
            assert_eq!(String::from_utf8(long).unwrap(), format!("{expected}\0"), "{seconds}");
        }
    }

    #[test]
    fn short_form_counts_years_from_1900() {
        assert_eq!(SourceDateEpoch::MAX.short(), [255, 12, 31, 23, 59, 59, 0]);
        assert_eq!(SourceDateEpoch::new(0).unwrap().short(), [70, 1, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn time_after_2155_is_refused() {
        let seconds = SourceDateEpoch::MAX.seconds() + 1;
        assert_eq!(SourceDateEpoch::new(seconds), Err(Error::TimeOutOfRange { seconds }));
    }
}
