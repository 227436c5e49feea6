//! The runner: carries every job to its end, through one port.
//!
//! # Purpose
//! Asks [`shoal_core::Job::next`] what a job needs, performs it through [`Effects`], and stores what
//! came of it. One task tends one job; a job that waits for its machine holds no worker.
//!
//! # Scope
//! Claims, workers, timers, wake-ups, the fence around power-on, the gate of the queue (limits,
//! drain, back-pressure), stop, the watch over the clock, and the gauges that describe the queue.
//!
//! # Non-goals
//! No decision about a job (that is `shoal-core`), no SQL, no HTTP, no protocol.
//!
//! # Invariants
//! - A perform future is never dropped except at process exit.
//! - An answer is kept until it is stored, however often storing fails.
//! - A fenced command is sent only by the code that has just stored its intent; a job loaded with an
//!   intent is looked at, never sent again.
//! - Start and recovery are one path: adopt every unfinished job and tend it.
//! - A BMC that does not answer costs no other job its place.
//! - Nothing polls: tasks sleep until a stored deadline, a change of their job, or a slow sweep.
//!
//! # Example
//! ```no_run
//! # async fn run(store: shoal_store::Store, effects: impl shoal_engine::Effects) {
//! use shoal_engine::{Engine, Settings, system_clock};
//!
//! let engine = Engine::start(store, effects, system_clock(), Settings::default()).await.unwrap();
//! engine.gate().drain(true);
//! engine.stop().await;
//! # }
//! ```
#![deny(missing_docs)]

mod clock;
mod dispatch;
mod effects;
mod engine;
mod gate;
mod gauges;
mod places;
mod pressure;
mod tend;
mod watch;

pub use clock::{Clock, system_clock};
pub use effects::Effects;
pub use engine::{Engine, Settings};
pub use gate::{Closed, Gate, Pressure};
pub use pressure::{ENOUGH_SPACE, LITTLE_SPACE};
