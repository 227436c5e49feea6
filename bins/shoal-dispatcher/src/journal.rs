//! One line of JSON per step, for the journal and the serial console. Messages are composed here in
//! the dispatcher and never contain file content, so no secret can be among them.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes log lines to one place.
pub(crate) struct Journal<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    pub(crate) fn info(&mut self, step: &str, message: &str) {
        self.line("info", step, message);
    }

    pub(crate) fn warn(&mut self, step: &str, message: &str) {
        self.line("warn", step, message);
    }

    pub(crate) fn error(&mut self, step: &str, message: &str) {
        self.line("error", step, message);
    }

    fn line(&mut self, level: &str, step: &str, message: &str) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = serde_json::json!({
            "time": rfc3339(since_epoch.as_secs()),
            "level": level,
            "step": step,
            "message": message,
        });
        // A closed standard error must not keep a machine from being installed.
        let _ = writeln!(self.out, "{line}");
    }
}

/// Seconds since the epoch as RFC 3339 in UTC.
///
/// Days become a date by counting years from 1 March, so that leap days come last; 400 years have
/// 146,097 days, and months from March have 153 days in every five.
fn rfc3339(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn times_agree_with_the_date_program() {
        for seconds in [0, 951_782_399, 951_868_800, 1_709_164_800, 1_795_370_400, 4_107_542_399] {
            let date = Command::new("date")
                .args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"])
                .arg(format!("@{seconds}"))
                .output()
                .expect("date is installed");

            assert_eq!(rfc3339(seconds), String::from_utf8(date.stdout).unwrap().trim_end());
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_message() {
        let mut out = Vec::new();

        Journal::new(&mut out).warn("medium", "two\nlines \"quoted\"");

        let text = String::from_utf8(out).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!((&line["level"], &line["step"]), (&"warn".into(), &"medium".into()));
        assert_eq!(line["message"], "two\nlines \"quoted\"");
    }
}
