//! What a caller says about its database, as one plain record, so that every default stands in one
//! place.

use std::path::PathBuf;
use std::time::Duration;

use crate::Migration;

/// How one database is opened.
#[derive(Debug, Clone)]
pub struct Config {
    /// The database file. Its directory is created with mode 0750, the file with 0600.
    pub path: PathBuf,
    /// Value of the metric label `db`, of a closed set: this process may own several databases.
    pub name: &'static str,
    /// Who we are, for the message another opener of the same file gets. No secrets.
    pub instance: String,
    /// SQLite's `application_id`: a file that carries another one is refused. Not 0.
    pub application_id: i32,
    /// Every migration there ever was, oldest first. The position is the version.
    pub migrations: &'static [Migration],
    /// Read-only connections, and therefore reads that run at the same time. At least 1.
    pub readers: u32,
    /// Writes that may wait for the writer before [`crate::Database::write`] makes its caller wait.
    /// At least 1.
    pub queue: usize,
    /// How long SQLite waits for a lock. Only another process can make it wait.
    pub busy_timeout: Duration,
}

impl Config {
    /// The defaults: 4 readers, 1024 queued writes, 5 s busy timeout.
    pub fn new(
        path: impl Into<PathBuf>,
        application_id: i32,
        migrations: &'static [Migration],
    ) -> Self {
        Self {
            path: path.into(),
            name: "jobs",
            instance: "shoal".to_owned(),
            application_id,
            migrations,
            readers: 4,
            queue: 1024,
            busy_timeout: Duration::from_secs(5),
        }
    }
}
