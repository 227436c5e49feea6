//! The words of a partition layout: what the disk is divided into, and how large each part is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::Format;
use crate::problem::quoted;
use crate::type_guid::TypeGuid;

/// No disk is larger than an exbibyte; the bound keeps all later sums within `u64`.
const MAX_BYTES: u64 = 1 << 60;

/// How large a partition is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SizeSpec {
    /// So many bytes; written with K, M, G or T, powers of 1024.
    Bytes(u64),
    /// A share of the usable disk, 1 to 99 percent.
    Percent(u8),
    /// What the other partitions leave, written `100%`.
    Rest,
}

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// Not a number with a known unit.
    #[error("{} is not a size; write a whole number with K, M, G or T, such as 512M", quoted(.0))]
    Form(String),
    /// A percentage outside 1 to 100.
    #[error("{} is not a share; write 1% to 99%, or 100% for the rest of the disk", quoted(.0))]
    Percent(String),
    /// Nothing, or more than an exbibyte.
    #[error("{} is outside the sizes a disk can have", quoted(.0))]
    Bounds(String),
}

/// One partition of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// How large.
    pub size: SizeSpec,
    /// Partition type; an alias has become its GUID.
    pub type_guid: TypeGuid,
    /// Filesystem; none means [`Format::Raw`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Label of the filesystem, or name of the partition when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// The partitions of a recipe in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionLayout(Vec<Partition>);

impl PartitionLayout {
    /// The partitions; the first has number 1.
    pub fn partitions(&self) -> &[Partition] {
        &self.0
    }
}

impl From<Vec<Partition>> for PartitionLayout {
    fn from(partitions: Vec<Partition>) -> Self {
        Self(partitions)
    }
}

/// Reads `512M`, or a plain number of bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, SizeError> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let with_unit =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(*unit)?, *shift)));
    let (digits, shift) = with_unit.unwrap_or((text, 0));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SizeError::Form(text.to_owned()));
    }
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1_u64 << shift));
    bytes
        .filter(|bytes| (1..=MAX_BYTES).contains(bytes))
        .ok_or_else(|| SizeError::Bounds(text.to_owned()))
}

impl FromStr for SizeSpec {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(share) = text.strip_suffix('%') {
            let is_number = !share.is_empty() && share.bytes().all(|byte| byte.is_ascii_digit());
            return match share.parse::<u8>() {
                Ok(100) if is_number => Ok(Self::Rest),
                Ok(percent @ 1..=99) if is_number => Ok(Self::Percent(percent)),
                _ => Err(SizeError::Percent(text.to_owned())),
            };
        }
        if text.ends_with(|last: char| last.is_ascii_digit()) {
            return Err(SizeError::Form(text.to_owned()));
        }
        parse_bytes(text).map(Self::Bytes)
    }
}

impl fmt::Display for SizeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Rest => f.write_str("100%"),
            Self::Bytes(bytes) => match bytes.trailing_zeros() {
                40.. => write!(f, "{}T", bytes >> 40),
                30.. => write!(f, "{}G", bytes >> 30),
                20.. => write!(f, "{}M", bytes >> 20),
                _ => write!(f, "{}K", bytes.div_ceil(1024)),
            },
        }
    }
}

impl TryFrom<String> for SizeSpec {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SizeSpec> for String {
    fn from(size: SizeSpec) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests;
