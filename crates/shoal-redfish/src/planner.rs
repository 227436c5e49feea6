//! Turning a discovery into a plan, without any request: identity first, then slots, protocols, boot
//! and power. Each question has one function, and each can refuse.

use crate::{
    discover::Discovery,
    identity::Identity,
    inventory::Slot,
    media_url::{Scheme, starts_as_ours},
    node::last_segment,
    plan::{
        BootMode, BootPlan, ForeignMedia, Media, MediaClass, MediaPlan, Plan, PlanRequest,
        PowerPlan, Reason, Refusal,
    },
    profile::{OemBoot, Profile},
    slot::{SlotKind, SlotRef},
    view::BootView,
};

/// Seconds by which clocks may differ before a certificate made today looks invalid.
const SKEW: i64 = 300;

impl Discovery {
    /// Decides how this machine can be provisioned, without any request.
    ///
    /// # Errors
    /// A refusal that says why not and what was seen.
    pub fn plan(&self, request: &PlanRequest) -> Result<Plan, Refusal> {
        self.check_identity(request)?;
        let mut warnings = Vec::new();
        let media = self.media(request, &mut warnings)?;
        // One medium that carries both is as confidential as the task medium in it.
        let combined = media.class == MediaClass::SingleCombined;
        let offered = if combined { &request.task_schemes } else { &request.boot_schemes };
        let boot_scheme = self.scheme(&media.boot_slot, offered)?;
        let task_scheme = media
            .task_slot
            .as_ref()
            .map(|slot| self.scheme(slot, &request.task_schemes))
            .transpose()?;
        let boot = self.boot_plan(request)?;
        let power = self.power_plan()?;
        warnings.extend(self.clock_warning());
        if let Some(uri) = self.boot.as_ref().and_then(|(_, boot)| boot.http_uri.as_ref()) {
            warnings.push(format!(
                "somebody has set {uri} for a boot over HTTP; nothing here uses or clears it"
            ));
        }
        if self.media_are_off() {
            warnings.push("remote media are off; they are switched on, and stay on".to_owned());
        }
        Ok(Plan {
            vendor: self.vendor,
            system: self.system.clone(),
            manager: self.managers.first().cloned(),
            identity: self.identity.clone(),
            boot_scheme,
            task_scheme,
            boot,
            foreign_media: request.foreign_media,
            profile: self.suited_profile(&media.boot_slot),
            media,
            warnings,
            media_switch: self.media_switch.clone(),
            ours: request.ours.clone(),
            power,
            access: self.access.clone(),
            learned: self.learned.clone(),
        })
    }

    pub(crate) fn clock_warning(&self) -> Option<String> {
        let ahead = self.clock_ahead_seconds.filter(|ahead| ahead.abs() > SKEW)?;
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let by = ahead.abs();
        Some(format!("the BMC's clock is {by} s {side} ours; certificates may look invalid to it"))
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        let slots = self.slots.iter().map(|slot| {
            let state = slot.rejected.as_deref().or(slot.image.as_deref()).unwrap_or("empty");
            format!("slot {} [{}]: {state}", slot.path, slot.media_types.join(", "))
        });
        let mut seen = vec![format!(
            "{} {}",
            self.vendor,
            self.firmware.as_deref().unwrap_or("without a firmware version")
        )];
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not told".to_owned());
        let Identity { serial, sku, uuid } = &self.identity;
        seen.push(format!("serial {}, SKU {}, UUID {}", word(serial), word(sku), word(uuid)));
        seen.extend(slots);
        if self.slots.is_empty() {
            seen.push("no virtual media slots are listed".to_owned());
        }
        Refusal { reason, seen }
    }

    fn check_identity(&self, request: &PlanRequest) -> Result<(), Refusal> {
        if let Some(expected) = request.expected_serial.as_deref() {
            self.check_serial(expected.trim())?;
        }
        let Some(machine) = request.machine.as_deref().filter(|_| !self.other_systems.is_empty())
        else {
            return Ok(());
        };
        match self.named_by(machine) {
            Some(_) => Ok(()),
            None => {
                let nameless = self.identity == Identity::default();
                Err(self.not_expected(machine.trim(), nameless))
            }
        }
    }

    fn check_serial(&self, expected: &str) -> Result<(), Refusal> {
        let fields = self.profile.identity.serial.iter();
        let serials = fields.filter_map(|field| self.identity.serial_in(*field));
        let known: Vec<&str> = serials.chain(self.identity.uuid.as_deref()).collect();
        if known.iter().any(|known| known.eq_ignore_ascii_case(expected)) {
            return Ok(());
        }
        Err(self.not_expected(expected, known.is_empty()))
    }

    fn not_expected(&self, expected: &str, nameless: bool) -> Refusal {
        let expected = expected.to_owned();
        self.refuse(if nameless {
            Reason::UnknownMachine { expected }
        } else {
            Reason::WrongMachine { expected }
        })
    }

    /// The profile with its first form of an insert suited to what the BMC says its action takes.
    fn suited_profile(&self, boot: &SlotRef) -> Profile {
        let mut profile = self.profile.clone();
        if let Some(slot) = self.slots.iter().find(|slot| slot.path == boot.path) {
            profile.media.payload = profile.media.payload.suiting(&slot.view.parameters);
        }
        profile
    }

