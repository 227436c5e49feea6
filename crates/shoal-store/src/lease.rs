//! Who carries jobs. A controller that starts takes over every unfinished job under a new epoch, so
//! that whatever an older one still has in flight cannot change them any more.

use std::time::Duration;

use shoal_core::{Event, JobId, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{Error, Record, Store, commit::fold, record::stored, row};

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
            tx.execute(
                "UPDATE jobs SET lease_instance = ?1, lease_epoch = ?2 WHERE status <> 'complete'",
                (&instance, epoch),
            )?;
            Ok(Adopted {
                lease: Lease { instance, epoch: row::unsigned(epoch) },
                gap: alive_at.flatten().map_or(Duration::ZERO, |at| now.since(row::time(at))),
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

    /// Takes the next job out of the queue: highest priority, then oldest, of those whose server is
    /// not quarantined and not in the first boot of what was installed last.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another controller adopted the jobs; [`Error::Database`].
    pub async fn claim(&self, lease: &Lease, now: Time) -> Result<Option<Record>, Error> {
        let lease = lease.clone();
        self.change(move |tx, _| {
            if !is_current(tx, &lease)? {
                return Err(Error::LeaseLost);
            }
            for id in candidates(tx)? {
                let queued = stored(tx, id)?.ok_or(Error::UnknownJob(id))?;
                let (recorded, transition) = fold(tx, queued, &Event::Claimed, now)?;
                if recorded.applied.is_err() {
                    continue;
                }
                tx.execute(
                    "UPDATE jobs SET lease_instance = ?2, lease_epoch = ?3 WHERE id = ?1",
                    (id.to_string(), &lease.instance, row::signed(lease.epoch)),
                )?;
                return Ok((Some(recorded.record), transition.into_iter().collect()));
            }
            Ok((None, Vec::new()))
        })
        .await
    }
}

fn is_current(tx: &Transaction<'_>, lease: &Lease) -> Result<bool, Error> {
    let current = row::first(tx, "SELECT instance, epoch FROM controller", [], |found| {
        Ok(Lease { instance: found.get(0)?, epoch: row::unsigned(found.get(1)?) })
    })?;
    Ok(current.as_ref() == Some(lease))
}

/// The queue, best first. Ids only: the job itself says whether it can start.
fn candidates(tx: &Transaction<'_>) -> Result<Vec<JobId>, Error> {
    row::all(
        tx,
        "SELECT jobs.id FROM jobs JOIN servers ON servers.serial = jobs.server_serial
         WHERE jobs.status = 'queued' AND servers.quarantine IS NULL
         ORDER BY jobs.priority DESC, jobs.created_at, jobs.id",
        [],
        |found| row::job_id(&found.get::<_, String>(0)?),
    )
}
