//! What is decided before anything is touched: which slots take which medium, how the host is made
//! to boot, or why none of this can work. A plan is data: it can be stored, shown and carried across
//! restarts, and a refusal says what was seen.

use serde::{Deserialize, Serialize};

use crate::{
    bmc::Access,
    boot_import::BootImport,
    identity::Identity,
    learned::Learned,
    media_switch::MediaSwitch,
    media_url::Scheme,
    profile::Profile,
    slot::{SlotKind, SlotRef},
    vendor::Vendor,
};

/// What the caller wants and can offer.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// Protocols in which the boot medium can be served, best first.
    pub boot_schemes: Vec<Scheme>,
    /// The same for the task medium.
    pub task_schemes: Vec<Scheme>,
    /// Which media there are.
    pub media: Media,
    /// The serial an operator knows the machine by, or its UUID; compared before anything is planned.
    pub expected_serial: Option<String>,
    /// The machine's serial, SKU or UUID, to tell it from others behind the same BMC: an examination
    /// looks for it by this name, or else by `expected_serial`, and a discovery that lists further
    /// systems is planned only if its own has this name. A BMC with one system has nothing to
    /// confuse it with, so its names are not compared.
    pub machine: Option<String>,
    /// Firmware mode of the boot.
    pub boot_mode: BootMode,
    /// What happens to images that are not ours.
    pub foreign_media: ForeignMedia,
    /// Beginnings of the addresses of images that are ours: `https://10.0.0.5:8443/media/`, or without
    /// the host `/media/`, because some BMCs show another host than they were given. End them with a
    /// slash, so that they cannot match a longer host, port or name. One without any slash is the
    /// name of a file: it counts for slots that show no more of their image, and only once there is a
    /// plan, because before it somebody else's may have the same name.
    pub ours: Vec<String>,
    /// What the task medium may be put in, best first; what is not listed is not used for it.
    pub task_kinds: Vec<SlotKind>,
    /// Slots (last segments of their paths) in which an earlier plan may have left an image of ours;
    /// where it is still there, the plan empties them too, whatever kind they are.
    pub left: Vec<String>,
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self {
            boot_schemes: vec![Scheme::Https, Scheme::Http],
            task_schemes: vec![Scheme::Https, Scheme::Http],
            media: Media::TwoOrCombined,
            expected_serial: None,
            machine: None,
            boot_mode: BootMode::Uefi,
            foreign_media: ForeignMedia::Refuse,
            ours: Vec::new(),
            task_kinds: vec![SlotKind::Cd, SlotKind::Usb],
            left: Vec::new(),
        }
    }
}

/// Which media the caller can provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// A boot medium and a task medium, in two slots.
    Two,
    /// Two, or one that carries both where the BMC has a single slot.
    TwoOrCombined,
    /// One medium only.
    Combined,
}

/// Firmware mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootMode {
    /// UEFI.
    Uefi,
    /// Legacy BIOS.
    Legacy,
    /// Whatever is set.
    Unchanged,
}

/// What to do with images that are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignMedia {
    /// Leave them; without a free slot there is no plan.
    Refuse,
    /// Eject them from the slots the plan uses; the plan's warnings name them.
    Eject,
}

/// How one machine will be provisioned. Serialise it to survive restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// Vendor label.
    pub vendor: Vendor,
    /// Path of the system.
    pub system: String,
    /// Path of the manager.
    pub manager: Option<String>,
    /// The machine the plan was made for; every step verifies it.
    pub identity: Identity,
    /// Which slots take which medium.
    pub media: MediaPlan,
    /// Protocol of the boot medium.
    pub boot_scheme: Scheme,
    /// Protocol of the task medium, when there is one.
    pub task_scheme: Option<Scheme>,
    /// How the host is made to boot from the boot slot.
    pub boot: BootPlan,
    /// What happens to images that are not ours.
    pub foreign_media: ForeignMedia,
    /// The assumed behaviour, frozen with the plan.
    pub profile: Profile,
    /// What an operator should know.
    pub warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_switch: Option<MediaSwitch>,
    pub(crate) ours: Vec<String>,
    pub(crate) power: PowerPlan,
    pub(crate) access: Access,
    pub(crate) learned: Learned,
}

