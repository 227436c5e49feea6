//! Which disk to write is the most dangerous word of a recipe. It is either a whole-disk path in a
//! closed set of forms, or a description that must fit exactly one disk of the machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::partition::{SizeError, parse_bytes};
use crate::problem::quoted;

/// The disk to install on.
///
/// Its text form, used in `recipe.env`, is the path, or the selector as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetDisk {
    /// A path such as `/dev/nvme0n1`.
    Path(DiskPath),
    /// A description that must match exactly one disk.
    Selector(DiskSelector),
}

/// The path of a whole disk: `/dev/` and one of `sdX`, `vdX`, `hdX`, `nvmeNnN`, `mdN`, `mapper/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiskPath(String);

/// A description of a disk. All members that are given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSelector {
    /// Serial number; case and surrounding blanks do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// World wide name, EUI-64 or NGUID; case, dashes and the usual prefixes do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Model name; case and the length of blanks do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeMatch>,
    /// True for a spinning disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
}

/// What a selector asks of a disk's capacity, in bytes: `>=400G`, `<=2T`, or an exact number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SizeMatch {
    /// At least so many bytes.
    AtLeast(u64),
    /// At most so many bytes.
    AtMost(u64),
    /// Exactly so many bytes.
    Exactly(u64),
}

/// What is known about one disk of the machine; the caller reads it from sysfs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskFacts {
    /// Path such as `/dev/sda`.
    pub path: String,
    /// Serial number, if the disk tells one.
    pub serial: Option<String>,
    /// World wide name or EUI, if the disk tells one.
    pub wwn: Option<String>,
    /// Model name, if the disk tells one.
    pub model: Option<String>,
    /// Capacity in bytes.
    pub bytes: u64,
    /// Whether it spins.
    pub rotational: bool,
}

/// Why a text is not a disk path or selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// Not one of the path forms.
    #[error(
        "{} is not the path of a whole disk; use /dev/sdX, /dev/vdX, /dev/hdX, /dev/nvmeNnN, \
         /dev/mdN or /dev/mapper/NAME, or an object with serial, wwn, model, size or rotational",
        quoted(.0)
    )]
    Path(String),
    /// Not a selector.
    #[error("is not a disk selector")]
    Selector,
}

/// Why a selector did not choose a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// No disk matches.
    #[error("no disk matches the selector {selector}, of {seen} disks seen")]
    NoMatch {
        /// The selector as JSON.
        selector: String,
        /// How many disks were looked at.
        seen: usize,
    },
    /// More than one disk matches.
    #[error("{} disks match the selector {selector}: {}", paths.len(), paths.join(", "))]
    SeveralMatch {
        /// The selector as JSON.
        selector: String,
        /// The paths of the disks that match.
        paths: Vec<String>,
    },
}

impl DiskPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DiskPath {
    type Err = DiskError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.strip_prefix("/dev/").is_some_and(is_whole_disk) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DiskError::Path(text.to_owned()))
        }
    }
}

fn is_whole_disk(name: &str) -> bool {
    let letters = |text: &str, max: usize| {
        (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let number = |text: &str| {
        (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some(rest) = name.strip_prefix("sd").or_else(|| name.strip_prefix("vd")) {
        letters(rest, 3)
    } else if let Some(rest) = name.strip_prefix("hd") {
        letters(rest, 1)
    } else if let Some(rest) = name.strip_prefix("nvme") {
        rest.split_once('n').is_some_and(|(disk, space)| number(disk) && number(space))
    } else if let Some(rest) = name.strip_prefix("md") {
        number(rest)
    } else if let Some(rest) = name.strip_prefix("mapper/") {
        is_mapper_name(rest)
    } else {
        false
    }
}

/// `control` is the device mapper's own node; two dots could climb out of the directory once the
/// name is joined to something else.
fn is_mapper_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 127
        && name != "control"
        && !name.contains("..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

impl DiskSelector {
    /// Whether every member that is given matches `disk`. A selector without members matches nothing:
    /// it says nothing about the disk to erase.
    pub fn matches(&self, disk: &DiskFacts) -> bool {
        let same = |wanted: &Option<String>, seen: &Option<String>, form: fn(&str) -> String| {
            wanted
                .as_ref()
                .is_none_or(|wanted| seen.as_ref().is_some_and(|seen| form(wanted) == form(seen)))
        };
        *self != Self::default()
            && same(&self.serial, &disk.serial, plain)
            && same(&self.wwn, &disk.wwn, bare_wwn)
            && same(&self.model, &disk.model, plain)
            && self.size.is_none_or(|size| size.admits(disk.bytes))
            && self.rotational.is_none_or(|rotational| rotational == disk.rotational)
    }

    /// The only disk that matches.
    ///
    /// # Errors
    ///
    /// [`SelectError`] when none or several match: a guess could erase the wrong disk.
    pub fn select<'a>(&self, disks: &'a [DiskFacts]) -> Result<&'a DiskFacts, SelectError> {
        let matching: Vec<&DiskFacts> = disks.iter().filter(|disk| self.matches(disk)).collect();
        match matching.as_slice() {
            [] => Err(SelectError::NoMatch { selector: self.to_string(), seen: disks.len() }),
            [disk] => Ok(disk),
            several => Err(SelectError::SeveralMatch {
                selector: self.to_string(),
                paths: several.iter().map(|disk| disk.path.clone()).collect(),
            }),
        }
    }
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn bare_wwn(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let bare = ["0x", "naa.", "eui.", "uuid."].iter().find_map(|prefix| lower.strip_prefix(prefix));
    bare.unwrap_or(&lower).replace('-', "")
}

impl SizeMatch {
    /// Whether a disk of `bytes` fits.
    pub fn admits(self, bytes: u64) -> bool {
        match self {
            Self::AtLeast(least) => bytes >= least,
            Self::AtMost(most) => bytes <= most,
            Self::Exactly(exact) => bytes == exact,
        }
    }
}

impl FromStr for SizeMatch {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(size) = text.strip_prefix(">=") {
            parse_bytes(size).map(Self::AtLeast)
        } else if let Some(size) = text.strip_prefix("<=") {
            parse_bytes(size).map(Self::AtMost)
        } else {
            parse_bytes(text).map(Self::Exactly)
        }
    }
}

impl fmt::Display for SizeMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bytes) => write!(f, ">={bytes}"),
            Self::AtMost(bytes) => write!(f, "<={bytes}"),
            Self::Exactly(bytes) => write!(f, "{bytes}"),
        }
    }
}

impl TryFrom<String> for SizeMatch {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SizeMatch> for String {
    fn from(size: SizeMatch) -> Self {
        size.to_string()
    }
}

impl TryFrom<String> for DiskPath {
    type Error = DiskError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DiskPath> for String {
    fn from(path: DiskPath) -> Self {
        path.0
    }
}

impl fmt::Display for DiskSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for TargetDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path.as_str()),
            Self::Selector(selector) => selector.fmt(f),
        }
    }
}

impl FromStr for TargetDisk {
    type Err = DiskError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('{') {
            return serde_json::from_str(text).map(Self::Selector).map_err(|_| DiskError::Selector);
        }
        text.parse().map(Self::Path)
    }
}

#[cfg(test)]
mod tests;
