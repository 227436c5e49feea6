//! Blobs: which there are, and which repository may be asked for them.

use shoal_sqlite::rusqlite::{OptionalExtension as _, Transaction};

use super::{Catalogue, Size, ensure_repository, find_repository, now, used};
use crate::digest::Digest;
use crate::error::Error;
use crate::name::Repository;
use crate::quota;
use crate::upload::UploadId;

/// Content whose file is in place.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The content itself when its file may not have reached the disk yet.
    pub(crate) unsettled: Option<Vec<u8>>,
}

/// Small content the journal still holds.
#[derive(Debug)]
pub(crate) struct Journaled {
    pub(crate) digest: Digest,
    pub(crate) content: Vec<u8>,
}

impl Catalogue {
    /// The size of a blob that the repository may be asked for.
    pub(crate) async fn blob_size(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<u64>, Error> {
        let repository = repository.clone();
        self.database.read(move |tx| find_blob(tx, &repository, digest)).await
    }

    /// Whether the repository may be asked for a blob. Blocks.
    pub(crate) fn serves_blob(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<bool, Error> {
        Ok(self.database.read_blocking(|tx| find_blob(tx, repository, digest))?.is_some())
    }

    /// Makes a repository know content whose file is in place, and ends the upload it came by.
    pub(crate) async fn link_blob(
        &self,
        repository: &Repository,
        arrival: Arrival,
        upload: Option<UploadId>,
        quota: Option<u64>,
    ) -> Result<(), Error> {
        let (repository, size) = (repository.clone(), arrival.size);
        let new = self
            .database
            .write(move |tx| {
                let id = ensure_repository(tx, &repository)?;
                let new = insert_blob(tx, &arrival)?;
                if link(tx, id, arrival.digest)? {
                    quota::admit(&repository, quota, used(tx, id)?)?;
                }
                if let Some(upload) = upload {
                    tx.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([upload])?;
                }
                Ok::<_, Error>(new)
            })
            .await?;
        if new {
            self.count_stored(size);
        }
        Ok(())
    }

    /// Makes a repository know a blob of another one; false when that one does not have it.
    pub(crate) async fn mount_blob(
        &self,
        from: &Repository,
        to: &Repository,
        digest: Digest,
        quota: Option<u64>,
    ) -> Result<bool, Error> {
        let (from, to) = (from.clone(), to.clone());
        self.database
            .write(move |tx| {
                let Some(from) = find_repository(tx, &from)? else { return Ok(false) };
                if !has_blob(tx, from, digest)? {
                    return Ok(false);
                }
                let id = ensure_repository(tx, &to)?;
                if link(tx, id, digest)? {
                    quota::admit(&to, quota, used(tx, id)?)?;
                }
                Ok(true)
            })
            .await
    }

    /// Makes a repository forget a blob; false when it did not know it. The file stays until the
    /// garbage collection.
    pub(crate) async fn unlink_blob(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<bool, Error> {
        let repository = repository.clone();
        self.database
            .write(move |tx| {
                let Some(id) = find_repository(tx, &repository)? else { return Ok(false) };
                let sql = "DELETE FROM repository_blobs WHERE repository = ?1 AND digest = ?2";
                Ok(tx.prepare_cached(sql)?.execute((id, digest))? > 0)
            })
            .await
    }

    /// Makes every repository forget a blob whose file is damaged or gone, so that nobody is told it
    /// exists and a client pushes it again. Manifests that need it stay, and name it. Blocks.
    pub(crate) fn disown_blob(&self, digest: Digest) -> Result<(), Error> {
        let removed = self.database.write_blocking(move |tx| {
            tx.execute("DELETE FROM repository_blobs WHERE digest = ?1", [digest])?;
            // A manifest's own content keeps its row: the manifest refers to it.
            let sql = "DELETE FROM blobs WHERE digest = ?1
                AND NOT EXISTS (SELECT 1 FROM manifests WHERE digest = ?1) RETURNING size";
            Ok::<Option<Size>, Error>(tx.query_row(sql, [digest], |row| row.get(0)).optional()?)
        })?;
        if let Some(Size(bytes)) = removed {
            self.count_removed(1, bytes);
        }
        Ok(())
    }

    /// What the journal holds, at most `most` of it. Blocks.
    pub(crate) fn journaled(&self, most: u32) -> Result<Vec<Journaled>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT digest, content FROM journal LIMIT ?1")?;
            let rows = query.query_map([most], |row| {
                Ok(Journaled { digest: row.get(0)?, content: row.get(1)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The content of a blob, if the journal still holds it. Blocks.
    pub(crate) fn journaled_content(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT content FROM journal WHERE digest = ?1")?;
            Ok(query.query_row([digest], |row| row.get(0)).optional()?)
        })
    }

    /// The digests of what the journal holds. Blocks.
    pub(crate) fn journaled_digests(&self) -> Result<Vec<Digest>, Error> {
        self.database.read_blocking(|tx| {
            let mut query = tx.prepare_cached("SELECT digest FROM journal")?;
            let rows = query.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets journaled content whose files have reached the disk. Blocks.
    pub(crate) fn settle(&self, digests: Vec<Digest>) -> Result<(), Error> {
        self.database.write_blocking(move |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM journal WHERE digest = ?1")?;
            for digest in digests {
                delete.execute([digest])?;
            }
            Ok(())
        })
    }
}

/// Inserts the row of content; true when it is new.
pub(super) fn insert_blob(tx: &Transaction<'_>, arrival: &Arrival) -> Result<bool, Error> {
    let Arrival { digest, size, unsettled } = arrival;
    let sql =
        "INSERT INTO blobs (digest, size, stored_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let new = tx.prepare_cached(sql)?.execute((digest, Size(*size), now()))? > 0;
    // Also when the row is there: its file may have been written anew just now.
    if let Some(content) = unsettled {
        let sql = "INSERT INTO journal (digest, content) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.prepare_cached(sql)?.execute((digest, content))?;
    }
    Ok(new)
}

/// The size of a blob that the repository may be asked for.
fn find_blob(
    tx: &Transaction<'_>,
    repository: &Repository,
    digest: Digest,
) -> Result<Option<u64>, Error> {
    let sql = "SELECT blobs.size FROM repositories
        JOIN repository_blobs ON repository_blobs.repository = repositories.id
        JOIN blobs ON blobs.digest = repository_blobs.digest
        WHERE repositories.name = ?1 AND repository_blobs.digest = ?2";
    let mut query = tx.prepare_cached(sql)?;
    let size = query.query_row((repository, digest), |row| row.get(0)).optional()?;
    Ok(size.map(|Size(bytes)| bytes))
}

pub(super) fn has_blob(
    tx: &Transaction<'_>,
    repository: i64,
    digest: Digest,
) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM repository_blobs WHERE repository = ?1 AND digest = ?2";
    Ok(tx.prepare_cached(sql)?.exists((repository, digest))?)
}

/// Makes a repository know a blob; true when it did not.
pub(super) fn link(tx: &Transaction<'_>, repository: i64, digest: Digest) -> Result<bool, Error> {
    let sql = "INSERT INTO repository_blobs (repository, digest, linked_at) VALUES (?1, ?2, ?3)
               ON CONFLICT DO NOTHING";
    Ok(tx.prepare_cached(sql)?.execute((repository, digest, now()))? > 0)
}
