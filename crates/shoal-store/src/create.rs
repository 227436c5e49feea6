//! Admission of a job: every reason not to create it is looked at in the transaction that would, so
//! that two requests at the same moment cannot both win.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use shoal_core::{Entry, Job, JobId, NewJob, Time};
use shoal_sqlite::rusqlite::{Transaction, params};

use crate::{
    Actor, AuditEntry, Created, Error, Idempotency, NewRecord, Record, Store,
    audit::insert_audit,
    commit::active_job,
    history::insert_events,
    record::stored,
    replace, row,
    sealing::{Cell, Sealing},
    transition::{Stretch, Transition},
};

impl Store {
    /// What a request with this key was answered before, as its job is now; none for a new key.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn repeated(
        &self,
        actor: &str,
        idempotency: Idempotency,
    ) -> Result<Option<Created>, Error> {
        let actor = actor.to_owned();
        self.read(move |tx, _| repeated(tx, &actor, &idempotency)).await
    }

    /// Creates a job and its entry in the audit log, unless something speaks against it. What is
    /// looked at first: the idempotency key, then the server, then its unfinished job.
    ///
    /// # Errors
    /// [`Error::Database`]. Whatever the caller's caller did wrong is an answer, not an error.
    pub async fn create(&self, new: NewRecord) -> Result<Created, Error> {
        // All writers wait while one of them works, so what needs no database is done before.
        let draft = Draft::of(new, self.sealing())?;
        self.change(move |tx, _| {
            let new = &draft.new;
            let granted = match admission(tx, new)? {
                Admission::Refused(refused) => return Ok((refused, Vec::new())),
                Admission::Granted(granted) => granted,
            };
            let now = new.job.created_at;
            let (record, transition) = insert(tx, draft, granted)?;
            let mut transitions = vec![transition];
            if let Some(replaced) = granted.after_job {
                transitions.extend(replace::end(tx, replaced, now)?);
            }
            Ok((Created::New(Box::new(record)), transitions))
        })
        .await
    }
}

/// A request with its recipe as it will be stored.
struct Draft {
    new: NewRecord,
    sealed: Vec<u8>,
    sha256: String,
}

impl Draft {
    fn of(new: NewRecord, sealing: &Sealing) -> Result<Self, Error> {
        let sealed = sealing.seal(recipe_cell(&new.job.id.to_string()), &new.recipe)?;
        let sha256 = HEXLOWER.encode(digest(&SHA256, &new.recipe).as_ref());
        Ok(Self { new, sealed, sha256 })
    }
}

/// Whether a job may be created.
enum Admission {
    Refused(Created),
    Granted(Granted),
}

/// What a job that may be created has to wait for.
#[derive(Clone, Copy)]
struct Granted {
    /// The job whose place it takes.
    after_job: Option<JobId>,
    /// Until when no job may cut the server's power.
    hands_off_until: Option<Time>,
}

fn admission(tx: &Transaction<'_>, new: &NewRecord) -> Result<Admission, Error> {
    if let Some(idempotency) = &new.idempotency
        && let Some(answer) = repeated(tx, &new.actor.name, idempotency)?
    {
        return Ok(Admission::Refused(answer));
    }
    let serial = &new.job.serial;
    let server: Option<(Option<String>, Option<i64>)> = row::first(
        tx,
        "SELECT quarantine, hands_off_until FROM servers WHERE serial = ?1",
        [serial.as_str()],
        |found| Ok((found.get(0)?, found.get(1)?)),
    )?;
    let left = match server {
        None => return Ok(Admission::Refused(Created::UnknownServer)),
        Some((Some(reason), _)) => return Ok(Admission::Refused(Created::Quarantined(reason))),
        Some((None, left)) => left.map(row::time).filter(|until| *until > new.job.created_at),
    };
    let hands_off_until = left.max(new.job.hands_off_until);
    if let Some(old) = new.replaces
        && replace::is_unfinished(tx, old, serial)?
    {
        return Ok(match replace::successor(tx, old)? {
            Some(waiting) => Admission::Refused(Created::AlreadyReplaced(waiting)),
            None => Admission::Granted(Granted { after_job: Some(old), hands_off_until }),
        });
    }
    Ok(match active_job(tx, serial)? {
        Some(job) => Admission::Refused(Created::ActiveJob(job)),
        None => Admission::Granted(Granted { after_job: None, hands_off_until }),
    })
}

