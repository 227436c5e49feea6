//! # Purpose
//! Puts a server onto virtual media through its BMC's Redfish service: find out what the BMC can
//! do, plan, switch the host off, insert one or two images, boot from them once, switch on, and take
//! all of it back. Every change is verified by reading the state back.
//!
//! # Scope
//! Power, virtual media and the one-time boot override of one system, over HTTPS, for BMCs of any
//! vendor. What a BMC offers is discovered; what it does not say about itself is in profiles, which
//! are data.
//!
//! # Non-goals
//! A complete Redfish object model, firmware and BIOS settings, network boot, events.
//!
//! # Invariants
//! - Every `ensure_*` step may be repeated at any time and changes only what differs.
//! - [`Bmc::power_on`] is the only step that may not; it never sends a request again that the BMC
//!   may have received.
//! - After a change whose answer was lost the BMC's state is read before anything else is sent, and
//!   an error says so with [`Error::may_have_taken_effect`].
//! - A plan refuses before anything is changed, and each step that switches power first verifies
//!   that the machine is the planned one.
//! - An image which is not ours is ejected only if the plan says so.
//! - No password, token or image address appears in an error, a span, a metric or the transcript.
//! - Two authentication failures stop all requests until [`Bmc::reset_lockout`].
//!
//! # Example
//! ```no_run
//! use shoal_redfish::{Bmc, Checkpoint, Credentials, Endpoint, MediaUrl, Options, PlanRequest, Secret, Tls, Urls};
//!
//! # async fn provision() -> Result<(), Box<dyn std::error::Error>> {
//! let pin = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".parse()?;
//! let account = Credentials::new("admin", Secret::new("password"));
//! let endpoint = Endpoint::new("https://10.0.0.7", Tls::Pin(pin), account)?;
//! let bmc = Bmc::connect(endpoint, Options::default()).await?;
//! let plan = bmc.discover().await?.plan(&PlanRequest::default())?;
//! let urls = Urls {
//!     boot: MediaUrl::parse("https://10.0.0.5:8443/boot.iso")?,
//!     task: Some(MediaUrl::parse("https://10.0.0.5:8443/task.iso")?),
//! };
//! let mut checkpoint = Checkpoint::default();
//! // A real program stores the checkpoint; after a restart it passes the stored one.
//! bmc.apply(&plan, &urls, &mut checkpoint, &mut |_| Ok(())).await?;
//! bmc.revert(&plan, &mut checkpoint, &mut |_| Ok(())).await?;
//! bmc.close().await?;
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod answer;
mod bmc;
mod boot;
mod boot_import;
mod call;
mod certificate;
mod der;
mod dial;
mod discover;
mod eject;
mod endpoint;
mod error;
mod examination;
mod examine;
mod finding;
mod flow;
mod hidden;
mod identity;
mod insertion;
mod inventory;
mod kind;
mod learned;
mod manager;
mod media;
mod media_switch;
mod media_url;
mod message;
mod moment;
mod node;
mod override_form;
mod ownership;
mod page;
mod patience;
mod places;
mod plan;
mod planner;
mod power;
mod profile_file;
mod profiles;
mod raw_key;
mod recent;
mod record;
mod redact;
mod restart;
mod rewrite;
mod secret;
mod service;
mod session;
mod slot;
mod spare;
mod task;
mod tls;
mod transcript;
mod vendor;
mod view;
mod wire;

pub mod blocking;
pub mod profile;

pub use bmc::Bmc;
pub use boot::{BootOnce, OverrideCleared};
pub use certificate::Certificate;
pub use discover::Discovery;
pub use endpoint::{AddressError, Credentials, Endpoint, Options, Tls};
pub use error::{Error, Retry};
pub use examination::{
    BootSeen, Examination, Finding, InsertForm, LoginForm, LoginSeen, LoginState, MachineSeen,
    MediaSeen, ProfileSeen, SlotSeen, TlsPolicy, TlsSeen,
};
pub use examine::Examined;
pub use flow::{Checkpoint, Report, Save, Stage, Urls};
pub use identity::Identity;
pub use insertion::Payload;
pub use inventory::Slot;
pub use kind::{BusyReason, Kind, MediaFault};
pub use learned::{EjectForm, EtagForm, Learned, Learning};
pub use media_url::{BadUrl, MediaUrl, MediaUrlError, Scheme};
pub use plan::{
    BootMode, BootPlan, ForeignMedia, Media, MediaClass, MediaPlan, Plan, PlanRequest, Reason,
    Refusal, Role,
};
pub use power::{PowerOn, Sight};
pub use record::Recording;
pub use restart::Restart;
pub use secret::Secret;
pub use slot::{SlotKind, SlotRef};
pub use tls::{BadFingerprint, Fingerprint, TlsFault};
pub use transcript::{Counts, Exchange};
pub use vendor::Vendor;
pub use view::{BootView, Power};

/// The example of the README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
