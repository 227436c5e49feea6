//! The values of a report's fields. Each type holds its own bounds, so that a report built from
//! them in the maintenance OS is one the controller can read, and nothing unbounded or
//! unprintable reaches a log line, a database column or a header.

use std::fmt;

use crate::invalid::Code;

/// Longest [`Name`] in bytes; a systemd unit name has at most 255.
pub const NAME_MAX: usize = 256;
/// Longest [`Id`] in characters.
pub const ID_MAX: usize = 64;
/// Longest [`Message`] in bytes; what is longer is cut.
pub const MESSAGE_MAX: usize = 2048;

/// A step key, a unit name or a build name: 1 to [`NAME_MAX`] bytes without control characters.
///
/// It is kept as sent: the controller maps a unit name to a step key only for display.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Takes the text as it is, or says why it is not a name.
    pub fn parse(text: &str) -> Result<Self, Code> {
        if text.is_empty() {
            return Err(Code::Required);
        }
        if text.len() > NAME_MAX {
            return Err(Code::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(Code::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A delivery id or job id: 1 to [`ID_MAX`] characters of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// Takes the text as it is, or says why it is not an id.
    pub fn parse(text: &str) -> Result<Self, Code> {
        if text.is_empty() {
            return Err(Code::Required);
        }
        if text.len() > ID_MAX {
            return Err(Code::TooLong);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !text.bytes().all(allowed) {
            return Err(Code::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text for a person, cut to [`MESSAGE_MAX`] bytes between two characters.
///
/// A message is the one field that is cut instead of refused: an overlong message must not cost
/// the outcome it comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(String);

impl Message {
    /// Takes as much of the text as fits.
    pub fn cut(text: &str) -> Self {
        Self(text.get(..text.floor_char_boundary(MESSAGE_MAX)).unwrap_or_default().to_owned())
    }

    /// The text, at most [`MESSAGE_MAX`] bytes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A share of a step done, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// Takes 0 to 100.
    pub fn new(value: u64) -> Result<Self, Code> {
        match u8::try_from(value) {
            Ok(percent) if percent <= 100 => Ok(Self(percent)),
            _ => Err(Code::Range),
        }
    }

    /// 0 to 100.
    pub fn value(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_unit_names_as_sent() {
        for text in ["workflow.partition", "provision@dev-sda\\x2d1.service", "Größe"] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Name::parse(""), Err(Code::Required));
        assert_eq!(Name::parse("two\nlines"), Err(Code::Characters));
        assert!(Name::parse(&"x".repeat(NAME_MAX)).is_ok());
        assert_eq!(Name::parse(&"x".repeat(NAME_MAX + 1)), Err(Code::TooLong));
    }

    #[test]
    fn ids_are_short_and_plain() {
        assert!(Id::parse(&"a".repeat(ID_MAX)).is_ok());
        assert_eq!(Id::parse(&"a".repeat(ID_MAX + 1)), Err(Code::TooLong));
        assert_eq!(Id::parse("a b"), Err(Code::Characters));
        assert_eq!(Id::parse("ä"), Err(Code::Characters));
        assert_eq!(Id::parse(""), Err(Code::Required));
    }

    #[test]
    fn an_overlong_message_is_cut_between_characters() {
        let cut = Message::cut(&"ä".repeat(MESSAGE_MAX));
        assert_eq!(cut.as_str().len(), MESSAGE_MAX);
        let odd = Message::cut(&format!("x{}", "ä".repeat(MESSAGE_MAX)));
        assert_eq!(odd.as_str().len(), MESSAGE_MAX - 1);
        assert_eq!(Message::cut("short").as_str(), "short");
    }

    #[test]
    fn percent_ends_at_one_hundred() {
        assert_eq!(Percent::new(100).unwrap().value(), 100);
        assert_eq!(Percent::new(101), Err(Code::Range));
        assert_eq!(Percent::new(u64::MAX), Err(Code::Range));
    }
}
