//! How keys come and go: rotated, taken over from the configuration, set by an operator, revoked.
//! Each change is one transaction, so that at any moment there is exactly one current key.

use std::time::Duration;

use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

use super::{Fresh, KeyPurpose, KeySource, KeyState, Stored, add_current, all_keys, key_from_text};
use crate::{
    Error, Secret, Store, audit::insert_installation_event, row, sealing::Sealing, underway,
};

/// What became of a key that the configuration gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is current now, and was not before.
    Current(u8),
    /// It was current already; nothing changed.
    Known(u8),
    /// An operator has set another one since; nothing changed.
    Superseded(u8),
}

/// What became of a key that an operator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySet {
    /// It is current now.
    Current(u8),
    /// It is one we know, current or former; nothing changed.
    Known(u8),
}

/// How far a revocation may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// Not if an unfinished attempt depends on the key.
    IfUnused,
    /// Whatever depends on it.
    Emergency,
}

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The key is accepted no more.
    Revoked {
        /// Unfinished jobs whose attempt depended on it.
        jobs: usize,
    },
    /// It was revoked before.
    Already,
    /// It is current: another one must be set first.
    Current,
    /// Unfinished attempts depend on it; nothing changed.
    InUse {
        /// How many jobs these belong to.
        jobs: usize,
    },
    /// There is no such key.
    Unknown,
}

impl Store {
    /// Makes SHA-256 of an operator's text the current key, unless it is or was one; the one before
    /// stays accepted for `accept_for`.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::NoKeyId`], [`Error::Database`].
    pub async fn set_key(
        &self,
        purpose: KeyPurpose,
        text: &Secret,
        now: Time,
        accept_for: Duration,
    ) -> Result<KeySet, Error> {
        let secret = key_from_text(text);
        self.write(move |tx, sealing| {
            if let Some(known) = find(tx, sealing, purpose, &secret)? {
                return Ok(KeySet::Known(known.key.id));
            }
            retire(tx, purpose, now + accept_for)?;
            let fresh = Fresh { secret, source: KeySource::Operator };
            Ok(KeySet::Current(add_current(tx, sealing, purpose, fresh, Some(now))?.id))
        })
        .await
    }

    /// Takes over one key from the configuration.
    ///
    /// # Errors
    /// As [`Store::import_keys`].
    pub async fn import_key(
        &self,
        purpose: KeyPurpose,
        text: &Secret,
        now: Time,
        accept_for: Duration,
    ) -> Result<Imported, Error> {
        let imported = self.import_keys(vec![(purpose, text.clone())], now, accept_for).await?;
        Ok(imported.into_iter().next().unwrap_or(Imported::Known(0)))
    }

    /// Makes SHA-256 of each configured text the current key of its purpose; the ones before stay
    /// accepted for `accept_for`. A configured value that was replaced by another configured one and
    /// comes back is current again; one that an operator replaced is not. Answers in the order given.
    /// Each that becomes current is an event `secret_set` of the installation.
    ///
    /// # Errors
    /// [`Error::RevokedKey`] if any of them was revoked, and then nothing changed; [`Error::Unseal`], [`Error::NoKeyId`], [`Error::Database`].
    pub async fn import_keys(
        &self,
        texts: Vec<(KeyPurpose, Secret)>,
        now: Time,
        accept_for: Duration,
    ) -> Result<Vec<Imported>, Error> {
        let keys: Vec<_> =
            texts.iter().map(|(purpose, text)| (*purpose, key_from_text(text))).collect();
        self.write(move |tx, sealing| {
            let mut imported = Vec::with_capacity(keys.len());
            for (purpose, secret) in keys {
                let became = match verdict(tx, sealing, purpose, &secret)? {
                    Verdict::Is(unchanged) => unchanged,
                    Verdict::Reinstate(id) => {
                        retire(tx, purpose, now + accept_for)?;
                        reinstate(tx, purpose, id)?;
                        Imported::Current(id)
                    }
                    Verdict::Add => {
                        retire(tx, purpose, now + accept_for)?;
                        let fresh = Fresh { secret, source: KeySource::Configured };
                        let added = add_current(tx, sealing, purpose, fresh, Some(now))?;
                        Imported::Current(added.id)
                    }
                };
                if let Imported::Current(id) = became {
                    let words =
                        [("purpose", purpose.as_str().to_owned()), ("key_id", id.to_string())];
                    let detail = words.map(|(name, word)| (name.to_owned(), word)).into();
                    insert_installation_event(tx, "secret_set", &detail, now)?;
                }
                imported.push(became);
            }
            Ok(imported)
        })
        .await
    }

    /// Whether [`Store::import_keys`] would take these; changes nothing.
    ///
    /// # Errors
    /// [`Error::RevokedKey`], [`Error::Unseal`], [`Error::Database`].
    pub async fn check_keys(&self, texts: Vec<(KeyPurpose, Secret)>) -> Result<(), Error> {
        self.read(move |tx, sealing| {
            for (purpose, text) in &texts {
                verdict(tx, sealing, *purpose, &key_from_text(text))?;
            }
            Ok(())
        })
        .await
    }

    /// Ends the acceptance of a former key at once.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn revoke_key(
        &self,
        purpose: KeyPurpose,
        id: u8,
        how: Revoke,
        now: Time,
    ) -> Result<Revocation, Error> {
        self.write(move |tx, sealing| {
            let keys = all_keys(tx, sealing, purpose)?;
            match keys.iter().find(|stored| stored.key.id == id).map(|stored| stored.state) {
                None => return Ok(Revocation::Unknown),
                Some(KeyState::Current) => return Ok(Revocation::Current),
                Some(KeyState::Revoked) => return Ok(Revocation::Already),
                Some(KeyState::Accepted) => {}
            }
            let jobs = underway::attempts(tx, sealing)?
                .iter()
                .filter(|attempt| attempt.frozen.key_of(purpose) == Some(id))
                .count();
            if jobs > 0 && how == Revoke::IfUnused {
                return Ok(Revocation::InUse { jobs });
            }
            tx.execute(
                "UPDATE keys SET state = 'revoked', revoked_at = ?3
                 WHERE purpose = ?1 AND id = ?2",
                (purpose.as_str(), id, row::millis(now)),
            )?;
            Ok(Revocation::Revoked { jobs })
        })
        .await
    }
}

/// What a configured value means.
enum Verdict {
    Is(Imported),
    Reinstate(u8),
    Add,
}

fn verdict(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
    secret: &Secret<[u8; 32]>,
) -> Result<Verdict, Error> {
    let keys = all_keys(tx, sealing, purpose)?;
    let current = keys.iter().find(|stored| stored.state == KeyState::Current);
    let by_operator = current.is_some_and(|stored| stored.source == KeySource::Operator);
    let known = keys.iter().find(|stored| stored.key.secret.expose() == secret.expose());
    Ok(match known {
        None => Verdict::Add,
        Some(Stored { key, state: KeyState::Revoked, .. }) => {
            return Err(Error::RevokedKey { purpose, id: key.id });
        }
        Some(Stored { key, state: KeyState::Current, .. }) => Verdict::Is(Imported::Known(key.id)),
        Some(Stored { key, .. }) if by_operator => Verdict::Is(Imported::Superseded(key.id)),
        Some(Stored { key, .. }) => Verdict::Reinstate(key.id),
    })
}

fn find(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
    secret: &Secret<[u8; 32]>,
) -> Result<Option<Stored>, Error> {
    let keys = all_keys(tx, sealing, purpose)?;
    Ok(keys.into_iter().find(|stored| stored.key.secret.expose() == secret.expose()))
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
