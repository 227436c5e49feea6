//! A BMC over HTTPS with a host behind it, for tests and demonstrations without hardware.
//!
//! # Purpose
//! Answers Redfish as BMCs of different vendors do, fetches virtual media over the network as
//! they do, and boots a simulated host from them. What the host does is decided by what the disc says:
//! in our maintenance OS it finds the task medium by its label, runs the real dispatcher on it and
//! lets the real reporter speak; an ESXi installer finds its kickstart file, works for a while, ends as
//! it was told and reports nothing.
//!
//! # Scope
//! [`Persona`] is one kind of BMC as data. [`Mock`] is one running machine. [`Journal`] is what
//! its BMC was asked and what that changed; [`Event`]s are what happened at the machine.
//! [`Faults`] break requests by script, [`HostScript`] says what the host will do, methods of [`Mock`]
//! say what befalls BMC and host, and [`Clock`] lets an hour pass in a second or exactly when a test
//! says so.
//!
//! # Non-goals
//! It is not a Redfish client's other half: it shares no types with any client and no code with
//! any writer of discs, so that an error on one side cannot hide on the other. It does not
//! execute what it boots.
//!
//! # Invariants
//! - What a request changed is in the journal exactly when it happened, in the order in which it
//!   happened, whether or not the request was answered; nothing else is.
//! - A request that arrived is carried out even if its sender goes away.
//! - A medium is in a slot only after it was opened over the network, and what the host reads
//!   of it is read through the BMC by ranges (or from the copy that a prefetching BMC made).
//! - Cutting power ends the host's run at once, including its child processes; a run that was
//!   cut changes nothing afterwards.
//! - On a manual clock the same requests and the same script give the same journal and the same
//!   events; only tokens, the certificate and wall time differ.
//! - Neither passwords nor the paths of image URLs are kept, logged or printed.
//!
//! # Example
//! ```
//! use shoal_redfish_mock::{Clock, Config, HostConfig, Mock, Persona};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let scratch = std::env::temp_dir().join(format!("shoal-mock-doc-{}", std::process::id()));
//! let persona = Persona::built_in("ilo5").unwrap();
//! let mut config = Config::new(persona, "SN0001", HostConfig::new(&scratch));
//! config.clock = Clock::scaled(60);
//! let mock = Mock::start(config).await.unwrap();
//! assert!(mock.url().starts_with("https://127.0.0.1:"));
//! assert!(mock.journal().effects().is_empty());
//! mock.shutdown().await;
//! # std::fs::remove_dir_all(scratch).unwrap();
//! # });
//! ```
#![warn(missing_docs)]

mod account;
mod bmc;
mod board;
mod clock;
mod config;
mod disc;
mod document;
mod door;
mod fat;
mod fault;
mod host;
mod journal;
mod medium;
mod mock;
pub mod persona;
mod reply;
mod script;
mod server;
mod session;
mod target;
mod timeline;
mod tls;

pub use board::{BootOverride, HostPhase, SlotState};
pub use clock::{Clock, ClockHand};
pub use config::{Config, HostConfig, Secret};
pub use door::Away;
pub use fault::{Action, Fault, Faults, Rule, When};
pub use journal::{Effect, EffectKind, Ended, Entry, Journal};
pub use medium::ImageUrl;
pub use mock::{Mock, StartError, State};
pub use persona::Persona;
pub use script::{BadEnding, Ending, HostScript, Restart, Step};
pub use timeline::{Boot, BootFrom, Event, Moment, NotSeen, Part};
pub use tls::TlsError;
