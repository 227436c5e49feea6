//! Looking at jobs. Every read sees one snapshot, and none of them changes anything.

use std::collections::BTreeMap;

use shoal_core::{JobId, ServerSerial, Status, Time};
use shoal_sqlite::rusqlite::{Row, Transaction};

use crate::{
    Error, MediaKind, MediaReads, Record, Store,
    commit::active_job,
    create::recipe_cell,
    history::last_event,
    reads,
    record::{COLUMNS, UNFINISHED, record, stored},
    row,
    sealing::Sealing,
    trace,
};

/// Which jobs are wanted; every part left out wants all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these.
    pub status: Option<Status>,
    /// Only of this server.
    pub serial: Option<ServerSerial>,
    /// Only with this `task_target`.
    pub target: Option<String>,
    /// Only created at that time or later.
    pub since: Option<Time>,
    /// Only those that count as stuck at that time.
    pub stuck_at: Option<Time>,
    /// Only those behind this one: the last job of the page before. Nothing is behind a job that
    /// does not exist.
    pub after: Option<JobId>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFilter {
    /// Only of this job.
    pub job: Option<JobId>,
    /// Only with a greater id.
    pub after: i64,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// One job with all that belongs to it.
pub struct WholeJob {
    /// The job.
    pub record: Record,
    /// The recipe as it was posted. It may hold secrets: never log it.
    pub recipe: Vec<u8>,
    /// The last events, oldest first.
    pub events: Vec<StoredEvent>,
    /// What was read of the attempt's media; those nobody read are left out.
    pub reads: Vec<(MediaKind, MediaReads)>,
}

/// One line of a job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Grows with time over all jobs, never used twice.
    pub id: i64,
    /// The job.
    pub job: JobId,
    /// When it was recorded.
    pub at: Time,
    /// The job's version after it.
    pub version: u64,
    /// What happened.
    pub name: String,
    /// The particulars, never secret.
    pub detail: BTreeMap<String, String>,
    /// The id of the job's trace: 32 hex digits.
    pub trace_id: Option<String>,
}

/// What [`event`] reads.
const EVENT: &str = "id, job_id, at, version, name, detail,
    (SELECT traceparent FROM jobs WHERE jobs.id = job_events.job_id)";

impl Store {
    /// One job.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job(&self, id: JobId) -> Result<Option<Record>, Error> {
        self.read(move |tx, _| Ok(stored(tx, id)?.map(|stored| stored.record))).await
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs(&self, filter: Filter) -> Result<Vec<Record>, Error> {
        self.read(move |tx, _| jobs(tx, &filter)).await
    }

    /// Every job that is not complete, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unfinished(&self) -> Result<Vec<Record>, Error> {
        self.read(|tx, _| {
            let sql = format!(
                "SELECT {COLUMNS} FROM jobs INDEXED BY jobs_by_status
                 WHERE {UNFINISHED} ORDER BY created_at, id"
            );
            row::all(tx, &sql, [], record)
        })
        .await
    }

    /// The unfinished job of a server; there is at most one.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn active_on(&self, serial: &ServerSerial) -> Result<Option<Record>, Error> {
        let serial = serial.clone();
        self.read(move |tx, _| {
            let Some(id) = active_job(tx, &serial)? else { return Ok(None) };
            Ok(stored(tx, id)?.map(|stored| stored.record))
        })
        .await
    }

    /// The recipe of a job as it was posted. It may hold secrets: never log it.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn recipe(&self, id: JobId) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |tx, sealing| recipe(tx, sealing, id)).await
    }

    /// One job with all that belongs to it and its last events, at most `events`, on one snapshot.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn whole(&self, id: JobId, events: u32) -> Result<Option<WholeJob>, Error> {
        self.read(move |tx, sealing| {
            let Some(found) = stored(tx, id)? else { return Ok(None) };
            let record = found.record;
            Ok(Some(WholeJob {
                recipe: recipe(tx, sealing, id)?.unwrap_or_default(),
                events: last_events(tx, id, events)?,
                reads: reads::of_attempt(tx, id, record.job.attempt())?,
                record,
            }))
        })
        .await
    }

    /// Events, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<StoredEvent>, Error> {
        let EventFilter { job, after, limit } = filter;
        let limit = or_default(limit);
        self.read(move |tx, _| match job {
            Some(job) => row::all(
                tx,
                &format!(
                    "SELECT {EVENT} FROM job_events
                     WHERE job_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
                ),
                (job.to_string(), after, limit),
                event,
            ),
            None => row::all(
                tx,
                &format!("SELECT {EVENT} FROM job_events WHERE id > ?1 ORDER BY id LIMIT ?2"),
                (after, limit),
                event,
            ),
        })
        .await
    }

    /// The last events of a job, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_events(&self, job: JobId, limit: u32) -> Result<Vec<StoredEvent>, Error> {
        self.read(move |tx, _| last_events(tx, job, limit)).await
    }

    /// The id of the last event of any job; 0 before the first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_event_id(&self) -> Result<i64, Error> {
        self.read(|tx, _| last_event(tx)).await
    }

    /// How many jobs there are by status and `task_target`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn counts(&self) -> Result<Vec<(Status, String, u64)>, Error> {
        self.read(|tx, _| {
            row::all(
                tx,
                "SELECT status, task_target, count(*) FROM jobs
                 GROUP BY status, task_target ORDER BY status, task_target",
                [],
                |found| {
                    let status = row::status(&found.get::<_, String>(0)?)?;
                    Ok((status, found.get(1)?, row::unsigned(found.get(2)?)))
                },
            )
        })
        .await
    }
}

