//! Many servers in one transaction: a rack is either there as its list says, or nothing was changed.

use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Actor, Credentials, Error, Server, ServerChange, Store,
    inventory::{self, Put, credentials, is_known, server_of},
    sealing::Sealing,
};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerImport {
    /// Every server is as it was given.
    Done(ImportCounts),
    /// These of the given servers, counted from 0, are new and came without credentials. Nothing
    /// was changed.
    WithoutCredentials(Vec<usize>),
}

/// How many servers an import touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// New ones.
    pub created: u64,
    /// Known ones that were another way before.
    pub updated: u64,
    /// Known ones that were exactly so before.
    pub unchanged: u64,
}

impl Store {
    /// Puts many servers, all or none, each as [`Store::put_server`] does. The unfinished jobs of those that changed hear of it, and the audit log says who did it.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn import(
        &self,
        servers: Vec<(Server, Option<Credentials>)>,
        actor: impl Into<Actor>,
        now: Time,
    ) -> Result<ServerImport, Error> {
        let actor = actor.into();
        self.change(move |tx, sealing| {
            let mut bare = Vec::new();
            for (at, (server, credentials)) in servers.iter().enumerate() {
                if credentials.is_none() && !is_known(tx, server.serial.as_str())? {
                    bare.push(at);
                }
            }
            if !bare.is_empty() {
                return Ok((ServerImport::WithoutCredentials(bare), Vec::new()));
            }
            let mut counts = ImportCounts::default();
            let mut transitions = Vec::new();
            for (server, credentials) in servers {
                if is_as_given(tx, sealing, &server, credentials.as_ref())? {
                    counts.unchanged += 1;
                    continue;
                }
                let put = Put { server, credentials, actor: actor.clone(), now };
                let (change, told) = inventory::put(tx, sealing, &put)?;
                transitions.extend(told);
                match change {
                    ServerChange::Created => counts.created += 1,
                    ServerChange::Updated => counts.updated += 1,
                }
            }
            Ok((ServerImport::Done(counts), transitions))
        })
        .await
    }
}

fn is_as_given(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    server: &Server,
    given: Option<&Credentials>,
) -> Result<bool, Error> {
    let stored = server_of(tx, &server.serial)?;
    let given_now = server.clone().still_quarantined(stored.as_ref());
    if stored.is_none_or(|stored| stored.server != given_now) {
        return Ok(false);
    }
    let Some(given) = given else { return Ok(true) };
    let stored = credentials(tx, sealing, server.serial.as_str())?;
    Ok(stored.is_some_and(|stored| {
        stored.user == given.user && stored.password.expose() == given.password.expose()
    }))
}
