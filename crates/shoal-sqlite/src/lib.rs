//! One SQLite file, owned by one process, written by one thread.
//!
//! # Purpose
//! Give the job store and the registry a database that cannot be busy inside the process, that
//! acknowledges a write only once it is on disk, and that can be backed up while it is written.
//!
//! # Scope
//! Instance lock, pragmas that are read back, numbered migrations, group commit, a pool of
//! read-only connections, integrity checks, online backup, restore, vacuum.
//!
//! # Non-goals
//! No table of its own besides the migration ledger, no query builder, no second backend, no
//! schedule for backups and checks: callers own those.
//!
//! # Invariants
//! - One process holds the instance lock; the kernel frees it however the process ends.
//! - Only the writer thread writes. Every write transaction is IMMEDIATE and only the writer can
//!   commit it: a commit hook refuses any other COMMIT.
//! - [`Database::write`] answers after COMMIT. Every answer, also a refusal, tells of a state that
//!   was committed; the one exception is the error of the closure which lost the whole group.
//! - A closure's error or panic undoes that closure alone, unless SQLite itself rolled the whole
//!   transaction back (disk full, I/O error); then all of the group hear [`Error::NotCommitted`].
//! - A read closure sees one snapshot, and no read transaction outlives its closure.
//! - A backup appears under its name only after its copy passed `integrity_check`.
//!
//! # Example
//! ```
//! use shoal_sqlite::{Database, Error, Migration};
//!
//! const MIGRATIONS: &[Migration] = &[Migration {
//!     name: "servers",
//!     sql: "CREATE TABLE servers (serial TEXT PRIMARY KEY) STRICT;",
//! }];
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let database = Database::scratch(0x5348_4F4C, MIGRATIONS)?;
//! database
//!     .write(|tx| -> Result<_, Error> {
//!         Ok(tx.execute("INSERT INTO servers (serial) VALUES (?1)", ["ABC123"])?)
//!     })
//!     .await?;
//! let count: i64 = database
//!     .read(|tx| -> Result<_, Error> {
//!         Ok(tx.query_row("SELECT count(*) FROM servers", [], |row| row.get(0))?)
//!     })
//!     .await?;
//! assert_eq!(count, 1);
//! database.close().await
//! # }
//! ```

mod backup;
mod check;
mod config;
mod connection;
mod database;
mod error;
mod filesystem;
mod instance;
mod member;
mod migration;
mod reader;
mod restore;
mod vacuum;
mod writer;

pub use backup::{Manifest, manifest_path};
pub use check::{Depth, check_file};
pub use config::Config;
pub use database::{Database, Sample};
pub use error::Error;
pub use instance::Holder;
pub use migration::Migration;
pub use restore::{Restored, restore};
pub use rusqlite;
pub use vacuum::{Vacuumed, vacuum};
