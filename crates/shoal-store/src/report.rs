//! Reports of machines come until they are answered, so the same one may come many times. It is
//! recognised in the transaction that records it: between two there is no gap to slip through.

use shoal_core::{Event, Ignored, JobId, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{Error, Record, Store, commit::fold, record::stored};

/// Reports remembered per job.
const REMEMBERED: u32 = 32;

/// What became of a machine's report.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportOutcome {
    /// It changed the job.
    Recorded(Box<Record>),
    /// The same report was answered before.
    Duplicate,
    /// It changed nothing, for this reason.
    Ignored(Ignored),
}

impl Store {
    /// Records what a machine reported, once. `identity` is the delivery id, or what stands for it;
    /// it is compared within the attempt.
    ///
    /// A report that came too early is not remembered: the same one is right when it comes again.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::Database`].
    pub async fn report(
        &self,
        job: JobId,
        attempt: u32,
        identity: String,
        event: Event,
        now: Time,
    ) -> Result<ReportOutcome, Error> {
        self.change(move |tx, _| {
            let stored = stored(tx, job)?.ok_or(Error::UnknownJob(job))?;
            let name = Name { job: job.to_string(), attempt, identity };
            if name.is_known(tx)? {
                return Ok((ReportOutcome::Duplicate, Vec::new()));
            }
            let (recorded, transitions) = fold(tx, stored, &event, now)?;
            let early = matches!(recorded.applied, Err(Ignored::Unexpected | Ignored::NotNow));
            if !early {
                name.remember(tx)?;
            }
            let outcome = match recorded.applied {
                Ok(()) => ReportOutcome::Recorded(Box::new(recorded.record)),
                Err(reason) => ReportOutcome::Ignored(reason),
            };
            Ok((outcome, transitions))
        })
        .await
    }
}

/// How a report is recognised.
struct Name {
    job: String,
    attempt: u32,
    identity: String,
}

impl Name {
    fn is_known(&self, tx: &Transaction<'_>) -> Result<bool, Error> {
        Ok(tx
            .prepare_cached(
                "SELECT 1 FROM reports WHERE job_id = ?1 AND attempt = ?2 AND identity = ?3",
            )?
            .exists((&self.job, self.attempt, &self.identity))?)
    }

    fn remember(&self, tx: &Transaction<'_>) -> Result<(), Error> {
        tx.execute(
            "INSERT INTO reports (job_id, attempt, identity) VALUES (?1, ?2, ?3)",
            (&self.job, self.attempt, &self.identity),
        )?;
        tx.execute(
            "DELETE FROM reports WHERE job_id = ?1 AND id NOT IN
                 (SELECT id FROM reports WHERE job_id = ?1 ORDER BY id DESC LIMIT ?2)",
            (&self.job, REMEMBERED),
        )?;
        Ok(())
    }
}
