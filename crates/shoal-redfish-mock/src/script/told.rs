//! Endings and restarts as words, for command lines: the name, then what it needs after colons, such
//! as `lose-power-at:workflow.image-linux:30`. Times are whole seconds.

use std::{str::FromStr, time::Duration};

use super::{Ending, Restart, Step};

/// Words that are no ending or restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is none of {}", .known.join(", "))]
pub struct BadEnding {
    /// What was given.
    pub given: String,
    /// What there is; `STEP` is a key such as `workflow.image-linux`, `SECONDS` a whole number.
    pub known: &'static [&'static str],
}

impl Ending {
    /// How each ending is written.
    pub const FORMS: &'static [&'static str] = &[
        "succeed",
        "fail-at:STEP",
        "never-report",
        "report-twice",
        "report-late:SECONDS",
        "report-early",
        "hang-before-boot",
        "hang-at:STEP",
        "power-off-at:STEP",
        "lose-power-at:STEP:SECONDS",
        "restart-at:STEP",
        "bmc-restart-at:STEP:SECONDS",
        "never-restart",
        "power-off-at-end",
    ];
}

impl FromStr for Ending {
    type Err = BadEnding;

    fn from_str(text: &str) -> Result<Self, BadEnding> {
        let words: Vec<&str> = text.split(':').collect();
        let ending = match words.as_slice() {
            ["succeed"] => Some(Self::Succeed),
            ["never-report"] => Some(Self::NeverReport),
            ["report-twice"] => Some(Self::ReportTwice),
            ["report-early"] => Some(Self::ReportEarly),
            ["report-late", span] => seconds(span).map(Self::ReportLate),
            ["hang-before-boot"] => Some(Self::HangBeforeBoot),
            ["fail-at", step] => Step::from_key(step).map(Self::FailAt),
            ["hang-at", step] => Step::from_key(step).map(Self::HangAt),
            ["power-off-at", step] => Step::from_key(step).map(Self::PowerOffAt),
            ["lose-power-at", step, span] => {
                step_and_span(step, span).map(|(step, span)| Self::LosePowerAt(step, span))
            }
            ["restart-at", step] => Step::from_key(step).map(Self::RestartAt),
            ["bmc-restart-at", step, span] => {
                step_and_span(step, span).map(|(step, span)| Self::BmcRestartAt(step, span))
            }
            ["never-restart"] => Some(Self::NeverRestart),
            ["power-off-at-end"] => Some(Self::PowerOffAtEnd),
            _ => None,
        };
        ending.ok_or_else(|| BadEnding { given: text.to_owned(), known: Self::FORMS })
    }
}

impl Restart {
    /// How each restart is written.
    pub const FORMS: &'static [&'static str] = &["warm", "unnoticed", "cold:SECONDS"];
}

impl FromStr for Restart {
    type Err = BadEnding;

    fn from_str(text: &str) -> Result<Self, BadEnding> {
        let words: Vec<&str> = text.split(':').collect();
        let restart = match words.as_slice() {
            ["warm"] => Some(Self::Warm),
            ["unnoticed"] => Some(Self::Unnoticed),
            ["cold", span] => seconds(span).map(Self::Cold),
            _ => None,
        };
        restart.ok_or_else(|| BadEnding { given: text.to_owned(), known: Self::FORMS })
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

fn step_and_span(step: &str, span: &str) -> Option<(Step, Duration)> {
    Some((Step::from_key(step)?, seconds(span)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood_and_nothing_else() {
        for form in Ending::FORMS {
            let text = form.replace("STEP", "workflow.firmware").replace("SECONDS", "30");
            assert!(text.parse::<Ending>().is_ok(), "{text}");
        }
        for form in Restart::FORMS {
            assert!(form.replace("SECONDS", "3").parse::<Restart>().is_ok(), "{form}");
        }
        for text in
            ["", "succeed:now", "fail-at", "fail-at:workflow.tea", "lose-power-at:installer:x"]
        {
            let refused = text.parse::<Ending>().unwrap_err();
            assert!(refused.to_string().contains("hang-at:STEP"), "{refused}");
        }
    }

    #[test]
    fn what_an_ending_needs_is_taken_over() {
        let ending = "lose-power-at:installer:30".parse();
        assert_eq!(ending, Ok(Ending::LosePowerAt(Step::Installer, Duration::from_secs(30))));
        assert_eq!("cold:7".parse(), Ok(Restart::Cold(Duration::from_secs(7))));
    }
}
