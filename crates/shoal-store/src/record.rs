//! A job with what the store knows about it, and what a new one is made from.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use shoal_core::{Ignored, Job, JobId, NewJob, Time};
use shoal_sqlite::rusqlite::{Row, Transaction};

use crate::{Actor, Error, Lease, row};

/// One stored job.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The job itself.
    pub job: Job,
    /// Counts the job's changes, from 1.
    pub version: u64,
    /// Higher goes first.
    pub priority: i32,
    /// The operator's own words for it.
    pub labels: BTreeMap<String, String>,
    /// The job this one repeats.
    pub retry_of: Option<JobId>,
    /// The first job of the chain of retries, or the job itself.
    pub lineage: JobId,
    /// The unfinished job whose place it takes; it waits until that one is complete.
    pub after_job: Option<JobId>,
    /// The boot medium's outside address, where the operator gave one.
    pub boot_url: Option<String>,
    /// W3C trace context of the request that created the job.
    pub traceparent: Option<String>,
    /// When it last changed.
    pub updated_at: Time,
    /// Size of the recipe as it was posted.
    pub recipe_bytes: u64,
    /// SHA-256 of the recipe as it was posted, lower-case hex.
    pub recipe_sha256: String,
}

/// What a stored job is made from.
#[derive(Clone)]
pub struct NewRecord {
    /// The job. Its id begins with the time, as UUIDs of version 7 do: lists of jobs are in the order
    /// of their ids. The store adds what the server's last job asks for: `hands_off_until` becomes
    /// the later of the one given here and the server's.
    pub job: NewJob,
    /// The recipe's bytes; sealed before they are stored.
    pub recipe: Vec<u8>,
    /// Higher goes first; usually 0.
    pub priority: i32,
    /// The operator's own words.
    pub labels: BTreeMap<String, String>,
    /// The job this one repeats.
    pub retry_of: Option<JobId>,
    /// The job of the same server to end, and to wait for, if it is unfinished.
    pub replaces: Option<JobId>,
    /// The boot medium's outside address.
    pub boot_url: Option<String>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// How the same request is recognised when it comes again.
    pub idempotency: Option<Idempotency>,
    /// Who asks. Idempotency keys of different actors are different.
    pub actor: Actor,
}

/// How a repeated request is recognised.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// SHA-256 of the request as it was understood, so that layout does not matter.
    pub request_sha256: [u8; 32],
}

/// What became of a request to create a job.
#[derive(Debug)]
pub enum Created {
    /// It exists now.
    New(Box<Record>),
    /// The same request was made before; this is its job, as it is now.
    Existing(Box<Record>),
    /// The idempotency key was used for another request.
    KeyReused,
    /// The server has this unfinished job.
    ActiveJob(JobId),
    /// This job waits already to take the place of the one to replace.
    AlreadyReplaced(JobId),
    /// There is no such server.
    UnknownServer,
    /// The server takes no jobs, for this reason.
    Quarantined(String),
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The job after it.
    pub record: Record,
    /// Whether it changed the job.
    pub applied: Result<(), Ignored>,
}

/// A job's row as the writer needs it.
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) lease: Option<Lease>,
    pub(crate) stretch: Option<String>,
    pub(crate) stretch_since: Time,
}

impl fmt::Debug for NewRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRecord")
            .field("job", &self.job)
            .field("recipe_bytes", &self.recipe.len())
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

impl NewRecord {
    /// A job of which nothing is said that need not be.
    pub fn new(job: NewJob, recipe: Vec<u8>, actor: impl Into<Actor>) -> Self {
        Self {
            job,
            recipe,
            priority: 0,
            labels: BTreeMap::new(),
            retry_of: None,
            replaces: None,
            boot_url: None,
            traceparent: None,
            idempotency: None,
            actor: actor.into(),
        }
    }
}

