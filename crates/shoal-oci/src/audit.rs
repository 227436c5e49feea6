//! Who changed what: one record for every push and every delete, done or refused.

use std::fmt::Debug;
use std::net::IpAddr;

use ::http::StatusCode;

use crate::name::Repository;

/// The status of a client that was gone before the answer; no answer has it.
const GONE: u16 = 499;

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
    /// What was answered; a success means that it is durable. [`is_gone`] tells where nothing could
    /// be.
    pub status: StatusCode,
}

/// Whether this stands for a client that was gone before the answer. What it asked for may have been
/// done.
pub fn is_gone(status: StatusCode) -> bool {
    status.as_u16() == GONE
}

/// Where records go.
pub trait Audit: Debug + Send + Sync + 'static {
    /// Takes a record. Must not block.
    fn record(&self, entry: &Entry<'_>);
}

/// The record of a change under way. Whoever answers may be dropped at any time, which does not take
/// back what was begun: so it is written in any case, when it is dropped if not before.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    audit: &'a dyn Audit,
    /// None once it is written.
    entry: Option<Entry<'a>>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(
        audit: &'a dyn Audit,
        (principal, from): (&'a str, Option<IpAddr>),
        (verb, repository, what): (Verb, &'a Repository, &'a str),
    ) -> Self {
        let status = StatusCode::from_u16(GONE).unwrap_or(StatusCode::REQUEST_TIMEOUT);
        let entry = Entry { principal, from, verb, repository, what, digest: None, status };
        Self { audit, entry: Some(entry) }
    }

    /// Writes it with what was answered.
    pub(crate) fn end(mut self, status: StatusCode, digest: Option<&str>) {
        if let Some(entry) = self.entry.take() {
            self.audit.record(&Entry { digest, status, ..entry });
        }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.audit.record(&entry);
        }
    }
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
