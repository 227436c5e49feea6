//! The controller: everything that turns the crates of this product into one running process.
//!
//! # Purpose
//! Reads the configuration, opens sockets, the database and the registry, connects the engine with
//! live BMCs and media, serves the API, and ends all of it in the right order.
//!
//! # Scope
//! Settings, TLS, listeners, wiring, live effects, and the commands that work without a running
//! controller (`config check`, `db …`, `mock-bmc`).
//!
//! # Non-goals
//! No decision about a job (`shoal-core`), no SQL (`shoal-store`), no HTTP handlers (`shoal-api`).
//!
//! # Invariants
//! - A configuration that contradicts itself is refused before a socket is bound or a file written.
//! - Sockets handed over by a service manager are taken before any thread exists.
//! - The trace exporter is built before the async runtime, and ended after it.
//! - Neither secrets nor media URLs appear in what is printed or logged.
//!
//! # Example
//! ```
//! use shoal_controller::settings::{Settings, Sources};
//!
//! let sources = Sources { set: vec!["WORKER_CONCURRENCY=0".into()], ..Sources::default() };
//! let loaded = Settings::load(&sources)?;
//! assert_eq!(loaded.settings.jobs.workers, 0);
//! # Ok::<(), shoal_controller::settings::Error>(())
//! ```

mod addresses;
mod boot_medium;
mod care;
mod catalog;
pub mod cli;
mod client;
mod effects;
mod first_start;
mod keys;
pub mod listen;
mod planner;
mod pulse;
mod reads;
pub mod ready;
mod registrar;
mod registry;
mod reload;
mod restored;
mod retention;
mod retire;
pub mod serve;
pub mod settings;
mod signal;
mod start;
pub mod tls;
mod trace;

pub use start::{Exit, NotStarted, Origin, ServeOptions};
