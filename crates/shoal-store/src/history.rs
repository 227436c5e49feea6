//! What is kept of a job's life: its events, those that changed nothing but matter, and notes of
//! what happened around it.

use std::collections::BTreeMap;

use shoal_core::{Entry, Event, Ignored, Report, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Record, row,
    transition::{Transition, step},
};

/// Appends to a job's history; answers the id of the last event there is of any job.
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
    // Ids are never used twice, so the last one given is the highest.
    if entries.is_empty() { last_event(tx) } else { Ok(tx.last_insert_rowid()) }
}

/// The id of the last event there is; 0 before the first.
pub(crate) fn last_event(tx: &Transaction<'_>) -> Result<i64, Error> {
    Ok(tx
        .prepare_cached("SELECT coalesce(max(id), 0) FROM job_events")?
        .query_row([], |found| found.get(0))?)
}

/// Keeps that an event came although it changed nothing, where somebody may ask for it later. The
/// same one again in a row says nothing new and must not let a machine fill the disk.
pub(crate) fn note_ignored(
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
    let step = step(event, &record.job, now);
    let noted = note(tx, record.clone(), reason.as_str(), &[entry], now)?;
    Ok(Some(Transition { step, ..noted }))
}

/// Keeps something about a job that is no event of the engine's.
pub(crate) fn note(
    tx: &Transaction<'_>,
    record: Record,
    event: &'static str,
    entries: &[Entry],
    now: Time,
) -> Result<Transition, Error> {
    let event_id = insert_events(tx, &record, entries, now)?;
    Ok(Transition {
        from: Some(record.job.status()),
        phase_before: Some(record.job.phase().name()),
        outcome_is_new: false,
        event,
        step: None,
        told: !entries.is_empty(),
        event_id,
        ended: None,
        record,
    })
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
