//! Finding out what a BMC has, by what it advertises: the system that can be booted and reset, its
//! manager, its virtual media slots wherever they live, and the profile that fits. Nothing is
//! changed and nothing is decided here; deciding is the plan's business.

use std::{cell::RefCell, time::SystemTime};

use serde::Serialize;
use serde_json::Value;

use crate::{
    bmc::{Access, Bmc},
    error::{Error, Kind},
    learned::Learned,
    moment,
    profile::{Profile, Traits, matches},
    recent::Seen,
    slot::{InsertBy, SlotKind, SlotRef, SlotView},
    transcript::Op,
    vendor::Vendor,
    view::{BootView, Identity, Node, Power, SystemView, allowed_by_action_info, identity},
};

/// Members of a collection that are looked at; real BMCs list a handful.
const MEMBERS: usize = 16;

/// What a BMC is and can do.
#[derive(Clone, Debug, Serialize)]
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
    #[serde(skip)]
    pub(crate) access: Access,
    #[serde(skip)]
    pub(crate) learned: Learned,
}

/// A virtual media slot as it was found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Slot {
    /// Its path.
    pub path: String,
    /// Its id within the collection.
    pub id: String,
    /// What it can hold.
    pub media_types: Vec<String>,
    /// The image in it, shortened to origin and file name.
    pub image: Option<String>,
    /// Why it cannot be used, if so.
    pub rejected: Option<&'static str>,
    #[serde(skip)]
    pub(crate) collection: String,
    #[serde(skip)]
    pub(crate) view: SlotView,
    #[serde(skip)]
    pub(crate) insert: Option<InsertBy>,
}

impl Slot {
    /// The slot as a plan refers to it; `None` when it cannot be used so.
    pub(crate) fn reference(&self, kind: SlotKind) -> Option<SlotRef> {
        Some(SlotRef {
            path: self.path.clone(),
            kind,
            collection: self.collection.clone(),
            insert: self
                .insert
                .clone()
                .filter(|_| self.rejected.is_none() && self.view.can_be(kind))?,
            eject: self.view.eject.clone(),
        })
    }
}

#[derive(Default)]
struct Manager {
    path: String,
    model: Option<String>,
    firmware: Option<String>,
    virtual_media: Option<String>,
    time: Option<String>,
}

/// How the service root says it wants to be talked to.
pub(crate) fn access(root: &Value) -> Access {
    let notes = RefCell::default();
    let node = Node::new(root, "/redfish/v1", &notes);
    let by_link = node.node("Links").and_then(|links| links.link("Sessions"));
    let by_service = || node.link("SessionService").map(|service| format!("{service}/Sessions"));
    let expand =
        node.node("ProtocolFeaturesSupported").and_then(|features| features.node("ExpandQuery"));
    let offers = |key: &str| expand.as_ref().and_then(|expand| expand.flag(key)) == Some(true);
    let query = match (offers("NoLinks"), offers("ExpandAll")) {
        (true, _) => Some("$expand=.".to_owned()),
        (false, true) => Some("$expand=*($levels=1)".to_owned()),
        (false, false) => None,
    };
    Access { sessions: by_link.or_else(by_service), expand: query }
}

/// The names a service root gives itself.
fn root_names(root: &Value) -> Vec<String> {
    let notes = RefCell::default();
    let node = Node::new(root, "/redfish/v1", &notes);
    let oem = node
        .node("Oem")
        .and_then(|oem| oem.value().as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()));
    let named = [node.owned("Vendor"), node.owned("Product")].into_iter().flatten();
    named.chain(oem.unwrap_or_default()).collect()
}

pub(crate) fn root_vendor(root: &Value) -> Vendor {
    Vendor::of(root_names(root).iter().map(String::as_str))
}

impl Bmc {
    /// Reads everything a plan needs. With several systems the first that can be provisioned is
    /// taken; the others are listed, see [`Bmc::discover_system`].
    ///
    /// # Errors
    /// Transport and login failures, and `NoSystem` when nothing can be booted and reset.
    pub async fn discover(&self) -> Result<Discovery, Error> {
        self.discover_chosen(None).await
    }

