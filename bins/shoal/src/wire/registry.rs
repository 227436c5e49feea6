//! What operators are told of the registry, as far as tables show it.

use jiff::Timestamp;
use serde::Deserialize;

/// A repository.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Repository {
    #[serde(rename = "repository")]
    pub(crate) name: String,
    pub(crate) tags: u64,
    pub(crate) manifests: u64,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) pushed_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) pulled_at: Option<Timestamp>,
}

/// A tag and what it points at.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tag {
    #[serde(rename = "tag")]
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) media_type: String,
    #[serde(default)]
    pub(crate) artifact_type: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) tagged_at: Timestamp,
}

/// A manifest with everything below it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) media_type: String,
    #[serde(default)]
    pub(crate) artifact_type: Option<String>,
    #[serde(default)]
    pub(crate) platform: Option<String>,
    #[serde(default)]
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) contents: Vec<Content>,
    #[serde(default)]
    pub(crate) manifests: Vec<Self>,
    #[serde(default)]
    pub(crate) referrers: Vec<Self>,
    #[serde(default)]
    pub(crate) incomplete: bool,
}

/// A config or a layer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Content {
    pub(crate) role: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) present: bool,
}

/// What is stored.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Usage {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    pub(crate) repositories: u64,
    pub(crate) upload_bytes: u64,
    pub(crate) quarantine_bytes: u64,
    pub(crate) reclaimable_bytes: u64,
    pub(crate) leased_bytes: u64,
    pub(crate) free_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) collection: Collection,
    pub(crate) top: Vec<RepositoryUsage>,
}

/// How garbage is collected.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Collection {
    pub(crate) grace_seconds: u64,
    pub(crate) unconfirmed: bool,
}

/// What one repository costs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RepositoryUsage {
    pub(crate) repository: String,
    pub(crate) tags: u64,
    pub(crate) bytes: u64,
    pub(crate) own_bytes: u64,
    pub(crate) shared_bytes: u64,
    pub(crate) reclaimable_bytes: u64,
    #[serde(default)]
    pub(crate) quota_bytes: Option<u64>,
}

/// An upload that has not ended.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) repository: String,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) idle_seconds: u64,
    pub(crate) expires_in_seconds: u64,
}

/// A rule of retention.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rule {
    pub(crate) repositories: String,
    #[serde(default)]
    pub(crate) keep_last: Option<u32>,
}

/// What becomes of a tag.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) fate: String,
    #[serde(default)]
    pub(crate) rule: Option<Rule>,
    #[serde(default)]
    pub(crate) place: Option<u64>,
}

/// Work on the registry.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) task: String,
    #[serde(default, rename = "dry_run")]
    pub(crate) is_dry: bool,
    pub(crate) state: String,
    pub(crate) started_at: Timestamp,
    #[serde(default)]
    pub(crate) ended_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) bytes_to_read: Option<u64>,
    #[serde(default)]
    pub(crate) collected: Option<Collected>,
    #[serde(default)]
    pub(crate) checked: Option<Checked>,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// What a collection met.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Collected {
    pub(crate) removed: Removed,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) leased: u64,
    #[serde(default)]
    pub(crate) needed: u64,
    #[serde(default)]
    pub(crate) items: Vec<Item>,
    #[serde(default)]
    pub(crate) unnamed: u64,
    #[serde(default)]
    pub(crate) confirmation: Option<String>,
}

/// Numbers of things.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Removed {
    pub(crate) tags: u64,
    pub(crate) manifests: u64,
    pub(crate) links: u64,
    pub(crate) blobs: u64,
    pub(crate) files: u64,
}

/// One thing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    pub(crate) what: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) repository: Option<String>,
    #[serde(default)]
    pub(crate) tag: Option<String>,
    #[serde(default)]
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) kept: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Checked {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) damaged: Vec<Damage>,
    #[serde(default)]
    pub(crate) healed: Vec<Healed>,
    #[serde(default)]
    pub(crate) skipped: u64,
}

/// A damaged blob and whom it hurts.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Damage {
    pub(crate) digest: String,
    pub(crate) fault: String,
    #[serde(default)]
    pub(crate) needed_by: Vec<UsedBy>,
    #[serde(default)]
    pub(crate) tags: Vec<TagName>,
}

/// A blob that is whole again.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Healed {
    pub(crate) digest: String,
    pub(crate) fault: String,
}

/// A manifest of a repository.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct UsedBy {
    pub(crate) repository: String,
    pub(crate) manifest: String,
}

/// A tag of a repository.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TagName {
    pub(crate) repository: String,
    pub(crate) tag: String,
}
