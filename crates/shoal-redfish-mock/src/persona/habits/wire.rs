//! How a kind of BMC speaks: sessions, entity tags, connections, and the wording of successes and
//! refusals.

use serde::Deserialize;

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
    /// After so many wrong passwords in a row the account is locked; 0 means never.
    #[serde(default)]
    pub locks_after: u32,
    /// JSON pointers of what a login must contain beside name and password.
    #[serde(default)]
    pub login_needs: Vec<String>,
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
    /// `W/'…'`, which no standard knows.
    Quoted,
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
    /// A PATCH that carries it is answered 412, whatever it says.
    Refused,
}

/// How `ETag` and `If-Match` behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one habit, independent of the others")]
pub struct EtagHabits {
    /// Shape of the tags.
    pub form: EtagForm,
    /// What is done with `If-Match` on a PATCH.
    pub if_match: IfMatch,
    /// Whether `If-Match: *` is taken.
    pub wildcard: bool,
    /// Whether the tags that were given are taken.
    pub own: bool,
    /// Whether the strong form of a weak tag is taken.
    #[serde(default)]
    pub strong_form: bool,
    /// Whether an action that carries `If-Match` is answered 412.
    #[serde(default)]
    pub refused_on_actions: bool,
}

/// How errors are told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorHabits {
    /// Whether `@Message.ExtendedInfo` is one message and not a list of them.
    pub info_is_object: bool,
    /// Whether message ids come without registry and version.
    pub bare_ids: bool,
    /// Whether `error.code` is left out.
    pub no_code: bool,
    /// The message id that tells of a missing parameter, where it is another than the standard's.
    pub missing_id: Option<String>,
}

/// How connections are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionHabits {
    /// Whether a connection serves more than one request.
    pub kept: bool,
}

impl Default for ConnectionHabits {
    fn default() -> Self {
        Self { kept: true }
    }
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
