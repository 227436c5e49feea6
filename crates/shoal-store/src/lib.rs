//! The store of jobs, servers, leases, events, keys and audit: one SQLite file.
//!
//! # Purpose
//! Keep what the controller must not forget, and be the one place where a job changes.
//!
//! # Scope
//! Admission of jobs, folding of events, the queue and its leases, servers with their sealed
//! credentials, frozen attempts, keys and tokens, the audit log, installation events; and what
//! follows from a committed change: metrics, one log line, a word to subscribers.
//!
//! # Non-goals
//! It decides nothing about a job (`shoal_core` does), has no clock, no schedule and no second
//! backend, and knows nothing of HTTP, BMCs or media files.
//!
//! # Invariants
//! - **One writer.** A job changes only by an event, folded with `Job::apply` inside the write
//!   transaction. The event meets the job as it is, so there is no conflict and no retry loop;
//!   what is stale is told by the job's own sequence.
//! - Job, history, and what the job leaves to its server are written together or not at all.
//! - Everything committed is announced exactly once, even when the caller has stopped waiting; after
//!   a crash between the two the history still has it.
//! - One unfinished job per server, by a unique index.
//! - Only the current lease may intend and answer commands.
//! - Recipes, credentials, frozen attempts and keys are sealed, and bound to their cell.
//!
//! # Example
//! ```
//! use shoal_core::{NewJob, Plan, Status, Time, Workflow};
//! use shoal_store::{Created, Limits, NewRecord, Server, Store, TlsPolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::scratch()?;
//! let now = Time::from_millis(1_700_000_000_000);
//! let server = Server::new("SRV-1".parse()?, "https://192.0.2.7", TlsPolicy::Pin { sha256: "ab".repeat(32) });
//! store.put_server(server, None, "example", now).await?;
//!
//! let job = NewJob {
//!     id: "0190a5d2-7e1c-7cc3-8000-000000000001".parse()?,
//!     serial: "SRV-1".parse()?,
//!     plan: Plan::for_workflow(Workflow::Linux, "install-linux.target"),
//!     created_at: now,
//!     hands_off_until: None,
//! };
//! let created = store.create(NewRecord::new(job, b"{}".to_vec(), "example")).await?;
//! assert!(matches!(created, Created::New(record) if record.job.status() == Status::Queued));
//!
//! let lease = store.adopt("controller-1", now).await?.lease;
//! let claimed = store.claim(&lease, &Limits::default(), now).await?.expect("the queue has a job");
//! assert_eq!(claimed.job.status(), Status::Provisioning);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod announce;
mod attempt;
mod audit;
mod caller;
mod chore;
mod commit;
mod create;
mod error;
mod history;
mod import;
mod inventory;
mod key;
mod learned;
mod lease;
mod limit;
mod login;
mod operate;
mod probe;
mod query;
mod queue;
mod reads;
mod record;
mod replace;
mod report;
mod row;
mod sealing;
mod secret;
mod server;
mod store;
pub mod token;
mod trace;
mod transcript;
mod transition;
mod unbroken;
mod underway;
mod upkeep;

pub use attempt::{Frozen, MediaKind, MediaObject, MediumCheck, RegistryLogin};
pub use audit::{Actor, AuditEntry, AuditFilter, Audited, InstallationEvent};
pub use caller::{ApiToken, Caller, Role, TokenRecord};
pub use chore::{Chore, Chores};
pub use error::Error;
pub use import::{ImportCounts, ServerImport};
pub use key::{
    Imported, Key, KeyPurpose, KeyRecord, KeyRing, KeySet, KeySource, KeyState, Revocation, Revoke,
    key_from_text,
};
pub use learned::StoredLearned;
pub use lease::{Adopted, Lease};
pub use limit::{HeldBack, Limits};
pub use login::Logins;
pub use operate::Prioritised;
pub use probe::StoredProbe;
pub use query::{EventFilter, Filter, StoredEvent, WholeJob};
pub use queue::{Load, Place};
pub use reads::MediaReads;
pub use record::{Created, Idempotency, NewRecord, Record, Recorded};
pub use report::ReportOutcome;
pub use sealing::{Sealing, SealingKey};
pub use secret::Secret;
pub use server::{
    Credentials, Deleted, Hardware, HardwareCheck, Scheme, Server, ServerChange, ServerRecord,
    TlsPolicy,
};
pub use store::{Change, Options, Store};
pub use transcript::StoredTranscript;
pub use underway::UnderWay;
