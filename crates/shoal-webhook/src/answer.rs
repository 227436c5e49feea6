//! What the controller answers. The sender decides by the status code alone whether to go on
//! trying; the body tells a person why.

use serde::{Deserialize, Serialize};

/// Body of a 200 answer: the report has arrived and need not be sent again.
///
/// Every other status carries the API's error body (`error`, `message`) instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the report did.
    pub result: Effect,
    /// The same for a person.
    #[serde(default)]
    pub message: String,
}

impl Answer {
    /// An answer to write.
    pub fn new(result: Effect, message: impl Into<String>) -> Self {
        Self { result, message: message.into() }
    }
}

/// What an arrived report did; in each case the sender is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// It became the outcome, or moved the progress.
    Recorded,
    /// It had arrived before.
    Duplicate,
    /// It came too late to matter: a finished attempt, or a contradiction of the first outcome.
    Ignored,
    /// A word which a later controller uses; never written by this one.
    #[serde(other)]
    Other,
}

impl Effect {
    /// The word on the wire and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Other => "other",
        }
    }
}

/// Error code of a 409: a report for an attempt whose power-on was never intended.
pub const UNEXPECTED: &str = "webhook.unexpected";

/// Status codes of the webhook and what each asks of the sender.
pub mod code {
    /// Arrived, with an [`Answer`](super::Answer): recorded, duplicate or ignored. Done.
    pub const ARRIVED: u16 = 200;
    /// The body is no report, or a failed one without its step. Repeating it cannot help.
    pub const INVALID: u16 = 400;
    /// No token was sent. Try again: the token may be on its way.
    pub const TOKEN_MISSING: u16 = 401;
    /// Wrong token, or that of another job. Try again: a rotation may be under way.
    pub const TOKEN_WRONG: u16 = 403;
    /// No token match and no active job of this server. Try again: a restore may be under way.
    pub const NO_JOB: u16 = 404;
    /// Power-on was not yet intended, or nothing shows that the machine booted. Try again.
    pub const UNEXPECTED: u16 = 409;
    /// The body is larger than [`REPORT_MAX`](crate::REPORT_MAX). Repeating it cannot help.
    pub const TOO_LARGE: u16 = 413;
    /// The body is not sent as `application/json`. Repeating it cannot help.
    pub const NOT_JSON: u16 = 415;
    /// Too many reports or failed logins. Try again after the time in `Retry-After`.
    pub const TOO_MANY: u16 = 429;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_its_documented_shape() {
        let answer = Answer::new(Effect::Recorded, "the job succeeded");
        assert_eq!(
            serde_json::to_value(&answer).unwrap(),
            serde_json::json!({"result": "recorded", "message": "the job succeeded"})
        );
    }

    #[test]
    fn every_effect_serialises_to_its_word() {
        for effect in [Effect::Recorded, Effect::Duplicate, Effect::Ignored] {
            assert_eq!(serde_json::to_value(effect).unwrap(), effect.as_str());
        }
    }

    #[test]
    fn a_word_of_a_later_controller_is_an_answer_all_the_same() {
        let answer: Answer = serde_json::from_str(r#"{"result":"parked"}"#).unwrap();
        assert_eq!(answer, Answer::new(Effect::Other, ""));
    }
}
