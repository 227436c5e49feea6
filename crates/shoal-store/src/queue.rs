//! The queue: who is next, what holds a job back, and where it stands. One statement knows the
//! conditions under which a job may start; the words for operators name the first that is not met.

use std::{collections::BTreeMap, time::Duration};

use shoal_core::{Event, JobId, Status, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, HeldBack, Lease, Limits, Record, Store,
    commit::fold,
    lease,
    limit::{Fullness, reason},
    record::{UNDER_WAY, stored},
    row,
};

/// Complete jobs of a target from which the time of the next one is estimated.
const SAMPLES: u32 = 21;

/// Where a queued job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// 1 is next.
    pub position: u64,
    /// Jobs that occupy a worker now.
    pub ahead_active: u64,
    /// How long it will probably wait for a worker; none without complete jobs of its target, and
    /// while something other than workers holds it back.
    pub starts_in: Option<Duration>,
}

/// What depends on this controller now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs that work on their BMCs.
    pub bmc_active: u64,
    /// Jobs whose machines may still read media from us.
    pub need_media: u64,
    /// Jobs in the queue.
    pub queued: u64,
}

impl Store {
    /// Takes the next job out of the queue: highest priority, then oldest, of those that nothing
    /// in [`HeldBack`] holds back.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when another controller adopted the jobs; [`Error::Database`].
    pub async fn claim(
        &self,
        lease: &Lease,
        limits: &Limits,
        now: Time,
    ) -> Result<Option<Record>, Error> {
        let (lease, limits) = (lease.clone(), limits.clone());
        self.change(move |tx, _| {
            if !lease::is_current(tx, &lease)? {
                return Err(Error::LeaseLost);
            }
            let full = Fullness::of(tx, &limits)?;
            if full.all() {
                return Ok((None, Vec::new()));
            }
            let mut statement = tx.prepare_cached(CANDIDATES)?;
            let mut rows = statement.query([row::millis(now)])?;
            while let Some(found) = rows.next()? {
                let id = row::job_id(&found.get::<_, String>(0)?)?;
                if full.label(found, 1)?.is_some() {
                    continue;
                }
                let queued = stored(tx, id)?.ok_or(Error::UnknownJob(id))?;
                let (recorded, transitions) = fold(tx, queued, &Event::Claimed, now)?;
                if recorded.applied.is_err() {
                    continue;
                }
                tx.execute(
                    "UPDATE jobs SET lease_instance = ?2, lease_epoch = ?3 WHERE id = ?1",
                    (id.to_string(), &lease.instance, row::signed(lease.epoch)),
                )?;
                return Ok((Some(recorded.record), transitions));
            }
            Ok((None, Vec::new()))
        })
        .await
    }

    /// What holds these jobs back; nothing for those that only wait for a worker or are not queued.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn held_back(
        &self,
        jobs: Vec<JobId>,
        limits: &Limits,
        now: Time,
    ) -> Result<BTreeMap<JobId, HeldBack>, Error> {
        let limits = limits.clone();
        self.read(move |tx, _| {
            let full = Fullness::of(tx, &limits)?;
            let mut held = BTreeMap::new();
            for id in jobs {
                if let Some(why) = reason(tx, id, &full, now)? {
                    held.insert(id, why);
                }
            }
            Ok(held)
        })
        .await
    }

    /// How many jobs depend on this controller now.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn load(&self) -> Result<Load, Error> {
        let mut load = Load::default();
        for record in self.unfinished().await? {
            let job = &record.job;
            load.bmc_active += u64::from(job.phase().is_bmc_active());
            load.need_media += u64::from(job.media_open() && job.medium().is_some());
            load.queued += u64::from(job.status() == Status::Queued);
        }
        Ok(load)
    }

    /// Where a job stands in the queue; none if it is not queued.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn queue(
        &self,
        id: JobId,
        limits: &Limits,
        now: Time,
    ) -> Result<Option<Place>, Error> {
        let limits = limits.clone();
        self.read(move |tx, _| {
            let Some((ahead, ahead_active, target)) =
                row::first(tx, &position(), [id.to_string()], |found| {
                    Ok((
                        row::unsigned(found.get(0)?),
                        row::unsigned(found.get(1)?),
                        found.get::<_, String>(2)?,
                    ))
                })?
            else {
                return Ok(None);
            };
            let full = Fullness::of(tx, &limits)?;
            let held = reason(tx, id, &full, now)?;
            let starts_in = match (held, usual_work(tx, &target)?) {
                (None, Some(work)) => wait(ahead, ahead_active, limits.workers, work),
                _ => None,
            };
            Ok(Some(Place { position: ahead + 1, ahead_active, starts_in }))
        })
        .await
    }
}