/// The slots of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaPlan {
    /// The shape.
    pub class: MediaClass,
    /// Slot of the boot medium.
    pub boot_slot: SlotRef,
    /// Slot of the task medium; none where one medium carries both.
    pub task_slot: Option<SlotRef>,
    /// Further slots that hold images the host might boot instead; they are emptied.
    pub also_empty: Vec<SlotRef>,
    /// Empty slots, of which the next of the right kind takes a medium whose own slot refuses any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare_slots: Vec<SlotRef>,
}

/// The three shapes of a media plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaClass {
    /// Both media as CDs.
    TwoCd,
    /// The boot medium as CD, the task medium as USB stick.
    CdPlusUsb,
    /// One medium that carries both.
    SingleCombined,
}

/// How the boot override is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BootPlan {
    /// `boot_once_cd`, `boot_once_usbcd`, `boot_once_dell_scp`: the strategy for reports.
    pub strategy: String,
    /// Path of the resource that takes the override.
    pub resource: String,
    /// Override target.
    pub target: String,
    /// Mode to send, when one is sent.
    pub mode: Option<String>,
    /// Path of another resource that may take it, when the first refuses.
    pub(crate) alternative: Option<String>,
    pub(crate) full: bool,
    /// The vendor's own way, where the override itself would mean another drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) import: Option<BootImport>,
}

/// How power is switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PowerPlan {
    pub(crate) target: String,
    pub(crate) off: String,
    pub(crate) on: String,
}

/// Which of the two media is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the host boots.
    Boot,
    /// What tells the booted system what to do.
    Task,
}

impl Plan {
    /// The slot of a medium; `None` for a task medium that travels on the boot medium.
    pub fn slot(&self, role: Role) -> Option<&SlotRef> {
        match role {
            Role::Boot => Some(&self.media.boot_slot),
            Role::Task => self.media.task_slot.as_ref(),
        }
    }

    /// All slots the plan counts on. The task medium's comes before the boot medium's, as it goes in
    /// first: some firmware boots from the newest image.
    pub fn slots(&self) -> Vec<&SlotRef> {
        let media = &self.media;
        media.also_empty.iter().chain(&media.task_slot).chain([&media.boot_slot]).collect()
    }
}

/// Why there is no plan. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// What the BMC showed, for people.
    pub seen: Vec<String>,
}

/// The reasons not to plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No slot that can boot.
    #[error("no virtual media slot can hold a bootable CD")]
    NoSlot,
    /// No slot, because the BMC has remote media switched off.
    #[error("remote media are switched off on this BMC; switch them on in its settings")]
    MediaOff,
    /// Two media are wanted and only one fits.
    #[error("no second virtual media slot for the task medium")]
    NoSecondSlot,
    /// Slots are taken.
    #[error(
        "the usable slots hold images which are not ours; eject them or allow it in the request"
    )]
    ForeignMedia,
    /// No common protocol.
    #[error("the BMC fetches images over {accepted} only")]
    Scheme {
        /// What it takes.
        accepted: String,
    },
    /// Not the machine the operator meant.
    #[error("this is not the expected machine {expected}")]
    WrongMachine {
        /// What was asked for.
        expected: String,
    },
    /// The machine names no serial to compare with.
    #[error("the machine does not say who it is, expected {expected}")]
    UnknownMachine {
        /// What was asked for.
        expected: String,
    },
    /// No override to a virtual CD.
    #[error("the boot override cannot be set to a virtual CD")]
    NoBootTarget,
    /// Power cannot be switched.
    #[error("the system offers no way to switch its power off and on")]
    NoReset,
}

impl Reason {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSlot => "no_slot",
            Self::MediaOff => "media_off",
            Self::NoSecondSlot => "no_second_slot",
            Self::ForeignMedia => "foreign_media",
            Self::Scheme { .. } => "scheme",
            Self::WrongMachine { .. } => "wrong_machine",
            Self::UnknownMachine { .. } => "unknown_machine",
            Self::NoBootTarget => "no_boot_target",
            Self::NoReset => "no_reset",
        }
    }
}
