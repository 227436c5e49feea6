//! What the API asks of whoever talks to BMCs: a read-only look, and what a job's media plan would
//! be. It exists so that this crate knows no BMC protocol.

use std::{future::Future, pin::Pin, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_core::{MediaClass, Plan, ServerSerial, Time};
use shoal_store::{Credentials, Hardware, ServerRecord, TlsPolicy};

use crate::openapi::shape;

/// What a [`Prober`] returns; it goes on when nobody waits for it any more.
pub type Looking<T> = Pin<Box<dyn Future<Output = Result<T, NotProbed>> + Send>>;

/// Looks at BMCs. Changes nothing on them.
pub trait Prober: Send + Sync + 'static {
    /// Looks at a server's BMC now and keeps what was seen as the server's newest probe.
    fn probe(&self, server: ServerRecord) -> Looking<Probe>;

    /// Looks at a BMC no server was registered with. Keeps nothing.
    fn examine(&self, stranger: Stranger) -> Looking<Probe>;

    /// What a job's media plan would be.
    fn forecast(&self, asked: Asked) -> Looking<Forecast>;

    /// Forgets what looks and jobs have learned of a kind of BMC; false where nothing was known.
    fn forget(&self, kind: String) -> Looking<bool>;

    /// How long a probe waits at most for its turn at a BMC that somebody works on.
    fn patience(&self) -> Duration;
}

/// A BMC that is not known yet.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// Its `https://` URL.
    pub bmc_address: String,
    /// How it proves who it is. Without it nothing but its certificate is looked at.
    pub tls: Option<TlsPolicy>,
    /// How to log in. Without them nothing but its certificate is looked at.
    pub credentials: Option<Credentials>,
}

/// A job that is not made yet.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its machine.
    pub server: ServerRecord,
    /// What the request was resolved to.
    pub plan: Plan,
    /// The boot medium's outside address; none for the controller's own media.
    pub boot_url: Option<String>,
    /// Ask the BMC now, instead of the newest probe.
    pub live: bool,
}

/// Why there is no probe. A BMC that cannot be reached is no reason: that is an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotProbed {
    /// Somebody else works on the BMC.
    #[error("a job is working on this BMC; try again when it waits for its machine")]
    Busy,
    /// The server was removed meanwhile.
    #[error("the server was removed")]
    Gone,
    /// The store failed.
    #[error("read or keep a probe")]
    Store(#[from] shoal_store::Error),
    /// The process is ending.
    #[error("wait for a probe while the process ends")]
    Ending,
}

/// What a read-only look at a BMC showed, and what an install would meet. Absent parts were not
/// seen, because something listed under `problems` came first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Probe {
    /// Where the BMC was looked for.
    pub bmc_address: String,
    /// How long it took, without waiting for a turn.
    pub took_ms: u64,
    /// Requests that were sent for it.
    pub requests: u64,
    /// It answered and speaks Redfish.
    pub reachable: bool,
    /// Its certificate.
    pub tls: TlsSeen,
    /// Our login.
    pub login: LoginSeen,
    /// How far its clock is ahead of ours.
    pub clock_ahead_seconds: Option<i64>,
    /// The machine.
    pub machine: Option<MachineSeen>,
    /// The behaviour that is assumed of the BMC.
    pub profile: Option<ProfileSeen>,
    /// Its virtual media slots, in the order in which they are considered.
    pub slots: Vec<SlotSeen>,
    /// How an install from our own media would use them.
    pub media_plan: Option<MediaForecast>,
    /// How the machine would be made to boot.
    pub boot: Option<BootSeen>,
    /// Licence that virtual media by address need on such BMCs.
    pub licence_hint: Option<String>,
    /// What would make an install fail.
    pub problems: Vec<Finding>,
    /// What deserves a second look.
    pub warnings: Vec<String>,
}

