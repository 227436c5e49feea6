//! How a kind of BMC takes media: by which request, with which words, and what its slots say of them.

use serde::Deserialize;

/// What `Image` says while a slot is empty.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum EmptyImage {
    /// JSON `null`.
    Null,
    /// An empty string.
    Blank,
}

/// What a slot shows of the image in it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ShownImage {
    /// `Image` is its address as it was sent.
    #[default]
    Address,
    /// `Image` is its address with the port written out.
    AddressWithPort,
    /// `ImageName` is its file name, and `Image` says nothing.
    Name,
}

/// When an insertion is answered.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum InsertAnswer {
    /// When the medium is in or could not be opened.
    AtOnce,
    /// With 202 and nothing to ask for later; a medium that cannot be opened never shows.
    Accepted,
    /// With 202 and a task that tells how it ended.
    Task,
    /// With 202 and a bare `Location`, which is gone when the insertion has ended.
    Location,
}

/// How remote media are that are off until an action of the manager switches them on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffHabits {
    /// Whether no slot is listed while they are off; else slots refuse every image.
    pub hides_slots: bool,
    /// How long they take to go on, in milliseconds of clock time.
    pub takes_ms: u64,
}

/// How media are inserted, read and ejected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one habit, independent of the others")]
pub struct MediaHabits {
    /// Version in `@odata.type`.
    pub schema: String,
    /// `Name` of every slot.
    pub name: String,
    /// Whether slots have the actions `InsertMedia` and `EjectMedia`.
    pub actions: bool,
    /// Whether `InsertMedia` names an `@Redfish.ActionInfo`.
    pub action_info: bool,
    /// Whether `EjectMedia` is listed and served only while a medium is in.
    pub eject_only_when_inserted: bool,
    /// Whether `PATCH {Image}` inserts and `PATCH {Image: null}` ejects.
    pub patch: bool,
    /// Whether `EjectMedia` without a JSON object as body is refused.
    pub eject_needs_object: bool,
    /// Whether `EjectMedia` with any body is refused.
    #[serde(default)]
    pub eject_refuses_body: bool,
    /// How many media may be in at once.
    pub max_at_once: usize,
    /// URL schemes that are taken.
    pub schemes: Vec<String>,
    /// Characters that make a URL refused, such as `?=&`.
    pub forbidden_in_url: String,
    /// Longest URL that is taken, in bytes.
    pub max_url_bytes: usize,
    /// Endings a URL must have one of; empty means any.
    pub suffixes: Vec<String>,
    /// Properties that `InsertMedia` takes; others are refused.
    pub accepts: Vec<String>,
    /// Those of them that an insertion must name, beside `Image`.
    pub requires: Vec<String>,
    /// When an insertion is answered.
    pub answer: InsertAnswer,
    /// How long after its answer an insertion shows, in milliseconds of clock time.
    pub shows_after_ms: u64,
    /// Whether the whole medium is downloaded before the insertion is answered.
    pub prefetch: bool,
    /// How much is read from the start of a medium at insertion, in KiB.
    pub first_read_kib: u64,
    /// Size of one ranged read on behalf of the host, in KiB.
    pub read_kib: u64,
    /// How long a slot still says `Inserted` after an ejection, in milliseconds of clock time.
    pub stale_inserted_ms: u64,
    /// What `Image` says while the slot is empty.
    pub empty_image: EmptyImage,
    /// Whether `Image` and `ImageName` go on naming the last medium after its ejection.
    pub keeps_image: bool,
    /// Whether slots say their `MediaTypes`.
    pub tells_types: bool,
    /// What a slot shows of its image.
    #[serde(default)]
    pub shows_image: ShownImage,
    /// Values listed for `TransferProtocolType`; empty means that they are not listed.
    #[serde(default)]
    pub lists_protocols: Vec<String>,
    /// Whether a `TransferProtocolType` that is not the URL's scheme is refused.
    #[serde(default)]
    pub protocol_must_agree: bool,
    /// Whether a `TransferMethod` other than `Stream` is refused.
    #[serde(default)]
    pub streams_only: bool,
    /// Whether a medium is writable unless an insertion says `WriteProtected`.
    #[serde(default)]
    pub writable_unless_told: bool,
    /// Remote media are off at first.
    pub delivered_off: Option<OffHabits>,
}
