//! The one place where a job changes. An event is folded inside the write transaction, so it meets
//! the job as it is, and no caller ever has to load and try again.

use std::time::Duration;

use shoal_core::{Applied, Entry, Event, Job, JobId, ServerSerial, Status, Time, Warning};
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Lease, Record, Recorded, Store,
    history::{insert_events, note, note_ignored},
    inventory,
    record::{Stored, stored},
    replace, row,
    transition::{Stretch, Transition, step},
};

impl Store {
    /// Folds one fact into a job, and keeps job, history and what follows for the server in one
    /// transaction. [`Event::Intended`] and [`Event::Answered`] need the job's current lease; every
    /// other fact is a fact whoever saw it.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::LeaseLost`], [`Error::Database`].
    pub async fn record(
        &self,
        job: JobId,
        event: Event,
        now: Time,
        lease: Option<Lease>,
    ) -> Result<Recorded, Error> {
        self.change(move |tx, _| {
            let stored = stored(tx, job)?.ok_or(Error::UnknownJob(job))?;
            let needs_lease = matches!(event, Event::Intended { .. } | Event::Answered { .. });
            if needs_lease && (lease.is_none() || lease != stored.lease) {
                return Err(Error::LeaseLost);
            }
            fold(tx, stored, &event, now)
        })
        .await
    }
}

/// Folds an event and writes what follows, for the job and for the one that waits for its end.
pub(crate) fn fold(
    tx: &Transaction<'_>,
    stored: Stored,
    event: &Event,
    now: Time,
) -> Result<(Recorded, Vec<Transition>), Error> {
    match stored.record.job.apply(event, now) {
        Applied::Changed { job, entries } => {
            let ends = job.is_complete() && !stored.record.job.is_complete();
            let folded = Folded { job: *job, entries: &entries, event };
            let (record, transition) = change(tx, stored, folded, now)?;
            let mut transitions = vec![transition];
            if ends {
                leave_to_server(tx, &record.job)?;
                transitions.extend(replace::make_room(tx, record.job.id(), now)?);
            }
            Ok((Recorded { record, applied: Ok(()) }, transitions))
        }
        Applied::Ignored(reason) => {
            let record = stored.record;
            let transition = note_ignored(tx, &record, event, reason, now)?;
            let transitions = transition.into_iter().collect();
            Ok((Recorded { record, applied: Err(reason) }, transitions))
        }
    }
}

/// What an event made of a job.
struct Folded<'a> {
    job: Job,
    entries: &'a [Entry],
    event: &'a Event,
}

fn change(
    tx: &Transaction<'_>,
    stored: Stored,
    folded: Folded<'_>,
    now: Time,
) -> Result<(Record, Transition), Error> {
    let Folded { job, entries, event } = folded;
    let Stored { record, stretch, stretch_since, .. } = stored;
    let before = record.job;
    let record = Record { job, version: record.version + 1, updated_at: now, ..record };
    // A pending wait is measured on the clock as it is now.
    let since = if let Event::ClockStepped { delta } = event {
        stretch_since.stepped(*delta)
    } else {
        stretch_since
    };
    let (began, ended) = next_stretch(stretch.as_deref(), since, &record.job, now)?;
    write(tx, &record, began)?;
    if before.phase().is_bmc_active() && before.phase_since() != record.job.phase_since() {
        let worked = now.since(before.phase_since());
        add_work(tx, &record, worked)?;
    }
    let last = insert_events(tx, &record, entries, now)?;
    let transition = Transition {
        from: Some(before.status()),
        phase_before: Some(before.phase().name()),
        outcome_is_new: before.outcome().is_none() && record.job.outcome().is_some(),
        event: event.name(),
        step: step(event, &before, now),
        told: !entries.is_empty(),
        event_id: last,
        ended,
        record: record.clone(),
    };
    Ok((record, transition))
}

/// The stretch the job is in from now on and since when, and the one that has just ended.
type Stretches = (Option<(Stretch, Time)>, Option<(Stretch, Duration)>);

fn next_stretch(
    stored: Option<&str>,
    since: Time,
    job: &Job,
    now: Time,
) -> Result<Stretches, Error> {
    let was = stored
        .map(|text| row::word("stretch", &Stretch::ALL, Stretch::as_str, text))
        .transpose()?;
    let is = Stretch::of(job.phase());
    if was == is {
        return Ok((is.map(|stretch| (stretch, since)), None));
    }
    Ok((is.map(|stretch| (stretch, now)), was.map(|stretch| (stretch, now.since(since)))))
}

