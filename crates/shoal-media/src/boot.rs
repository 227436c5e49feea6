//! A boot medium: an ISO of ours carries a manifest and gives evidence; any other ISO boots as well,
//! and proves no more than that it was opened.

use crate::content::Content;
use crate::extent::Extent;
use crate::iso9660::{IsoError, find_file};
use crate::manifest::{MAX_MANIFEST_LEN, Manifest, ManifestError};
use crate::medium::{Digest, Medium, MediumError};

/// Name of the manifest in the root directory.
pub const MANIFEST_NAME: &str = "shoal.json";

/// A boot ISO and what it says about itself.
#[derive(Debug, Clone)]
pub struct BootMedium {
    medium: Medium,
    manifest: Option<Manifest>,
}

/// Why a boot ISO cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootMediumError {
    /// It is a damaged ISO 9660 image.
    #[error("search boot medium for {MANIFEST_NAME}")]
    Iso(#[from] IsoError),
    /// The manifest cannot be read.
    #[error("read {MANIFEST_NAME} of boot medium")]
    Read(#[source] std::io::Error),
    /// The manifest is there and wrong: silently going on without evidence would hide it.
    #[error("rely on {MANIFEST_NAME} of boot medium")]
    Manifest(#[from] ManifestError),
    /// The tripwires do not fit.
    #[error("lay out boot medium")]
    Medium(#[from] MediumError),
}

impl BootMedium {
    /// Looks for a manifest in `content`, which `digest` identifies. Blocks while it reads a few
    /// sectors; done once per image, not per request.
    pub fn open(content: Content, digest: Digest) -> Result<Self, BootMediumError> {
        let found = find_file(&content, MANIFEST_NAME)?;
        let manifest = found.map(|place| read_manifest(&content, place)).transpose()?;
        let tripwires = manifest.as_ref().map(|m| m.tripwires.clone()).unwrap_or_default();
        let medium = Medium::new(content, digest, tripwires)?;
        Ok(Self { medium, manifest })
    }

    /// What is served to BMCs with a slot for each medium.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// What the ISO says about itself, if it is one of ours.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Whether reads of it prove more than that it was opened.
    pub fn gives_evidence(&self) -> bool {
        !self.medium.tripwires().is_empty()
    }

    /// What is served to BMCs with one slot: this medium with `task` in its reserved extent.
    pub fn overlay(&self, task: &Medium) -> Result<Medium, MediumError> {
        let reserved = self.manifest.as_ref().and_then(|manifest| manifest.reserved);
        Medium::overlay(&self.medium, task, reserved.ok_or(MediumError::NothingReserved)?)
    }
}

fn read_manifest(content: &Content, place: Extent) -> Result<Manifest, BootMediumError> {
    if place.len() > MAX_MANIFEST_LEN {
        return Err(ManifestError::TooLong { len: place.len() }.into());
    }
    let mut json = vec![0; usize::try_from(place.len()).unwrap_or(0)];
    content.read_exact_at(place.offset(), &mut json).map_err(BootMediumError::Read)?;
    Ok(Manifest::parse(&json, content.len())?)
}