/// Whatever reads a [`Record`] with [`record`] selects these columns first.
pub(crate) const COLUMNS: &str = "body, version, priority, labels, retry_of, lineage, boot_url, \
    traceparent, updated_at, recipe_bytes, recipe_sha256, after_job";

/// Which jobs are not complete, in words that the index of statuses can look up.
pub(crate) const UNFINISHED: &str =
    "status IN ('queued', 'provisioning', 'succeeded', 'failed', 'cancelled')";

/// Which of them have left the queue.
pub(crate) const UNDER_WAY: &str = "status IN ('provisioning', 'succeeded', 'failed', 'cancelled')";

/// Reads a record from a row that begins with [`COLUMNS`].
pub(crate) fn record(found: &Row<'_>) -> Result<Record, Error> {
    let (retry_of, after_job): (Option<String>, Option<String>) = (found.get(4)?, found.get(11)?);
    Ok(Record {
        job: job(&found.get::<_, String>(0)?)?,
        version: row::unsigned(found.get(1)?),
        priority: found.get(2)?,
        labels: row::from_json("labels", &found.get::<_, String>(3)?)?,
        retry_of: retry_of.map(|id| row::job_id(&id)).transpose()?,
        lineage: row::job_id(&found.get::<_, String>(5)?)?,
        boot_url: found.get(6)?,
        traceparent: found.get(7)?,
        updated_at: row::time(found.get(8)?),
        recipe_bytes: row::unsigned(found.get(9)?),
        recipe_sha256: found.get(10)?,
        after_job: after_job.map(|id| row::job_id(&id)).transpose()?,
    })
}

/// The row of a job, for a change.
pub(crate) fn stored(tx: &Transaction<'_>, id: JobId) -> Result<Option<Stored>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}, lease_instance, lease_epoch, stretch, stretch_since
         FROM jobs WHERE id = ?1"
    );
    row::first(tx, &sql, [id.to_string()], |found| {
        let (instance, epoch): (Option<String>, Option<i64>) = (found.get(12)?, found.get(13)?);
        Ok(Stored {
            record: record(found)?,
            lease: instance
                .zip(epoch)
                .map(|(instance, epoch)| Lease { instance, epoch: row::unsigned(epoch) }),
            stretch: found.get(14)?,
            stretch_since: row::time(found.get(15)?),
        })
    })
}

/// Reads a job, and refuses one of a newer release rather than losing what it cannot understand.
pub(crate) fn job(text: &str) -> Result<Job, Error> {
    #[derive(Deserialize)]
    struct Peek {
        schema: u32,
    }
    let known =
        |found| if found > shoal_core::SCHEMA { Err(Error::NewerJob { found }) } else { Ok(()) };
    match row::from_json::<Job>("job", text) {
        Ok(job) => known(job.schema()).map(|()| job),
        Err(error) => {
            if let Ok(peek) = row::from_json::<Peek>("job", text) {
                known(peek.schema)?;
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_core::Status;

    use super::*;

    #[test]
    fn every_status_but_the_last_is_unfinished_and_all_but_the_first_of_them_are_under_way() {
        let listed = |wanted: &dyn Fn(Status) -> bool| {
            let words = Status::ALL.into_iter().filter(|status| wanted(*status));
            let words: Vec<_> = words.map(|status| format!("'{}'", status.as_str())).collect();
            format!("status IN ({})", words.join(", "))
        };

        let unfinished = |status| status != Status::Complete;
        assert_eq!(UNFINISHED, listed(&unfinished));
        assert_eq!(UNDER_WAY, listed(&|status| unfinished(status) && status != Status::Queued));
    }

    #[tokio::test]
    async fn unfinished_jobs_are_looked_up_and_history_is_left_alone() {
        for condition in [UNFINISHED, UNDER_WAY] {
            let plan = row::explained(format!("SELECT body FROM jobs WHERE {condition}")).await;
            assert_eq!(plan, "SEARCH jobs USING INDEX jobs_by_status (status=?)");
        }
    }
}
