//! Finding the request form a BMC accepts costs refusals. What worked is kept for the kind of BMC
//! (vendor, model, firmware) and can be exported, so that the next machine of the kind is driven
//! with one request per change.

use serde::{Deserialize, Serialize};

use crate::insertion::Payload;

/// The forms that worked on one kind of BMC. Store it as JSON and pass it in
/// [`Options::learned`](crate::Options::learned); it is ignored when the kind differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    /// Vendor label, manager model and firmware version.
    pub(crate) kind: String,
    pub(crate) payload: Option<Payload>,
    pub(crate) eject: Option<EjectForm>,
    pub(crate) etag: Option<EtagForm>,
    /// Whether a boot change must name all its properties.
    pub(crate) full_boot: bool,
    /// The boot override is taken by the resource that was not tried first.
    pub(crate) boot_elsewhere: bool,
    /// Expanded reads were refused or incomplete.
    pub(crate) no_expand: bool,
}

impl Learned {
    /// The kind of BMC this holds for: vendor label, manager model and firmware version.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// Forms of the request that empties a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EjectForm {
    /// POST to the action with `{}`.
    EmptyObject,
    /// POST to the action without a body.
    NoBody,
    /// PATCH the slot with `Image: null, Inserted: false`.
    PatchInserted,
    /// PATCH the slot with `Image: null`.
    PatchImage,
}

/// Forms of the `If-Match` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EtagForm {
    /// The tag as the BMC sent it.
    Received,
    /// The tag without its weakness prefix.
    Strong,
    /// `*`.
    Any,
    /// No header.
    Nothing,
}

impl EtagForm {
    /// The header value for a tag; `None` when no header is sent.
    pub(crate) fn header(self, etag: Option<&str>) -> Option<String> {
        match self {
            Self::Received => etag.map(str::to_owned),
            Self::Strong => etag.map(|etag| etag.strip_prefix("W/").unwrap_or(etag).to_owned()),
            Self::Any => Some("*".to_owned()),
            Self::Nothing => None,
        }
    }
}
