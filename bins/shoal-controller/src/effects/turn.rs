//! Turns at a BMC, and the breaker in front of its account.
//!
//! Jobs and probes meet a BMC one after the other. Whoever has the turn learns how many logins were
//! refused before, and leaves word of how many are refused now: two in a row let nobody through
//! until an operator or other credentials say so, whatever restarts in between.

use shoal_core::{Fault, ServerSerial, StepKey};
use shoal_redfish::Bmc;
use shoal_store::{Logins, ServerRecord};
use std::sync::{Arc, PoisonError};
use tokio::sync::OwnedMutexGuard;
use url::Url;

use super::{
    bmc::Bmcs,
    fault::{chain, store_fault},
};

/// What to do about a breaker that opened.
pub(super) const STOPPED: &str = "no login is tried after two refused ones, so that the account is \
    not locked; PUT the server with the right credentials, or POST its retry-login";

/// One caller's turn at a BMC. Others wait until it is gone.
pub(crate) struct Turn {
    /// The server as it was when the turn began.
    pub(crate) server: ServerRecord,
    /// What is known of logins.
    pub(crate) logins: Logins,
    _place: OwnedMutexGuard<()>,
}

impl Turn {
    /// Refuses while the breaker is open.
    pub(crate) fn let_through(&self) -> Result<(), Fault> {
        match self.logins.stopped_at {
            Some(_) => Err(Fault::operator(STOPPED)),
            None => Ok(()),
        }
    }

    pub(crate) fn serial(&self) -> &ServerSerial {
        &self.server.server.serial
    }
}

impl Bmcs {
    /// Waits for a turn at a server's BMC. Turns are given in the order in which they were asked for.
    pub(crate) async fn turn(&self, serial: &ServerSerial) -> Result<Turn, Fault> {
        let address = self.record(serial).await?.server.bmc_address;
        let place = self.place(&address).lock_owned().await;
        // It may have been changed while we waited.
        let server = self.record(serial).await?;
        let logins = self.store.logins(serial).await.map_err(|error| store_fault(&error))?;
        Ok(Turn { server, logins, _place: place })
    }

    /// Before a turn ends: what became of logins is stored, and a connection whose login was refused
    /// is given up, because its next request would be the next refused login.
    pub(crate) async fn settle(&self, turn: &Turn) {
        self.keep_learned().await;
        let Some(bmc) = self.kept(&turn.server) else { return };
        let refused = bmc.refused_logins().await;
        if refused != turn.logins.refused {
            let stopped = Bmc::stops_at(refused);
            let stopped_at = turn.logins.stopped_at.or_else(|| stopped.then(|| self.now()));
            let logins = Logins { refused, stopped_at: stopped_at.filter(|_| stopped) };
            if let Err(error) = self.store.set_logins(turn.serial(), logins).await {
                // The connection stays: it remembers what could not be stored.
                tracing::error!(error = %chain(&error), "failed to store refused logins");
                return;
            }
            if stopped {
                tracing::warn!(server_serial = %turn.serial(), refused, "{STOPPED}");
            }
        }
        if refused > 0 {
            self.close(turn.serial()).await;
        }
    }

    async fn record(&self, serial: &ServerSerial) -> Result<ServerRecord, Fault> {
        let found = self.store.server(serial).await.map_err(|error| store_fault(&error))?;
        found
            .ok_or_else(|| Fault::permanent("the server was removed").at(StepKey::ValidationServer))
    }

    /// The place that only one may hold, by the BMC's host and port, however they are written.
    pub(super) fn place(&self, address: &str) -> Arc<tokio::sync::Mutex<()>> {
        let address = &Url::parse(address)
            .map_or_else(|_| address.to_owned(), |url| url.origin().ascii_serialization());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(address) {
            return Arc::clone(place);
        }
        // Whoever holds or awaits a place holds the other count.
        places.retain(|_, place| Arc::strong_count(place) > 1);
        Arc::clone(places.entry(address.to_owned()).or_default())
    }
}
