//! One job takes the place of another on the same server. It is queued at once, so that nobody has
//! to come back for it, and waits until the one before it is complete: that one is ended in the same
//! transaction, and the transaction which completes it lets the new one go.

use shoal_core::{Entry, Event, JobId, ServerSerial, Status, StopAs, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{Error, commit::fold, history::note, record::stored, row, transition::Transition};

/// Whether there is something to wait for.
pub(crate) fn is_unfinished(
    tx: &Transaction<'_>,
    job: JobId,
    serial: &ServerSerial,
) -> Result<bool, Error> {
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE id = ?1 AND server_serial = ?2 AND status <> 'complete'",
        )?
        .exists((job.to_string(), serial.as_str()))?)
}

/// The job that waits to take the place of this one.
pub(crate) fn successor(tx: &Transaction<'_>, job: JobId) -> Result<Option<JobId>, Error> {
    row::first(
        tx,
        "SELECT id FROM jobs WHERE after_job = ?1 AND status <> 'complete'",
        [job.to_string()],
        |found| row::job_id(&found.get::<_, String>(0)?),
    )
}

/// Asks the replaced job to end as cancelled. One that has its outcome is cleaned up as it is.
pub(crate) fn end(tx: &Transaction<'_>, job: JobId, now: Time) -> Result<Vec<Transition>, Error> {
    let replaced = stored(tx, job)?.ok_or(Error::UnknownJob(job))?;
    if replaced.record.job.outcome().is_some() {
        return Ok(Vec::new());
    }
    let stop = Event::StopRequested { stop: StopAs::Cancelled, force: false };
    Ok(fold(tx, replaced, &stop, now)?.1)
}

/// Lets the job go that waited for this one, or lets it wait for the one that this one waited for.
pub(crate) fn make_room(
    tx: &Transaction<'_>,
    job: JobId,
    now: Time,
) -> Result<Option<Transition>, Error> {
    let Some(next) = successor(tx, job)? else { return Ok(None) };
    tx.execute(
        "UPDATE jobs SET version = version + 1, updated_at = ?3,
             after_job = (SELECT before.after_job FROM jobs AS before WHERE before.id = ?2)
         WHERE id = ?1",
        (next.to_string(), job.to_string(), row::millis(now)),
    )?;
    let record = stored(tx, next)?.ok_or(Error::UnknownJob(next))?.record;
    debug_assert_eq!(record.job.status(), Status::Queued, "only a queued job waits for another");
    let entry = Entry::new("room_made").with("by", job);
    Ok(Some(note(tx, record, "room_made", &[entry], now)?))
}
