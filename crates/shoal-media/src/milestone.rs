//! Milestones: the few reads of a medium that prove how far a host has come, and the extents of the
//! medium (tripwires) whose bytes mean them.

use serde::{Deserialize, Serialize};

use crate::extent::Extent;

/// What serving certain bytes proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// Some byte of the medium was read: the BMC can reach us.
    Opened,
    /// The UEFI boot image was read: firmware chose this medium.
    BootImageRead,
    /// What only a running operating system reads (kernel, root image).
    OsLoading,
    /// The recipe was read: the maintenance OS found the task medium.
    TaskRead,
    /// The installer's payload was read.
    Payload,
    /// An installer that had read everything was quiet, and then its disc was looked at anew: the
    /// machine restarted.
    Reopened,
    /// The boot image was read again after the OS had loaded and the medium had been quiet.
    BootAgain,
}

impl Milestone {
    /// Every milestone, in the order they are committed when one read crosses several.
    pub const ALL: [Self; 7] = [
        Self::Opened,
        Self::BootImageRead,
        Self::OsLoading,
        Self::TaskRead,
        Self::Payload,
        Self::Reopened,
        Self::BootAgain,
    ];

    /// The stable word for storage and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::BootImageRead => "boot_image_read",
            Self::OsLoading => "os_loading",
            Self::TaskRead => "task_read",
            Self::Payload => "payload",
            Self::Reopened => "reopened",
            Self::BootAgain => "boot_again",
        }
    }

    /// Whether reading certain bytes is part of it; the other two follow from reads as such.
    pub(crate) fn has_extent(self) -> bool {
        !matches!(self, Self::Opened | Self::BootAgain)
    }

    /// Whether its bytes alone prove it, whenever they are read.
    pub(crate) fn is_proved_by_place(self) -> bool {
        self.has_extent() && self != Self::Reopened
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A set of milestones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Milestones(u8);

impl Milestones {
    /// Whether `milestone` is in the set.
    pub fn contains(self, milestone: Milestone) -> bool {
        self.0 & milestone.bit() != 0
    }

    /// The set with `milestone` in it.
    #[must_use]
    pub fn with(self, milestone: Milestone) -> Self {
        Self(self.0 | milestone.bit())
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of [`Milestone::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Milestone> {
        Milestone::ALL.into_iter().filter(move |milestone| self.contains(*milestone))
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl FromIterator<Milestone> for Milestones {
    fn from_iter<I: IntoIterator<Item = Milestone>>(milestones: I) -> Self {
        milestones.into_iter().fold(Self::default(), Self::with)
    }
}

/// An extent of a medium whose bytes mean a milestone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tripwire {
    /// What serving one of the bytes means.
    pub milestone: Milestone,
    /// The bytes.
    pub extent: Extent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_keeps_the_order() {
        let set: Milestones = [Milestone::Payload, Milestone::Opened].into_iter().collect();
        assert!(set.contains(Milestone::Payload) && !set.contains(Milestone::TaskRead));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Milestone::Opened, Milestone::Payload]);
        assert!(set.without(set).is_empty());
    }

    #[test]
    fn the_stored_word_is_the_serialised_word() {
        for milestone in Milestone::ALL {
            let json = serde_json::to_value(milestone).unwrap();
            assert_eq!(json, milestone.as_str());
        }
    }
}
