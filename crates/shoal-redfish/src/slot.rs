//! A virtual media slot: what it can hold, what it holds, and how it is filled and emptied.
//! BMCs leave images, names and flags behind after an eject, so "empty" and "holds" are judged here
//! and nowhere else.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bmc::{Bmc, Purpose},
    error::Error,
    inventory::is_whole_slot,
    media_url::{MediaUrl, path_of},
    node::{Node, last_segment, same_path},
    recent::{Look, Seen},
    redact::short_url,
    transcript::Op,
    view::Parameter,
};

/// A slot as the plan uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRef {
    /// Path of the slot.
    pub path: String,
    /// What the host sees in it.
    pub kind: SlotKind,
    pub(crate) collection: String,
    pub(crate) insert: InsertBy,
    pub(crate) eject: Option<String>,
}

/// What the host sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// A CD drive; give it an `.iso`.
    Cd,
    /// A USB stick; give it the same bytes as an `.img`.
    Usb,
}

/// How a slot takes an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InsertBy {
    /// POST to the `InsertMedia` action at this path.
    Action(String),
    /// PATCH of the slot itself.
    Patch,
}

/// The parts of a `VirtualMedia` resource that matter here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotView {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) media_types: Vec<String>,
    pub(crate) inserted: Option<bool>,
    pub(crate) image: Option<String>,
    pub(crate) image_name: Option<String>,
    pub(crate) connected_via: Option<String>,
    pub(crate) insert: Option<String>,
    pub(crate) eject: Option<String>,
    /// Transfer protocols the insert action offers, when it says so.
    pub(crate) protocols: Option<Vec<String>>,
    /// Path of the description of the insert action's parameters.
    #[serde(default)]
    pub(crate) action_info: Option<String>,
    /// What that description says; empty when there is none.
    #[serde(default)]
    pub(crate) parameters: Vec<Parameter>,
    /// It has an action of its maker's by which alone images get in.
    #[serde(default)]
    pub(crate) takes_shares_only: bool,
    pub(crate) takes_patch: Option<bool>,
    pub(crate) etag: Option<String>,
    pub(crate) notes: Vec<String>,
}

impl SlotView {
    pub(crate) fn read(seen: &Seen, path: &str) -> Self {
        let notes = RefCell::default();
        let node = Node::new(&seen.body, path, &notes);
        let id = node.owned("Id").unwrap_or_else(|| last_segment(path).to_owned());
        let actions = node.node("Actions");
        let action = |name: &str| actions.as_ref().and_then(|actions| actions.node(name));
        let target = |action: &Node<'_>| action.path_at("target");
        let insert = action("#VirtualMedia.InsertMedia");
        let mut media_types = node.texts("MediaTypes").unwrap_or_default();
        if media_types.is_empty() {
            media_types = types_by_name(&id);
        }
        let view = Self {
            inserted: node.flag("Inserted"),
            image: node.owned("Image"),
            image_name: node.owned("ImageName"),
            connected_via: node.owned("ConnectedVia"),
            protocols: insert
                .as_ref()
                .and_then(|insert| insert.texts("TransferProtocolType@Redfish.AllowableValues")),
            action_info: insert.as_ref().and_then(|insert| insert.path_at("@Redfish.ActionInfo")),
            parameters: Vec::new(),
            takes_shares_only: insert.is_none() && has_share_action(&node),
            insert: insert.as_ref().and_then(target),
            eject: action("#VirtualMedia.EjectMedia").as_ref().and_then(target),
            takes_patch: seen.allow.as_ref().map(|allow| {
                allow.split(',').any(|method| method.trim().eq_ignore_ascii_case("PATCH"))
            }),
            etag: seen.etag.clone(),
            path: path.to_owned(),
            id,
            media_types,
            notes: Vec::new(),
        };
        Self { notes: notes.into_inner(), ..view }
    }

    pub(crate) fn can_be(&self, kind: SlotKind) -> bool {
        let words: &[&str] = match kind {
            SlotKind::Cd => &["CD", "DVD"],
            SlotKind::Usb => &["USBStick", "Floppy"],
        };
        words.iter().any(|word| self.has_type(word))
    }

    pub(crate) fn has_type(&self, word: &str) -> bool {
        self.media_types.iter().any(|media| media.eq_ignore_ascii_case(word))
    }

    /// Nothing in it. Some BMCs keep the image's name after an eject, so a closed connection counts
    /// as well as a missing image.
    pub(crate) fn is_empty(&self) -> bool {
        let disconnected = matches!(self.connected_via.as_deref(), None | Some("NotConnected"));
        self.inserted != Some(true)
            && (self.image.is_none() || (disconnected && self.inserted == Some(false)))
    }

    /// The given image is in it.
    pub(crate) fn holds(&self, url: &MediaUrl) -> bool {
        if self.inserted == Some(false) {
            return false;
        }
        // Some BMCs rewrite the authority (default ports, host names), so the path decides.
        self.image
            .as_deref()
            .is_some_and(|image| image == url.as_str() || path_of(image) == url.path())
    }

