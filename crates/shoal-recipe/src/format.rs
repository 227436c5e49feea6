//! Filesystems and what their labels can hold. A label that is too long is cut or refused by the
//! tool that makes the filesystem, hours after the recipe was accepted, so its limit is known here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Filesystem to make on a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// FAT, as the EFI system partition needs it.
    Vfat,
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// NTFS.
    Ntfs,
    /// Linux swap space.
    Swap,
    /// No filesystem.
    Raw,
}

/// Why a filesystem cannot hold a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The label is longer than the filesystem's field.
    #[error("label has {found} {unit}, a {format} label holds at most {most}; shorten it")]
    TooLong {
        /// Filesystem.
        format: Format,
        /// Length found.
        found: usize,
        /// Largest length.
        most: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// The label contains a character that the filesystem or its tools refuse.
    #[error("label contains {character:?}, which a {format} label cannot hold; leave it out")]
    Character {
        /// Filesystem.
        format: Format,
        /// The first such character.
        character: char,
    },
}

impl Format {
    /// The name in recipes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vfat => "vfat",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Ntfs => "ntfs",
            Self::Swap => "swap",
            Self::Raw => "raw",
        }
    }

    /// Whether a Linux root filesystem can live on it.
    pub const fn can_hold_linux_root(self) -> bool {
        matches!(self, Self::Ext4 | Self::Xfs | Self::Btrfs)
    }

    /// Whether the filesystem can hold `label`.
    ///
    /// Limits: FAT directory entry 11; ext4 superblock `s_volume_name` 16; XFS superblock
    /// `sb_fname` 12; swap header 16, of which mkswap keeps the last for a NUL; Btrfs superblock
    /// 256 with a NUL; NTFS 32 UTF-16 units as Windows accepts it; GPT partition name 36 UTF-16
    /// units. FAT labels are kept to ASCII, because their code page is the reader's.
    pub fn check_label(self, label: &str) -> Result<(), LabelError> {
        let (most, found, unit) = match self {
            Self::Vfat => (11, label.chars().count(), "characters"),
            Self::Ext4 => (16, label.len(), "bytes"),
            Self::Xfs => (12, label.len(), "bytes"),
            Self::Swap => (15, label.len(), "bytes"),
            Self::Btrfs => (255, label.len(), "bytes"),
            Self::Ntfs => (32, label.encode_utf16().count(), "UTF-16 units"),
            Self::Raw => (36, label.encode_utf16().count(), "UTF-16 units"),
        };
        let refused = |c: &char| {
            c.is_control()
                || (self == Self::Vfat && (!c.is_ascii() || r#""*/:<>?\|+,.;=[]"#.contains(*c)))
        };
        if let Some(character) = label.chars().find(refused) {
            return Err(LabelError::Character { format: self, character });
        }
        if found > most {
            return Err(LabelError::TooLong { format: self, found, most, unit });
        }
        Ok(())
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Vfat, Self::Ext4, Self::Xfs, Self::Btrfs, Self::Ntfs, Self::Swap, Self::Raw]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or(())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::*;

    #[test]
    fn each_filesystem_has_its_own_limit_in_its_own_unit() {
        for (format, longest) in [
            (Format::Vfat, "A".repeat(11)),
            (Format::Ext4, "ä".repeat(8)),
            (Format::Xfs, "ä".repeat(6)),
            (Format::Swap, "s".repeat(15)),
            (Format::Btrfs, "b".repeat(255)),
            (Format::Ntfs, "ä".repeat(32)),
            (Format::Raw, "😀".repeat(18)),
        ] {
            assert_eq!(format.check_label(&longest), Ok(()), "{format}");
            let longer = format!("{longest}x");
            assert!(
                matches!(format.check_label(&longer), Err(LabelError::TooLong { .. })),
                "{format}"
            );
        }
    }

    #[test]
    fn characters_that_tools_refuse_are_refused() {
        for (format, label) in [
            (Format::Vfat, "A/B"),
            (Format::Vfat, "Ä"),
            (Format::Vfat, "A.B"),
            (Format::Ext4, "a\nb"),
            (Format::Raw, "a\0"),
        ] {
            assert!(matches!(format.check_label(label), Err(LabelError::Character { .. })));
        }
    }

    /// The real tools cut what is too long; what we accept they must keep whole.
    #[test]
    fn the_longest_label_we_accept_survives_the_real_tools() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("disk.img");
        for (format, program, args, longest) in [
            (Format::Ext4, "mkfs.ext4", &["-F", "-q"][..], 16),
            (Format::Swap, "mkswap", &[][..], 15),
        ] {
            for (length, survives) in [(longest, true), (longest + 1, false)] {
                File::create(&image).unwrap().set_len(4 << 20).unwrap();
                let label = "x".repeat(length);
                let made =
                    Command::new(program).args(args).args(["-L", &label]).arg(&image).output();
                assert!(made.expect("e2fsprogs and util-linux are installed").status.success());

                let seen = Command::new("blkid")
                    .args(["-p", "-o", "value", "-s", "LABEL"])
                    .arg(&image)
                    .output()
                    .expect("blkid is installed");

                let kept = String::from_utf8(seen.stdout).unwrap().trim_end() == label;
                assert_eq!(kept, survives, "{program} with {length} bytes");
                assert_eq!(format.check_label(&label).is_ok(), survives);
            }
        }
    }
}
