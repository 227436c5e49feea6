//! What a job is, and what happens to it.
//!
//! # Purpose
//! The job engine of Shoal as two total, synchronous functions over plain data:
//! [`Job::next`] says what to do now, [`Job::apply`] folds one fact into the job.
//! Everything else in the product stores jobs, performs commands or reports events.
//!
//! # Scope
//! Phases, commands, events, verdicts, outcomes, the step taxonomy, time budgets,
//! the status projection, the words for what a job waits for, and what it will do at its BMC.
//!
//! # Non-goals
//! No I/O, no clock, no randomness, no async, no SQL, no HTTP, no vendor knowledge.
//! Times and ids come in as values.
//!
//! # Invariants
//! - **Level-triggered.** Commands are a function of the stored job, never a queue: after a restart
//!   the caller loads the job and calls [`Job::next`] again. There is no recovery code.
//! - **Power is a level.** [`Command::PowerOn`] is the only fenced command: its intent is stored
//!   before it is sent, and a lost answer is resolved by looking, never by sending again on doubt.
//!   From the intent until an outcome no command that removes power exists in any phase.
//! - **Three answers.** A [`Verdict`] is done, refused or unknown. A timeout is never a refusal.
//! - **First outcome wins.** Later reports are recorded and change nothing.
//! - **Status is a projection** ([`Job::status`]); nothing assigns it.
//!
//! # Example
//! ```
//! use shoal_core::{Command, Event, Job, Next, NewJob, Plan, Time, Workflow};
//!
//! let now = Time::from_millis(1_700_000_000_000);
//! let job = Job::new(NewJob {
//!     id: "0190a5d2-7e1c-7cc3-8000-000000000001".parse().unwrap(),
//!     serial: "SRV-1".parse().unwrap(),
//!     plan: Plan::for_workflow(Workflow::Linux, "install-linux.target"),
//!     created_at: now,
//!     hands_off_until: None,
//! });
//! let job = job.apply(&Event::Claimed, now).changed().unwrap();
//! assert_eq!(job.next(now), Next::Do(Command::ReadBmc));
//! ```
#![deny(missing_docs, clippy::wildcard_enum_match_arm)]

mod ahead;
mod apply;
mod budget;
mod command;
mod event;
#[cfg(test)]
mod explore;
mod fault;
mod id;
mod job;
mod meaning;
mod next;
mod outcome;
mod phase;
mod plan;
mod step;
mod time;
mod waiting;

pub use ahead::Ahead;
pub use apply::{Applied, Entry, Ignored};
pub use budget::{Budgets, InconsistentBudgets};
pub use command::{Cleaning, Command, Purpose};
pub use event::{
    Activity, Decision, Event, Milestone, Power, Report, Seen, Sight, StopAs, Verdict,
};
pub use fault::{Fault, FaultClass};
pub use id::{InvalidId, JobId, ServerSerial};
pub use job::{Evidence, Job, NewJob, Progress, SCHEMA};
pub use next::Next;
pub use outcome::{Outcome, OutcomeKind, Warning};
pub use phase::{Hold, Intent, Phase, Status, Watch};
pub use plan::{InstallerEnd, MediaClass, MediaPlan, OnFailure, Plan, target_label};
pub use shoal_recipe::Workflow;
pub use step::{StepKey, UnknownStep};
pub use time::Time;
pub use waiting::WaitingFor;
