//! Names as types: a volume id or file name that exists has been checked against all the trees it
//! will be written to, so encoding cannot fail.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Longest Joliet name in UTF-16 units that every reader accepts.
const MAX_UTF16_UNITS: usize = 103;

/// Longest name that fits one Rock Ridge NM entry, in bytes: its length byte counts five more.
const MAX_BYTES: usize = 250;

/// Characters which Joliet reserves; Rock Ridge adds nothing but the slash and NUL.
const RESERVED: [char; 6] = ['*', '/', ':', ';', '?', '\\'];

/// The label by which a reader finds a medium: 1 to 32 of `A-Z`, `0-9` and `_`.
///
/// Joliet has room for 16 characters only and gets the first 16: a reader that takes its label from
/// there, as Windows does, sees those. `blkid` puts the two together and reports the whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(String);

impl VolumeId {
    /// Checks a label.
    ///
    /// # Errors
    ///
    /// [`Error::VolumeIdLength`] or [`Error::VolumeIdCharacter`].
    pub fn new(value: &str) -> Result<Self, Error> {
        let length = value.chars().count();
        if !(1..=32).contains(&length) {
            return Err(Error::VolumeIdLength { length });
        }
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        match value.chars().find(|&c| !allowed(c)) {
            Some(character) => Err(Error::VolumeIdCharacter { value: value.to_owned(), character }),
            None => Ok(Self(value.to_owned())),
        }
    }

    /// The label as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VolumeId {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        Self::new(value)
    }
}

/// The name of a file in the root directory, kept as given by Rock Ridge and Joliet.
///
/// At most 103 UTF-16 units and 250 bytes; characters of the basic multilingual plane except
/// controls, noncharacters and `* / : ; ? \`; not beginning with a space or ending with a dot or
/// a space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`Error::FileNameLength`], [`Error::FileNameCharacter`] or [`Error::FileNameEdge`].
    pub fn new(name: &str) -> Result<Self, Error> {
        let utf16_units = name.encode_utf16().count();
        if name.is_empty() || utf16_units > MAX_UTF16_UNITS || name.len() > MAX_BYTES {
            let bytes = name.len();
            return Err(Error::FileNameLength { name: name.to_owned(), utf16_units, bytes });
        }
        if let Some(character) = name.chars().find(|&c| !is_storable(c)) {
            return Err(Error::FileNameCharacter { name: name.to_owned(), character });
        }
        if name.starts_with(' ') || name.ends_with([' ', '.']) {
            return Err(Error::FileNameEdge { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FileName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

/// Joliet is UCS-2: one unit per character, so nothing beyond the basic multilingual plane.
fn is_storable(character: char) -> bool {
    let in_plane = u32::from(character) < 0xFFFE && !('\u{FDD0}'..='\u{FDEF}').contains(&character);
    in_plane && !character.is_control() && !RESERVED.contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_id_takes_a_task_label_and_all_d_characters() {
        for label in ["TASK_0123456789ABCDEF0123456789A", "SHOAL_MAINT", "A"] {
            assert_eq!(VolumeId::new(label).unwrap().as_str(), label);
        }
    }

    #[test]
    fn volume_id_refuses_bad_length_and_characters() {
        assert_eq!(VolumeId::new(""), Err(Error::VolumeIdLength { length: 0 }));
        assert_eq!(VolumeId::new(&"A".repeat(33)), Err(Error::VolumeIdLength { length: 33 }));
        for (value, character) in [("task", 't'), ("A-B", '-'), ("A B", ' '), ("É", 'É')] {
            let value = value.to_owned();
            assert_eq!(VolumeId::new(&value), Err(Error::VolumeIdCharacter { value, character }));
        }
    }

    #[test]
    fn file_name_refuses_what_one_of_the_trees_cannot_hold() {
        for bad in ["a/b", "a:b", "a;1", "a*", "a?", "a\\b", "a\0", "a\n", "😀", "a\u{FFFE}"] {
            let error = FileName::new(bad).unwrap_err();
            assert!(matches!(error, Error::FileNameCharacter { .. }), "{bad:?}: {error}");
        }
        for bad in [".", "..", "name.", "name ", " name"] {
            let error = FileName::new(bad).unwrap_err();
            assert!(matches!(error, Error::FileNameEdge { .. }), "{bad:?}: {error}");
        }
    }

    #[test]
    fn file_name_length_is_bounded_in_units_and_bytes() {
        assert!(FileName::new(&"x".repeat(103)).is_ok());
        assert!(FileName::new(&"水".repeat(83)).is_ok());
        for bad in [String::new(), "x".repeat(104), "水".repeat(84)] {
            let error = FileName::new(&bad).unwrap_err();
            assert!(matches!(error, Error::FileNameLength { .. }), "{bad:?}: {error}");
        }
    }

    #[test]
    fn messages_name_the_offence() {
        let error = FileName::new("a:b").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"file name "a:b" has the character ':', which a medium cannot hold"#
        );
    }
}