fn recipe(tx: &Transaction<'_>, sealing: &Sealing, id: JobId) -> Result<Option<Vec<u8>>, Error> {
    let id = id.to_string();
    row::first(tx, "SELECT recipe FROM jobs WHERE id = ?1", [&id], |found| {
        let plain = sealing.open(recipe_cell(&id), &found.get::<_, Vec<u8>>(0)?)?;
        Ok(plain.to_vec())
    })
}

fn last_events(tx: &Transaction<'_>, job: JobId, limit: u32) -> Result<Vec<StoredEvent>, Error> {
    let sql = format!("SELECT {EVENT} FROM job_events WHERE job_id = ?1 ORDER BY id DESC LIMIT ?2");
    let mut events = row::all(tx, &sql, (job.to_string(), or_default(limit)), event)?;
    events.reverse();
    Ok(events)
}

fn jobs(tx: &Transaction<'_>, filter: &Filter) -> Result<Vec<Record>, Error> {
    // Only a provisioning job can be stuck; which ones are, the job itself knows.
    let status = filter.stuck_at.map(|_| Status::Provisioning).or(filter.status);
    if filter.status.is_some_and(|wanted| Some(wanted) != status) {
        return Ok(Vec::new());
    }
    // An id begins with the time at which it was drawn, so that the newest job has the highest.
    // Left to itself SQLite would walk through all of history in that order.
    let source = match (&filter.serial, status) {
        (Some(_), _) => "jobs INDEXED BY jobs_by_server WHERE server_serial = ?2",
        (None, Some(status)) if status != Status::Complete => {
            "jobs INDEXED BY jobs_by_status WHERE status = ?1"
        }
        (None, _) => "jobs WHERE true",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {source}
             AND (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR server_serial = ?2)
             AND (?3 IS NULL OR task_target = ?3) AND (?4 IS NULL OR created_at >= ?4)
             AND (?5 IS NULL OR id < (SELECT last.id FROM jobs AS last WHERE last.id = ?5))
         ORDER BY id DESC"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query((
        status.map(Status::as_str),
        filter.serial.as_ref().map(ServerSerial::as_str),
        &filter.target,
        filter.since.map(row::millis),
        filter.after.map(|id| id.to_string()),
    ))?;
    let limit = usize::try_from(or_default(filter.limit)).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(next) = rows.next()?
    {
        let record = record(next)?;
        if filter.stuck_at.is_none_or(|at| record.job.is_stuck(at)) {
            found.push(record);
        }
    }
    Ok(found)
}

fn event(found: &Row<'_>) -> Result<StoredEvent, Error> {
    Ok(StoredEvent {
        id: found.get(0)?,
        job: row::job_id(&found.get::<_, String>(1)?)?,
        at: row::time(found.get(2)?),
        version: row::unsigned(found.get(3)?),
        name: found.get(4)?,
        detail: row::from_json("event", &found.get::<_, String>(5)?)?,
        trace_id: found
            .get::<_, Option<String>>(6)?
            .as_deref()
            .and_then(trace::id)
            .map(str::to_owned),
    })
}

fn or_default(limit: u32) -> u32 {
    if limit == 0 { 100 } else { limit }
}
