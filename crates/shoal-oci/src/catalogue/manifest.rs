//! Manifests and the tags that point at them. Whether everything a manifest needs is there is asked
//! in the transaction that stores it.

use std::sync::Arc;

use shoal_sqlite::rusqlite::{OptionalExtension as _, Transaction};

use super::blob::{Arrival, has_blob, insert_blob};
use super::sweep::promise_needs;
use super::{Catalogue, Size, ensure_repository, find_repository, now, used};
use crate::digest::Digest;
use crate::error::Error;
use crate::lease::Leases;
use crate::manifest::{Manifest, Need};
use crate::name::{Reference, Repository, Tag};
use crate::quota;

/// A manifest to be stored.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) repository: Repository,
    pub(crate) manifest: Manifest,
    pub(crate) arrival: Arrival,
    pub(crate) tags: Vec<Tag>,
    /// Whether a tag that exists may be pointed at another manifest.
    pub(crate) tags_may_move: bool,
    /// Most bytes the repository may hold.
    pub(crate) quota: Option<u64>,
}

/// A manifest as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) size: u64,
}

impl Catalogue {
    /// The manifest a reference names.
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<Stored>, Error> {
        let (repository, reference) = (repository.clone(), reference.clone());
        self.database
            .read(move |tx| {
                let Some(repository) = find_repository(tx, &repository)? else { return Ok(None) };
                let Some(id) = find_manifest(tx, repository, &reference)? else { return Ok(None) };
                let sql = "SELECT manifests.digest, media_type, size FROM manifests
                           JOIN blobs ON blobs.digest = manifests.digest WHERE id = ?1";
                let stored = tx.prepare_cached(sql)?.query_row([id], |row| {
                    let Size(size) = row.get(2)?;
                    Ok(Stored { digest: row.get(0)?, media_type: row.get(1)?, size })
                })?;
                Ok(Some(stored))
            })
            .await
    }

    /// Stores a manifest with its references and tags, all or nothing.
    ///
    /// # Errors
    /// [`Error::ManifestBlobUnknown`], [`Error::TagImmutable`].
    pub(crate) async fn put_manifest(&self, push: Push) -> Result<(), Error> {
        let size = push.arrival.size;
        let new = self.database.write(move |tx| put(tx, &push)).await?;
        if new {
            self.count_stored(size);
        }
        Ok(())
    }

    /// Deletes a manifest with all its tags, or only the tag when it is named by one; false when
    /// there is none. What the manifest needs is promised to who may be pulling it.
    pub(crate) async fn delete_manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
        leases: &Arc<Leases>,
    ) -> Result<bool, Error> {
        let (repository, reference) = (repository.clone(), reference.clone());
        let leases = Arc::clone(leases);
        self.database
            .write(move |tx| {
                let Some(repository) = find_repository(tx, &repository)? else { return Ok(false) };
                if let Reference::Digest(_) = &reference
                    && let Some(manifest) = find_manifest(tx, repository, &reference)?
                {
                    promise_needs(tx, &leases, manifest)?;
                }
                let deleted = match &reference {
                    Reference::Tag(tag) => tx
                        .prepare_cached("DELETE FROM tags WHERE repository = ?1 AND name = ?2")?
                        .execute((repository, tag))?,
                    Reference::Digest(digest) => tx
                        .prepare_cached(
                            "DELETE FROM manifests WHERE repository = ?1 AND digest = ?2",
                        )?
                        .execute((repository, digest))?,
                };
                Ok(deleted > 0)
            })
            .await
    }
}

