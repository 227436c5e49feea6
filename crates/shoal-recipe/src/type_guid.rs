//! Partition types are written as the four digits administrators know from sgdisk or as GUIDs; from
//! here on there are only GUIDs, so that the partition tool needs no table of its own.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::quoted;

/// Partition types of the GUID partition table that Shoal knows by name: the alias that sgdisk
/// (gptfdisk) uses, and the GUID registered in the UEFI specification, by Microsoft, or in the
/// Discoverable Partitions Specification.
const ALIASES: [(&str, TypeGuid); 20] = [
    ("0700", TypeGuid::MICROSOFT_BASIC_DATA),
    ("0c01", TypeGuid::MICROSOFT_RESERVED),
    ("2700", TypeGuid::new_static("DE94BBA4-06D1-4D40-A16A-BFD50179D6AC")),
    ("8200", TypeGuid::new_static("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F")),
    ("8300", TypeGuid::new_static("0FC63DAF-8483-4772-8E79-3D69D8477DE4")),
    ("8301", TypeGuid::new_static("8DA63339-0007-60C0-C436-083AC8230908")),
    ("8302", TypeGuid::new_static("933AC7E1-2EB4-4F13-B844-0E14E2AEF915")),
    ("8303", TypeGuid::new_static("44479540-F297-41B2-9AF7-D131D5F0458A")),
    ("8304", TypeGuid::new_static("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709")),
    ("8305", TypeGuid::new_static("B921B045-1DF0-41C3-AF44-4C6F280D3FAE")),
    ("8306", TypeGuid::new_static("3B8F8425-20E0-4F3B-907F-1A25A76F98E8")),
    ("8307", TypeGuid::new_static("69DAD710-2CE4-4E3C-B16C-21A1D49ABED3")),
    ("8308", TypeGuid::new_static("7FFEC5C9-2D00-49B7-8941-3EA10A5586B7")),
    ("8309", TypeGuid::new_static("CA7D7CCB-63ED-4C53-861C-1742536059CC")),
    ("8310", TypeGuid::new_static("4D21B016-B534-45C2-A9FB-5C16E091FD2D")),
    ("8e00", TypeGuid::new_static("E6D6D379-F507-44C2-A23C-238F2A3DF928")),
    ("ea00", TypeGuid::new_static("BC13C2FF-59E6-4262-A352-B275FD6F7172")),
    ("ef00", TypeGuid::EFI_SYSTEM),
    ("ef02", TypeGuid::new_static("21686148-6449-6E6F-744E-656564454649")),
    ("fd00", TypeGuid::new_static("A19D880F-05FC-4D3B-A006-743F0F84911E")),
];

/// Aliases of the root partition types of the architectures that servers have.
const ROOT_ALIASES: [&str; 4] = ["8303", "8304", "8305", "8307"];

/// A GPT partition type, in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypeGuid(Cow<'static, str>);

/// Why a text is not a partition type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is neither a GUID nor a known alias; known are {}", quoted(.0), alias_list())]
pub struct TypeGuidError(String);

impl TypeGuid {
    /// EFI system partition.
    pub const EFI_SYSTEM: Self = Self::new_static("C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
    /// Microsoft basic data, the type of Windows volumes.
    pub const MICROSOFT_BASIC_DATA: Self = Self::new_static("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7");
    /// Microsoft reserved partition.
    pub const MICROSOFT_RESERVED: Self = Self::new_static("E3C9E316-0B5C-4DB8-817D-F92DF00215AE");

    const fn new_static(guid: &'static str) -> Self {
        Self(Cow::Borrowed(guid))
    }

    /// The GUID in upper case with dashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the type says that the partition is a Linux root.
    pub fn is_linux_root(&self) -> bool {
        ALIASES.iter().any(|(alias, guid)| guid == self && ROOT_ALIASES.contains(alias))
    }
}

impl FromStr for TypeGuid {
    type Err = TypeGuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        if let Some((_, guid)) = ALIASES.iter().find(|(alias, _)| *alias == lower) {
            return Ok(guid.clone());
        }
        let parts: Vec<&str> = text.split('-').collect();
        let is_guid = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
            && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        // The all-zero GUID marks an unused table entry: the partition would not exist.
        if is_guid && text.bytes().any(|byte| !matches!(byte, b'0' | b'-')) {
            Ok(Self(text.to_ascii_uppercase().into()))
        } else {
            Err(TypeGuidError(text.to_owned()))
        }
    }
}

fn alias_list() -> String {
    ALIASES.map(|(alias, _)| alias).join(", ")
}

impl TryFrom<String> for TypeGuid {
    type Error = TypeGuidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TypeGuid> for String {
    fn from(guid: TypeGuid) -> Self {
        guid.0.into_owned()
    }
}

impl fmt::Display for TypeGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn aliases_and_guids_are_read_in_any_case() {
        let esp = TypeGuid::EFI_SYSTEM;

        assert_eq!("EF00".parse(), Ok(esp.clone()));
        assert_eq!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b".parse(), Ok(esp));
        assert!("8304".parse::<TypeGuid>().unwrap().is_linux_root());
        assert!(!"8300".parse::<TypeGuid>().unwrap().is_linux_root());
    }

    #[test]
    fn unknown_aliases_and_malformed_guids_are_refused() {
        for text in [
            "",
            "9999",
            "ef0",
            "C12A7328F81F11D2BA4B00A0C93EC93B",
            "G12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(text.parse::<TypeGuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_agrees_with_the_one_systemd_carries() {
        let output = Command::new("systemd-id128").args(["show", "-u"]).output();
        let listed = String::from_utf8(output.expect("systemd-id128 is installed").stdout).unwrap();
        let known = |name: &str| {
            let line = listed.lines().find(|line| line.split_whitespace().next() == Some(name));
            line.and_then(|line| line.split_whitespace().nth(1)).map(str::to_ascii_uppercase)
        };

        for (alias, name) in [
            ("8200", "swap"),
            ("8300", "linux-generic"),
            ("8302", "home"),
            ("8303", "root-x86"),
            ("8304", "root-x86-64"),
            ("8305", "root-arm64"),
            ("8306", "srv"),
            ("8307", "root-arm"),
            ("8310", "var"),
            ("ea00", "xbootldr"),
            ("ef00", "esp"),
        ] {
            let guid: TypeGuid = alias.parse().unwrap();
            assert_eq!(Some(guid.to_string()), known(name), "{alias} {name}");
        }
    }
}
