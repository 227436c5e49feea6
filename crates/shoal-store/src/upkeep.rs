//! What keeps the file small and its keys fresh over years: history ends, and cells move to the
//! current sealing key.

use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Store, row,
    sealing::{Cell, Sealing},
};

/// Rows changed in one transaction: bounds how long other writers wait.
const BATCH: u32 = 100;

/// A column of sealed cells.
struct Column {
    /// Its name in a [`Cell`].
    name: &'static str,
    /// Selects cell row, cell; not under key `?1`, behind row `?2`, in order, at most `?3`.
    select: &'static str,
    /// Sets cell `?2` of cell row `?1`.
    update: &'static str,
}

const COLUMNS: [Column; 4] = [
    Column {
        name: "jobs.recipe",
        select: "SELECT id AS place, recipe FROM jobs
                 WHERE substr(recipe, 1, 4) <> ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        update: "UPDATE jobs SET recipe = ?2 WHERE id = ?1",
    },
    Column {
        name: "servers.credentials",
        select: "SELECT serial AS place, credentials FROM servers
                 WHERE substr(credentials, 1, 4) <> ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        update: "UPDATE servers SET credentials = ?2 WHERE serial = ?1",
    },
    Column {
        name: "attempts.frozen",
        select: "SELECT job_id || '/' || attempt AS place, frozen FROM attempts
                 WHERE substr(frozen, 1, 4) <> ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        update: "UPDATE attempts SET frozen = ?2
                 WHERE job_id = substr(?1, 1, 36) AND attempt = CAST(substr(?1, 38) AS INTEGER)",
    },
    Column {
        name: "keys.secret",
        select: "SELECT purpose || '/' || id AS place, secret FROM keys
                 WHERE substr(secret, 1, 4) <> ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        update: "UPDATE keys SET secret = ?2 WHERE purpose || '/' || id = ?1",
    },
];

impl Store {
    /// Forgets jobs that were complete before `before`, with their history, and answers how many.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn prune_jobs(&self, before: Time) -> Result<u64, Error> {
        let sql = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs
                       WHERE status = 'complete' AND completed_at < ?1 LIMIT ?2)";
        self.delete_batches(sql, before).await
    }

    /// Forgets what the audit log says of the time before `before`, and answers how many entries.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn prune_audit(&self, before: Time) -> Result<u64, Error> {
        let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 LIMIT ?2)";
        self.delete_batches(sql, before).await
    }

    /// Runs a statement that deletes at most `?2` rows of the time before `?1` until none is left.
    async fn delete_batches(&self, sql: &'static str, before: Time) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let batch = self
                .write(move |tx, _| {
                    Ok(tx.prepare_cached(sql)?.execute((row::millis(before), BATCH))?)
                })
                .await?;
            if batch == 0 {
                return Ok(deleted);
            }
            deleted += u64::try_from(batch).unwrap_or(u64::MAX);
        }
    }

    /// Moves the points in time that servers wait for, after the clock was stepped by `delta`
    /// milliseconds.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn step_servers(&self, delta: i64) -> Result<(), Error> {
        self.write(move |tx, _| {
            tx.execute(
                "UPDATE servers SET hands_off_until = max(0, hands_off_until + ?1)
                 WHERE hands_off_until IS NOT NULL",
                [delta],
            )?;
            Ok(())
        })
        .await
    }

    /// Seals every cell with the current key, so that older ones need not be given any more, and
    /// answers how many cells it changed. Safe to repeat after a crash.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn reseal(&self) -> Result<u64, Error> {
        let mut changed = 0;
        for column in &COLUMNS {
            let mut last = String::new();
            loop {
                let after = last.clone();
                let places = self
                    .write(move |tx, sealing| reseal_batch(tx, sealing, column, &after))
                    .await?;
                changed += u64::try_from(places.len()).unwrap_or(u64::MAX);
                match places.into_iter().next_back() {
                    Some(place) => last = place,
                    None => break,
                }
            }
        }
        self.write(|tx, sealing| sealing.forget_older(tx)).await?;
        Ok(changed)
    }
}

fn reseal_batch(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    column: &'static Column,
    after: &str,
) -> Result<Vec<String>, Error> {
    let cells = row::all(tx, column.select, (sealing.key_prefix(), after, BATCH), |found| {
        Ok((found.get::<_, String>(0)?, found.get::<_, Vec<u8>>(1)?))
    })?;
    let mut places = Vec::with_capacity(cells.len());
    for (place, sealed) in cells {
        let cell = Cell { column: column.name, row: &place };
        let fresh = sealing.seal(cell, &sealing.open(cell, &sealed)?)?;
        tx.execute(column.update, (&place, fresh))?;
        places.push(place);
    }
    Ok(places)
}