/// The queue, best first, without those that the server or its BMC holds back. What the job itself
/// and the labels say is looked at one by one.
const CANDIDATES: &str = "SELECT jobs.id, servers.body
    FROM jobs INDEXED BY jobs_queue JOIN servers ON servers.serial = jobs.server_serial
    WHERE jobs.status = 'queued' AND jobs.after_job IS NULL AND servers.quarantine IS NULL
        AND coalesce(servers.hands_off_until, 0) <= ?1
        AND NOT EXISTS (
            SELECT 1 FROM servers AS other JOIN jobs AS active ON active.server_serial = other.serial
            WHERE other.bmc = servers.bmc AND active.status <> 'complete'
                AND active.after_job IS NULL AND active.status <> 'queued')
    ORDER BY jobs.priority DESC, jobs.created_at, jobs.id";

/// How many jobs are before job `?1` in the queue, how many occupy a worker, and its target.
fn position() -> String {
    format!(
        "SELECT
            (SELECT count(*) FROM jobs WHERE status = 'queued' AND (priority > me.priority
                OR (priority = me.priority AND (created_at, id) < (me.created_at, me.id)))),
            (SELECT count(*) FROM jobs WHERE {UNDER_WAY} AND bmc_active = 1),
            me.task_target
         FROM jobs AS me WHERE me.id = ?1 AND me.status = 'queued'"
    )
}

/// The middle one of how long the last jobs of a target worked on their BMCs.
fn usual_work(tx: &Transaction<'_>, target: &str) -> Result<Option<Duration>, Error> {
    let mut worked = row::all(
        tx,
        "SELECT worked_ms FROM jobs INDEXED BY jobs_completed
         WHERE status = 'complete' AND task_target = ?1 AND worked_ms > 0
         ORDER BY completed_at DESC LIMIT ?2",
        (target, SAMPLES),
        |found| Ok(row::unsigned(found.get(0)?)),
    )?;
    worked.sort_unstable();
    Ok(worked.get(worked.len() / 2).copied().map(Duration::from_millis))
}

/// How long until a worker is free for the job behind `ahead` others: workers end one job after the
/// other, and those who work now are half done.
fn wait(ahead: u64, active: u64, workers: usize, work: Duration) -> Option<Duration> {
    let workers = u64::try_from(workers).ok().filter(|workers| *workers > 0)?;
    let free = workers.saturating_sub(active);
    let Some(behind) = (ahead + 1).checked_sub(free).filter(|behind| *behind > 0) else {
        return Some(Duration::ZERO);
    };
    let rounds = u32::try_from((behind - 1) / workers).unwrap_or(u32::MAX);
    Some(work / 2 + work.saturating_mul(rounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn neither_a_claim_nor_a_place_walks_through_history() {
        let plan = row::explained(CANDIDATES).await;
        assert!(plan.contains("SCAN jobs USING INDEX jobs_queue"), "{plan}");
        assert!(plan.contains("SEARCH active USING INDEX jobs_one_per_server"), "{plan}");
        assert_eq!(plan.matches("SCAN").count(), 1, "{plan}");
        let plan = row::explained(position()).await;
        assert!(!plan.contains("SCAN jobs"), "{plan}");
    }

    #[test]
    fn the_wait_grows_with_every_round_of_the_workers() {
        let work = Duration::from_mins(1);
        let seconds =
            |ahead, active, workers| wait(ahead, active, workers, work).map(|wait| wait.as_secs());
        assert_eq!(seconds(0, 0, 4), Some(0));
        assert_eq!(seconds(1, 2, 4), Some(0));
        assert_eq!(seconds(2, 2, 4), Some(30));
        assert_eq!(seconds(0, 4, 4), Some(30));
        assert_eq!(seconds(3, 4, 4), Some(30));
        assert_eq!(seconds(4, 4, 4), Some(90));
        assert_eq!(seconds(0, 0, 0), None);
    }
}
