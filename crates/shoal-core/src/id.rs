//! The two names everything hangs on: a job's id and a server's serial.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};

/// Why a string is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Not a hyphenated UUID.
    #[error("a job id is a UUID of 36 characters such as 0190a5d2-7e1c-7cc3-8000-000000000001")]
    JobId,
    /// Not a legal serial.
    #[error("a server serial has 1 to 64 characters out of A-Z a-z 0-9 . _ -")]
    Serial,
}

/// Identifies one job: a UUID, drawn by whoever creates the job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u128);

impl JobId {
    /// The id with this value.
    pub const fn from_u128(value: u128) -> Self {
        Self(value)
    }

    /// The id's value.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The label of the job's task medium: `TASK_` and the first 27 hex digits, upper case.
    pub fn task_label(self) -> String {
        let hex = format!("{:032X}", self.0);
        format!("TASK_{}", hex.get(..27).unwrap_or(&hex))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xffff,
            (v >> 64) & 0xffff,
            (v >> 48) & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({self})")
    }
}

impl FromStr for JobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let hyphens_right = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if !hyphens_right {
            return Err(InvalidId::JobId);
        }
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&hex, 16).map(Self).map_err(|_| InvalidId::JobId)
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(de::Error::custom)
    }
}

/// The operator's key for one machine: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ServerSerial(String);

impl ServerSerial {
    /// The serial as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServerSerial {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        // "." and ".." are legal characters but would be path segments with a meaning of their own.
        let dots_only = text.bytes().all(|b| b == b'.');
        if text.len() > 64 || dots_only || !text.bytes().all(legal) {
            return Err(InvalidId::Serial);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ServerSerial {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_round_trip_and_name_their_medium() {
        let id: JobId = "0190a5d2-7e1c-7cc3-8000-00000000abcd".parse().unwrap();
        assert_eq!(id.to_string(), "0190a5d2-7e1c-7cc3-8000-00000000abcd");
        assert_eq!(id.task_label(), "TASK_0190A5D27E1C7CC380000000000");
        assert_eq!(id.task_label().len(), 32);
    }

    #[test]
    fn odd_ids_are_refused() {
        for odd in
            ["", "x", "0190a5d27e1c7cc38000000000000001", "+190a5d2-7e1c-7cc3-8000-00000000abcd"]
        {
            assert_eq!(odd.parse::<JobId>(), Err(InvalidId::JobId), "{odd}");
        }
        for odd in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(65)] {
            assert_eq!(odd.parse::<ServerSerial>(), Err(InvalidId::Serial), "{odd}");
        }
        assert!("x".repeat(64).parse::<ServerSerial>().is_ok());
    }
}
