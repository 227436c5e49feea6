//! Work on a registry that takes its time: begun by one call, followed by others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_core::Time;

use crate::timestamp::{self, At};

/// What shall be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The work.
    pub task: RunTask,
    /// Only say what it would come to.
    pub dry_run: bool,
    /// What the last dry run told, where a collection has to be confirmed after a rebuild.
    pub confirmation: Option<String>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RegistryTask")]
pub enum RunTask {
    /// Apply the rules of retention, then remove what nothing needs and nobody was promised.
    Gc,
    /// Only apply the rules of retention: tags and manifests go, and no space is freed yet.
    Retention,
    /// Read everything, and put away what is damaged.
    Check,
}

impl RunTask {
    /// The word in JSON and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gc => "gc",
            Self::Retention => "retention",
            Self::Check => "check",
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RegistryRunState")]
pub enum RunState {
    /// It is under way, or waits for a collection that began by itself.
    Running,
    /// It has seen everything.
    Done,
    /// It was told to stop before that.
    Stopped,
    /// It could not go on; what was done stays done, and the rest is for the next one.
    Failed,
}

/// One run, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryRun")]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Its work.
    pub task: RunTask,
    /// Nothing is removed by it.
    pub dry_run: bool,
    /// How far it is.
    pub state: RunState,
    /// When it began.
    #[serde(serialize_with = "timestamp::required")]
    #[schemars(with = "At")]
    pub started_at: Time,
    /// When it ended.
    #[serde(serialize_with = "timestamp::optional")]
    #[schemars(with = "Option<At>")]
    pub ended_at: Option<Time>,
    /// Bytes there are to be read by a check; an estimate, since pushes go on.
    pub bytes_to_read: Option<u64>,
    /// What a collection met so far.
    pub collected: Option<Collected>,
    /// What a check found so far.
    pub checked: Option<Checked>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryCollected")]
pub struct Collected {
    /// What was, or would be, removed.
    pub removed: Removed,
    /// Bytes that are, or would be, free by it.
    pub bytes: u64,
    /// What nothing needs and a client may still count on.
    pub leased: u64,
    /// What something came to need meanwhile.
    pub needed: u64,
    /// The things themselves, the first thousand, once the run has ended.
    pub items: Vec<RemovedItem>,
    /// Things that are counted and not named.
    pub unnamed: u64,
    /// What a confirmation has to repeat, after a rebuild of the catalogue.
    pub confirmation: Option<String>,
}

/// Numbers of things, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryRemoved")]
pub struct Removed {
    /// Tags.
    pub tags: u64,
    /// Manifests.
    pub manifests: u64,
    /// Blobs that a repository forgets, whether or not another one needs them.
    pub links: u64,
    /// Blobs.
    pub blobs: u64,
    /// Files that the catalogue does not know.
    pub files: u64,
}

/// One thing a collection met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryRemovedItem")]
pub struct RemovedItem {
    /// `tag`, `manifest`, `link`, `blob` or `file`.
    pub what: String,
    /// The content it is, or is about.
    pub digest: String,
    /// The repository, for tags and manifests.
    pub repository: Option<String>,
    /// The tag, for tags.
    pub tag: Option<String>,
    /// Bytes that become free with it.
    pub bytes: u64,
    /// `leased` or `needed` where it stays; null where it goes.
    pub kept: Option<String>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryChecked")]
pub struct Checked {
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Blobs that were put away; they have to be pushed again.
    pub damaged: Vec<BlobDamaged>,
    /// Blobs that were damaged and are whole again.
    pub healed: Vec<BlobHealed>,
    /// Blobs that could not be looked at, or looked damaged while somebody was bringing them; check
    /// again.
    pub skipped: u64,
}

/// A blob that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryDamage")]
pub struct BlobDamaged {
    /// The blob.
    pub digest: String,
    /// `missing`, `size`, `content` or `unreadable`.
    pub fault: String,
    /// Manifests that need it or are it, at most a hundred.
    pub needed_by: Vec<UsedBy>,
    /// Tags that cannot be pulled whole until it is pushed again, at most a hundred.
    pub tags: Vec<TaggedIn>,
}

/// A blob that is whole again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryHealed")]
pub struct BlobHealed {
    /// The blob.
    pub digest: String,
    /// What was wrong with it.
    pub fault: String,
}

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryUsedBy")]
pub struct UsedBy {
    /// The repository.
    pub repository: String,
    /// The manifest.
    pub manifest: String,
}

/// A tag of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryTagName")]
pub struct TaggedIn {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
}
