//! What a registry shows of itself. Bytes are counted as they lie on the disk.

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::Time;

use crate::timestamp::{self, At};

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Repository")]
pub struct RepositorySeen {
    /// Its name.
    pub repository: String,
    /// Its tags.
    pub tags: u64,
    /// Its manifests, those without a tag included.
    pub manifests: u64,
    /// Bytes of what it refers to.
    pub bytes: u64,
    /// When its newest manifest was pushed.
    #[serde(serialize_with = "timestamp::optional")]
    #[schemars(with = "Option<At>")]
    pub pushed_at: Option<Time>,
    /// When one of its manifests was last asked for, to the minute or so.
    #[serde(serialize_with = "timestamp::optional")]
    #[schemars(with = "Option<At>")]
    pub pulled_at: Option<Time>,
}

/// A tag and what it points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryTag")]
pub struct TagSeen {
    /// The tag.
    pub tag: String,
    /// The manifest it points at.
    pub digest: String,
    /// The manifest's type.
    pub media_type: String,
    /// What kind of artifact it says to be.
    pub artifact_type: Option<String>,
    /// Bytes of everything the manifest needs, itself included, each blob once.
    pub bytes: u64,
    /// When the tag was pushed.
    #[serde(serialize_with = "timestamp::required")]
    #[schemars(with = "At")]
    pub tagged_at: Time,
}

/// A manifest, what it needs, and what refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryManifest")]
pub struct ManifestSeen {
    /// Its digest.
    pub digest: String,
    /// Its type; empty when an index lists it and it is not there.
    pub media_type: String,
    /// What kind of artifact it says to be.
    pub artifact_type: Option<String>,
    /// The platform its index says it is for, such as `linux/amd64`.
    pub platform: Option<String>,
    /// Bytes of the manifest itself.
    pub bytes: u64,
    /// When it was pushed.
    #[serde(serialize_with = "timestamp::optional")]
    #[schemars(with = "Option<At>")]
    pub pushed_at: Option<Time>,
    /// Tags that point at it, at most a hundred.
    pub tags: Vec<String>,
    /// The manifest it refers to.
    pub subject: Option<String>,
    /// Its config and layers.
    pub contents: Vec<ContentSeen>,
    /// The manifests it lists.
    pub manifests: Vec<Self>,
    /// Manifests that refer to it.
    pub referrers: Vec<Self>,
    /// Its text could not be read, or there is more below it than is told here.
    pub incomplete: bool,
}

/// A config or a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryContent")]
pub struct ContentSeen {
    /// `config`, `layer` or `blob`.
    pub role: String,
    /// Its digest.
    pub digest: String,
    /// Its type.
    pub media_type: String,
    /// Bytes, as the manifest says.
    pub bytes: u64,
    /// What its annotations call it, such as a file name.
    pub title: Option<String>,
    /// Whether it is there.
    pub present: bool,
}

/// What is stored, and what of it could go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryUsage")]
pub struct UsageSeen {
    /// Blobs, manifests included.
    pub blobs: u64,
    /// Their bytes, each blob once.
    pub bytes: u64,
    /// Repositories.
    pub repositories: u64,
    /// Bytes of uploads that have not ended.
    pub upload_bytes: u64,
    /// Bytes of damaged files that were put away.
    pub quarantine_bytes: u64,
    /// Bytes that a collection would free now, apart from what the rules of retention give up.
    pub reclaimable_bytes: u64,
    /// Bytes that nothing needs and a client may still count on.
    pub leased_bytes: u64,
    /// Bytes of the file system that are free.
    pub free_bytes: u64,
    /// Bytes of the file system.
    pub disk_bytes: u64,
    /// Bytes that uploads leave free.
    pub headroom_bytes: u64,
    /// How garbage is collected.
    pub collection: CollectionSeen,
    /// The repositories that hold most, the largest first.
    pub top: Vec<RepositoryUsage>,
}

/// How garbage is collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryCollection")]
pub struct CollectionSeen {
    /// How long content that a client was told of is safe.
    pub grace_seconds: u64,
    /// Nothing is collected until a dry run was confirmed, since the catalogue was rebuilt.
    pub unconfirmed: bool,
}

/// What one repository costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RepositoryUsage {
    /// What it holds.
    #[serde(flatten)]
    pub holds: RepositorySeen,
    /// Bytes that no other repository has: what would be free if it were gone.
    pub own_bytes: u64,
    /// Bytes that other repositories have as well.
    pub shared_bytes: u64,
    /// Bytes among its own that a collection would free now.
    pub reclaimable_bytes: u64,
    /// Most bytes it may hold.
    pub quota_bytes: Option<u64>,
}

/// An upload that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RegistryUpload")]
pub struct UploadSeen {
    /// Its id.
    pub id: String,
    /// The repository it is for.
    pub repository: String,
    /// Bytes received.
    pub bytes: u64,
    /// Who began it; empty where that is not known.
    pub owner: String,
    /// When it began.
    #[serde(serialize_with = "timestamp::optional")]
    #[schemars(with = "Option<At>")]
    pub started_at: Option<Time>,
    /// Since when nobody has touched it.
    pub idle_seconds: u64,
    /// When it is removed, if nobody does.
    pub expires_in_seconds: u64,
}

/// The rules of retention, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The rules; the first that is about a repository counts.
    pub rules: Vec<RetentionRule>,
    /// Tags with what becomes of them, in the order of repositories and tags.
    pub tags: Vec<TagVerdict>,
    /// What the next part comes after; none if this is the last.
    pub next: Option<String>,
}

/// A rule of retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RetentionRule {
    /// The repositories it is about, such as `tools/*`.
    pub repositories: String,
    /// How many tags it keeps, those pushed last; none: all.
    pub keep_last: Option<u32>,
}

/// What becomes of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TagVerdict {
    /// Its repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The manifest it points at.
    pub digest: String,
    /// What becomes of it.
    pub fate: TagFate,
    /// The rule that says so; none where no rule is about the repository.
    pub rule: Option<RetentionRule>,
    /// Its place among the tags the rule counts, the one pushed last being the first.
    pub place: Option<u64>,
}

/// What becomes of a tag when the rules are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagFate {
    /// It stays.
    Kept,
    /// It stays as long as the manifest it is named after.
    KeptWithSubject,
    /// It would go, but a client may still count on it.
    Leased,
    /// It goes.
    Goes,
}
