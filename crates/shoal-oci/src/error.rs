//! One error for the whole registry, because every use case ends in the same answer table. It says
//! what failed in the registry's own words; which status that is over HTTP is decided in one place
//! beside the routes.

use std::io;
use std::path::{Path, PathBuf};

use shoal_sqlite::rusqlite;

use crate::digest::Digest;
use crate::manifest::BadManifest;
use crate::name::{Reference, Repository, Tag};
use crate::upload::UploadId;

/// Why a use case did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No content was ever put into a repository of this name.
    #[error("find repository {repository}")]
    RepositoryUnknown {
        /// The name asked for.
        repository: Repository,
    },
    /// The repository may not be asked for this blob.
    #[error("find blob {digest}")]
    BlobUnknown {
        /// The blob asked for.
        digest: Digest,
    },
    /// The repository has no such manifest.
    #[error("find manifest {reference}")]
    ManifestUnknown {
        /// What was asked for.
        reference: Reference,
    },
    /// There is no such upload, or no longer.
    #[error("find upload {id}: start a new one")]
    UploadUnknown {
        /// The id asked for.
        id: UploadId,
    },
    /// A manifest needs content that the repository does not have.
    #[error("accept a manifest: {digest}, which it needs, is not in the repository; push it first")]
    ManifestBlobUnknown {
        /// What is missing.
        digest: Digest,
    },
    /// A manifest cannot be understood.
    #[error("accept a manifest")]
    ManifestInvalid(#[from] BadManifest),
    /// The content is not what its digest says. An upload stays as it was.
    #[error("accept content as {expected}: it is {found}")]
    DigestMismatch {
        /// What the client said.
        expected: Digest,
        /// What arrived.
        found: Box<Digest>,
    },
    /// A chunk does not begin where the upload ends. The upload stays as it was.
    #[error("append at byte {start}: the upload has {offset} bytes")]
    OutOfOrder {
        /// Where the chunk begins.
        start: u64,
        /// Bytes of the upload.
        offset: u64,
    },
    /// A chunk is longer or shorter than its request says.
    #[error("accept a chunk of {expected} bytes: {received} arrived")]
    SizeMismatch {
        /// What the request said.
        expected: u64,
        /// What arrived, or more.
        received: u64,
    },
    /// Somebody else is sending to the same upload.
    #[error("append to upload {id}: another request is appending")]
    UploadBusy {
        /// The upload.
        id: UploadId,
    },
    /// The content is larger than the registry takes.
    #[error("accept content of more than {limit} bytes")]
    TooLarge {
        /// Most bytes it takes.
        limit: u64,
    },
    /// As many uploads are under way, or open, as the registry takes.
    #[error("accept another upload: {limit} are under way")]
    TooManyUploads {
        /// Most it takes.
        limit: u64,
    },
    /// The client sent nothing for too long, or the connection broke. What arrived is kept.
    #[error("receive the body: it stopped after {received} bytes")]
    BodyStopped {
        /// Bytes that arrived in this request.
        received: u64,
    },
    /// The disk is full, or would have less than the headroom left.
    #[error("store content: the disk has {free} bytes free, and {needed} are needed with headroom")]
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes that would have to be free.
        needed: u64,
    },
    /// The registry takes no writes.
    #[error("write: the registry is read-only")]
    ReadOnly,
    /// Nothing may be pushed to repositories of this name.
    #[error("push to {repository}: no rule allows it")]
    PushDenied {
        /// The repository.
        repository: Repository,
    },
    /// The tag exists and may not be pointed at something else.
    #[error("move tag {tag}: tags of this repository are immutable")]
    TagImmutable {
        /// The tag.
        tag: Tag,
    },
    /// Deleting is switched off.
    #[error("delete: it is not allowed here")]
    DeleteDisabled,
    /// A repository would hold more than it may.
    #[error("push to {repository}: its quota of {quota} bytes would be exceeded")]
    QuotaExceeded {
        /// The repository.
        repository: Repository,
        /// What it may hold.
        quota: u64,
    },
    /// A file of the layout is not what the catalogue says; it was moved to the quarantine.
    #[error("read blob {digest}: its file is damaged or gone; push it again")]
    BlobDamaged {
        /// The blob.
        digest: Digest,
    },
    /// The directory was a registry's, and its database is gone.
    #[error("open the registry: {} is gone; restore it, or rebuild it from the files", path.display())]
    CatalogueLost {
        /// Where the database was.
        path: PathBuf,
    },
    /// A rebuild of the catalogue was broken off.
    #[error("open the registry: the rebuild of its catalogue was broken off; rebuild it again")]
    RebuildUnfinished,
    /// There is a catalogue, and a rebuild would know less than it.
    #[error("rebuild the catalogue: {} exists; move it away if it is damaged", path.display())]
    CatalogueExists {
        /// The database.
        path: PathBuf,
    },
    /// The exported index is damaged.
    #[error("read {}; move it away to rebuild without names", path.display())]
    BadIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The catalogue was rebuilt from the files, and nobody has confirmed yet what a collection would
    /// remove.
    #[error(
        "collect garbage: the catalogue was rebuilt from the files; look at a dry run and confirm it"
    )]
    CollectionUnconfirmed,
    /// A call of the operating system failed.
    #[error("{action} {}", path.display())]
    Storage {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The database failed.
    #[error("use the catalogue")]
    Database(#[from] shoal_sqlite::Error),
    /// A record of ours cannot be written as JSON.
    #[error("encode a record")]
    Encode(#[source] serde_json::Error),
    /// A worker thread ended without an answer; the process is going down.
    #[error("finish the request: the registry is shutting down")]
    Closed,
}

impl Error {
    pub(crate) fn encode(source: serde_json::Error) -> Self {
        Self::Encode(source)
    }

    /// There is no room left for what was asked.
    pub fn is_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Database(error) => error.is_full(),
            Self::Storage { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }

    /// The disk cannot be written at all.
    pub fn is_readonly(&self) -> bool {
        match self {
            Self::Database(error) => error.is_readonly(),
            Self::Storage { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ),
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Says on what a call of the operating system failed.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Storage { action, path, source }
}
