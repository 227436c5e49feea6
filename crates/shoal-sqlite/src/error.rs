//! One error for the whole crate, because every caller asks the same questions of it: try again,
//! make room, repair, or may the write have happened after all?

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::Holder;

/// Why something with the database failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// SQLite refused a statement.
    #[error("run a statement")]
    Sqlite(#[from] rusqlite::Error),
    /// A call of the operating system failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another process owns this database.
    #[error("take the instance lock {}: held by {holder}", lock.display())]
    Held {
        /// The lock file.
        lock: PathBuf,
        /// Who holds it, as far as the file says.
        holder: Holder,
    },
    /// WAL needs shared memory between processes, which a network file system cannot give.
    #[error("use {} for a database: it is on {filesystem}", path.display())]
    NetworkFilesystem {
        /// The directory.
        path: PathBuf,
        /// The file system's name.
        filesystem: &'static str,
    },
    /// A restore was interrupted between moving the old files aside and putting the new one there.
    #[error("open a database whose restore is unfinished: run it again ({} exists)", path.display())]
    RestoreUnfinished {
        /// The verified copy that waits to be put in place.
        path: PathBuf,
    },
    /// A setting did not take.
    #[error("set pragma {name} to {wanted}: it reads {found}")]
    Pragma {
        /// The pragma.
        name: &'static str,
        /// What we set.
        wanted: String,
        /// What SQLite answers.
        found: String,
    },
    /// The file belongs to another application.
    #[error("open a database of application {found:#x}, expected {expected:#x}")]
    ForeignDatabase {
        /// Our application id.
        expected: i32,
        /// The file's.
        found: i32,
    },
    /// A newer release has written this file.
    #[error("open a database of schema version {found}: this release knows up to {known}")]
    NewerSchema {
        /// The file's version.
        found: u32,
        /// The last version of this release.
        known: u32,
    },
    /// A migration that was applied differs from the one in this release, or its record is gone.
    #[error("accept migration {version} ({name}): it differs from the one that was applied")]
    MigrationEdited {
        /// Its version.
        version: u32,
        /// Its name in this release.
        name: &'static str,
    },
    /// A migration failed and was rolled back.
    #[error("apply migration {version} ({name})")]
    Migration {
        /// Its version.
        version: u32,
        /// Its name.
        name: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// A migration left rows whose foreign keys point nowhere, and was rolled back.
    #[error("apply migration {version} ({name}): rows of {table} lose their parents")]
    MigrationOrphans {
        /// Its version.
        version: u32,
        /// Its name.
        name: &'static str,
        /// The first table with such rows.
        table: String,
    },
    /// The integrity check found damage.
    #[error("find the database intact: {}", findings.join("; "))]
    Damaged {
        /// SQLite's findings, at most 20.
        findings: Vec<String>,
    },
    /// The group this write was in was not committed; nothing of the write is visible.
    #[error("commit the write")]
    NotCommitted {
        /// The commit record may have reached the disk: a crash now could bring the write back.
        doubtful: bool,
        /// What the writer saw. Shared, since the whole group hears it.
        source: Arc<Error>,
    },
    /// An error inside a closure made SQLite roll the whole group back.
    #[error("keep the transaction: sqlite rolled it back")]
    RolledBack,
    /// The closure panicked; nothing of it was kept.
    #[error("finish a closure that panicked")]
    Panicked,
    /// The database is closed, or closing; the closure was not run.
    #[error("use a database that is closed")]
    Closed,
    /// No read-only connection could be had.
    #[error("get a read-only connection")]
    NoReader(#[source] r2d2::Error),
    /// A manifest cannot be read.
    #[error("read the manifest {}", path.display())]
    Manifest {
        /// The manifest file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A backup is not what its manifest says.
    #[error("match the backup to its manifest: {field} differs")]
    ManifestMismatch {
        /// The field which differs.
        field: &'static str,
    },
}

impl Error {
    /// Another process held a lock for longer than the busy timeout.
    pub fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// There is no room: the file system is full, or the database's own page limit is reached.
    pub fn is_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
            || self.extended_code() == Some(SQLITE_IOERR_SHMSIZE)
            || self.io_kind().is_some_and(|kind| {
                matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            })
    }

    /// The file or its file system cannot be written.
    pub fn is_readonly(&self) -> bool {
        self.code() == Some(ErrorCode::ReadOnly)
            || self.io_kind() == Some(std::io::ErrorKind::ReadOnlyFilesystem)
    }

    /// The file is damaged, or is no database at all.
    pub fn is_corrupt(&self) -> bool {
        matches!(self.root(), Self::Damaged { .. })
            || matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// The same call may succeed later without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        self.is_busy()
            || matches!(self.root(), Self::RolledBack | Self::NoReader(_) | Self::Held { .. })
    }

    /// The write is not visible now, but a crash could still bring it back. Look before repeating.
    pub fn may_have_taken_effect(&self) -> bool {
        matches!(self, Self::NotCommitted { doubtful: true, .. })
    }

    /// SQLite's own I/O failure, which at a commit leaves open what reached the disk.
    pub(crate) fn is_io(&self) -> bool {
        self.code() == Some(ErrorCode::SystemIoFailure)
    }

    fn root(&self) -> &Self {
        match self {
            Self::NotCommitted { source, .. } => source.root(),
            other => other,
        }
    }

    fn sqlite(&self) -> Option<&rusqlite::ffi::Error> {
        match self.root() {
            Self::Sqlite(source) | Self::Migration { source, .. } => source.sqlite_error(),
            _ => None,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        self.sqlite().map(|error| error.code)
    }

    fn extended_code(&self) -> Option<i32> {
        self.sqlite().map(|error| error.extended_code)
    }

    fn io_kind(&self) -> Option<std::io::ErrorKind> {
        match self.root() {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}