/// The answer to a request whose key was used before.
fn repeated(
    tx: &Transaction<'_>,
    actor: &str,
    idempotency: &Idempotency,
) -> Result<Option<Created>, Error> {
    let used: Option<(Vec<u8>, JobId)> = row::first(
        tx,
        "SELECT request_sha256, job_id FROM idempotency WHERE actor = ?1 AND key = ?2",
        (actor, &idempotency.key),
        |found| Ok((found.get(0)?, row::job_id(&found.get::<_, String>(1)?)?)),
    )?;
    let Some((request, id)) = used else { return Ok(None) };
    if request != idempotency.request_sha256 {
        return Ok(Some(Created::KeyReused));
    }
    let existing = stored(tx, id)?.ok_or(Error::UnknownJob(id))?;
    Ok(Some(Created::Existing(Box::new(existing.record))))
}

fn insert(
    tx: &Transaction<'_>,
    draft: Draft,
    granted: Granted,
) -> Result<(Record, Transition), Error> {
    let Draft { new, sealed, sha256 } = draft;
    let Granted { after_job, hands_off_until } = granted;
    let now = new.job.created_at;
    let id = new.job.id;
    let record = Record {
        job: Job::new(NewJob { hands_off_until, ..new.job }),
        version: 1,
        priority: new.priority,
        labels: new.labels,
        retry_of: new.retry_of,
        lineage: lineage(tx, id, new.retry_of)?,
        after_job,
        boot_url: new.boot_url,
        traceparent: new.traceparent,
        updated_at: now,
        recipe_bytes: u64::try_from(new.recipe.len()).unwrap_or(u64::MAX),
        recipe_sha256: sha256,
    };
    insert_row(tx, &record, &sealed)?;
    if let Some(idempotency) = new.idempotency {
        tx.prepare_cached(
            "INSERT INTO idempotency (actor, key, request_sha256, job_id) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((
            &new.actor.name,
            idempotency.key,
            idempotency.request_sha256,
            id.to_string(),
        ))?;
    }
    let mut entry = Entry::new("created").with("actor", &new.actor.name);
    if let Some(after_job) = after_job {
        entry = entry.with("after_job", after_job);
    }
    if let Some(retry_of) = record.retry_of {
        entry = entry.with("retry_of", retry_of);
    }
    let event_id = insert_events(tx, &record, &[entry], now)?;
    insert_audit(tx, &created(&record, new.actor), now)?;
    let transition = Transition {
        record: record.clone(),
        from: None,
        phase_before: None,
        outcome_is_new: false,
        event: "created",
        step: None,
        told: true,
        event_id,
        ended: None,
    };
    Ok((record, transition))
}

fn insert_row(tx: &Transaction<'_>, record: &Record, recipe: &[u8]) -> Result<(), Error> {
    let job = &record.job;
    let now = row::millis(record.updated_at);
    tx.prepare_cached(
        "INSERT INTO jobs (id, server_serial, task_target, status, phase, bmc_active,
             progressed_at, created_at, updated_at, version, body, stretch, stretch_since,
             priority, labels, lineage, recipe, recipe_bytes, recipe_sha256, after_job, retry_of,
             boot_url, traceparent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7, 1, ?8, ?9, ?7, ?10, ?11, ?12, ?13, ?14, ?15,
             ?16, ?17, ?18, ?19)",
    )?
    .execute(params![
        job.id().to_string(),
        job.serial().as_str(),
        &job.plan().task_target,
        job.status().as_str(),
        job.phase().name(),
        job.phase().is_bmc_active(),
        now,
        row::to_json("job", job)?,
        Stretch::of(job.phase()).map(Stretch::as_str),
        record.priority,
        row::to_json("labels", &record.labels)?,
        record.lineage.to_string(),
        recipe,
        row::signed(record.recipe_bytes),
        &record.recipe_sha256,
        record.after_job.map(|id| id.to_string()),
        record.retry_of.map(|id| id.to_string()),
        &record.boot_url,
        &record.traceparent,
    ])?;
    Ok(())
}

/// What the audit log says of a new job.
fn created(record: &Record, actor: Actor) -> AuditEntry {
    let again = record.retry_of.map(|old| format!(", again after {old}")).unwrap_or_default();
    AuditEntry {
        actor,
        action: "job.create".to_owned(),
        target: record.job.serial().as_str().to_owned(),
        detail: format!("job {}{again}", record.job.id()),
        ok: true,
    }
}

/// The first job of the chain of retries. Where history no longer holds it, as far back as is known.
fn lineage(tx: &Transaction<'_>, id: JobId, retry_of: Option<JobId>) -> Result<JobId, Error> {
    let Some(earlier) = retry_of else { return Ok(id) };
    let root =
        row::first(tx, "SELECT lineage FROM jobs WHERE id = ?1", [earlier.to_string()], |found| {
            row::job_id(&found.get::<_, String>(0)?)
        })?;
    Ok(root.unwrap_or(earlier))
}

pub(crate) fn recipe_cell(job: &str) -> Cell<'_> {
    Cell { column: "jobs.recipe", row: job }
}
