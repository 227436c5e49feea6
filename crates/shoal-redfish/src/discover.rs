//! Finding out what a BMC has, by what it advertises: the system that can be booted and reset, its
//! manager, its virtual media slots wherever they live, and the profile that fits. Nothing is
//! changed and nothing is decided here; deciding is the plan's business.

use std::{cell::RefCell, time::SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bmc::{Access, Bmc},
    boot_import::BootImport,
    error::Error,
    identity::Identity,
    inventory::Slot,
    kind::Kind,
    learned::Learned,
    media_switch::{self, MediaSwitch},
    moment,
    node::{Node, same_path},
    planner::is_ours,
    profile::Profile,
    profiles::Traits,
    recent::Seen,
    redact::short_url,
    transcript::Op,
    vendor::Vendor,
    view::{BootView, Power, SystemView, allowed_by_action_info},
};

/// What a BMC is and can do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Discovery {
    /// Vendor label.
    pub vendor: Vendor,
    /// The system's manufacturer.
    pub manufacturer: Option<String>,
    /// The system's model.
    pub model: Option<String>,
    /// The manager's model, such as `iLO 5`.
    pub manager_model: Option<String>,
    /// The manager's firmware version.
    pub firmware: Option<String>,
    /// Path of the system that can be provisioned.
    pub system: String,
    /// Paths of the managers that were read.
    pub managers: Vec<String>,
    /// Further systems that could be provisioned, with their identities.
    pub other_systems: Vec<(String, Identity)>,
    /// What identifies the machine.
    pub identity: Identity,
    /// Its power state.
    pub power: Power,
    /// Its virtual media slots, in the order in which they are considered.
    pub slots: Vec<Slot>,
    /// The boot override, with the path of the resource that takes it.
    pub boot: Option<(String, BootView)>,
    /// Path of the reset action and the reset types it takes, when it says so.
    pub reset: Option<(String, Option<Vec<String>>)>,
    /// The behaviour that is assumed.
    pub profile: Profile,
    /// How far the BMC's clock is ahead of ours.
    pub clock_ahead_seconds: Option<i64>,
    /// Properties that had to be ignored, and other oddities.
    pub diagnostics: Vec<String>,
    pub(crate) access: Access,
    pub(crate) boot_alternative: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boot_import: Option<BootImport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_switch: Option<MediaSwitch>,
    pub(crate) learned: Learned,
}

impl Discovery {
    /// What may be kept: image addresses, which may be capabilities, are cut to origin and file
    /// name, after the images under `ours` (see [`crate::PlanRequest::ours`]) were marked.
    #[must_use]
    pub fn without_addresses(mut self, ours: &[String]) -> Self {
        for slot in &mut self.slots {
            slot.ours = is_ours(slot, ours);
            slot.view.image = slot.view.image.as_deref().map(short_url);
        }
        self
    }

    /// Which of the machine's identities an operator's serial is, ignoring case: `serial_number`,
    /// `sku` or `uuid`.
    pub fn named_by(&self, serial: &str) -> Option<&'static str> {
        self.identity.name_of(serial)
    }
}

