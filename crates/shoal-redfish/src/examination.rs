//! What a read-only look at a BMC tells an operator, as one value: programs store and compare it,
//! and [`std::fmt::Display`] turns it into a page for people. Absent parts were not seen, because
//! something under `problems` came first.

use serde::{Deserialize, Serialize};

use crate::{
    certificate::Certificate,
    identity::Identity,
    media_url::Scheme,
    plan::{MediaClass, Role},
    profile::SerialField,
    tls::Fingerprint,
    vendor::Vendor,
    view::Power,
};

/// The findings of [`Bmc::examine`](crate::Bmc::examine).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Examination {
    /// Where the BMC was looked for.
    pub address: String,
    /// A machine could be provisioned through this BMC now: there is a plan and no problem.
    pub ready: bool,
    /// It answered and speaks Redfish.
    pub reachable: bool,
    /// Its certificate and how it was judged.
    pub tls: TlsSeen,
    /// Our login.
    pub login: LoginSeen,
    /// How far its clock is ahead of ours, in seconds; negative when behind.
    pub clock_ahead_seconds: Option<i64>,
    /// The machine.
    pub machine: Option<MachineSeen>,
    /// The behaviour that is assumed of the BMC.
    pub profile: Option<ProfileSeen>,
    /// Its virtual media slots, in the order in which they are considered.
    pub slots: Vec<SlotSeen>,
    /// How the media would get in. With `ready` false: how they would once the problems are mended.
    pub media_plan: Option<MediaSeen>,
    /// How the machine would be made to boot the boot medium, under the same condition.
    pub boot: Option<BootSeen>,
    /// The licence that virtual media by address need on BMCs of this kind.
    pub licence_hint: Option<String>,
    /// What would make an installation fail.
    pub problems: Vec<Finding>,
    /// What deserves a second look.
    pub warnings: Vec<String>,
    /// Requests sent for this examination.
    pub requests: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A BMC's certificate and how it was judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TlsSeen {
    /// How certificates of this BMC are judged.
    pub policy: TlsPolicy,
    /// Whether the policy accepted it; none if no handshake came about.
    pub accepted: Option<bool>,
    /// The certificates as sent, the BMC's own first.
    pub chain: Vec<Certificate>,
    /// Whole days until the BMC's own ends, negative afterwards.
    pub expires_in_days: Option<i64>,
    /// What to pin to trust exactly this BMC: its key where it could be read, else the certificate.
    pub pin: Option<Fingerprint>,
}

/// How a BMC's certificate is judged, see [`Tls`](crate::Tls).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TlsPolicy {
    /// Plain HTTP: there is none.
    #[default]
    None,
    /// Issued by a given authority.
    Ca,
    /// Exactly the given certificate or key.
    Pin,
    /// Not at all.
    Insecure,
}

/// What became of our login.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LoginSeen {
    /// What became of it.
    pub state: LoginState,
    /// How the BMC knows us.
    pub form: Option<LoginForm>,
    /// Logins refused in a row, this one included.
    pub refused: u8,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginState {
    /// Something came first.
    #[default]
    NotTried,
    /// The BMC took it.
    Accepted,
    /// The BMC refused it.
    Refused,
    /// Too many were refused before, so none was tried.
    Stopped,
}

/// How a BMC knows who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginForm {
    /// By a session's token.
    Session,
    /// By name and password with each request: the BMC has no session service or no free session.
    Basic,
}

/// The machine behind a BMC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MachineSeen {
    /// Path of its system.
    pub system: String,
    /// Path of its manager.
    pub manager: Option<String>,
    /// The system's manufacturer.
    pub manufacturer: Option<String>,
    /// The system's model.
    pub model: Option<String>,
    /// The manager's model, such as `iLO 5`.
    pub bmc_model: Option<String>,
    /// The manager's firmware version.
    pub firmware: Option<String>,
    /// What tells it from others.
    pub identity: Identity,
    /// Where operators of this kind of machine read its serial; on Dell `SKU`, the service tag.
    pub serial_fields: Vec<SerialField>,
    /// The serial or UUID that was expected.
    pub expected: Option<String>,
    /// Which identity that is: `serial_number`, `sku` or `uuid`.
    pub expected_is: Option<String>,
    /// Its power state.
    pub power: Power,
    /// Paths of further systems of the same BMC that could be provisioned.
    pub other_systems: Vec<String>,
}

/// The behaviour that is assumed of a BMC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProfileSeen {
    /// Its name.
    pub name: String,
    /// The vendor's label.
    pub vendor: Vendor,
    /// Why it was chosen.
    pub because: String,
}

/// One virtual media slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SlotSeen {
    /// Its id within its collection.
    pub id: String,
    /// Its path.
    pub path: String,
    /// What it can hold.
    pub media_types: Vec<String>,
    /// How it takes an image; none if in no way of ours.
    pub insert: Option<InsertForm>,
    /// The image in it, origin and file name only.
    pub image: Option<String>,
    /// The medium it is chosen for.
    pub chosen: Option<Role>,
    /// Why it was chosen or not.
    pub because: String,
}

/// How a slot takes an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InsertForm {
    /// By its `InsertMedia` action.
    Action,
    /// By a change of the slot itself.
    Patch,
}

/// How both media would get into a BMC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MediaSeen {
    /// The shape.
    pub class: MediaClass,
    /// Path of the boot medium's slot.
    pub boot_slot: String,
    /// Path of the task medium's slot; none where one medium carries both.
    pub task_slot: Option<String>,
    /// Protocol of the boot medium.
    pub boot_scheme: Scheme,
    /// Protocol of the task medium.
    pub task_scheme: Option<Scheme>,
    /// The BMC fetches media whole at insertion, so its reads prove nothing about the host.
    pub fetches_whole: bool,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// How a machine would be made to boot the boot medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BootSeen {
    /// Such as `boot_once_cd`.
    pub strategy: String,
    /// Path of the resource that takes the override.
    pub resource: String,
    /// The override's target.
    pub target: String,
    /// Firmware mode, where one is sent.
    pub mode: Option<String>,
}

/// Something that would make an installation fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Finding {
    /// Stable for programs: a [`Kind::code`](crate::Kind::code), a
    /// [`Reason::code`](crate::Reason::code), or `privilege`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub next_step: String,
    /// What the BMC showed.
    pub seen: Vec<String>,
}
