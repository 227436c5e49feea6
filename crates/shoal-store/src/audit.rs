//! Who did what, and what happened to the installation itself. Both outlive the jobs they speak of.

use std::{collections::BTreeMap, net::IpAddr};

use shoal_core::{JobId, Time};
use shoal_sqlite::rusqlite::{Row, Transaction};

use crate::{Error, Store, row};

/// Somebody who does something, and where from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub name: String,
    /// The address they call from; none where nobody knows.
    pub address: Option<IpAddr>,
}

impl From<&str> for Actor {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), address: None }
    }
}

/// One thing somebody did or tried to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who, and where from.
    pub actor: Actor,
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

/// Entries for which everything that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// With this in their action.
    pub action: Option<String>,
    /// Of this target. A server's serial finds what was done to its jobs as well, and a job's id
    /// how the job came about.
    pub target: Option<String>,
    /// Of then or later.
    pub since: Option<Time>,
    /// From before this entry.
    pub before: Option<i64>,
    /// At most so many; 0 means 100.
    pub limit: u32,
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

    /// Adds several entries to the audit log at once, each with its own time.
    ///
    /// # Errors
    /// [`Error::Database`]; none of them is there then.
    pub async fn audit_all(&self, entries: Vec<(AuditEntry, Time)>) -> Result<(), Error> {
        self.write(move |tx, _| {
            entries.iter().try_for_each(|(entry, at)| insert_audit(tx, entry, *at))
        })
        .await
    }

    /// The audit log, newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn audited(&self, filter: AuditFilter) -> Result<Vec<Audited>, Error> {
        let AuditFilter { actor, action, target, since, before, limit } = filter;
        let job = target.as_deref().and_then(|text| text.parse::<JobId>().ok());
        self.read(move |tx, _| {
            let sql = "SELECT id, at, actor, action, target, detail, ok, address FROM audit
                       WHERE id < ?1 AND at >= ?2
                         AND (?3 IS NULL OR actor = ?3)
                         AND (?4 IS NULL OR instr(action, ?4) > 0)
                         AND (?5 IS NULL OR target = ?5
                              OR target IN (SELECT id FROM jobs WHERE server_serial = ?5)
                              OR (action = 'job.create' AND instr(detail, ?6) > 0))
                       ORDER BY id DESC LIMIT ?7";
            let params = (
                before.unwrap_or(i64::MAX),
                since.map_or(0, row::millis),
                actor,
                action,
                target,
                job.map(|job| job.to_string()),
                if limit == 0 { 100 } else { limit },
            );
            row::all(tx, sql, params, audited)
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
        self.write(move |tx, _| insert_installation_event(tx, &kind, &detail, now)).await
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

/// Notes what happened to the installation in the transaction that makes it happen.
pub(crate) fn insert_installation_event(
    tx: &Transaction<'_>,
    kind: &str,
    detail: &BTreeMap<String, String>,
    now: Time,
) -> Result<i64, Error> {
    tx.execute(
        "INSERT INTO installation_events (at, kind, detail) VALUES (?1, ?2, ?3)",
        (row::millis(now), kind, row::to_json("installation event", detail)?),
    )?;
    Ok(tx.last_insert_rowid())
}

fn audited(found: &Row<'_>) -> Result<Audited, Error> {
    let address: Option<String> = found.get(7)?;
    let unreadable = |text| Error::StoredWord { what: "address", found: text };
    let address = address.map(|text| text.parse().map_err(|_| unreadable(text))).transpose()?;
    let entry = AuditEntry {
        actor: Actor { name: found.get(2)?, address },
        action: found.get(3)?,
        target: found.get(4)?,
        detail: found.get(5)?,
        ok: found.get(6)?,
    };
    Ok(Audited { id: found.get(0)?, at: row::time(found.get(1)?), entry })
}

pub(crate) fn insert_audit(
    tx: &Transaction<'_>,
    entry: &AuditEntry,
    now: Time,
) -> Result<(), Error> {
    tx.prepare_cached(
        "INSERT INTO audit (at, actor, action, target, detail, ok, address)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        row::millis(now),
        &entry.actor.name,
        &entry.action,
        &entry.target,
        &entry.detail,
        entry.ok,
        entry.actor.address.map(|address| address.to_string()),
    ))?;
    Ok(())
}
