//! One error for the whole store, because its callers ask the same questions of every call: try
//! again, make room, or is somebody else in charge now?

use shoal_core::{JobId, ServerSerial};
use shoal_sqlite::rusqlite;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database could not; the text names what it tried, and who holds a database that is held.
    #[error(transparent)]
    Database(#[from] shoal_sqlite::Error),
    /// There is no such job.
    #[error("find job {0}")]
    UnknownJob(JobId),
    /// There is no such server.
    #[error("find server {0}")]
    UnknownServer(ServerSerial),
    /// Nothing was frozen for this attempt.
    #[error("find attempt {attempt} of job {job}")]
    UnknownAttempt {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: u32,
    },
    /// Somebody else is in charge of the job, or nobody is.
    #[error("act on a job under a lease that is not the current one")]
    LeaseLost,
    /// The database was sealed with a key that was not given.
    #[error("open a database sealed with key {key_id}: the given sealing keys are {}", given.join(", "))]
    WrongSealingKey {
        /// The key that is missing.
        key_id: String,
        /// Ids of the keys that were given.
        given: Vec<String>,
    },
    /// A sealed cell was changed or moved, or its key is not among those given.
    #[error("unseal {cell}")]
    Unseal {
        /// Table, column and row.
        cell: String,
    },
    /// A stored document cannot be read.
    #[error("read the stored {what}")]
    Stored {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A stored word is none that this release knows.
    #[error("read the stored {what} {found:?}")]
    StoredWord {
        /// What it is.
        what: &'static str,
        /// The word.
        found: String,
    },
    /// A newer release has written this job.
    #[error("read a job of schema {found}: this release knows up to {}", shoal_core::SCHEMA)]
    NewerJob {
        /// The job's schema number.
        found: u32,
    },
    /// An API token of this name exists.
    #[error("add a second API token called {0:?}")]
    NameTaken(String),
    /// This key was revoked and must not come back.
    #[error("use {} key {id}: it was revoked", purpose.as_str())]
    RevokedKey {
        /// What it was for.
        purpose: crate::KeyPurpose,
        /// Its id.
        id: u8,
    },
    /// All 256 key ids of a purpose are in use.
    #[error("number another key for {0}: all ids are in use")]
    NoKeyId(&'static str),
    /// The operating system gave no random bytes.
    #[error("draw random bytes")]
    NoRandomness,
    /// The process is ending; whether the change was made is not known.
    #[error("wait for a change while the process ends")]
    Ending,
}

impl Error {
    /// The same call may succeed later without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_transient())
    }

    /// There is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_full())
    }

    /// The change is not visible now, but may be after a restart. Look before repeating.
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::Database(error) => error.may_have_taken_effect(),
            other => matches!(other, Self::Ending),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}
