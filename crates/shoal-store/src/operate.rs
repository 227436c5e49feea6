//! What operators change beside the engine's events: the order of the queue, and which servers take
//! jobs. Each is one transaction with its place in the history of the job it concerns.

use shoal_core::{Entry, JobId, ServerSerial, Status, Time};

use crate::{
    Error, Record, ServerRecord, Store, commit::tell_active, history::note, inventory::server_of,
    record::stored, row,
};

/// What became of a request to move a job in the queue.
#[derive(Debug, PartialEq)]
pub enum Prioritised {
    /// It has the priority.
    Done(Box<Record>),
    /// It has left the queue; nothing was changed.
    NotQueued(Status),
}

impl Store {
    /// Gives a queued job another priority; higher goes first.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::Database`].
    pub async fn prioritise(
        &self,
        job: JobId,
        priority: i32,
        actor: &str,
        now: Time,
    ) -> Result<Prioritised, Error> {
        let actor = actor.to_owned();
        self.change(move |tx, _| {
            let record = stored(tx, job)?.ok_or(Error::UnknownJob(job))?.record;
            let status = record.job.status();
            if status != Status::Queued {
                return Ok((Prioritised::NotQueued(status), Vec::new()));
            }
            if record.priority == priority {
                return Ok((Prioritised::Done(Box::new(record)), Vec::new()));
            }
            tx.execute(
                "UPDATE jobs SET priority = ?2, version = version + 1, updated_at = ?3
                 WHERE id = ?1",
                (job.to_string(), priority, row::millis(now)),
            )?;
            let entry = Entry::new("priority")
                .with("actor", actor)
                .with("from", record.priority)
                .with("to", priority);
            let version = record.version + 1;
            let record = Record { priority, version, updated_at: now, ..record };
            let transition = note(tx, record.clone(), "priority", &[entry], now)?;
            Ok((Prioritised::Done(Box::new(record)), vec![transition]))
        })
        .await
    }

    /// Takes a server out of use, or (without a reason) into use again. Its unfinished job goes on;
    /// one that is queued stays there.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::Database`].
    pub async fn quarantine(
        &self,
        serial: &ServerSerial,
        reason: Option<String>,
        actor: &str,
        now: Time,
    ) -> Result<ServerRecord, Error> {
        let (serial, actor) = (serial.clone(), actor.to_owned());
        self.change(move |tx, _| {
            let known = server_of(tx, &serial)?;
            let mut record = known.ok_or_else(|| Error::UnknownServer(serial.clone()))?;
            if record.server.quarantine == reason {
                return Ok((record, Vec::new()));
            }
            let entry = match &reason {
                Some(reason) => Entry::new("quarantined").with("reason", reason),
                None => Entry::new("quarantine_lifted"),
            };
            record.server.quarantine = reason;
            record.updated_at = now;
            tx.execute(
                "UPDATE servers SET body = ?2, updated_at = ?3 WHERE serial = ?1",
                (serial.as_str(), row::to_json("server", &record.server)?, row::millis(now)),
            )?;
            let entries = [entry.with("actor", actor)];
            let transitions = tell_active(tx, &serial, &entries, now)?;
            Ok((record, transitions))
        })
        .await
    }
}
