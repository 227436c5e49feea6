//! The servers' table: puts, looks and deletes, and the little that jobs leave on a server's row.

use shoal_core::{ServerSerial, Time};
use shoal_sqlite::rusqlite::{Row, Transaction};
use zeroize::Zeroizing;

use crate::{
    Actor, AuditEntry, Credentials, Deleted, Error, Hardware, HardwareCheck, Secret, Server,
    ServerChange, ServerRecord, Store, TlsPolicy,
    audit::insert_audit,
    commit::{active_job, tell_active},
    login, row,
    sealing::{Cell, Sealing},
    transition::Transition,
};

impl Store {
    /// Puts a server. Without credentials the stored ones stay, and without a quarantine the stored
    /// one does: it is lifted by [`Store::quarantine`] alone. Its unfinished job hears of it, and
    /// the audit log says who did it, in the same transaction.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn put_server(
        &self,
        server: Server,
        credentials: Option<Credentials>,
        actor: impl Into<Actor>,
        now: Time,
    ) -> Result<ServerChange, Error> {
        let actor = actor.into();
        self.change(move |tx, sealing| put(tx, sealing, &Put { server, credentials, actor, now }))
            .await
    }

    /// One server, without secrets.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn server(&self, serial: &ServerSerial) -> Result<Option<ServerRecord>, Error> {
        let serial = serial.clone();
        self.read(move |tx, _| server_of(tx, &serial)).await
    }

    /// A server whose BMC is at this address, with or without the default port.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn server_at(&self, bmc_address: &str) -> Result<Option<ServerSerial>, Error> {
        let plain = bmc_address.trim_end_matches('/').to_ascii_lowercase();
        let plain = plain.strip_suffix(":443").unwrap_or(&plain).to_owned();
        let with_port = format!("{plain}:443");
        self.read(move |tx, _| {
            let sql = "SELECT serial FROM servers WHERE bmc IN (?1, ?2) ORDER BY serial LIMIT 1";
            let serials =
                row::all(tx, sql, (&plain, &with_port), |row| Ok(row.get::<_, String>(0)?))?;
            Ok(serials.first().and_then(|serial| serial.parse().ok()))
        })
        .await
    }

    /// Servers in the order of their serials, behind `after`; at most `limit`, 0 means 100.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn servers(
        &self,
        after: Option<ServerSerial>,
        limit: u32,
    ) -> Result<Vec<ServerRecord>, Error> {
        self.read(move |tx, _| {
            let sql =
                format!("SELECT {COLUMNS} FROM servers WHERE serial > ?1 ORDER BY serial LIMIT ?2");
            let after = after.as_ref().map_or("", ServerSerial::as_str);
            row::all(tx, &sql, (after, if limit == 0 { 100 } else { limit }), server_record)
        })
        .await
    }

    /// Deletes a server without unfinished job; audited.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_server(
        &self,
        serial: &ServerSerial,
        actor: impl Into<Actor>,
        now: Time,
    ) -> Result<Deleted, Error> {
        let (serial, actor) = (serial.clone(), actor.into());
        self.write(move |tx, _| {
            if let Some(job) = active_job(tx, &serial)? {
                return Ok(Deleted::Busy(job));
            }
            if tx.execute("DELETE FROM servers WHERE serial = ?1", [serial.as_str()])? == 0 {
                return Ok(Deleted::Unknown);
            }
            let entry = AuditEntry {
                actor,
                action: "server.delete".to_owned(),
                target: serial.to_string(),
                detail: String::new(),
                ok: true,
            };
            insert_audit(tx, &entry, now)?;
            Ok(Deleted::Deleted)
        })
        .await
    }

    /// How to log in at a server's BMC; none where nobody said so yet.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn credentials(&self, serial: &ServerSerial) -> Result<Option<Credentials>, Error> {
        let serial = serial.clone();
        self.read(move |tx, sealing| credentials(tx, sealing, serial.as_str())).await
    }

    /// Records what a BMC says of its machine, and whether it is still the same machine.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::Database`].
    pub async fn set_hardware(
        &self,
        serial: &ServerSerial,
        seen: Hardware,
        now: Time,
    ) -> Result<HardwareCheck, Error> {
        let serial = serial.clone();
        self.write(move |tx, _| {
            let known: Option<Option<String>> = row::first(
                tx,
                "SELECT hardware FROM servers WHERE serial = ?1",
                [serial.as_str()],
                |found| Ok(found.get(0)?),
            )?;
            let recorded = match known {
                None => return Err(Error::UnknownServer(serial)),
                Some(text) => text.map(|text| row::from_json::<Hardware>("hardware", &text)),
            };
            let (hardware, check) = match recorded.transpose()? {
                None => (seen, HardwareCheck::FirstSeen),
                Some(recorded) if recorded.contradicts(&seen) => {
                    return Ok(HardwareCheck::Mismatch { recorded });
                }
                Some(recorded) => (recorded.refreshed(seen), HardwareCheck::Same),
            };
            tx.execute(
                "UPDATE servers SET hardware = ?2, hardware_at = ?3 WHERE serial = ?1",
                (serial.as_str(), row::to_json("hardware", &hardware)?, row::millis(now)),
            )?;
            Ok(check)
        })
        .await
    }

    /// Slots in which an earlier job may have left a medium. Empty for an unknown server.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn residue(&self, serial: &ServerSerial) -> Result<Vec<String>, Error> {
        let serial = serial.clone();
        self.read(move |tx, _| Ok(residue(tx, &serial)?.unwrap_or_default())).await
    }

    /// Forgets them: they were seen empty.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn clear_residue(&self, serial: &ServerSerial) -> Result<(), Error> {
        let serial = serial.clone();
        self.write(move |tx, _| {
            tx.execute("UPDATE servers SET residue = '[]' WHERE serial = ?1", [serial.as_str()])?;
            Ok(())
        })
        .await
    }
}

