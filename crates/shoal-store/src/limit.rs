//! What holds a queued job back besides the want of a worker: limits on what is under way, and what
//! its server, its BMC or the job before it asks for.

use std::collections::BTreeMap;

use shoal_core::{JobId, Time};
use shoal_sqlite::rusqlite::{Row, Transaction};

use crate::{Error, record::UNDER_WAY, row};

/// How much may be under way at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that work on their BMC (`WORKER_CONCURRENCY`); 0 starts nothing new.
    pub workers: usize,
    /// Jobs under way, waiting ones included (`MAX_ACTIVE_JOBS`).
    pub active: usize,
    /// Jobs under way whose servers share a value of this label (`JOB_LABEL_LIMITS`).
    pub per_label: BTreeMap<String, u64>,
}

/// Why a queued job is passed over although a worker may be free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// It takes the place of this job, which is not complete.
    AfterJob {
        /// The job.
        job: JobId,
        /// Whether that one waits for an operator's decision.
        held: bool,
    },
    /// Its server takes no jobs.
    Quarantined {
        /// Why.
        reason: String,
    },
    /// What was installed last on its server is in its first boot.
    FirstBoot {
        /// Until when.
        until: Time,
    },
    /// Another server's job is under way at the same BMC.
    BmcBusy {
        /// That job.
        job: JobId,
    },
    /// As many jobs as may share the value of a label are under way.
    LabelFull {
        /// The label.
        label: String,
        /// The server's value of it.
        value: String,
        /// How many may be.
        limit: u64,
    },
    /// As many jobs as may be are under way.
    AllFull {
        /// How many may be.
        limit: usize,
    },
}

impl Default for Limits {
    fn default() -> Self {
        Self { workers: 4, active: 10_000, per_label: BTreeMap::new() }
    }
}

/// What holds job `?1` back, for [`reason`].
const REASONS: &str = "SELECT jobs.after_job, earlier.phase, servers.quarantine,
        servers.hands_off_until,
        (SELECT active.id FROM servers AS other
            JOIN jobs AS active ON active.server_serial = other.serial
            WHERE other.bmc = servers.bmc AND active.status <> 'complete'
                AND active.after_job IS NULL AND active.status <> 'queued'
                AND active.id <> jobs.id LIMIT 1),
        servers.body
    FROM jobs JOIN servers ON servers.serial = jobs.server_serial
        LEFT JOIN jobs AS earlier ON earlier.id = jobs.after_job
    WHERE jobs.id = ?1 AND jobs.status = 'queued'";

/// The first reason that holds a queued job back.
pub(crate) fn reason(
    tx: &Transaction<'_>,
    job: JobId,
    full: &Fullness<'_>,
    now: Time,
) -> Result<Option<HeldBack>, Error> {
    let found = row::first(tx, REASONS, [job.to_string()], |found| first_reason(found, full, now))?;
    Ok(found.flatten())
}

fn first_reason(
    found: &Row<'_>,
    full: &Fullness<'_>,
    now: Time,
) -> Result<Option<HeldBack>, Error> {
    if let Some(job) = found.get::<_, Option<String>>(0)? {
        let phase: Option<String> = found.get(1)?;
        let held = phase.as_deref() == Some("held");
        return Ok(Some(HeldBack::AfterJob { job: row::job_id(&job)?, held }));
    }
    if let Some(reason) = found.get(2)? {
        return Ok(Some(HeldBack::Quarantined { reason }));
    }
    let until = found.get::<_, Option<i64>>(3)?.map(row::time).filter(|until| *until > now);
    if let Some(until) = until {
        return Ok(Some(HeldBack::FirstBoot { until }));
    }
    if let Some(job) = found.get::<_, Option<String>>(4)? {
        return Ok(Some(HeldBack::BmcBusy { job: row::job_id(&job)? }));
    }
    if let Some(full) = full.label(found, 5)? {
        return Ok(Some(full));
    }
    Ok(full.all().then_some(HeldBack::AllFull { limit: full.limits.active }))
}

/// What is under way, as far as limits ask.
pub(crate) struct Fullness<'a> {
    limits: &'a Limits,
    active: u64,
    labels: BTreeMap<String, BTreeMap<String, u64>>,
}

impl<'a> Fullness<'a> {
    pub(crate) fn of(tx: &Transaction<'_>, limits: &'a Limits) -> Result<Self, Error> {
        let active = tx
            .prepare_cached(&format!("SELECT count(*) FROM jobs WHERE {UNDER_WAY}"))?
            .query_row([], |found| found.get(0))?;
        let mut labels = BTreeMap::new();
        for label in limits.per_label.keys() {
            let sql = format!(
                "SELECT json_extract(servers.body, ?1) AS value, count(*)
                 FROM jobs JOIN servers ON servers.serial = jobs.server_serial
                 WHERE {UNDER_WAY} AND value IS NOT NULL GROUP BY value"
            );
            let counted = row::all(tx, &sql, [format!("$.labels.\"{label}\"")], |found| {
                Ok((found.get::<_, String>(0)?, row::unsigned(found.get(1)?)))
            })?;
            labels.insert(label.clone(), counted.into_iter().collect());
        }
        Ok(Self { limits, active: row::unsigned(active), labels })
    }

    pub(crate) fn all(&self) -> bool {
        usize::try_from(self.active).unwrap_or(usize::MAX) >= self.limits.active
    }

    /// The label that is full for the server whose body is in this column.
    pub(crate) fn label(&self, found: &Row<'_>, column: usize) -> Result<Option<HeldBack>, Error> {
        if self.limits.per_label.is_empty() {
            return Ok(None);
        }
        let server: crate::Server = row::from_json("server", &found.get::<_, String>(column)?)?;
        for (label, limit) in &self.limits.per_label {
            let Some(value) = server.labels.get(label) else { continue };
            let active = self.labels.get(label).and_then(|values| values.get(value));
            if active.is_some_and(|active| active >= limit) {
                let (label, value) = (label.clone(), value.clone());
                return Ok(Some(HeldBack::LabelFull { label, value, limit: *limit }));
            }
        }
        Ok(None)
    }
}
