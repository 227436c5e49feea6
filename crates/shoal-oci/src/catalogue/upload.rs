//! The rows of upload sessions: what has to outlive the process.

use shoal_sqlite::rusqlite::Row;

use super::{Catalogue, Size, now};
use crate::digest::Algorithm;
use crate::error::Error;
use crate::name::Repository;
use crate::upload::UploadId;

/// A session as it was left.
#[derive(Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: UploadId,
    pub(crate) repository: Repository,
    pub(crate) algorithm: Algorithm,
    /// Bytes that survive a power failure.
    pub(crate) durable_bytes: u64,
    /// Unix seconds of the last sign of life that was written down.
    pub(crate) touched_at: i64,
}

impl Catalogue {
    /// Every session. Blocks.
    pub(crate) fn uploads(&self) -> Result<Vec<UploadRow>, Error> {
        self.database.read_blocking(|tx| {
            let sql = "SELECT id, repository, algorithm, durable_bytes, touched_at FROM uploads";
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map([], UploadRow::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Writes down that a session was begun by `owner`.
    pub(crate) async fn begin_upload(
        &self,
        id: UploadId,
        repository: &Repository,
        algorithm: Algorithm,
        owner: &str,
    ) -> Result<(), Error> {
        let (repository, owner) = (repository.clone(), owner.to_owned());
        self.database
            .write(move |tx| {
                let sql = "INSERT INTO uploads
                    (id, repository, algorithm, durable_bytes, started_at, touched_at, owner)
                    VALUES (?1, ?2, ?3, 0, ?4, ?4, ?5)";
                let values = (id, &repository, algorithm.as_str(), now(), &owner);
                tx.prepare_cached(sql)?.execute(values)?;
                Ok(())
            })
            .await
    }

    /// Writes down how much of a session would survive a power failure. Blocks.
    pub(crate) fn note_durable(&self, id: UploadId, bytes: u64) -> Result<(), Error> {
        self.database.write_blocking(move |tx| {
            let sql = "UPDATE uploads SET durable_bytes = ?2, touched_at = ?3 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((id, Size(bytes), now()))?;
            Ok(())
        })
    }

    /// Forgets a session.
    pub(crate) async fn end_upload(&self, id: UploadId) -> Result<(), Error> {
        self.database
            .write(move |tx| {
                tx.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([id])?;
                Ok(())
            })
            .await
    }
}

impl UploadRow {
    fn read(row: &Row<'_>) -> shoal_sqlite::rusqlite::Result<Self> {
        let algorithm: String = row.get(2)?;
        Ok(Self {
            id: row.get(0)?,
            repository: row.get(1)?,
            algorithm: algorithm.parse().unwrap_or_default(),
            durable_bytes: row.get::<_, Size>(3)?.0,
            touched_at: row.get(4)?,
        })
    }
}
