//! What a kind of BMC does where others do otherwise. Each habit is one field, so that a test
//! can turn a single one and leave the rest alone.

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
}

/// A settings resource below the system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsHabits {
    /// Last path segment.
    pub id: String,
    /// Whether the system names it in `@Redfish.Settings`.
    pub linked: bool,
    /// What the system answers to an override that belongs into the settings. Without it the
    /// settings hold the boot order only, and the system takes the override.
    pub elsewhere: Option<Refusal>,
}

/// How a boot override is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootHabits {
    /// `BootSourceOverrideTarget@Redfish.AllowableValues`.
    pub targets: Vec<String>,
    /// Those of them by which firmware boots from a virtual CD; others mean other drives.
    pub cd_targets: Vec<String>,
    /// Values taken for `BootSourceOverrideEnabled`.
    pub enabled: Vec<String>,
    /// Whether those are listed in `@Redfish.AllowableValues`.
    pub lists_enabled: bool,
    /// Values taken for `BootSourceOverrideMode`; empty means that the property is absent.
    pub modes: Vec<String>,
    /// The mode that is set when a change does not name one; without it the mode stays.
    pub mode_unless_named: Option<String>,
    /// Properties of `Boot` that every change must name.
    pub required: Vec<String>,
    /// A settings resource below the system, where there is one.
    pub settings: Option<SettingsHabits>,
    /// Whether the override cannot be changed while the host is in POST.
    pub refused_in_post: bool,
    /// Slots that firmware can boot from, in order; empty means every optical slot.
    pub slots: Vec<String>,
}

/// Where the values of `ResetType` are told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ResetTypesIn {
    /// In the action's `@Redfish.AllowableValues`.
    Inline,
    /// In a document of their own, which `@Redfish.ActionInfo` names.
    ActionInfo,
    /// In both.
    Both,
}

/// How power changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerHabits {
    /// Values taken for `ResetType`.
    pub reset_types: Vec<String>,
    /// Where they are told.
    pub reset_types_in: ResetTypesIn,
    /// How long `PowerState` lags behind the power, in milliseconds of clock time.
    pub lag_ms: u64,
    /// Whether a lagging `PowerState` says `PoweringOn` or `PoweringOff` and not the old value.
    pub transitional_states: bool,
    /// How long an operating system takes to follow a graceful request, in milliseconds.
    pub graceful_ms: u64,
    /// How long after going off `On` is refused, in milliseconds.
    pub no_on_after_off_ms: u64,
    /// Whether `LastResetTime` moves when the host restarts without losing power.
    pub notices_restart: bool,
}

/// How sessions behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionHabits {
    /// Whether there is a session service at all.
    pub supported: bool,
    /// How many sessions may be open.
    pub max: usize,
    /// Idle time after which a session ends, in seconds of clock time.
    pub idle_seconds: u64,
    /// What `SessionTimeout` claims, in seconds.
    pub advertised_seconds: u64,
}

/// The shape of the entity tags a BMC gives.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum EtagForm {
    /// No tags.
    None,
    /// `W/"…"`.
    Weak,
    /// `"…"`.
    Strong,
}

/// What a BMC does with `If-Match`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum IfMatch {
    /// Nothing.
    Ignored,
    /// A tag that is sent must be the current one, else 412.
    Checked,
    /// As checked, and a PATCH without it is answered 428.
    Required,
}

/// How `ETag` and `If-Match` behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtagHabits {
    /// Shape of the tags.
    pub form: EtagForm,
    /// What is done with `If-Match` on a PATCH.
    pub if_match: IfMatch,
    /// Whether `If-Match: *` is taken.
    pub wildcard: bool,
    /// Whether the tags that were given are taken.
    pub own: bool,
}

/// How an accepted write is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// Status code; 204 has no body.
    pub status: u16,
    /// `error.code` of the body that some BMCs send with a success.
    pub code: Option<String>,
    /// `MessageId` in that body.
    pub message_id: Option<String>,
}

/// How one refusal is worded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `MessageId`.
    pub id: String,
    /// `Message`.
    pub text: String,
}

/// The refusals whose wording differs between vendors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusals {
    /// Insertion into a slot, or onto a device, that holds a medium.
    pub media_occupied: Refusal,
    /// Ejection from an empty slot.
    pub media_empty: Refusal,
    /// The image server could not be reached or did not serve ranges.
    pub media_unreachable: Refusal,
    /// The image server answered 403 or 404.
    pub media_not_found: Refusal,
    /// The URL breaks one of the persona's rules.
    pub url_refused: Refusal,
    /// `On` while on.
    pub already_on: Refusal,
    /// `ForceOff` while off.
    pub already_off: Refusal,
    /// `On` too soon after going off.
    pub on_too_soon: Refusal,
    /// A boot override while the host is in POST.
    pub in_post: Refusal,
    /// One session too many.
    pub session_limit: Refusal,
}
