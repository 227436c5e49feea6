//! Why a report was refused. The controller answers 400 with exactly this, so that the author of a
//! maintenance OS sees which field to mend; what was sent is never quoted, because a mistaken
//! sender may put anything into any field.

use serde::Serialize;

/// A report that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("report field \"{path}\" {message}")]
pub struct Invalid {
    /// JSON pointer to the field, empty for the report as a whole.
    pub path: &'static str,
    /// The stable reason.
    pub code: Code,
    /// What is wrong, for a person; completes "the field ...".
    pub message: String,
}

impl Invalid {
    pub(crate) fn new(path: &'static str, code: Code) -> Self {
        Self { path, code, message: code.to_string() }
    }
}

/// Stable reasons for refusing a field, written in `snake_case` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The body is larger than [`REPORT_MAX`](crate::REPORT_MAX).
    #[error("is larger than 64 KiB")]
    TooLarge,
    /// The body is not JSON, or is nested deeper than any report is.
    #[error("is not readable JSON")]
    Json,
    /// The value has another JSON type than the field.
    #[error("has the wrong JSON type")]
    Type,
    /// The field is needed here and absent, null or empty.
    #[error("is required and must not be empty")]
    Required,
    /// The value is none of the words the field knows.
    #[error("must be success, failed or progress")]
    Unknown,
    /// The number lies outside the field's range.
    #[error("is out of range")]
    Range,
    /// The text is longer than the field allows.
    #[error("is too long")]
    TooLong,
    /// The text holds characters which the field does not allow.
    #[error("holds characters that are not allowed")]
    Characters,
}

impl Code {
    /// The word used on the wire, in logs and as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Json => "json",
            Self::Type => "type",
            Self::Required => "required",
            Self::Unknown => "unknown",
            Self::Range => "range",
            Self::TooLong => "too_long",
            Self::Characters => "characters",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_serialises_to_path_code_and_message() {
        let invalid = Invalid::new("/percent", Code::Range);
        assert_eq!(
            serde_json::to_value(&invalid).unwrap(),
            serde_json::json!({"path": "/percent", "code": "range", "message": "is out of range"})
        );
    }

    #[test]
    fn the_serialised_word_of_every_code_is_its_as_str() {
        let all = [
            Code::TooLarge,
            Code::Json,
            Code::Type,
            Code::Required,
            Code::Unknown,
            Code::Range,
            Code::TooLong,
            Code::Characters,
        ];
        for code in all {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
