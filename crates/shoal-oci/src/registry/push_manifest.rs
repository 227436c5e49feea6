//! Pushing manifests. What a manifest needs is looked for in the transaction that stores it, so it
//! cannot be swept in between.

use super::{Registry, blocking, to_its_end};
use crate::catalogue::{Arrival, Push};
use crate::digest::{Algorithm, Digest};
use crate::error::Error;
use crate::lease::Held;
use crate::manifest::Manifest;
use crate::name::{Reference, Repository, Tag};
use crate::upload::{JOURNALED_MAX, Step};

/// What became of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What it is addressed by.
    pub digest: Digest,
    /// The manifest it refers to.
    pub subject: Option<Digest>,
    /// The tags that point at it now, of those the request named beside the reference.
    pub tags: Vec<Tag>,
}

impl Registry {
    /// Stores a manifest under a tag or under its digest, and points `more_tags` at it.
    ///
    /// # Errors
    /// [`Error::ManifestInvalid`], [`Error::ManifestBlobUnknown`], [`Error::DigestMismatch`],
    /// [`Error::TagImmutable`], [`Error::TooLarge`], [`Error::DiskFull`], [`Error::ReadOnly`],
    /// [`Error::PushDenied`], [`Error::QuotaExceeded`]. Nothing is changed then.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
        more_tags: Vec<Tag>,
        (content_type, content): (Option<&str>, Vec<u8>),
    ) -> Result<Pushed, Error> {
        let settings = self.admit_push(repository)?;
        let limit = settings.limits.manifest_bytes;
        if content.len() > limit {
            return Err(Error::TooLarge { limit: u64::try_from(limit).unwrap_or(u64::MAX) });
        }
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.inner.space.admit(size)?;
        // One that is there already needs no room; the transaction knows.
        let quota = self.admit_quota(&settings, repository).await?;
        let manifest = Manifest::parse(content_type, &content)?;
        let (digest, mut tags) = match reference {
            Reference::Tag(tag) => (Digest::of(Algorithm::Sha256, &content), vec![tag.clone()]),
            Reference::Digest(expected) => {
                let (expected, found) = (*expected, Digest::of(expected.algorithm(), &content));
                if found != expected {
                    return Err(Error::DigestMismatch { expected, found: Box::new(found) });
                }
                (expected, Vec::new())
            }
        };
        tags.extend(more_tags.iter().cloned());
        let pushed = Pushed { digest, subject: manifest.subject, tags: more_tags };
        let tags_may_move = settings.policy.tags_may_move(repository);
        let (registry, repository) = (self.clone(), repository.clone());
        to_its_end(async move {
            let (arrival, held) = registry.place_manifest(digest, content).await?;
            let push = Push { repository, manifest, arrival, tags, tags_may_move, quota };
            registry.inner.catalogue.put_manifest(push).await?;
            // The file could be swept before its row is there, and not after.
            drop(held);
            registry.inner.layout.watch().reached(Step::Known);
            metrics::counter!("registry_upload_bytes_total").increment(size);
            registry.inner.export.note_change();
            Ok(pushed)
        })
        .await
    }

    /// Writes the file. One that no row comes to name is found by the garbage collection.
    async fn place_manifest(
        &self,
        digest: Digest,
        content: Vec<u8>,
    ) -> Result<(Arrival, Held), Error> {
        let registry = self.clone();
        blocking(move || {
            let layout = &registry.inner.layout;
            let held = registry.inner.leases.hold(&digest);
            layout.write_blob(&digest, &content)?;
            let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
            if size <= JOURNALED_MAX {
                return Ok((Arrival { digest, size, unsettled: Some(content) }, held));
            }
            layout.sync_blob(&digest)?;
            Ok((Arrival { digest, size, unsettled: None }, held))
        })
        .await
    }
}
