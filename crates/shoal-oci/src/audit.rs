//! Who changed what: one record for every push and every delete, done or refused.

use std::fmt::Debug;
use std::net::IpAddr;

use ::http::StatusCode;

use crate::name::Repository;

/// What a request would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Content became a blob.
    PushBlob,
    /// A blob was taken over from another repository.
    MountBlob,
    /// A manifest was stored.
    PushManifest,
    /// A repository forgot a blob.
    DeleteBlob,
    /// A manifest or a tag was deleted.
    DeleteManifest,
}

impl Verb {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PushBlob => "registry.push_blob",
            Self::MountBlob => "registry.mount_blob",
            Self::PushManifest => "registry.push_manifest",
            Self::DeleteBlob => "registry.delete_blob",
            Self::DeleteManifest => "registry.delete_manifest",
        }
    }
}

/// One record.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who asked.
    pub principal: &'a str,
    /// The address they asked from, where the listener tells.
    pub from: Option<IpAddr>,
    /// For what.
    pub verb: Verb,
    /// In which repository.
    pub repository: &'a Repository,
    /// A digest or a tag, as the client wrote it.
    pub what: &'a str,
    /// The digest of what was stored.
    pub digest: Option<&'a str>,
    /// What was answered; a success means that it is durable.
    pub status: StatusCode,
}

/// Where records go.
pub trait Audit: Debug + Send + Sync + 'static {
    /// Takes a record. Must not block.
    fn record(&self, entry: &Entry<'_>);
}

/// Records as log lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogAudit;

impl Audit for LogAudit {
    fn record(&self, entry: &Entry<'_>) {
        tracing::info!(
            principal = entry.principal,
            client = entry.from.map(tracing::field::display),
            action = entry.verb.as_str(),
            repository = entry.repository.as_str(),
            what = entry.what,
            digest = entry.digest,
            code = entry.status.as_str(),
            "registry change"
        );
    }
}
