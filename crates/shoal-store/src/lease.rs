//! Who carries jobs. A controller that starts takes over every unfinished job under a new epoch, so
//! that whatever an older one still has in flight cannot change them any more.

use std::time::Duration;

use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Store,
    record::{UNDER_WAY, UNFINISHED},
    row,
};

/// The right to act on jobs: only its holder may intend and answer commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The controller.
    pub instance: String,
    /// Counts take-overs of this database.
    pub epoch: u64,
}

/// What a controller finds when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its lease, which every unfinished job now carries.
    pub lease: Lease,
    /// How long nobody was there, from the last [`Store::alive`] until now; zero the first time.
    pub gap: Duration,
    /// Jobs under way that another controller had not given back: it crashed, or still believes
    /// that they are its own.
    pub stolen: u64,
}

impl Store {
    /// Takes over every unfinished job.
    ///
    /// The last sign of life stays what it was until [`Store::alive`]: a controller that crashes
    /// before it told its jobs of the gap finds the whole gap again.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn adopt(&self, instance: &str, now: Time) -> Result<Adopted, Error> {
        let instance = instance.to_owned();
        self.write(move |tx, _| {
            let alive_at: Option<Option<i64>> =
                row::first(tx, "SELECT alive_at FROM controller", [], |found| Ok(found.get(0)?))?;
            let epoch: i64 = tx.query_row(
                "INSERT INTO controller (only, instance, epoch) VALUES (1, ?1, 1)
                 ON CONFLICT DO UPDATE SET instance = excluded.instance, epoch = epoch + 1
                 RETURNING epoch",
                [&instance],
                |found| found.get(0),
            )?;
            let stolen = format!(
                "SELECT count(*) FROM jobs WHERE {UNDER_WAY} AND lease_instance IS NOT NULL"
            );
            let stolen: i64 = tx.query_row(&stolen, [], |found| found.get(0))?;
            let adopt =
                format!("UPDATE jobs SET lease_instance = ?1, lease_epoch = ?2 WHERE {UNFINISHED}");
            tx.execute(&adopt, (&instance, epoch))?;
            Ok(Adopted {
                lease: Lease { instance, epoch: row::unsigned(epoch) },
                gap: alive_at.flatten().map_or(Duration::ZERO, |at| now.since(row::time(at))),
                stolen: row::unsigned(stolen),
            })
        })
        .await
    }

    /// Notes that the controller runs. Touches no job.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn alive(&self, now: Time) -> Result<(), Error> {
        self.write(move |tx, _| {
            tx.execute("UPDATE controller SET alive_at = ?1", [row::millis(now)])?;
            Ok(())
        })
        .await
    }

    /// Gives the jobs under way back, so that the next start takes them from nobody.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let lease = lease.clone();
        self.write(move |tx, _| {
            let release = format!(
                "UPDATE jobs SET lease_instance = NULL, lease_epoch = NULL
                 WHERE {UNFINISHED} AND lease_instance = ?1 AND lease_epoch = ?2"
            );
            tx.execute(&release, (&lease.instance, row::signed(lease.epoch)))?;
            Ok(())
        })
        .await
    }
}

pub(crate) fn is_current(tx: &Transaction<'_>, lease: &Lease) -> Result<bool, Error> {
    let current = row::first(tx, "SELECT instance, epoch FROM controller", [], |found| {
        Ok(Lease { instance: found.get(0)?, epoch: row::unsigned(found.get(1)?) })
    })?;
    Ok(current.as_ref() == Some(lease))
}
