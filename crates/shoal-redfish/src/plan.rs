//! Deciding, before anything is touched, which slots take which medium, how the host is made to
//! boot from it and whether all this can work at all. A plan is data: it can be stored, shown and
//! carried across restarts, and a refusal says what was seen.

use serde::{Deserialize, Serialize};

use crate::{
    bmc::Access,
    discover::{Discovery, Slot},
    learned::Learned,
    media_url::Scheme,
    profile::{Profile, SerialField},
    slot::{SlotKind, SlotRef},
    vendor::Vendor,
    view::{BootView, Identity},
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
    /// Firmware mode of the boot.
    pub boot_mode: BootMode,
    /// What happens to images that are not ours.
    pub foreign_media: ForeignMedia,
    /// Address prefixes of images that are ours, such as `https://10.0.0.5:8443/media/`.
    pub ours: Vec<String>,
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self {
            boot_schemes: vec![Scheme::Https, Scheme::Http],
            task_schemes: vec![Scheme::Https, Scheme::Http],
            media: Media::TwoOrCombined,
            expected_serial: None,
            boot_mode: BootMode::Uefi,
            foreign_media: ForeignMedia::Refuse,
            ours: Vec::new(),
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
    /// `boot_once_cd`, `boot_once_usbcd`: the strategy for reports.
    pub strategy: String,
    /// Path of the resource that takes the override.
    pub resource: String,
    /// Override target.
    pub target: String,
    /// Mode to send, when one is sent.
    pub mode: Option<String>,
    pub(crate) full: bool,
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

    /// All slots the plan touches. The task medium's comes before the boot medium's, as it goes in
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

impl Discovery {
    /// Decides how this machine can be provisioned, without any request.
    ///
    /// # Errors
    /// A refusal that says why not and what was seen.
    pub fn plan(&self, request: &PlanRequest) -> Result<Plan, Refusal> {
        self.check_identity(request)?;
        let mut warnings = Vec::new();
        let media = self.media(request, &mut warnings)?;
        let boot_scheme = self.scheme(&media.boot_slot, &request.boot_schemes)?;
        let task_scheme = media
            .task_slot
            .as_ref()
            .map(|slot| self.scheme(slot, &request.task_schemes))
            .transpose()?;
        let boot = self.boot_plan(request)?;
        let power = self.power_plan()?;
        if let Some(ahead) = self.clock_ahead_seconds.filter(|ahead| ahead.abs() > 300) {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            warnings.push(format!(
                "the BMC's clock is {} s {side} ours; certificates may look invalid to it",
                ahead.abs()
            ));
        }
        Ok(Plan {
            vendor: self.vendor,
            system: self.system.clone(),
            manager: self.managers.first().cloned(),
            identity: self.identity.clone(),
            media,
            boot_scheme,
            task_scheme,
            boot,
            foreign_media: request.foreign_media,
            profile: self.profile.clone(),
            warnings,
            ours: request.ours.clone(),
            power,
            access: self.access.clone(),
            learned: self.learned.clone(),
        })
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        let slots = self.slots.iter().map(|slot| {
            let state = slot.rejected.or(slot.image.as_deref()).unwrap_or("empty");
            format!("slot {} [{}]: {state}", slot.path, slot.media_types.join(", "))
        });
        let mut seen = vec![format!(
            "{} {}",
            self.vendor,
            self.firmware.as_deref().unwrap_or("without a firmware version")
        )];
        seen.push(format!(
            "serial {:?}, SKU {:?}, UUID {:?}",
            self.identity.serial, self.identity.sku, self.identity.uuid
        ));
        seen.extend(slots);
        Refusal { reason, seen }
    }

    fn check_identity(&self, request: &PlanRequest) -> Result<(), Refusal> {
        let Some(expected) = request.expected_serial.as_deref().map(str::trim) else {
            return Ok(());
        };
        let serials = self.profile.identity.serial.iter().filter_map(|field| match field {
            SerialField::SerialNumber => self.identity.serial.as_deref(),
            SerialField::Sku => self.identity.sku.as_deref(),
        });
        let known: Vec<&str> = serials.chain(self.identity.uuid.as_deref()).collect();
        if known.iter().any(|known| known.eq_ignore_ascii_case(expected)) {
            return Ok(());
        }
        let expected = expected.to_owned();
        let reason = if known.is_empty() {
            Reason::UnknownMachine { expected }
        } else {
            Reason::WrongMachine { expected }
        };
        Err(self.refuse(reason))
    }

    fn media(
        &self,
        request: &PlanRequest,
        warnings: &mut Vec<String>,
    ) -> Result<MediaPlan, Refusal> {
        let pinned = self.profile.media.boot_slot.as_deref();
        let mut boots = self.slots.iter().filter(|slot| pinned.is_none_or(|id| slot.id == id));
        let boot = boots.find_map(|slot| slot.reference(SlotKind::Cd));
        let boot = boot.ok_or_else(|| self.refuse(Reason::NoSlot))?;
        let two_fit = self.profile.media.most >= 2 && request.media != Media::Combined;
        let second = |kind| {
            let mut others = self.slots.iter().filter(|slot| two_fit && slot.path != boot.path);
            others.find_map(|slot| slot.reference(kind))
        };
        let task = second(SlotKind::Cd).or_else(|| second(SlotKind::Usb));
        let class = match task.as_ref().map(|task| task.kind) {
            Some(SlotKind::Cd) => MediaClass::TwoCd,
            Some(SlotKind::Usb) => MediaClass::CdPlusUsb,
            None if request.media == Media::Two => return Err(self.refuse(Reason::NoSecondSlot)),
            None => MediaClass::SingleCombined,
        };
        let used: Vec<&str> = task.iter().chain([&boot]).map(|slot| slot.path.as_str()).collect();
        let mut also_empty = Vec::new();
        for slot in &self.slots {
            let Some(image) = &slot.image else { continue };
            if !used.contains(&slot.path.as_str()) {
                // Only another CD can be booted by mistake; what is in other slots is left alone.
                let Some(other) = slot.reference(SlotKind::Cd) else { continue };
                also_empty.push(other);
            }
            if is_ours(slot, &request.ours) {
                continue;
            }
            if request.foreign_media == ForeignMedia::Refuse {
                return Err(self.refuse(Reason::ForeignMedia));
            }
            warnings.push(format!("ejects {image} from {}", slot.path));
        }
        Ok(MediaPlan { class, boot_slot: boot, task_slot: task, also_empty })
    }

    fn scheme(&self, slot: &SlotRef, offered: &[Scheme]) -> Result<Scheme, Refusal> {
        let listed = self
            .slots
            .iter()
            .find(|found| found.path == slot.path)
            .and_then(|found| found.view.protocols.as_ref());
        let takes = |scheme: Scheme| {
            let advertised = listed.is_none_or(|listed| {
                listed.iter().any(|name| name.eq_ignore_ascii_case(scheme.transfer_protocol()))
            });
            self.profile.media.schemes.contains(&scheme) && advertised
        };
        offered.iter().copied().find(|scheme| takes(*scheme)).ok_or_else(|| {
            let accepted = match listed {
                Some(listed) => listed.join(", "),
                None => self
                    .profile
                    .media
                    .schemes
                    .iter()
                    .map(Scheme::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            self.refuse(Reason::Scheme { accepted })
        })
    }

    fn boot_plan(&self, request: &PlanRequest) -> Result<BootPlan, Refusal> {
        let Some((resource, boot)) = &self.boot else {
            return Err(self.refuse(Reason::NoBootTarget));
        };
        let wanted = &self.profile.boot.targets;
        let target = match &boot.targets {
            Some(allowed) => wanted.iter().find(|target| allowed.contains(target)),
            // Without a list the plain CD is the best guess; the step reads it back.
            None => wanted.iter().find(|target| *target == "Cd").or(wanted.first()),
        };
        let target = target.ok_or_else(|| self.refuse(Reason::NoBootTarget))?;
        Ok(BootPlan {
            strategy: format!("boot_once_{}", target.to_ascii_lowercase()),
            resource: resource.clone(),
            target: target.clone(),
            mode: mode(request.boot_mode, boot),
            full: self.profile.boot.full,
        })
    }

    fn power_plan(&self) -> Result<PowerPlan, Refusal> {
        let choose = |wanted: &[String], allowed: &Option<Vec<String>>| match allowed {
            Some(allowed) => wanted.iter().find(|kind| allowed.contains(kind)).cloned(),
            None => wanted.first().cloned(),
        };
        let rules = &self.profile.power;
        let plan = self.reset.as_ref().and_then(|(target, allowed)| {
            Some(PowerPlan {
                target: target.clone(),
                off: choose(&rules.off, allowed)?,
                on: choose(&rules.on, allowed)?,
            })
        });
        plan.ok_or_else(|| self.refuse(Reason::NoReset))
    }
}

/// The mode to send: only to BMCs that show one, and only one they offer.
fn mode(wanted: BootMode, boot: &BootView) -> Option<String> {
    let name = match wanted {
        BootMode::Uefi => "UEFI",
        BootMode::Legacy => "Legacy",
        BootMode::Unchanged => return None,
    };
    let offered = boot.modes.as_ref().is_none_or(|modes| modes.iter().any(|mode| mode == name));
    (boot.mode.is_some() && offered).then(|| name.to_owned())
}

fn is_ours(slot: &Slot, ours: &[String]) -> bool {
    slot.view
        .image
        .as_deref()
        .is_some_and(|image| ours.iter().any(|prefix| image.starts_with(prefix.as_str())))
}