    /// The given image may be taken to be in it, once we have put it there ourselves.
    pub(crate) fn shows(&self, url: &MediaUrl) -> bool {
        let named = match self.bare_name() {
            Some(name) => name.ends_with(url.file_name()),
            None => self.image.is_none() && self.image_name.is_none(),
        };
        self.holds(url) || (self.inserted == Some(true) && named)
    }

    /// What it shows of its image, where that is a name and no address.
    pub(crate) fn bare_name(&self) -> Option<&str> {
        match &self.image {
            Some(image) => Some(image.as_str()).filter(|image| !image.contains('/')),
            None => self.image_name.as_deref(),
        }
    }

    /// Takes over what the description of its insert action says.
    pub(crate) fn learn(&mut self, parameters: Vec<Parameter>) {
        let protocol = parameters.iter().find(|known| known.name == "TransferProtocolType");
        let offered = protocol.and_then(|known| known.allowed.clone());
        self.protocols = self.protocols.take().or(offered);
        self.parameters = parameters;
    }

    /// The image for people: origin and file name only.
    pub(crate) fn image_shown(&self) -> String {
        match (&self.image, &self.image_name) {
            (Some(image), _) => short_url(image),
            (None, Some(name)) => short_url(name),
            (None, None) => "an unnamed image".to_owned(),
        }
    }

    /// For error messages.
    pub(crate) fn state(&self) -> String {
        if self.is_empty() { "an empty slot".to_owned() } else { self.image_shown() }
    }
}

impl Bmc {
    /// The slots' states, in order: with one request where the BMC expands its collection.
    pub(crate) async fn slots_seen(
        &self,
        op: Op,
        slots: &[&SlotRef],
        look: Look,
    ) -> Result<Vec<SlotView>, Error> {
        let op = if self.purpose == Purpose::Cleanup { Op::CleanupUnmount } else { op };
        let all_recent = {
            let mut known = self.known();
            if look == Look::Fresh {
                for slot in slots {
                    known.recent.remove(&slot.path);
                }
            }
            slots.iter().all(|slot| known.recent.as_of(&slot.path, Look::Recent).is_some())
        };
        if !all_recent && slots.len() > 1 {
            self.expand_slots(op, slots).await?;
        }
        let mut views = Vec::new();
        for slot in slots {
            let seen = self.seen(op, &slot.path, Look::Recent).await?;
            views.push(SlotView::read(&seen, &slot.path));
        }
        Ok(views)
    }

    pub(crate) async fn slot_seen(&self, op: Op, slot: &SlotRef) -> Result<SlotView, Error> {
        let seen = self.seen(op, &slot.path, Look::Fresh).await?;
        Ok(SlotView::read(&seen, &slot.path))
    }

    /// Reads the slots' collection expanded, so that the reads that follow find them.
    async fn expand_slots(&self, op: Op, slots: &[&SlotRef]) -> Result<(), Error> {
        let query = {
            let known = self.known();
            known.access.expand.clone().filter(|_| !known.learned.no_expand)
        };
        let same = slots
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.collection == other.collection));
        let (Some(query), Some(first), true) = (query, slots.first(), same) else { return Ok(()) };
        let body = match self.get(op, &format!("{}?{query}", first.collection)).await {
            Ok(answer) => answer.body,
            Err(error) if error.kind().says_no_such_read() => {
                self.learn(|learned| learned.no_expand = true);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let members =
            body.get("Members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for member in members {
            let notes = RefCell::default();
            let Some(id) = Node::new(member, &first.collection, &notes).id() else { continue };
            let Some(slot) = slots.iter().find(|slot| same_path(&slot.path, &id)) else { continue };
            if is_whole_slot(member) {
                self.known().recent.put(&slot.path, Seen::now(member.clone(), None, None));
            } else {
                // It is read by itself, and the next time all are. One that is not listed proves
                // nothing: lists are short after a restart of the BMC, and some come in pages.
                self.learn(|learned| learned.no_expand = true);
            }
        }
        Ok(())
    }
}

/// Some firmware mounts NFS and SMB shares by an action of its own and nothing else (Huawei iBMC,
/// xFusion, H3C HDM); it lists a PATCH all the same.
fn has_share_action(slot: &Node<'_>) -> bool {
    let makers = slot.node("Oem").map(|oem| oem.value().clone()).unwrap_or_default();
    let mut actions = makers.as_object().into_iter().flat_map(|makers| makers.values());
    actions.any(|maker| {
        let actions = maker.get("Actions").and_then(Value::as_object);
        actions.is_some_and(|actions| actions.keys().any(|name| name.ends_with("VmmControl")))
    })
}

/// Gigabyte's firmware lists slots without media types; their ids still say what they are.
fn types_by_name(id: &str) -> Vec<String> {
    let id = id.to_ascii_lowercase();
    let types: &[&str] = if id.starts_with("cd") || id.starts_with("dvd") {
        &["CD", "DVD"]
    } else if id.starts_with("usb") || id.starts_with("removable") || id.starts_with("hd") {
        &["USBStick"]
    } else {
        &[]
    };
    types.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests;