    /// The same for one of several systems, by its path.
    ///
    /// # Errors
    /// As [`Bmc::discover`].
    pub async fn discover_system(&self, path: &str) -> Result<Discovery, Error> {
        self.discover_chosen(Some(path)).await
    }

    async fn discover_chosen(&self, wanted: Option<&str>) -> Result<Discovery, Error> {
        let mut notes = Vec::new();
        let candidates = self.systems(&mut notes).await?;
        let position = candidates.iter().position(|(path, view)| match wanted {
            Some(wanted) => path == wanted,
            None => view.can_be_provisioned(),
        });
        let Some(position) = position else {
            let seen: Vec<&str> = candidates.iter().map(|(path, _)| path.as_str()).collect();
            return Err(Error::new(Kind::NoSystem { seen: seen.join(", ") }));
        };
        let mut candidates = candidates;
        let (system, mut view) = candidates.remove(position);
        let others =
            candidates.into_iter().filter(|(_, view)| view.reset.is_some() && view.boot.is_some());
        let other_systems = others.map(|(path, view)| (path, view.identity)).collect();
        notes.append(&mut view.notes);

        let managers = self.managers(&view, &mut notes).await?;
        let first = managers.first();
        let traits = Traits {
            root: root_names(&self.known().root),
            manager_model: first.and_then(|manager| manager.model.clone()),
            firmware: first.and_then(|manager| manager.firmware.clone()),
        };
        let profile = self.inner.options.profiles.select(&traits);
        let names = traits.root.iter().chain(&view.manufacturer).chain(&traits.manager_model);
        let vendor = Vendor::of(names.map(String::as_str));
        self.settle_on(vendor, &traits, &profile, &system);
        if view.identity == Identity::default() {
            view.identity = self.identity_by_chassis(&view).await;
        }
        let slots = self.slots(&view, &managers, &profile, &mut notes).await?;
        let boot = self.boot_resource(&system, &view, &profile, &mut notes).await?;
        let reset = self.reset_types(&view).await;
        Ok(Discovery {
            vendor,
            manufacturer: view.manufacturer,
            model: view.model,
            manager_model: traits.manager_model,
            firmware: traits.firmware,
            system,
            clock_ahead_seconds: first.and_then(|manager| clock_ahead(manager.time.as_deref()?)),
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
            learned: self.learned(),
        })
    }

    /// The access as a plan records it: without expanded reads where they turned out not to work.
    fn access(&self) -> Access {
        let known = self.known();
        let expand = known.access.expand.clone().filter(|_| !known.learned.no_expand);
        Access { expand, sessions: known.access.sessions.clone() }
    }

    fn settle_on(&self, vendor: Vendor, traits: &Traits, profile: &Profile, system: &str) {
        self.inner.wire.set_vendor(vendor);
        let parts =
            [Some(vendor.label()), traits.manager_model.as_deref(), traits.firmware.as_deref()];
        let kind: Vec<&str> = parts.into_iter().map(Option::unwrap_or_default).collect();
        let kind = kind.join("/");
        let mut known = self.known();
        if known.learned.kind != kind {
            let no_expand = known.learned.no_expand && known.learned.kind.is_empty();
            known.learned = Learned { kind, no_expand, ..Default::default() };
        }
        known.learned.no_expand |= !profile.media.expand;
        known.session_rules = profile.session.clone();
        known.system = Some(system.to_owned());
        metrics::counter!("redfish_profile_selected_total", "vendor" => vendor.label(), "profile" => profile.name.clone()).increment(1);
    }

