//! The one place where a job changes. An event is folded inside the write transaction, so it meets
//! the job as it is, and no caller ever has to load and try again.

use std::{collections::BTreeMap, time::Duration};

use shoal_core::{Applied, Entry, Event, Ignored, Job, JobId, Report, ServerSerial, Time, Warning};
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Lease, Record, Recorded, Store, inventory,
    record::{Stored, stored},
    row,
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
            let (recorded, transition) = fold(tx, stored, &event, now)?;
            Ok((recorded, transition.into_iter().collect()))
        })
        .await
    }
}

/// Folds an event and writes what follows.
pub(crate) fn fold(
    tx: &Transaction<'_>,
    stored: Stored,
    event: &Event,
    now: Time,
) -> Result<(Recorded, Option<Transition>), Error> {
    match stored.record.job.apply(event, now) {
        Applied::Changed { job, entries } => {
            let (record, transition) = change(tx, stored, *job, &entries, event, now)?;
            Ok((Recorded { record, applied: Ok(()) }, Some(transition)))
        }
        Applied::Ignored(reason) => {
            let record = stored.record;
            let transition = note_ignored(tx, &record, event, reason, now)?;
            Ok((Recorded { record, applied: Err(reason) }, transition))
        }
    }
}

fn change(
    tx: &Transaction<'_>,
    stored: Stored,
    job: Job,
    entries: &[Entry],
    event: &Event,
    now: Time,
) -> Result<(Record, Transition), Error> {
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
    let last = insert_events(tx, &record, entries, now)?;
    if record.job.is_complete() && !before.is_complete() {
        leave_to_server(tx, &record.job)?;
    }
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

/// Appends to a job's history; answers the id of the last event there is.
pub(crate) fn insert_events(
    tx: &Transaction<'_>,
    record: &Record,
    entries: &[Entry],
    now: Time,
) -> Result<i64, Error> {
    for entry in entries {
        tx.prepare_cached(
            "INSERT INTO job_events (job_id, at, version, name, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            record.job.id().to_string(),
            row::millis(now),
            row::signed(record.version),
            entry.name,
            row::to_json("event", &entry.detail)?,
        ))?;
    }
    last_event(tx)
}

/// The id of the last event there is; 0 before the first.
pub(crate) fn last_event(tx: &Transaction<'_>) -> Result<i64, Error> {
    Ok(tx
        .prepare_cached("SELECT coalesce(max(id), 0) FROM job_events")?
        .query_row([], |found| found.get(0))?)
}

/// What a job leaves to the server's next one: slots that may be full, and a first boot not to be cut.
fn leave_to_server(tx: &Transaction<'_>, job: &Job) -> Result<(), Error> {
    if job.warnings().contains(&Warning::MediaLeft)
        && let Some(media) = job.media()
    {
        let slots = std::iter::once(&media.boot_slot).chain(&media.task_slot).cloned().collect();
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

/// Keeps that an event came although it changed nothing, where somebody may ask for it later. The
/// same one again in a row says nothing new and must not let a machine fill the disk.
fn note_ignored(
    tx: &Transaction<'_>,
    record: &Record,
    event: &Event,
    reason: Ignored,
    now: Time,
) -> Result<Option<Transition>, Error> {
    if !reason.is_noteworthy() {
        return Ok(None);
    }
    let entry = told_by(event, Entry::new(reason.as_str()).with("event", event.name()));
    let last: Option<(String, BTreeMap<String, String>)> = row::first(
        tx,
        "SELECT name, detail FROM job_events WHERE job_id = ?1 ORDER BY id DESC LIMIT 1",
        [record.job.id().to_string()],
        |found| Ok((found.get(0)?, row::from_json("event", &found.get::<_, String>(1)?)?)),
    )?;
    let repeated = last.is_some_and(|(name, detail)| {
        name == entry.name
            && detail
                .iter()
                .map(|(k, v)| (k.as_str(), v))
                .eq(entry.detail.iter().map(|(k, v)| (*k, v)))
    });
    if repeated {
        return Ok(None);
    }
    let event_id = insert_events(tx, record, &[entry], now)?;
    Ok(Some(Transition {
        from: Some(record.job.status()),
        phase_before: Some(record.job.phase().name()),
        outcome_is_new: false,
        event: reason.as_str(),
        step: step(event, &record.job, now),
        told: true,
        event_id,
        ended: None,
        record: record.clone(),
    }))
}

/// What an ignored event said, as far as it tells anybody anything.
fn told_by(event: &Event, entry: Entry) -> Entry {
    match event {
        Event::Reported { attempt, report } => {
            let entry = entry.with("attempt", attempt);
            match report {
                Report::Success => entry.with("status", "success"),
                Report::Failed { step, .. } => {
                    entry.with("status", "failed").with("failed_step", step)
                }
            }
        }
        Event::Progressed { attempt, .. } | Event::Unproven { attempt } => {
            entry.with("attempt", attempt)
        }
        Event::MediaRead { attempt, milestone } => {
            entry.with("attempt", attempt).with("milestone", milestone.as_str())
        }
        Event::Claimed
        | Event::Intended { .. }
        | Event::Answered { .. }
        | Event::DeadlinePassed { .. }
        | Event::Elapsed { .. }
        | Event::StopRequested { .. }
        | Event::Resumed { .. }
        | Event::ClockStepped { .. }
        | Event::ServerChanged
        | Event::Decided { .. } => entry,
    }
}

/// Folds an event into the unfinished job of a server, if it has one.
pub(crate) fn fold_into_active(
    tx: &Transaction<'_>,
    serial: &ServerSerial,
    event: &Event,
    now: Time,
) -> Result<Option<Transition>, Error> {
    let Some(id) = active_job(tx, serial)? else { return Ok(None) };
    let stored = stored(tx, id)?.ok_or(Error::UnknownJob(id))?;
    Ok(fold(tx, stored, event, now)?.1)
}

/// The unfinished job of a server.
pub(crate) fn active_job(
    tx: &Transaction<'_>,
    serial: &ServerSerial,
) -> Result<Option<JobId>, Error> {
    row::first(
        tx,
        "SELECT id FROM jobs WHERE server_serial = ?1 AND status <> 'complete'",
        [serial.as_str()],
        |found| row::job_id(&found.get::<_, String>(0)?),
    )
}
