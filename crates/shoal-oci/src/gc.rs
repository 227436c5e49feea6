//! Garbage collection: what nothing needs is condemned, its rows are deleted, its file goes through
//! the trash. This is the record of one collection; [`crate::lease`] says how it never races a push,
//! and [`crate::Registry::collect`] does it.

use std::time::Duration;

use serde::Serialize;

use crate::digest::Digest;
use crate::name::{Repository, Tag};

/// Most items a report names; the rest is only counted.
const NAMED_MAX: usize = 1000;

/// Whether anything is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only say what a collection would do.
    DryRun,
    /// Remove it.
    Sweep,
}

/// How much of a collection is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Everything,
    /// Only what the rules of retention say of tags and manifests; no space is freed by that.
    Retention,
}

/// How far a collection is with some content; after each of them the process may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It was found that nothing needs it.
    Chosen,
    /// Its rows are deleted for good.
    Committed,
    /// Its file is in the trash.
    PutAway,
    /// Its space is free.
    Freed,
}

/// What kind of thing is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A tag that the retention keeps no longer.
    Tag,
    /// A manifest that the retention keeps no longer, or a referrer of nothing.
    Manifest,
    /// A repository's knowledge of a blob that no manifest of it needs.
    Link,
    /// A blob that nothing needs.
    Blob,
    /// A file in the layout that the catalogue does not know.
    File,
}

impl What {
    /// The word in JSON and as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Manifest => "manifest",
            Self::Link => "link",
            Self::Blob => "blob",
            Self::File => "file",
        }
    }
}

/// Why something that nothing needs is kept for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A client was told of it less than a grace period ago, or may have been, or is bringing it.
    Leased,
    /// Something came to need it while the collection ran.
    Needed,
}

/// One thing a collection met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its kind.
    pub what: What,
    /// The content it is, or is about.
    pub digest: Digest,
    /// The repository, for tags and manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// The tag, for tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Bytes that become free with it; 0 for what is no file.
    pub bytes: u64,
    /// Why it is kept; none when it is, or would be, removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// Numbers of things, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tags.
    pub tags: u64,
    /// Manifests.
    pub manifests: u64,
    /// Blobs that a repository forgets, whether or not another one needs them.
    pub links: u64,
    /// Blobs.
    pub blobs: u64,
    /// Files without a row.
    pub files: u64,
}

impl Counts {
    fn of(&mut self, what: What) -> &mut u64 {
        match what {
            What::Tag => &mut self.tags,
            What::Manifest => &mut self.manifests,
            What::Link => &mut self.links,
            What::Blob => &mut self.blobs,
            What::File => &mut self.files,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.tags + self.manifests + self.links + self.blobs + self.files
    }
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was removed.
    pub dry_run: bool,
    /// What was, or would be, removed.
    pub removed: Counts,
    /// Bytes of the blobs and files among it.
    pub bytes: u64,
    /// What nothing needs and a client may still count on.
    pub leased: u64,
    /// What something came to need meanwhile.
    pub needed: u64,
    /// The collection was told to stop before it had seen everything.
    pub stopped: bool,
    /// The things themselves, the first thousand.
    pub items: Vec<Item>,
    /// Things that are counted and not named.
    pub unnamed: u64,
    /// After a rebuild: what [`crate::Registry::confirm_collection`] wants to be told, so that who
    /// confirms has seen this dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

impl Report {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { dry_run: mode == Mode::DryRun, ..Self::default() }
    }

    /// Counts one thing.
    pub(crate) fn add(&mut self, item: Item) {
        match item.kept {
            None => {
                *self.removed.of(item.what) += 1;
                self.bytes += item.bytes;
                if !self.dry_run {
                    let what = item.what.as_str();
                    metrics::counter!("registry_gc_removed_total", "what" => what).increment(1);
                    metrics::counter!("registry_gc_removed_bytes_total").increment(item.bytes);
                    metrics::counter!("gc_reclaimed_bytes_total", "kind" => "registry")
                        .increment(item.bytes);
                }
            }
            Some(Kept::Leased) => self.leased += 1,
            Some(Kept::Needed) => self.needed += 1,
        }
        if self.items.len() < NAMED_MAX {
            self.items.push(item);
        } else {
            self.unnamed += 1;
        }
    }

    /// Tells the operator.
    pub(crate) fn log(&self, took: Duration) {
        let Counts { tags, manifests, links, blobs, files } = self.removed;
        let (bytes, leased) = (self.bytes, self.leased);
        let seconds = took.as_secs_f64();
        if self.removed.total() > 0 {
            tracing::info!(
                tags,
                manifests,
                links,
                blobs,
                files,
                bytes,
                leased,
                seconds,
                dry_run = self.dry_run,
                "garbage was collected"
            );
        } else {
            tracing::debug!(leased, seconds, dry_run = self.dry_run, "there was no garbage");
        }
    }
}
