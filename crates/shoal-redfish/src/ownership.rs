//! Whose image is in a slot. Most slots show the address they were given, some only its last part, so
//! beside addresses a run remembers which file it put into which slot.

use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    kind::Kind,
    media_url::{MediaUrl, starts_as_ours},
    node::same_path,
    plan::{ForeignMedia, Plan},
    slot::{SlotRef, SlotView},
};

/// An image that a run has put, or may have put, into a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placed {
    /// Path of the slot.
    pub(crate) slot: String,
    /// File name of the image.
    pub(crate) file: String,
}

impl Placed {
    pub(crate) fn new(slot: &SlotRef, url: &MediaUrl) -> Self {
        Self { slot: slot.path.clone(), file: url.file_name().to_owned() }
    }
}

/// What marks images as ours beside what the plan says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own<'a> {
    origins: Vec<&'a str>,
    placed: &'a [Placed],
}

impl<'a> Own<'a> {
    pub(crate) fn new(origins: &'a [String], placed: &'a [Placed]) -> Self {
        Self { origins: origins.iter().map(String::as_str).collect(), placed }
    }

    /// The same, with images from these origins too: we are about to insert from there.
    pub(crate) fn also_from<'b>(&self, origins: impl Iterator<Item = &'b str>) -> Own<'b>
    where
        'a: 'b,
    {
        let known: Vec<&'b str> = self.origins.clone();
        Own { origins: known.into_iter().chain(origins).collect(), placed: self.placed }
    }

    /// Refuses an image that is neither ours nor may be ejected by the plan's word.
    pub(crate) fn check(&self, plan: &Plan, view: &SlotView) -> Result<(), Error> {
        if self.owns(plan, view) || plan.foreign_media == ForeignMedia::Eject {
            return Ok(());
        }
        Err(Error::new(Kind::ForeignMedia { slot: view.path.clone(), image: view.image_shown() }))
    }

    /// An image is ours when its address starts as the plan says ours do or comes from an origin of
    /// ours, or, where a slot shows a file name and nothing else, when this is a name of ours.
    pub(crate) fn owns(&self, plan: &Plan, view: &SlotView) -> bool {
        if let Some(name) = view.bare_name() {
            let here = |placed: &&Placed| same_path(&placed.slot, &view.path);
            return plan.ours.iter().any(|ours| ours == name)
                || self.placed.iter().filter(here).any(|placed| placed.file == name);
        }
        let image = view.image.as_deref().unwrap_or_default();
        let same_origin =
            |origin: &&str| image.strip_prefix(*origin).is_some_and(|rest| rest.starts_with('/'));
        starts_as_ours(image, &plan.ours) || self.origins.iter().any(same_origin)
    }
}
