//! The keys of the installation: for media addresses, job tokens and the fleet's webhook secret. They
//! live sealed in the store, so that a restart or a restored backup honours what was handed out.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Secret, Store, row,
    sealing::{Cell, Sealing, random},
};

/// What a key is for. A key of one purpose is never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// Signing media addresses.
    Media,
    /// Tokens with which machines report.
    WebhookToken,
    /// Tokens with which machines pull from the registry.
    RegistryToken,
    /// The secret all machines of the fleet share, where an operator wants one.
    FleetWebhook,
}

/// One key: 32 bytes.
#[derive(Clone, Debug)]
pub struct Key {
    /// Tells the keys of one purpose apart; may be shown.
    pub id: u8,
    /// The key itself. For one that an operator gave as text: SHA-256 of that text.
    pub secret: Secret<[u8; 32]>,
    /// Until when a former key is accepted; none: no end.
    pub accepted_until: Option<Time>,
}

/// The keys of one purpose.
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// Makes what is new.
    pub current: Key,
    /// Former ones, still accepted.
    pub accepted: Vec<Key>,
}

/// What became of a key that an operator gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is new, and current now.
    Current(u8),
    /// It was known; nothing changed.
    Known(u8),
    /// It was revoked, and must not come back.
    Revoked(u8),
}

impl KeyPurpose {
    /// Every purpose.
    pub const ALL: [Self; 4] =
        [Self::Media, Self::WebhookToken, Self::RegistryToken, Self::FleetWebhook];

    /// The word used in SQL and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::WebhookToken => "webhook_token",
            Self::RegistryToken => "registry_token",
            Self::FleetWebhook => "fleet_webhook",
        }
    }
}

impl KeyRing {
    /// The ring without former keys whose time is over.
    #[must_use]
    pub fn at(mut self, now: Time) -> Self {
        self.accepted.retain(|key| key.accepted_until.is_none_or(|until| now < until));
        self
    }

    /// Every key that is accepted, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.accepted)
    }

    /// The key with this id.
    pub fn find(&self, id: u8) -> Option<&Key> {
        self.iter().find(|key| key.id == id)
    }
}

impl Store {
    /// The keys of a purpose; draws the first one when there is none.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::NoRandomness`], [`Error::Database`].
    pub async fn keys(&self, purpose: KeyPurpose) -> Result<KeyRing, Error> {
        if let Some(ring) = self.read(move |tx, sealing| ring(tx, sealing, purpose)).await? {
            return Ok(ring);
        }
        self.write(move |tx, sealing| {
            if let Some(ring) = ring(tx, sealing, purpose)? {
                return Ok(ring);
            }
            let current = add_current(tx, sealing, purpose, Secret::new(*random::<32>()?))?;
            Ok(KeyRing { current, accepted: Vec::new() })
        })
        .await
    }

    /// Makes a fresh key current; the one before stays accepted for `accept_for`.
    ///
    /// # Errors
    /// [`Error::NoKeyId`], [`Error::NoRandomness`], [`Error::Database`].
    pub async fn rotate_key(
        &self,
        purpose: KeyPurpose,
        now: Time,
        accept_for: Duration,
    ) -> Result<Key, Error> {
        self.write(move |tx, sealing| {
            retire(tx, purpose, now + accept_for)?;
            add_current(tx, sealing, purpose, Secret::new(*random::<32>()?))
        })
        .await
    }

    /// Makes SHA-256 of an operator's text the current key, unless it is known already; the one
    /// before stays accepted for `accept_for`.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::NoKeyId`], [`Error::Database`].
    pub async fn import_key(
        &self,
        purpose: KeyPurpose,
        text: &Secret,
        now: Time,
        accept_for: Duration,
    ) -> Result<Imported, Error> {
        let secret = key_from_text(text);
        self.write(move |tx, sealing| {
            for (key, state) in all_keys(tx, sealing, purpose)? {
                if key.secret.expose() == secret.expose() {
                    return match state.as_str() {
                        "revoked" => Ok(Imported::Revoked(key.id)),
                        "current" => Ok(Imported::Known(key.id)),
                        // A value that was rolled back to counts from now on again.
                        _ => {
                            retire(tx, purpose, now + accept_for)?;
                            reinstate(tx, purpose, key.id)?;
                            Ok(Imported::Current(key.id))
                        }
                    };
                }
            }
            retire(tx, purpose, now + accept_for)?;
            Ok(Imported::Current(add_current(tx, sealing, purpose, secret)?.id))
        })
        .await
    }

