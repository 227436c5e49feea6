//! The operator's command line for a Shoal controller.
//!
//! # Purpose
//!
//! Day-2 work is done from terminals, scripts and pipelines. This program puts the controller's API
//! into verbs (`shoal jobs create`, `shoal servers list`), follows jobs to their end, and answers
//! with exit codes on which a script can rely.
//!
//! # Scope
//!
//! Arguments, profiles, credentials, one HTTP client, and the rendering of what the controller says
//! as tables or JSON. Recipes are checked here first with the validator the controller uses.
//!
//! # Non-goals
//!
//! It decides nothing: every rule about jobs is the controller's. It opens no database, talks to no
//! BMC, and keeps no state beyond the operator's own configuration file.
//!
//! # Invariants
//!
//! - Secrets come from files, the environment or a prompt, never from arguments, and are never
//!   printed. They are sent to the address they were configured for and nowhere else: redirects are
//!   not followed, proxies are not used, and a bare URL borrows no profile's credentials.
//! - What the controller shows once (a new token, a drawn fleet secret) is printed only by the command
//!   that made it, or kept in a file that its owner alone can read.
//! - TLS is verified against a named authority, a pin or the system's authorities. There is no switch
//!   that turns it off.
//! - Only calls that change nothing are repeated on their own.
//! - Every end of the program is one of [`Exit`], documented there and in `--help`.
//! - Members of answers that this release does not know are passed on in JSON and ignored in tables.
//!
//! # Example
//!
//! ```
//! use shoal::{Exit, Pace, Surroundings, run};
//!
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! let mut surroundings = Surroundings {
//!     environment: Default::default(),
//!     stdin: &mut std::io::empty(),
//!     stdout: &mut out,
//!     stderr: &mut err,
//!     stdout_is_terminal: false,
//!     stderr_is_terminal: false,
//!     prompt: &|_| Err(std::io::ErrorKind::NotConnected.into()),
//!     ask: &|_| Err(std::io::ErrorKind::NotConnected.into()),
//!     now: jiff::Timestamp::UNIX_EPOCH,
//!     pace: Pace::default(),
//! };
//! let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! let exit = runtime.block_on(run(["shoal", "version"].map(Into::into), &mut surroundings));
//!
//! assert_eq!(exit, Exit::Done);
//! assert!(String::from_utf8(out).unwrap().starts_with("shoal "));
//! ```

#![deny(missing_docs)]

mod args;
mod audit;
mod bmc;
mod changes;
mod client;
mod config;
mod drain;
mod error;
mod exit;
mod inventory;
mod jobs;
mod look;
mod once;
mod pace;
mod pointer;
mod profile;
mod recipe_file;
mod reference;
mod registry;
mod run;
mod screen;
mod secret;
mod secrets;
mod servers;
mod span;
mod sse;
mod table;
mod tls;
mod tokens;
mod watch;
mod wire;
mod words;

pub use exit::Exit;
pub use pace::Pace;
pub use reference::reference;
pub use run::{Surroundings, run};
pub use tls::install_crypto;