fn write(
    tx: &Transaction<'_>,
    record: &Record,
    stretch: Option<(Stretch, Time)>,
) -> Result<(), Error> {
    let job = &record.job;
    tx.prepare_cached(
        "UPDATE jobs SET status = ?2, phase = ?3, bmc_active = ?4, deadline = ?5,
             progressed_at = ?6, updated_at = ?7, completed_at = ?8, version = ?9, body = ?10,
             stretch = ?11, stretch_since = ?12
         WHERE id = ?1",
    )?
    .execute((
        job.id().to_string(),
        job.status().as_str(),
        job.phase().name(),
        job.phase().is_bmc_active(),
        job.deadline().map(row::millis),
        row::millis(job.progressed_at()),
        row::millis(record.updated_at),
        job.completed_at().map(row::millis),
        row::signed(record.version),
        row::to_json("job", job)?,
        stretch.map(|(stretch, _)| stretch.as_str()),
        row::millis(stretch.map_or(record.updated_at, |(_, since)| since)),
    ))?;
    Ok(())
}

/// Counts how long a job has worked on its BMC, from which the queue estimates.
fn add_work(tx: &Transaction<'_>, record: &Record, worked: Duration) -> Result<(), Error> {
    tx.prepare_cached("UPDATE jobs SET worked_ms = worked_ms + ?2 WHERE id = ?1")?.execute((
        record.job.id().to_string(),
        i64::try_from(worked.as_millis()).unwrap_or(i64::MAX),
    ))?;
    Ok(())
}

/// What a job leaves to the server's next one: slots that may be full, and a first boot not to be cut.
fn leave_to_server(tx: &Transaction<'_>, job: &Job) -> Result<(), Error> {
    if job.warnings().contains(&Warning::MediaLeft)
        && let Some(media) = job.media()
    {
        let slots = std::iter::once(&media.boot_slot).chain(&media.task_slot);
        let slots = slots.chain(&media.spare_slots).cloned().collect();
        inventory::add_residue(tx, job.serial(), slots)?;
    }
    if let Some(until) = job.first_boot_until() {
        tx.execute(
            "UPDATE servers SET hands_off_until = max(coalesce(hands_off_until, 0), ?2)
             WHERE serial = ?1",
            (job.serial().as_str(), row::millis(until)),
        )?;
    }
    Ok(())
}

/// Tells the unfinished job of a server, if it has one, that the server's record changed.
pub(crate) fn tell_active(
    tx: &Transaction<'_>,
    serial: &ServerSerial,
    entries: &[Entry],
    now: Time,
) -> Result<Vec<Transition>, Error> {
    let Some(id) = active_job(tx, serial)? else { return Ok(Vec::new()) };
    let stored = stored(tx, id)?.ok_or(Error::UnknownJob(id))?;
    let event = Event::ServerChanged;
    if stored.record.job.status() == Status::Queued {
        // It may start now, or not any more: whoever looks at the queue has to look again.
        return Ok(vec![note(tx, stored.record, event.name(), entries, now)?]);
    }
    let (recorded, mut transitions) = fold(tx, stored, &event, now)?;
    if !entries.is_empty() {
        transitions.push(note(tx, recorded.record, event.name(), entries, now)?);
    }
    Ok(transitions)
}

/// The unfinished job of a server. Those that wait to take its place are not it, and none waits for
/// nobody.
pub(crate) fn active_job(
    tx: &Transaction<'_>,
    serial: &ServerSerial,
) -> Result<Option<JobId>, Error> {
    row::first(tx, ACTIVE, [serial.as_str()], |found| row::job_id(&found.get::<_, String>(0)?))
}

const ACTIVE: &str = "SELECT id FROM jobs
    WHERE server_serial = ?1 AND status <> 'complete' AND after_job IS NULL";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_job_that_holds_a_server_is_found_by_what_keeps_a_second_one_out() {
        let plan = row::explained(ACTIVE).await;
        assert_eq!(plan, "SEARCH jobs USING INDEX jobs_one_per_server (server_serial=?)");
    }
}