    /// Ends the acceptance of a former key at once; `false` if there is no such former key.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn revoke_key(&self, purpose: KeyPurpose, id: u8) -> Result<bool, Error> {
        self.write(move |tx, _| {
            let revoked = tx.execute(
                "UPDATE keys SET state = 'revoked'
                 WHERE purpose = ?1 AND id = ?2 AND state = 'accepted'",
                (purpose.as_str(), id),
            )?;
            Ok(revoked == 1)
        })
        .await
    }
}

/// The key that stands for an operator's text.
pub fn key_from_text(text: &Secret) -> Secret<[u8; 32]> {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(digest(&SHA256, text.expose().as_bytes()).as_ref()) {
        *to = *from;
    }
    Secret::new(key)
}

fn ring(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
) -> Result<Option<KeyRing>, Error> {
    let mut current = None;
    let mut accepted = Vec::new();
    for (key, state) in all_keys(tx, sealing, purpose)? {
        match state.as_str() {
            "current" => current = Some(key),
            "accepted" => accepted.push(key),
            _ => {}
        }
    }
    Ok(current.map(|current| KeyRing { current, accepted }))
}

/// All keys of a purpose with their states, newest first.
fn all_keys(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
) -> Result<Vec<(Key, String)>, Error> {
    let sql = "SELECT id, secret, accepted_until, state FROM keys WHERE purpose = ?1
               ORDER BY id DESC";
    row::all(tx, sql, [purpose.as_str()], |found| {
        let id: u8 = found.get(0)?;
        let cell = cell_row(purpose, id);
        let plain = sealing.open(key_cell(&cell), &found.get::<_, Vec<u8>>(1)?)?;
        let bytes: [u8; 32] = plain
            .as_slice()
            .try_into()
            .map_err(|_| Error::StoredWord { what: "key", found: cell.clone() })?;
        let accepted_until: Option<i64> = found.get(2)?;
        let key =
            Key { id, secret: Secret::new(bytes), accepted_until: accepted_until.map(row::time) };
        Ok((key, found.get(3)?))
    })
}

fn retire(tx: &Transaction<'_>, purpose: KeyPurpose, until: Time) -> Result<(), Error> {
    tx.execute(
        "UPDATE keys SET state = 'accepted', accepted_until = ?2
         WHERE purpose = ?1 AND state = 'current'",
        (purpose.as_str(), row::millis(until)),
    )?;
    Ok(())
}

fn reinstate(tx: &Transaction<'_>, purpose: KeyPurpose, id: u8) -> Result<(), Error> {
    tx.execute(
        "UPDATE keys SET state = 'current', accepted_until = NULL WHERE purpose = ?1 AND id = ?2",
        (purpose.as_str(), id),
    )?;
    Ok(())
}

fn add_current(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
    secret: Secret<[u8; 32]>,
) -> Result<Key, Error> {
    let next: i64 = tx.query_row(
        "SELECT coalesce(max(id), 0) + 1 FROM keys WHERE purpose = ?1",
        [purpose.as_str()],
        |found| found.get(0),
    )?;
    let id = u8::try_from(next).map_err(|_| Error::NoKeyId(purpose.as_str()))?;
    let sealed = sealing.seal(key_cell(&cell_row(purpose, id)), secret.expose())?;
    tx.execute(
        "INSERT INTO keys (purpose, id, secret, state) VALUES (?1, ?2, ?3, 'current')",
        (purpose.as_str(), id, sealed),
    )?;
    Ok(Key { id, secret, accepted_until: None })
}

fn cell_row(purpose: KeyPurpose, id: u8) -> String {
    format!("{}/{id}", purpose.as_str())
}

fn key_cell(row: &str) -> Cell<'_> {
    Cell { column: "keys.secret", row }
}
