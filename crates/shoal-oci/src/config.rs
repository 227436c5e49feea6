//! What a caller decides about its registry, as plain records, so that every default stands in one
//! place. All but the directory can be changed while the registry runs.

use std::path::PathBuf;
use std::time::Duration;

use crate::name::{Pattern, Repository};
use crate::{quota, retention};

/// How a registry is opened.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory; made when missing. One process at a time.
    pub root: PathBuf,
    /// What it takes.
    pub limits: Limits,
    /// What may be done.
    pub policy: Policy,
    /// How long content that a client was told of is safe from the garbage collection.
    pub grace: Duration,
    /// How often garbage is collected; none: only on demand.
    pub gc_interval: Option<Duration>,
}

impl Config {
    /// The defaults for a directory; grace and interval of the garbage collection are an
    /// hour.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            limits: Limits::default(),
            policy: Policy::default(),
            grace: Duration::from_hours(1),
            gc_interval: Some(Duration::from_hours(1)),
        }
    }
}

/// What the registry takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests that send content at the same time; more wait.
    pub receiving: usize,
    /// How long they wait before they are answered 429.
    pub patience: Duration,
    /// Upload sessions open at the same time.
    pub uploads: usize,
    /// Bytes of one blob.
    pub blob_bytes: u64,
    /// Bytes of one manifest.
    pub manifest_bytes: usize,
    /// How long a sender may be silent.
    pub idle: Duration,
    /// How long a receiver may take nothing before its connection ends, on listeners that give their
    /// requests a [`Patience`](crate::http::Patience).
    pub stall: Duration,
    /// How long a sender may be silent before another one may go on with its upload.
    pub takeover: Duration,
    /// How long an upload nobody touches is kept.
    pub upload_age: Duration,
    /// Bytes of the file system that uploads leave free.
    pub headroom_bytes: u64,
}

impl Default for Limits {
    /// 32 at a time after at most 10 s, 4096 open, 1 TiB, 4 MiB, a minute, two, 5 s, a day, 256 MiB.
    fn default() -> Self {
        Self {
            receiving: 32,
            patience: Duration::from_secs(10),
            uploads: 4096,
            blob_bytes: 1 << 40,
            manifest_bytes: 4 << 20,
            idle: Duration::from_mins(1),
            stall: Duration::from_mins(2),
            takeover: Duration::from_secs(5),
            upload_age: Duration::from_hours(24),
            headroom_bytes: 256 << 20,
        }
    }
}

/// What may be done, whoever asks.
#[derive(Debug, Clone)]
pub struct Policy {
    /// No write of any kind.
    pub read_only: bool,
    /// Whether `DELETE` of blobs, manifests and tags is answered.
    pub allow_delete: bool,
    /// Repositories that may be pushed to.
    pub push: Vec<Pattern>,
    /// Repositories whose tags never move.
    pub immutable_tags: Vec<Pattern>,
    /// Which tags are kept; where no rule matches, everything is.
    pub retention: Vec<retention::Rule>,
    /// How much repositories may hold; where no rule matches, as much as there is room.
    pub quotas: Vec<quota::Rule>,
}

impl Default for Policy {
    /// Everything but deleting.
    fn default() -> Self {
        Self {
            read_only: false,
            allow_delete: false,
            push: vec![Pattern::All],
            immutable_tags: Vec::new(),
            retention: Vec::new(),
            quotas: Vec::new(),
        }
    }
}

impl Policy {
    pub(crate) fn may_push(&self, repository: &Repository) -> bool {
        self.push.iter().any(|pattern| pattern.matches(repository))
    }

    pub(crate) fn tags_may_move(&self, repository: &Repository) -> bool {
        !self.immutable_tags.iter().any(|pattern| pattern.matches(repository))
    }
}
