//! The virtual media slots a BMC lists: where they live, which of them can be used, and why the
//! others cannot.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bmc::Bmc,
    error::Error,
    kind::Kind,
    manager::Manager,
    node::same_path,
    profile::Profile,
    profiles::matches,
    recent::Seen,
    slot::{InsertBy, SlotKind, SlotRef, SlotView},
    transcript::Op,
    view::{SystemView, parameters},
};

/// A virtual media slot as it was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub rejected: Option<String>,
    /// The image was found to be ours when its whole address was still known.
    #[serde(default)]
    pub(crate) ours: bool,
    pub(crate) collection: String,
    pub(crate) view: SlotView,
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

impl Bmc {
    /// The slots of a system, wherever they live.
    pub(crate) async fn slots(
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
        let mut unusable: Vec<Slot> = Vec::new();
        for (index, collection) in places.iter().enumerate() {
            if places.iter().take(index).any(|before| same_path(before, collection)) {
                continue;
            }
            let members = match self.members(Op::Discover, collection, is_whole_slot).await {
                Ok(members) => members,
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Unsupported { .. }) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let has_action =
                |(path, seen): &(String, Seen)| SlotView::read(seen, path).insert.is_some();
            // Beside slots with an action, one without is not for images of ours.
            let may_patch = profile.media.patch || !members.iter().any(has_action);
            let mut slots = Vec::new();
            for member in members {
                let slot = self.slot(collection, member, profile, may_patch).await?;
                notes.extend(slot.view.notes.iter().cloned());
                slots.push(slot);
            }
            if slots.iter().any(|slot| slot.rejected.is_none()) {
                self.describe_inserts(&mut slots).await;
                return Ok(slots);
            }
            let new = |slot: &Slot| !unusable.iter().any(|old| same_path(&old.path, &slot.path));
            let slots: Vec<Slot> = slots.into_iter().filter(new).collect();
            unusable.extend(slots);
        }
        Ok(unusable)
    }

    /// What an insert must and may say is described in a resource of its own on many BMCs. Slots of
    /// one collection have the same firmware behind them, so the first description serves all that
    /// have one.
    async fn describe_inserts(&self, slots: &mut [Slot]) {
        let usable = |slot: &&mut Slot| slot.rejected.is_none() && slot.view.action_info.is_some();
        let mut described: Vec<&mut Slot> = slots.iter_mut().filter(usable).collect();
        let info = described.first().and_then(|slot| slot.view.action_info.clone());
        let Some(info) = info else { return };
        // It only saves refusals, so that it cannot be read is no reason to give up.
        let Ok(Some(seen)) = self.observe_if_there(Op::Discover, &info).await else { return };
        let parameters = parameters(&seen.body);
        for slot in &mut described {
            slot.view.learn(parameters.clone());
        }
    }

    async fn slot(
        &self,
        collection: &str,
        (path, seen): (String, Seen),
        profile: &Profile,
        may_patch: bool,
    ) -> Result<Slot, Error> {
        let mut view = SlotView::read(&seen, &path);
        let excluded = profile.media.exclude.iter().any(|pattern| matches(pattern, &view.id));
        let unknown = view.insert.is_none() && view.takes_patch.is_none() && !profile.media.patch;
        if !excluded && may_patch && unknown {
            // An expanded read carries no headers, and `Allow` is all such a slot says about itself.
            if let Some(seen) = self.observe_if_there(Op::Discover, &path).await? {
                view = SlotView::read(&seen, &path);
            }
        }
        let takes_patch = profile.media.patch || view.takes_patch == Some(true);
        let patch = may_patch && takes_patch && !view.takes_shares_only;
        let insert = match &view.insert {
            Some(target) => Some(InsertBy::Action(target.clone())),
            None if patch => Some(InsertBy::Patch),
            None => None,
        };
        let rejected = if excluded {
            Some("its firmware fills it by other means")
        } else if insert.is_none() && view.takes_shares_only {
            Some("its firmware takes images from NFS and SMB shares only")
        } else if insert.is_none() && !may_patch {
            Some("it has no insert action, as others have")
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
            rejected: rejected.map(str::to_owned),
            ours: false,
            collection: collection.to_owned(),
            insert,
            view,
            path,
        })
    }
}

/// Whether a member of an expanded read says what a slot says of itself; some drop the half of it.
pub(crate) fn is_whole_slot(body: &Value) -> bool {
    body.get("MediaTypes").is_some() && body.get("Inserted").is_some()
}