/// Which of a BMC's systems is meant.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Likeliest,
    Path(&'a str),
    Named(&'a str),
}

impl Bmc {
    /// Reads everything a plan needs. With several systems the one that looks most like a host is
    /// taken; the others are listed, see [`Bmc::discover_system`] and [`Bmc::discover_machine`].
    ///
    /// # Errors
    /// Transport and login failures, and `NoSystem` when nothing can be booted and reset.
    pub async fn discover(&self) -> Result<Discovery, Error> {
        self.told(self.discover_wanted(Wanted::Likeliest).await)
    }

    /// The same for one of several systems, by its path.
    ///
    /// # Errors
    /// As [`Bmc::discover`].
    pub async fn discover_system(&self, path: &str) -> Result<Discovery, Error> {
        self.told(self.discover_wanted(Wanted::Path(path)).await)
    }

    /// The same for the machine of a serial, SKU or UUID, which matters for BMCs of several machines.
    /// Where no system has this name, the likeliest is described all the same, as boards with
    /// placeholders for names are alone behind their BMC; so compare, by [`Discovery::named_by`] or by
    /// the plan, see [`PlanRequest::machine`](crate::PlanRequest::machine) and
    /// [`PlanRequest::expected_serial`](crate::PlanRequest::expected_serial).
    ///
    /// # Errors
    /// As [`Bmc::discover`].
    pub async fn discover_machine(&self, name: &str) -> Result<Discovery, Error> {
        self.told(self.discover_wanted(Wanted::Named(name)).await)
    }

    async fn discover_wanted(&self, wanted: Wanted<'_>) -> Result<Discovery, Error> {
        let name = match wanted {
            Wanted::Named(name) => Some(name),
            Wanted::Likeliest | Wanted::Path(_) => None,
        };
        if !matches!(wanted, Wanted::Path(_)) && self.goes_by_places() {
            let found = self.discover_from_root(wanted).await;
            if let Some(found) = self.found_by_places(found, name) {
                return found;
            }
        }
        self.discover_from_root(wanted).await
    }

    async fn discover_from_root(&self, wanted: Wanted<'_>) -> Result<Discovery, Error> {
        if self.known().root.is_null() {
            // A connection resumed from a plan has not needed the root so far.
            self.read_root().await?;
        }
        let mut notes = Vec::new();
        let candidates = self.systems(&mut notes).await?;
        let Some(position) = position(&candidates, wanted) else {
            let seen: Vec<&str> = candidates.iter().map(|(path, _)| path.as_str()).collect();
            return Err(Error::new(Kind::NoSystem { seen: seen.join(", ") }));
        };
        let mut candidates = candidates;
        let (system, mut view) = candidates.remove(position);
        let others = candidates.into_iter().filter(|(_, view)| view.can_be_provisioned());
        let other_systems: Vec<_> = others.map(|(path, view)| (path, view.identity)).collect();
        notes.append(&mut view.notes);

        let managers = self.managers(&view, &mut notes).await?;
        let first = managers.first();
        let traits = Traits {
            system: Some(system.clone()),
            system_model: view.model.clone(),
            manager: first.map(|manager| manager.path.clone()),
            manager_model: first.and_then(|manager| manager.model.clone()),
            firmware: first.and_then(|manager| manager.firmware.clone()),
            ..Traits::of_root(&self.known().root)
        };
        let profile = self.inner.options.profiles.select(&traits);
        let names = traits.root.iter().chain(&view.manufacturer).chain(&traits.manager_model);
        let vendor = Vendor::of(names.map(String::as_str));
        self.settle_on(vendor, &traits, &profile, &system);
        let sought = match wanted {
            Wanted::Named(name) => view.identity.name_of(name).is_none(),
            Wanted::Likeliest | Wanted::Path(_) => view.identity == Identity::default(),
        };
        let mut serials = profile.identity.serial.iter();
        if sought && serials.all(|field| view.identity.serial_in(*field).is_none()) {
            self.identify_by_chassis(&mut view).await;
        }
        let slots = self.slots(&view, &managers, &profile, &mut notes).await?;
        let boot = self.boot_resource(&system, &view, &profile, &mut notes).await?;
        let on_system = boot.as_ref().is_some_and(|(resource, _)| *resource == system);
        let boot_alternative = if on_system { view.settings.clone() } else { Some(system.clone()) };
        let reset = self.reset_types(&view).await;
        let types = reset.as_ref().and_then(|(_, allowed)| allowed.as_deref());
        self.learn_places(&system, &view, types, &other_systems);
        Ok(Discovery {
            vendor,
            manufacturer: view.manufacturer,
            model: view.model,
            manager_model: traits.manager_model,
            firmware: traits.firmware,
            system,
            clock_ahead_seconds: first.and_then(|manager| clock_ahead(manager.time.as_deref()?)),
            boot_import: first.and_then(|manager| manager.boot_import.clone()),
            media_switch: media_switch::of_any(&profile, &managers),
            managers: managers.into_iter().map(|manager| manager.path).collect(),
            other_systems,
            identity: view.identity,
            power: view.power,
            slots,
            boot,
            reset,
            profile,
            diagnostics: notes,
            access: self.access(),
            boot_alternative,
            learned: self.learned(),
        })
    }

    fn settle_on(&self, vendor: Vendor, traits: &Traits, profile: &Profile, system: &str) {
        self.inner.wire.set_vendor(vendor);
        let (model, firmware) = (traits.manager_model.as_deref(), traits.firmware.as_deref());
        let kind = Learned::kind_of(vendor.label(), model, firmware);
        self.recall(&kind, profile);
        let mut known = self.known();
        known.session_rules = profile.session.clone();
        known.system = Some(system.to_owned());
        metrics::counter!("redfish_profile_selected_total", "vendor" => vendor.label(), "profile" => profile.name.clone()).increment(1);
    }

    async fn systems(&self, notes: &mut Vec<String>) -> Result<Vec<(String, SystemView)>, Error> {
        let place = self.known().places.as_ref().map(|places| places.system.clone());
        if let Some(path) = place {
            let seen = self.observe(Op::Discover, &path).await?;
            let view = SystemView::read(&seen.body, &path);
            return Ok(vec![(path, view)]);
        }
        let collection = self.rooted("Systems");
        let whole = |body: &Value| body.get("PowerState").is_some();
        let mut members = self.members(Op::Discover, &collection, whole).await?;
        let view = |(path, seen): &(String, Seen)| SystemView::read(&seen.body, path);
        if !members.iter().map(view).any(|view| view.can_be_provisioned()) {
            // An expanded read may have dropped what matters, so the members get a second chance.
            for (path, seen) in &mut members {
                if let Some(single) = self.observe_if_there(Op::Discover, path).await? {
                    *seen = single;
                }
            }
        }
        if members.is_empty() {
            let list = self.get(Op::Discover, &collection).await?.body;
            if !list.get("Members").is_some_and(Value::is_array) {
                // An iDRAC lists no systems at all for a while after its jobs were cleared.
                return Err(Error::new(Kind::NotReady { retry_after: None }).at("GET", &collection));
            }
            notes.push(format!("{collection}: no members"));
        }
        Ok(members.iter().map(|member| (member.0.clone(), view(member))).collect())
    }

    /// Some systems know no serial of their own; their chassis does.
    async fn identify_by_chassis(&self, system: &mut SystemView) {
        let Some(path) = system.chassis.first() else { return };
        let Ok(Some(seen)) = self.observe_if_there(Op::Discover, path).await else { return };
        let inner = RefCell::default();
        let chassis = Identity::read(&Node::new(&seen.body, path, &inner));
        let known = &mut system.identity;
        known.serial = known.serial.take().or(chassis.serial);
        known.sku = known.sku.take().or(chassis.sku);
        known.uuid = known.uuid.take().or(chassis.uuid);
    }

    /// Where the boot override is changed: the system, or its settings when only they have it.
    async fn boot_resource(
        &self,
        system: &str,
        view: &SystemView,
        profile: &Profile,
        notes: &mut Vec<String>,
    ) -> Result<Option<(String, BootView)>, Error> {
        let on_system = view.boot.clone().map(|boot| (system.to_owned(), boot));
        let complete =
            view.boot.as_ref().is_some_and(|boot| boot.target.is_some() && boot.targets.is_some());
        let elsewhere = match (&profile.boot.resource, &view.settings) {
            (Some(_), Some(settings)) => settings.clone(),
            (Some(name), None) => format!("{system}/{name}"),
            (None, Some(settings)) if !complete => settings.clone(),
            (None, _) => return Ok(on_system),
        };
        let Some(seen) = self.observe_if_there(Op::Discover, &elsewhere).await? else {
            return Ok(on_system);
        };
        let settings = SystemView::read(&seen.body, &elsewhere);
        notes.extend(settings.notes);
        let Some(mut boot) = settings.boot else { return Ok(on_system) };
        if let Some((_, shown)) = on_system {
            // The settings list what is allowed, the system shows what is set.
            boot.mode = boot.mode.or(shown.mode);
            boot.http_uri = boot.http_uri.or(shown.http_uri);
            boot.targets = boot.targets.or(shown.targets);
        }
        Ok(Some((elsewhere, boot)))
    }

    async fn reset_types(&self, view: &SystemView) -> Option<(String, Option<Vec<String>>)> {
        let reset = view.reset.as_ref()?;
        let allowed = match (&reset.allowed, &reset.action_info) {
            (Some(allowed), _) => Some(allowed.clone()),
            (None, Some(path)) => {
                let known = self.known().places.as_ref().and_then(|it| it.reset_types_at(path));
                match known {
                    Some(known) => Some(known),
                    None => match self.get(Op::Discover, path).await {
                        Ok(info) => allowed_by_action_info(&info.body, "ResetType"),
                        Err(_) => None,
                    },
                }
            }
            (None, None) => None,
        };
        Some((reset.target.clone(), allowed))
    }
}

/// Which of several systems is taken; none when there is no such one.
fn position(candidates: &[(String, SystemView)], wanted: Wanted<'_>) -> Option<usize> {
    let likeliest = || {
        let ranked = candidates.iter().map(|(_, view)| view.likelihood()).enumerate();
        // Of equals the first.
        ranked
            .rev()
            .max_by_key(|(_, likelihood)| *likelihood)
            .filter(|(_, likelihood)| *likelihood > 0)
    };
    match wanted {
        Wanted::Path(wanted) => candidates.iter().position(|(path, _)| same_path(path, wanted)),
        Wanted::Likeliest => likeliest().map(|(position, _)| position),
        Wanted::Named(name) => {
            let named = candidates.iter().position(|(_, view)| {
                view.can_be_provisioned() && view.identity.name_of(name).is_some()
            });
            named.or_else(|| likeliest().map(|(position, _)| position))
        }
    }
}

fn clock_ahead(time: &str) -> Option<i64> {
    let theirs = moment::from_redfish(time)?;
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(theirs - i64::try_from(ours.as_secs()).ok()?)
}
