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

/// How media are inserted, read and ejected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaHabits {
    /// Version in `@odata.type`.
    pub schema: String,
    /// `Name` of every slot.
    pub name: String,
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
}

/// How a boot override is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootHabits {
    /// `BootSourceOverrideTarget@Redfish.AllowableValues`.
    pub targets: Vec<String>,
    /// Values taken for `BootSourceOverrideEnabled`.
    pub enabled: Vec<String>,
    /// Values taken for `BootSourceOverrideMode`; empty means that the property is absent.
    pub modes: Vec<String>,
    /// Whether the override cannot be changed while the host is in POST.
    pub refused_in_post: bool,
    /// Slots that firmware can boot from, in order; empty means every optical slot.
    pub slots: Vec<String>,
}

/// How power changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerHabits {
    /// Values taken for `ResetType`.
    pub reset_types: Vec<String>,
    /// Whether they are told by `@Redfish.ActionInfo` and not inline.
    pub action_info: bool,
    /// How long `PowerState` lags behind the power, in milliseconds of clock time.
    pub lag_ms: u64,
    /// Whether a lagging `PowerState` says `PoweringOn` or `PoweringOff` and not the old value.
    pub transitional_states: bool,
    /// How long an operating system takes to follow a graceful request, in milliseconds.
    pub graceful_ms: u64,
    /// How long after going off `On` is refused, in milliseconds.
    pub no_on_after_off_ms: u64,
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
