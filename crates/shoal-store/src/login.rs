//! The breaker in front of each BMC's account: how many logins were refused in a row, kept here so
//! that a restart cannot forget it and lock the account.

use shoal_core::{ServerSerial, Time};
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Actor, AuditEntry, Error, Store, audit::insert_audit, commit::tell_active, inventory::is_known,
    row,
};

/// What is known of logins at a server's BMC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// Refused in a row.
    pub refused: u8,
    /// Since when nobody may log in, until an operator or other credentials say so.
    pub stopped_at: Option<Time>,
}

impl Store {
    /// What is known of logins at a server's BMC.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn logins(&self, serial: &ServerSerial) -> Result<Logins, Error> {
        let serial = serial.clone();
        self.read(move |tx, _| {
            let sql = "SELECT refused, stopped_at FROM bmc_logins WHERE server_serial = ?1";
            let found = row::first(tx, sql, [serial.as_str()], |found| {
                let stopped_at: Option<i64> = found.get(1)?;
                Ok(Logins { refused: found.get(0)?, stopped_at: stopped_at.map(row::time) })
            })?;
            Ok(found.unwrap_or_default())
        })
        .await
    }

    /// Stores what became of logins at a server's BMC. Nothing happens for an unknown server.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_logins(&self, serial: &ServerSerial, logins: Logins) -> Result<(), Error> {
        let serial = serial.clone();
        self.write(move |tx, _| {
            if logins == Logins::default() {
                return clear(tx, serial.as_str()).map(drop);
            }
            tx.execute(
                "INSERT INTO bmc_logins (server_serial, refused, stopped_at)
                 SELECT serial, ?2, ?3 FROM servers WHERE serial = ?1
                 ON CONFLICT DO UPDATE SET refused = excluded.refused,
                     stopped_at = excluded.stopped_at",
                (serial.as_str(), logins.refused, logins.stopped_at.map(row::millis)),
            )?;
            Ok(())
        })
        .await
    }

    /// Lets logins through again; audited, and the server's unfinished job hears of it. Says
    /// whether any had been refused.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], [`Error::Database`].
    pub async fn retry_login(
        &self,
        serial: &ServerSerial,
        actor: impl Into<Actor>,
        now: Time,
    ) -> Result<bool, Error> {
        let (serial, actor) = (serial.clone(), actor.into());
        self.change(move |tx, _| {
            if !is_known(tx, serial.as_str())? {
                return Err(Error::UnknownServer(serial));
            }
            let cleared = clear(tx, serial.as_str())?;
            let entry = AuditEntry {
                actor,
                action: "server.retry_login".to_owned(),
                target: serial.to_string(),
                detail: String::new(),
                ok: true,
            };
            insert_audit(tx, &entry, now)?;
            let transitions = tell_active(tx, &serial, &[], now)?;
            Ok((cleared, transitions))
        })
        .await
    }
}

/// Forgets refused logins; says whether there were any.
pub(crate) fn clear(tx: &Transaction<'_>, serial: &str) -> Result<bool, Error> {
    Ok(tx.execute("DELETE FROM bmc_logins WHERE server_serial = ?1", [serial])? > 0)
}