    fn media(
        &self,
        request: &PlanRequest,
        warnings: &mut Vec<String>,
    ) -> Result<MediaPlan, Refusal> {
        let pinned = self.profile.media.boot_slot.as_deref();
        let mut boots: Vec<&Slot> =
            self.slots.iter().filter(|slot| pinned.is_none_or(|id| slot.id == id)).collect();
        boots.sort_by_key(|slot| self.refuses(slot));
        let mut boots = boots.into_iter();
        let boot = boots.find_map(|slot| slot.reference(SlotKind::Cd));
        let boot = boot.ok_or_else(|| self.refuse(self.no_slot()))?;
        let two_fit = self.profile.media.most >= 2 && request.media != Media::Combined;
        let second = |kind| {
            let others = self.slots.iter().filter(|slot| two_fit && slot.path != boot.path);
            // A slot for sticks is a better stick than one for floppies.
            let mut fitting: Vec<&Slot> = others.filter(|slot| slot.view.can_be(kind)).collect();
            let floppy = |slot: &Slot| kind == SlotKind::Usb && !slot.view.has_type("USBStick");
            fitting.sort_by_key(|slot| (self.refuses(slot), floppy(slot)));
            fitting.into_iter().find_map(|slot| slot.reference(kind))
        };
        let task = request.task_kinds.iter().find_map(|kind| second(*kind));
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
            let ours = is_ours(slot, &request.ours);
            if !used.contains(&slot.path.as_str()) {
                // Only another CD can be booted by mistake; what is in other slots is left alone,
                // unless we left it there.
                let id = last_segment(&slot.path);
                let left = ours && request.left.iter().any(|left| left == id);
                let stick = || slot.reference(SlotKind::Usb).filter(|_| left);
                let Some(other) = slot.reference(SlotKind::Cd).or_else(stick) else {
                    if left {
                        warnings.push(format!("cannot eject what was left in {}", slot.path));
                    }
                    continue;
                };
                also_empty.push(other);
            }
            if ours {
                continue;
            }
            if request.foreign_media == ForeignMedia::Refuse {
                return Err(self.refuse(Reason::ForeignMedia));
            }
            warnings.push(format!("ejects {image} from {}", slot.path));
        }
        if class == MediaClass::SingleCombined {
            warnings.push("there is one slot: the boot medium must carry the task too".to_owned());
        }
        let spare_slots = self.spares(&boot, task.as_ref());
        Ok(MediaPlan { class, boot_slot: boot, task_slot: task, also_empty, spare_slots })
    }

    /// One further slot for each medium, as far as there are any.
    fn spares(&self, boot: &SlotRef, task: Option<&SlotRef>) -> Vec<SlotRef> {
        let fixed = self.profile.media.boot_slot.is_some();
        let mut taken = vec![boot.path.clone()];
        taken.extend(task.map(|task| task.path.clone()));
        let mut spares = Vec::new();
        for planned in [Some(boot).filter(|_| !fixed), task].into_iter().flatten() {
            let free = |slot: &&Slot| slot.image.is_none() && !taken.contains(&slot.path);
            let mut free: Vec<&Slot> = self.slots.iter().filter(free).collect();
            free.sort_by_key(|slot| self.refuses(slot));
            if let Some(spare) = free.into_iter().find_map(|slot| slot.reference(planned.kind)) {
                taken.push(spare.path.clone());
                spares.push(spare);
            }
        }
        spares
    }

    /// Slots of this kind of BMC refused images before.
    fn refuses(&self, slot: &Slot) -> bool {
        self.learned.refusing.contains(last_segment(&slot.path))
    }

    fn no_slot(&self) -> Reason {
        if self.media_are_off() {
            return Reason::MediaOff;
        }
        let shares = self.slots.iter().any(|slot| slot.view.takes_shares_only);
        match self.profile.media.only_by.as_slice() {
            [] if shares => Reason::Scheme { accepted: "NFS, CIFS".to_owned() },
            [] => Reason::NoSlot,
            protocols => Reason::Scheme { accepted: protocols.join(", ") },
        }
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
                None => words(&self.profile.media.schemes),
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
        let (strategy, import) = match self.profile.boot.oem {
            None => (target.to_ascii_lowercase(), None),
            Some(OemBoot::DellScp) => {
                let import = self.boot_import.clone();
                let import = import.ok_or_else(|| self.refuse(Reason::NoBootTarget))?;
                ("dell_scp".to_owned(), Some(import))
            }
        };
        Ok(BootPlan {
            strategy: format!("boot_once_{strategy}"),
            resource: resource.clone(),
            alternative: self.boot_alternative.clone(),
            target: target.clone(),
            mode: mode(request.boot_mode, boot),
            full: self.profile.boot.full,
            import,
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

fn words(schemes: &[Scheme]) -> String {
    schemes.iter().map(Scheme::to_string).collect::<Vec<_>>().join(", ")
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

pub(crate) fn is_ours(slot: &Slot, ours: &[String]) -> bool {
    slot.ours || slot.view.image.as_deref().is_some_and(|image| starts_as_ours(image, ours))
}