/// One server as somebody puts it.
pub(crate) struct Put {
    pub(crate) server: Server,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) actor: Actor,
    pub(crate) now: Time,
}

/// Writes a server, its credentials and who did it, and tells its unfinished job.
pub(crate) fn put(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    put: &Put,
) -> Result<(ServerChange, Vec<Transition>), Error> {
    let Put { server, credentials, actor, now } = put;
    let serial = server.serial.as_str();
    let known = server_of(tx, &server.serial)?;
    let change = if known.is_some() { ServerChange::Updated } else { ServerChange::Created };
    let server = &server.clone().still_quarantined(known.as_ref());
    tx.prepare_cached(
        "INSERT INTO servers (serial, body, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at",
    )?
    .execute((serial, row::to_json("server", server)?, row::millis(*now)))?;
    if let Some(Credentials { user, password }) = credentials {
        let plain = Zeroizing::new(row::to_json("credentials", &(user, password.expose()))?);
        let sealed = sealing.seal(credentials_cell(serial), plain.as_bytes())?;
        tx.prepare_cached("UPDATE servers SET credentials = ?2 WHERE serial = ?1")?
            .execute((serial, sealed))?;
        login::clear(tx, serial)?;
    }
    let detail = match &server.tls {
        TlsPolicy::Insecure { reason } => format!("insecure: {reason}"),
        TlsPolicy::Ca { .. } | TlsPolicy::Pin { .. } => String::new(),
    };
    let entry = AuditEntry {
        actor: actor.clone(),
        action: "server.put".to_owned(),
        target: serial.to_owned(),
        detail,
        ok: true,
    };
    insert_audit(tx, &entry, *now)?;
    let transitions = tell_active(tx, &server.serial, &[], *now)?;
    Ok((change, transitions))
}

pub(crate) fn is_known(tx: &Transaction<'_>, serial: &str) -> Result<bool, Error> {
    Ok(tx.prepare_cached("SELECT 1 FROM servers WHERE serial = ?1")?.exists([serial])?)
}

/// How to log in at a server's BMC.
pub(crate) fn credentials(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    serial: &str,
) -> Result<Option<Credentials>, Error> {
    let sealed: Option<Option<Vec<u8>>> =
        row::first(tx, "SELECT credentials FROM servers WHERE serial = ?1", [serial], |found| {
            Ok(found.get(0)?)
        })?;
    let Some(sealed) = sealed.flatten() else { return Ok(None) };
    let plain = sealing.open(credentials_cell(serial), &sealed)?;
    let (user, password): (String, String) = serde_json::from_slice(&plain)
        .map_err(|source| Error::Stored { what: "credentials", source })?;
    Ok(Some(Credentials { user, password: Secret::new(password) }))
}

const COLUMNS: &str = "body, hardware, created_at, updated_at, hands_off_until, residue, \
    hardware_at";

pub(crate) fn server_of(
    tx: &Transaction<'_>,
    serial: &ServerSerial,
) -> Result<Option<ServerRecord>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM servers WHERE serial = ?1");
    row::first(tx, &sql, [serial.as_str()], server_record)
}

fn server_record(found: &Row<'_>) -> Result<ServerRecord, Error> {
    let hardware: Option<String> = found.get(1)?;
    let hands_off_until: Option<i64> = found.get(4)?;
    let hardware_at: Option<i64> = found.get(6)?;
    Ok(ServerRecord {
        server: row::from_json("server", &found.get::<_, String>(0)?)?,
        hardware: hardware.map(|text| row::from_json("hardware", &text)).transpose()?,
        hardware_at: hardware_at.map(row::time),
        created_at: row::time(found.get(2)?),
        updated_at: row::time(found.get(3)?),
        hands_off_until: hands_off_until.map(row::time),
        residue: row::from_json("residue", &found.get::<_, String>(5)?)?,
    })
}

fn residue(tx: &Transaction<'_>, serial: &ServerSerial) -> Result<Option<Vec<String>>, Error> {
    row::first(tx, "SELECT residue FROM servers WHERE serial = ?1", [serial.as_str()], |found| {
        row::from_json("residue", &found.get::<_, String>(0)?)
    })
}

/// Remembers slots that the server's next job must find empty first.
pub(crate) fn add_residue(
    tx: &Transaction<'_>,
    serial: &ServerSerial,
    slots: Vec<String>,
) -> Result<(), Error> {
    let Some(mut all) = residue(tx, serial)? else { return Ok(()) };
    all.extend(slots);
    all.sort();
    all.dedup();
    tx.execute(
        "UPDATE servers SET residue = ?2 WHERE serial = ?1",
        (serial.as_str(), row::to_json("residue", &all)?),
    )?;
    Ok(())
}

fn credentials_cell(serial: &str) -> Cell<'_> {
    Cell { column: "servers.credentials", row: serial }
}
