//! What was said to a BMC before a command failed, kept with the job: whoever asks why a step failed
//! last night cannot ask the connection any more.

use shoal_core::{JobId, StepKey, Time};

use crate::{Error, Store, row};

/// Transcripts kept of one job; the oldest go first.
const KEPT: u32 = 16;

/// What was said before a command of a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTranscript {
    /// The job's attempt.
    pub attempt: u32,
    /// The step that failed.
    pub step: StepKey,
    /// When.
    pub at: Time,
    /// What failed, on one line.
    pub fault: String,
    /// Requests and answers without secrets, a JSON array.
    pub exchanges: String,
}

impl Store {
    /// Keeps a transcript in place of an older one of the same step and attempt. An unknown job
    /// keeps none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_transcript(
        &self,
        job: JobId,
        transcript: StoredTranscript,
    ) -> Result<(), Error> {
        let job = job.to_string();
        self.write(move |tx, _| {
            let StoredTranscript { attempt, step, at, fault, exchanges } = &transcript;
            tx.execute(
                "INSERT INTO transcripts (job_id, attempt, step, at, fault, exchanges)
                 SELECT id, ?2, ?3, ?4, ?5, ?6 FROM jobs WHERE id = ?1
                 ON CONFLICT DO UPDATE SET at = excluded.at, fault = excluded.fault,
                     exchanges = excluded.exchanges",
                (&job, attempt, step.as_str(), row::millis(*at), fault, exchanges),
            )?;
            tx.execute(
                "DELETE FROM transcripts WHERE job_id = ?1 AND (attempt, step) NOT IN (
                     SELECT attempt, step FROM transcripts WHERE job_id = ?1
                     ORDER BY at DESC, attempt DESC, step LIMIT ?2)",
                (&job, KEPT),
            )?;
            Ok(())
        })
        .await
    }

    /// The transcripts of a job, the oldest first.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::StoredWord`].
    pub async fn transcripts(&self, job: JobId) -> Result<Vec<StoredTranscript>, Error> {
        let job = job.to_string();
        self.read(move |tx, _| {
            let sql = "SELECT attempt, step, at, fault, exchanges FROM transcripts
                       WHERE job_id = ?1 ORDER BY at, attempt, step";
            row::all(tx, sql, [&job], |found| {
                let step: String = found.get(1)?;
                Ok(StoredTranscript {
                    attempt: found.get(0)?,
                    step: row::word("step", StepKey::ALL, StepKey::as_str, &step)?,
                    at: row::time(found.get(2)?),
                    fault: found.get(3)?,
                    exchanges: found.get(4)?,
                })
            })
        })
        .await
    }
}
