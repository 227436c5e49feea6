//! Who did what, and what happened to the installation itself. Both outlive the jobs they speak of.

use std::collections::BTreeMap;

use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

use crate::{Error, Store, row};

/// One thing somebody did or tried to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who.
    pub actor: String,
    /// What, such as `job.create`.
    pub action: String,
    /// To what.
    pub target: String,
    /// The particulars, never secret.
    pub detail: String,
    /// Whether it was done.
    pub ok: bool,
}

/// A stored [`AuditEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Time,
    /// What.
    pub entry: AuditEntry,
}

/// Something that happened to the installation: a start, another configuration, a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationEvent {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Time,
    /// What.
    pub kind: String,
    /// The particulars, never secret.
    pub detail: BTreeMap<String, String>,
}

impl Store {
    /// Adds to the audit log. New jobs, puts and deletes of servers are in it already.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn audit(&self, entry: AuditEntry, now: Time) -> Result<(), Error> {
        self.write(move |tx, _| insert_audit(tx, &entry, now)).await
    }

    /// The audit log, newest first, from before the entry `before`; at most `limit`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn audited(&self, before: Option<i64>, limit: u32) -> Result<Vec<Audited>, Error> {
        self.read(move |tx, _| {
            let sql = "SELECT id, at, actor, action, target, detail, ok FROM audit
                       WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
            row::all(tx, sql, (before.unwrap_or(i64::MAX), limit), |found| {
                let entry = AuditEntry {
                    actor: found.get(2)?,
                    action: found.get(3)?,
                    target: found.get(4)?,
                    detail: found.get(5)?,
                    ok: found.get(6)?,
                };
                Ok(Audited { id: found.get(0)?, at: row::time(found.get(1)?), entry })
            })
        })
        .await
    }

    /// Notes what happened to the installation; answers the event's id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn installation_event(
        &self,
        kind: &str,
        detail: BTreeMap<String, String>,
        now: Time,
    ) -> Result<i64, Error> {
        let kind = kind.to_owned();
        self.write(move |tx, _| {
            tx.execute(
                "INSERT INTO installation_events (at, kind, detail) VALUES (?1, ?2, ?3)",
                (row::millis(now), &kind, row::to_json("installation event", &detail)?),
            )?;
            Ok(tx.last_insert_rowid())
        })
        .await
    }

    /// What happened to the installation at `since` or later, oldest first; the newest 1000 of it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn installation_events(&self, since: Time) -> Result<Vec<InstallationEvent>, Error> {
        self.read(move |tx, _| {
            let sql = "SELECT id, at, kind, detail FROM
                           (SELECT * FROM installation_events WHERE at >= ?1
                            ORDER BY id DESC LIMIT 1000)
                       ORDER BY id";
            row::all(tx, sql, [row::millis(since)], |found| {
                Ok(InstallationEvent {
                    id: found.get(0)?,
                    at: row::time(found.get(1)?),
                    kind: found.get(2)?,
                    detail: row::from_json("installation event", &found.get::<_, String>(3)?)?,
                })
            })
        })
        .await
    }
}

pub(crate) fn insert_audit(
    tx: &Transaction<'_>,
    entry: &AuditEntry,
    now: Time,
) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO audit (at, actor, action, target, detail, ok) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        row::millis(now),
        &entry.actor,
        &entry.action,
        &entry.target,
        &entry.detail,
        entry.ok,
    ))?;
    Ok(())
}
