//! The whole system on loopback, from outside: real processes, the public HTTP API, mock BMCs.
//!
//! # Purpose
//! Starts a controller the way systemd does, enrols mock machines through the API, asks for jobs and
//! follows them to their end, so that a demonstration and a test are the same few lines.
//!
//! # Scope
//! [`Controller`] is the real process with listening sockets that outlive it. [`Api`] is what an
//! operator's program would send, [`Follow`] is one job's history as it happens. [`Rack`] makes
//! [`Machine`]s, and [`BootMedium`] is the disc they boot. The programs `shoal-demo`, `shoal-e2e` and
//! `shoal-ops-live` and the benchmarks are made of these.
//!
//! # Non-goals
//! Nothing here reaches into the controller: no database, no internal types. What cannot be seen
//! through the API, at the BMC or in a process's exit code is not tested here.
//!
//! # Invariants
//! - Every wait ends: by the event waited for, by the end of a process, or by its bound.
//! - Every process that is started is ended by its handle, and every directory is removed unless the
//!   caller asks to keep it.
//! - Sockets listen on loopback on ports the kernel chose.
//! - A token is sent as a header marked sensitive and never printed.
//!
//! # Example
//! ```no_run
//! use shoal_tests::{BootMedium, Controller, Config, Follow, Programs, Rack, linux_job};
//! use shoal_redfish_mock::HostScript;
//!
//! # async fn example() -> anyhow::Result<()> {
//! let scratch = tempfile::tempdir()?;
//! BootMedium::make(&scratch.path().join("static"))?;
//! let programs = Programs::find()?;
//! let config = Config::new(scratch.path().join("controller"), scratch.path().join("static"));
//! let controller = Controller::start(&programs, config).await?;
//! let api = controller.api()?;
//! let rack = Rack::new(&programs, scratch.path().join("rack"), controller.ca()?);
//! let machine = rack.add("ilo5", "SN0001", HostScript::default()).await?;
//! api.enrol(&machine).await?;
//! let job = api.create_job(&linux_job("SN0001")?).await?;
//! Follow::start(&api, &job).completed().await?;
//! assert!(api.job(&job).await?.succeeded());
//! # Ok(())
//! # }
//! ```

mod api;
mod boot_medium;
mod collector;
mod controller;
mod disc;
mod esxi_installer;
mod follow;
mod interrupt;
mod job;
mod machine;
mod mount;
mod outcome;
mod program;
mod rack;
mod scrape;
mod shift;
mod socket;

pub use api::{Answer, Api};
pub use boot_medium::BootMedium;
pub use collector::{Collector, Mood, Span, Told};
pub use controller::{Config, Controller, Environment, Ready, Refusal};
pub use esxi_installer::{EsxiInstaller, Kickstart};
pub use follow::{Event, Follow, PATIENCE};
pub use interrupt::Interrupt;
pub use job::{Job, Workflow, linux_job};
pub use machine::Machine;
pub use mount::OwnMount;
pub use outcome::{Outcome, table};
pub use program::{Programs, install_crypto, on_path, python_tools, redfish_tools, registry_tools};
pub use rack::Rack;
pub use scrape::{Declared, Scrape, declared};
pub use shift::{Moves, Shift};
