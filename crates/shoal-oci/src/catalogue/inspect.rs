//! What a check and a rebuild ask and write: every blob, who needs it, and rows for files that are
//! there without any.

use serde::Serialize;
use shoal_sqlite::rusqlite::{OptionalExtension as _, Transaction};

use super::blob::{has_blob, insert_blob, link};
use super::manifest::store;
use super::{Arrival, Catalogue, Push, Size, ensure_repository};
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::Need;
use crate::name::Repository;

/// Blobs listed in one go.
const PAGE: u32 = 256;

/// Users named of one blob.
const USERS: u32 = 100;

/// A manifest that needs some content, or is it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The repository.
    pub repository: Repository,
    /// The manifest.
    pub manifest: Digest,
}

impl Catalogue {
    /// Blobs after `last` with their sizes, in order, at most a page. Blocks.
    pub(crate) fn sizes(&self, last: &str) -> Result<Vec<(Digest, u64)>, Error> {
        self.database.read_blocking(|tx| {
            let sql = "SELECT digest, size FROM blobs WHERE digest > ?1 ORDER BY digest LIMIT ?2";
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map((last, PAGE), |row| {
                let Size(size) = row.get(1)?;
                Ok((row.get(0)?, size))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The size of a blob, if there is a row of it. Blocks.
    pub(crate) fn size(&self, digest: Digest) -> Result<Option<u64>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT size FROM blobs WHERE digest = ?1")?;
            let size = query.query_row([digest], |row| row.get(0)).optional()?;
            Ok(size.map(|Size(bytes)| bytes))
        })
    }

    /// Manifests that need a blob or are it. Blocks.
    pub(crate) fn users(&self, digest: Digest) -> Result<Vec<User>, Error> {
        self.database.read_blocking(|tx| {
            let sql = "SELECT name, manifests.digest FROM manifests
                JOIN repositories ON repositories.id = manifests.repository
                WHERE manifests.digest = ?1
                OR manifests.id IN (SELECT manifest FROM manifest_references WHERE digest = ?1)
                ORDER BY name, manifests.digest LIMIT ?2";
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map((digest, USERS), |row| {
                Ok(User { repository: row.get(0)?, manifest: row.get(1)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Writes rows for files that are there; how many are new. Blocks.
    pub(crate) fn adopt_blobs(&self, found: Vec<(Digest, u64)>) -> Result<u64, Error> {
        self.database.write_blocking(move |tx| {
            let mut new = 0;
            for (digest, size) in found {
                new += u64::from(insert_blob(tx, &Arrival { digest, size, unsettled: None })?);
            }
            Ok(new)
        })
    }

    /// Stores manifests with their tags and gives their repositories the blobs they need, as far as
    /// those are there; for each whether something is missing. Blocks.
    pub(crate) fn adopt_manifests(&self, batch: Vec<Push>) -> Result<Vec<bool>, Error> {
        self.database
            .write_blocking(move |tx| batch.iter().map(|push| adopt_manifest(tx, push)).collect())
    }

    /// Blobs that no repository has, and their bytes. Blocks.
    pub(crate) fn unclaimed(&self) -> Result<(u64, u64), Error> {
        self.database.read_blocking(|tx| {
            let sql = "SELECT count(*), coalesce(sum(size), 0) FROM blobs
                WHERE NOT EXISTS (SELECT 1 FROM repository_blobs AS link
                    WHERE link.digest = blobs.digest)
                AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.digest = blobs.digest)";
            let (Size(blobs), Size(bytes)) =
                tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((blobs, bytes))
        })
    }
}

fn adopt_manifest(tx: &Transaction<'_>, push: &Push) -> Result<bool, Error> {
    let repository = ensure_repository(tx, &push.repository)?;
    let mut known = tx.prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?;
    let mut missing = false;
    for need in &push.manifest.needs {
        let there = known.exists([need.digest()])?;
        missing |= !there;
        if let Need::Blob(digest) = need
            && there
            && !has_blob(tx, repository, *digest)?
        {
            link(tx, repository, *digest)?;
        }
    }
    store(tx, repository, push)?;
    Ok(missing)
}
