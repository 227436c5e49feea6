//! How far the trace of a job was told. A job outlives processes, and spans are told by processes: who
//! takes a job up links to who had it before, and its whole run is told once, by whoever sees its end.

use shoal_core::JobId;
use shoal_sqlite::rusqlite::Transaction;

use crate::{Error, Record, Store, row};

/// Spans kept of one job. A controller that restarts oftener while a job runs has other worries.
const KEPT: usize = 32;

impl Record {
    /// The id of the job's trace: 32 hex digits of the context that its request came with.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(id)
    }
}

/// The trace's id in a `traceparent`.
pub(crate) fn id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

impl Store {
    /// Keeps by which span, a `traceparent`, a process took a job up, and answers those of the
    /// processes before it, the oldest first. Neither the job's version nor its progress moves.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Stored`].
    pub async fn taken_up(&self, job: JobId, span: String) -> Result<Vec<String>, Error> {
        self.write(move |tx, _| {
            let (mut spans, _) = kept(tx, job)?;
            let before = spans.clone();
            spans.push(span.clone());
            let surplus = spans.len().saturating_sub(KEPT);
            spans.drain(..surplus);
            tx.execute(
                "INSERT INTO traces (job_id, taken_up) SELECT id, ?2 FROM jobs WHERE id = ?1
                 ON CONFLICT DO UPDATE SET taken_up = excluded.taken_up",
                (job.to_string(), row::to_json("spans", &spans)?),
            )?;
            Ok(before)
        })
        .await
    }

    /// By which spans a job was taken up, if nobody has told its whole run yet; whoever asks tells it
    /// now.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Stored`].
    pub async fn tell_run(&self, job: JobId) -> Result<Option<Vec<String>>, Error> {
        self.write(move |tx, _| {
            let (spans, told) = kept(tx, job)?;
            tx.execute(
                "INSERT INTO traces (job_id, taken_up, told) SELECT id, '[]', 1 FROM jobs WHERE id = ?1
                 ON CONFLICT DO UPDATE SET told = 1",
                [job.to_string()],
            )?;
            Ok((!told).then_some(spans))
        })
        .await
    }
}

fn kept(tx: &Transaction<'_>, job: JobId) -> Result<(Vec<String>, bool), Error> {
    let sql = "SELECT taken_up, told FROM traces WHERE job_id = ?1";
    let kept = row::first(tx, sql, [job.to_string()], |found| {
        Ok((row::from_json("spans", &found.get::<_, String>(0)?)?, found.get(1)?))
    })?;
    Ok(kept.unwrap_or_default())
}
