//! What the API asks of whoever keeps the registry: what is in it, what that costs, and work on it
//! that takes its time. It exists so that this crate knows no registry.

mod run;
mod seen;

use std::{future::Future, pin::Pin};

pub use self::{
    run::{
        BlobDamaged, BlobHealed, Checked, Collected, Order, Removed, RemovedItem, Run, RunState,
        RunTask, TaggedIn, UsedBy,
    },
    seen::{
        CollectionSeen, ContentSeen, ManifestSeen, RepositorySeen, RepositoryUsage, Retention,
        RetentionRule, TagFate, TagSeen, TagVerdict, UploadSeen, UsageSeen,
    },
};

/// What a [`Registrar`] returns.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Declined>> + Send + 'a>>;

/// Keeps a registry.
pub trait Registrar: Send + Sync + 'static {
    /// The repositories whose names begin with `prefix`, in the order of their names.
    fn repositories(&self, prefix: String, slice: Slice) -> Answering<'_, Listed<RepositorySeen>>;

    /// One repository.
    fn repository(&self, repository: String) -> Answering<'_, RepositorySeen>;

    /// The tags of a repository, in the order of their names.
    fn tags(&self, repository: String, slice: Slice) -> Answering<'_, Listed<TagSeen>>;

    /// A manifest, by tag or digest, with everything below it.
    fn manifest(&self, repository: String, reference: String) -> Answering<'_, ManifestSeen>;

    /// What is stored, and the `top` repositories that hold most.
    fn usage(&self, top: u32) -> Answering<'_, UsageSeen>;

    /// The uploads that have not ended, the longest untouched first.
    fn uploads(&self) -> Answering<'_, Vec<UploadSeen>>;

    /// Gives up an upload, whosever it is; the repository it was for.
    fn remove_upload(&self, id: String) -> Answering<'_, String>;

    /// What the rules of retention would do, with the tags of one repository or of all.
    fn retention(&self, repository: Option<String>, slice: Slice) -> Answering<'_, Retention>;

    /// Begins work that takes its time, unless some is under way. It goes on without whoever asked.
    fn begin(&self, order: Order) -> Answering<'_, Run>;

    /// The runs this process remembers, the newest first.
    fn runs(&self) -> Answering<'_, Vec<Run>>;

    /// One of them.
    fn run(&self, id: String) -> Answering<'_, Run>;

    /// Asks a run to stop; how it is now.
    fn stop(&self, id: String) -> Answering<'_, Run>;
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Only what comes strictly after this.
    pub after: Option<String>,
    /// At most so much.
    pub most: usize,
}

/// Such a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// What the next part comes after; none if this is the last.
    pub next: Option<String>,
}

/// Why something is not answered or not done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Declined {
    /// There is no such repository.
    #[error("the registry has no such repository")]
    NoRepository,
    /// The repository has no such tag or manifest.
    #[error("the repository has no such tag or manifest")]
    NoManifest,
    /// There is no such upload.
    #[error("there is no such upload; it has ended, or was given up")]
    NoUpload,
    /// There is no such run.
    #[error("there is no such run; a restart of the controller forgets them, and so does time")]
    NoRun,
    /// The cursor is none of ours.
    #[error("the cursor is not the next of an earlier page")]
    BadCursor,
    /// Somebody is sending to the upload.
    #[error("somebody is sending to this upload; try again when they have stopped")]
    UploadBusy,
    /// Some other work is under way.
    #[error("run {id} is under way; wait for its end, or stop it")]
    Busy {
        /// Which.
        id: String,
    },
    /// The registry takes no writes.
    #[error("the registry is read-only (REGISTRY_READ_ONLY)")]
    ReadOnly,
    /// Nothing is collected until somebody has confirmed what that removes.
    #[error(
        "the catalogue was rebuilt from the files; look at a dry run of gc, and confirm it with the \
         confirmation it tells"
    )]
    Unconfirmed,
    /// The registry failed; its log says why.
    #[error("the registry could not do this; the controller's log says why")]
    Failed,
}