    async fn systems(&self, notes: &mut Vec<String>) -> Result<Vec<(String, SystemView)>, Error> {
        let collection = {
            let known = self.known();
            let inner = RefCell::default();
            Node::new(&known.root, "/redfish/v1", &inner).link("Systems")
        };
        let collection = collection.unwrap_or_else(|| "/redfish/v1/Systems".to_owned());
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
            notes.push(format!("{collection}: no members"));
        }
        Ok(members.iter().map(|member| (member.0.clone(), view(member))).collect())
    }

    /// The members of a collection, read with one request where the BMC expands them completely.
    pub(crate) async fn members(
        &self,
        op: Op,
        collection: &str,
        complete: fn(&Value) -> bool,
    ) -> Result<Vec<(String, Seen)>, Error> {
        let list = self.collection(op, collection).await?;
        let inner = RefCell::default();
        let node = Node::new(&list, collection, &inner);
        let mut found: Vec<(String, Option<Value>)> = Vec::new();
        for member in node.nodes("Members").into_iter().take(MEMBERS) {
            if let Some(path) =
                member.id().filter(|path| found.iter().all(|(known, _)| known != path))
            {
                found.push((path, Some(member.value().clone()).filter(complete)));
            }
        }
        found.sort_by_key(|(path, _)| natural(path));
        let mut members = Vec::new();
        for (path, body) in found {
            let seen = match body {
                Some(body) => {
                    let seen = Seen::now(body, None, None);
                    self.known().recent.put(&path, seen.clone());
                    Some(seen)
                }
                None => self.observe_if_there(op, &path).await?,
            };
            members.extend(seen.map(|seen| (path, seen)));
        }
        Ok(members)
    }

    async fn collection(&self, op: Op, collection: &str) -> Result<Value, Error> {
        let expand = self.access().expand;
        if let Some(query) = expand {
            match self.get(op, &format!("{collection}?{query}")).await {
                Ok(answer) => return Ok(answer.body),
                Err(error) if error.kind().says_no_such_read() => {
                    self.known().learned.no_expand = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.get(op, collection).await?.body)
    }

    /// A linked resource that does not exist is no reason to give up.
    async fn observe_if_there(&self, op: Op, path: &str) -> Result<Option<Seen>, Error> {
        match self.observe(op, path).await {
            Ok(seen) => Ok(Some(seen)),
            Err(error)
                if matches!(
                    error.kind(),
                    Kind::NotFound | Kind::Unsupported { .. } | Kind::Server
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn managers(
        &self,
        system: &SystemView,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Manager>, Error> {
        let mut paths = system.managed_by.clone();
        if paths.is_empty() {
            let answer = self.get(Op::Discover, "/redfish/v1/Managers").await?;
            let inner = RefCell::default();
            paths = Node::new(&answer.body, "/redfish/v1/Managers", &inner).links("Members");
            paths.sort_by_key(|path| natural(path));
        }
        let mut managers = Vec::new();
        for path in paths.into_iter().take(MEMBERS) {
            let Some(seen) = self.observe_if_there(Op::Discover, &path).await? else { continue };
            let inner = RefCell::default();
            let node = Node::new(&seen.body, &path, &inner);
            managers.push(Manager {
                model: node.owned("Model"),
                firmware: node.owned("FirmwareVersion"),
                virtual_media: node.link("VirtualMedia"),
                time: node.owned("DateTime"),
                path,
            });
            notes.append(&mut inner.into_inner());
        }
        // The manager that has virtual media speaks for the BMC.
        managers.sort_by_key(|manager| manager.virtual_media.is_none());
        Ok(managers)
    }

    /// Some systems know no serial of their own; their chassis does.
    async fn identity_by_chassis(&self, system: &SystemView) -> Identity {
        let Some(path) = system.chassis.first() else { return Identity::default() };
        let Ok(Some(seen)) = self.observe_if_there(Op::Discover, path).await else {
            return Identity::default();
        };
        let inner = RefCell::default();
        identity(&Node::new(&seen.body, path, &inner))
    }

    async fn slots(
        &self,
        system: &SystemView,
        managers: &[Manager],
        profile: &Profile,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Slot>, Error> {
        // A system's own collection is the newer place. Where both list slots, the manager's are other
        // names of the same devices, and using both clashes (iDRAC9 6.x).
        let mut places: Vec<&String> = system.virtual_media.iter().collect();
        places.extend(managers.iter().filter_map(|manager| manager.virtual_media.as_ref()));
        for collection in places {
            let members = match self.members(Op::Discover, collection, is_whole_slot).await {
                Ok(members) => members,
                Err(error) if *error.kind() == Kind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut slots = Vec::new();
            for (path, seen) in members {
                let slot = self.slot(collection, path, seen, profile).await?;
                notes.extend(slot.view.notes.iter().cloned());
                slots.push(slot);
            }
            if !slots.is_empty() {
                return Ok(slots);
            }
        }
        Ok(Vec::new())
    }

    async fn slot(
        &self,
        collection: &str,
        path: String,
        seen: Seen,
        profile: &Profile,
    ) -> Result<Slot, Error> {
        let mut view = SlotView::read(&seen, &path);
        let excluded = profile.media.exclude.iter().any(|pattern| matches(pattern, &view.id));
        if !excluded && view.insert.is_none() && view.takes_patch.is_none() && !profile.media.patch
        {
            // An expanded read carries no headers, and `Allow` is all such a slot says about itself.
            if let Some(seen) = self.observe_if_there(Op::Discover, &path).await? {
                view = SlotView::read(&seen, &path);
            }
        }
        let patch = profile.media.patch || view.takes_patch == Some(true);
        let insert = match &view.insert {
            Some(target) => Some(InsertBy::Action(target.clone())),
            None if patch => Some(InsertBy::Patch),
            None => None,
        };
        let rejected = if excluded {
            Some("its firmware fills it by other means")
        } else if insert.is_none() {
            Some("it has no insert action and takes no PATCH")
        } else if !view.can_be(SlotKind::Cd) && !view.can_be(SlotKind::Usb) {
            Some("it is neither a CD nor a USB stick")
        } else {
            None
        };
        Ok(Slot {
            id: view.id.clone(),
            media_types: view.media_types.clone(),
            image: (!view.is_empty()).then(|| view.image_shown()),
            rejected,
            collection: collection.to_owned(),
            insert,
            view,
            path,
        })
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
            boot.targets = boot.targets.or(shown.targets);
        }
        Ok(Some((elsewhere, boot)))
    }

    async fn reset_types(&self, view: &SystemView) -> Option<(String, Option<Vec<String>>)> {
        let reset = view.reset.as_ref()?;
        let allowed = match (&reset.allowed, &reset.action_info) {
            (Some(allowed), _) => Some(allowed.clone()),
            (None, Some(path)) => match self.get(Op::Discover, path).await {
                Ok(info) => allowed_by_action_info(&info.body, "ResetType"),
                Err(_) => None,
            },
            (None, None) => None,
        };
        Some((reset.target.clone(), allowed))
    }
}

pub(crate) fn is_whole_slot(body: &Value) -> bool {
    body.get("MediaTypes").is_some() || body.get("Inserted").is_some()
}

fn clock_ahead(time: &str) -> Option<i64> {
    let theirs = moment::from_redfish(time)?;
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(theirs - i64::try_from(ours.as_secs()).ok()?)
}

/// Sorts `CD2` before `CD10`: the last number of a path counts as a number.
fn natural(path: &str) -> (String, u64) {
    let digits = path.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (stem, number) = path.split_at(path.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_sort_by_number() {
        let mut paths = ["/vm/CD10", "/vm/CD2", "/vm/2", "/vm/1"];
        paths.sort_by_key(|path| natural(path));
        assert_eq!(paths, ["/vm/1", "/vm/2", "/vm/CD2", "/vm/CD10"]);
    }

    #[test]
    fn logins_go_where_the_root_says_and_nowhere_when_it_says_nothing() {
        let linked = json!({"Links": {"Sessions": {"@odata.id": "/redfish/v1/Sessions"}}});
        assert_eq!(access(&linked).sessions.as_deref(), Some("/redfish/v1/Sessions"));
        let service = json!({"SessionService": {"@odata.id": "/redfish/v1/SessionService/"}});
        assert_eq!(
            access(&service).sessions.as_deref(),
            Some("/redfish/v1/SessionService/Sessions")
        );
        assert_eq!(access(&json!({})), Access::default());
    }

    #[test]
    fn the_narrowest_expansion_on_offer_is_used() {
        let offer = |no_links, all| json!({"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": no_links, "ExpandAll": all}}});
        assert_eq!(access(&offer(true, true)).expand.as_deref(), Some("$expand=."));
        assert_eq!(access(&offer(false, true)).expand.as_deref(), Some("$expand=*($levels=1)"));
        assert_eq!(access(&offer(false, false)).expand, None);
    }
}