fn put(tx: &Transaction<'_>, push: &Push) -> Result<bool, Error> {
    let Push { repository, manifest, arrival, .. } = push;
    let repository = ensure_repository(tx, repository)?;
    for need in &manifest.needs {
        let present = match need {
            Need::Blob(digest) => has_blob(tx, repository, *digest)?,
            Need::Manifest(digest) => has_manifest(tx, repository, *digest)?,
        };
        if !present {
            return Err(Error::ManifestBlobUnknown { digest: *need.digest() });
        }
    }
    let known = has_manifest(tx, repository, arrival.digest)?;
    let new = insert_blob(tx, arrival)?;
    store(tx, repository, push)?;
    if !known {
        quota::admit(&push.repository, push.quota, used(tx, repository)?)?;
    }
    Ok(new)
}

/// Stores a manifest whose content has its row, with its references and tags.
pub(super) fn store(tx: &Transaction<'_>, repository: i64, push: &Push) -> Result<(), Error> {
    let id = insert_manifest(tx, repository, push)?;
    let mut reference = tx.prepare_cached(
        "INSERT INTO manifest_references (manifest, digest, kind) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
    )?;
    for need in &push.manifest.needs {
        reference.execute((id, need.digest(), need.kind()))?;
    }
    for tag in &push.tags {
        point(tx, (repository, tag), id, push.tags_may_move)?;
    }
    Ok(())
}

fn insert_manifest(tx: &Transaction<'_>, repository: i64, push: &Push) -> Result<i64, Error> {
    let Push { manifest, arrival, .. } = push;
    let annotations = match &manifest.annotations {
        annotations if annotations.is_empty() => None,
        annotations => Some(serde_json::to_string(annotations).map_err(Error::encode)?),
    };
    // Pushed again, only the type it was pushed with can differ.
    let sql = "INSERT INTO manifests
            (repository, digest, media_type, artifact_type, subject, annotations, pushed_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (repository, digest) DO UPDATE
        SET media_type = excluded.media_type, artifact_type = excluded.artifact_type,
            subject = excluded.subject, pushed_at = excluded.pushed_at
        RETURNING id";
    let values = (
        repository,
        arrival.digest,
        &manifest.media_type,
        &manifest.artifact_type,
        manifest.subject,
        annotations,
        now(),
    );
    Ok(tx.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
}

/// Points a tag at a manifest.
fn point(
    tx: &Transaction<'_>,
    (repository, tag): (i64, &Tag),
    manifest: i64,
    may_move: bool,
) -> Result<(), Error> {
    if !may_move {
        let sql = "SELECT manifest FROM tags WHERE repository = ?1 AND name = ?2";
        let mut query = tx.prepare_cached(sql)?;
        let current: Option<i64> =
            query.query_row((repository, tag), |row| row.get(0)).optional()?;
        if current.is_some_and(|current| current != manifest) {
            return Err(Error::TagImmutable { tag: tag.clone() });
        }
    }
    let sql = "INSERT INTO tags (repository, name, manifest, tagged_at, pushed)
        SELECT ?1, ?2, ?3, ?4, coalesce(max(pushed), 0) + 1 FROM tags WHERE repository = ?1
        ON CONFLICT (repository, name) DO UPDATE SET manifest = excluded.manifest,
        tagged_at = excluded.tagged_at, pushed = excluded.pushed";
    tx.prepare_cached(sql)?.execute((repository, tag, manifest, now()))?;
    Ok(())
}

fn find_manifest(
    tx: &Transaction<'_>,
    repository: i64,
    reference: &Reference,
) -> Result<Option<i64>, Error> {
    let found = match reference {
        Reference::Tag(tag) => tx
            .prepare_cached("SELECT manifest FROM tags WHERE repository = ?1 AND name = ?2")?
            .query_row((repository, tag), |row| row.get(0)),
        Reference::Digest(digest) => tx
            .prepare_cached("SELECT id FROM manifests WHERE repository = ?1 AND digest = ?2")?
            .query_row((repository, digest), |row| row.get(0)),
    };
    Ok(found.optional()?)
}

fn has_manifest(tx: &Transaction<'_>, repository: i64, digest: Digest) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM manifests WHERE repository = ?1 AND digest = ?2";
    Ok(tx.prepare_cached(sql)?.exists((repository, digest))?)
}