/// A BMC's certificate and how it is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsSeen {
    /// `ca`, `pin` or `insecure`.
    pub policy: String,
    /// Whether the policy accepted it; none if no handshake came about.
    pub accepted: Option<bool>,
    /// SHA-256 of the certificate, hex.
    pub sha256: Option<String>,
    /// SHA-256 of its key, hex; a pin of this survives renewals that keep the key.
    pub key_sha256: Option<String>,
    /// Whom it names.
    pub subject: Option<String>,
    /// Who issued it; the same as `subject` where nobody else did.
    pub issuer: Option<String>,
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Its end, seconds since 1970.
    pub not_after: Option<i64>,
    /// Whole days until then, negative afterwards.
    pub expires_in_days: Option<i64>,
}

/// What became of our login.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LoginSeen {
    /// What became of it.
    pub state: LoginState,
    /// `session`, or `basic` where the BMC has no session for us.
    pub form: Option<String>,
    /// Logins refused in a row, this one included.
    pub refused: u8,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginState {
    /// Something came first.
    #[default]
    NotTried,
    /// The BMC took it.
    Accepted,
    /// The BMC refused it.
    Refused,
    /// Too many were refused before; none is tried until an operator or other credentials say so.
    Stopped,
}

/// The machine behind a BMC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MachineSeen {
    /// What the BMC says now.
    #[schemars(with = "shape::Hardware")]
    pub seen: Hardware,
    /// The manager's model, such as `iLO 5`.
    pub bmc_model: Option<String>,
    /// Which identity the server's serial is: `serial_number`, `sku`, `uuid` or none of them.
    pub serial_is: Option<String>,
    /// `first_seen`, `same` or `mismatch`, against what was recorded; `unknown` of a BMC that no
    /// server is registered with.
    pub recorded: String,
    /// What was recorded, where it is another machine. It stays recorded.
    #[schemars(with = "Option<shape::Hardware>")]
    pub expected: Option<Hardware>,
    /// Such as `on`, `off`, `turning_on`.
    pub power: String,
    /// Further systems of the same BMC that could be provisioned.
    pub other_systems: Vec<String>,
}

/// The behaviour that is assumed of a BMC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProfileSeen {
    /// Its name.
    pub name: String,
    /// The vendor's label.
    pub vendor: String,
    /// Why it was chosen.
    pub because: String,
}

/// One virtual media slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SlotSeen {
    /// Its id.
    pub id: String,
    /// What it can hold.
    pub media_types: Vec<String>,
    /// The image in it, origin and file name only.
    pub image: Option<String>,
    /// `boot`, `task`, or none.
    pub chosen: Option<String>,
    /// Why it was chosen or not.
    pub because: String,
}

/// How both media would get into a BMC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaForecast {
    /// The shape.
    #[schemars(with = "shape::MediaClass")]
    pub class: MediaClass,
    /// Slot of the boot medium.
    pub boot_slot: String,
    /// Slot of the task medium; none where one medium carries both.
    pub task_slot: Option<String>,
    /// Protocol of the boot medium.
    pub boot_scheme: String,
    /// Protocol of the task medium.
    pub task_scheme: Option<String>,
    /// The BMC fetches media whole at insertion, so its reads prove nothing.
    pub prefetches: bool,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// How a machine would be made to boot the boot medium.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BootSeen {
    /// Such as `boot_once_cd`.
    pub strategy: String,
    /// The override's target.
    pub target: String,
    /// Firmware mode, where one is sent.
    pub mode: Option<String>,
}

/// Something that would make an install fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Finding {
    /// Stable for programs.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub next_step: String,
    /// What the BMC showed.
    pub seen: Vec<String>,
}

/// What a job's media plan would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// When the BMC was looked at for it; none if it never was.
    pub probed_at: Option<Time>,
    /// The plan, where there can be one.
    pub media_plan: Option<MediaForecast>,
    /// Why there cannot.
    pub problems: Vec<Finding>,
    /// What it rests on, in words.
    pub notes: Vec<String>,
}

/// The serial a probe is about, beside the probe.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ShownProbe")]
pub(crate) struct Shown<'a> {
    #[schemars(with = "shape::ServerSerial")]
    pub(crate) server_serial: &'a ServerSerial,
    pub(crate) probed_at: crate::timestamp::At,
    pub(crate) age_seconds: u64,
    #[serde(flatten)]
    pub(crate) probe: &'a Probe,
}
