//! The newest look at each server's BMC, as documents of those who make and show them.

use shoal_core::{ServerSerial, Time};

use crate::{Error, Store, row};

/// A stored look at a BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProbe {
    /// When it was made.
    pub at: Time,
    /// What callers see, JSON.
    pub report: String,
    /// What a media plan is made from, JSON; none where the BMC was not read.
    pub discovery: Option<String>,
}

impl Store {
    /// Keeps a look at a BMC in place of the one before.
    ///
    /// # Errors
    /// [`Error::Database`]; an unknown server keeps none.
    pub async fn set_probe(&self, serial: &ServerSerial, probe: StoredProbe) -> Result<(), Error> {
        let serial = serial.clone();
        self.write(move |tx, _| {
            tx.execute(
                "INSERT INTO probes (server_serial, at, report, discovery)
                 SELECT serial, ?2, ?3, ?4 FROM servers WHERE serial = ?1
                 ON CONFLICT DO UPDATE SET at = excluded.at, report = excluded.report,
                     discovery = excluded.discovery",
                (serial.as_str(), row::millis(probe.at), &probe.report, &probe.discovery),
            )?;
            Ok(())
        })
        .await
    }

    /// When the first certificate ends among those that BMCs showed at the newest look, by the
    /// vendor's word, which is empty where the vendor was not found out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn bmc_certificate_ends(&self) -> Result<Vec<(String, Time)>, Error> {
        self.read(|tx, _| {
            let sql = "SELECT coalesce(json_extract(report, '$.profile.vendor'), ''),
                           min(json_extract(report, '$.tls.not_after'))
                       FROM probes WHERE json_extract(report, '$.tls.not_after') > 0 GROUP BY 1";
            row::all(tx, sql, [], |found| {
                let seconds: i64 = found.get(1)?;
                Ok((found.get(0)?, row::time(seconds.saturating_mul(1000))))
            })
        })
        .await
    }

    /// The newest look at a server's BMC.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn probe(&self, serial: &ServerSerial) -> Result<Option<StoredProbe>, Error> {
        let serial = serial.clone();
        self.read(move |tx, _| {
            let sql = "SELECT at, report, discovery FROM probes WHERE server_serial = ?1";
            row::first(tx, sql, [serial.as_str()], |found| {
                Ok(StoredProbe {
                    at: row::time(found.get(0)?),
                    report: found.get(1)?,
                    discovery: found.get(2)?,
                })
            })
        })
        .await
    }
}
