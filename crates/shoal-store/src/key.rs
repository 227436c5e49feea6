//! The keys of the installation: for media addresses, job tokens and the fleet's webhook secret. They
//! live sealed in the store, so that a restart or a restored backup honours what was handed out.

mod change;

use ring::digest::{SHA256, digest};
use shoal_core::Time;
use shoal_sqlite::rusqlite::Transaction;

pub use self::change::{Imported, KeySet, Revocation, Revoke};
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

/// Where a key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// We drew it when there was none.
    Drawn,
    /// The configuration gave it.
    Configured,
    /// An operator set it while we ran.
    Operator,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It makes what is new.
    Current,
    /// A former one, accepted until its time is over.
    Accepted,
    /// It is never accepted again.
    Revoked,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Tells the keys of one purpose apart.
    pub id: u8,
    /// Whether it is accepted.
    pub state: KeyState,
    /// Where it came from.
    pub source: KeySource,
    /// When it was first used here; unknown for the oldest ones.
    pub created_at: Option<Time>,
    /// Until when a former one is accepted.
    pub accepted_until: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
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

impl KeySource {
    const ALL: [Self; 3] = [Self::Drawn, Self::Configured, Self::Operator];

    /// The word used in SQL and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drawn => "drawn",
            Self::Configured => "configured",
            Self::Operator => "operator",
        }
    }
}

impl KeyState {
    const ALL: [Self; 3] = [Self::Current, Self::Accepted, Self::Revoked];

    /// The word used in SQL and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
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

    /// Counts that the key with this id proved something. A former key that proves nothing any more
    /// can be revoked.
    pub fn note_use(&self, purpose: KeyPurpose, id: u8) {
        let key = if id == self.current.id { "current" } else { "previous" };
        metrics::counter!("secret_key_used_total", "secret" => purpose.as_str(), "key" => key)
            .increment(1);
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
            let fresh = Fresh { secret: Secret::new(*random::<32>()?), source: KeySource::Drawn };
            let current = add_current(tx, sealing, purpose, fresh, None)?;
            Ok(KeyRing { current, accepted: Vec::new() })
        })
        .await
    }

    /// Every key there ever was, by purpose, the newest first; without the secrets.
    ///
    /// # Errors
    /// [`Error::StoredWord`], [`Error::Database`].
    pub async fn key_records(&self) -> Result<Vec<KeyRecord>, Error> {
        self.read(|tx, _| {
            let sql = "SELECT purpose, id, state, source, created_at, accepted_until, revoked_at
                       FROM keys ORDER BY purpose, id DESC";
            row::all(tx, sql, [], |found| {
                let text = |column: usize| found.get::<_, String>(column);
                let time =
                    |column| Ok::<_, Error>(found.get::<_, Option<i64>>(column)?.map(row::time));
                let (purpose, state, source) = (text(0)?, text(2)?, text(3)?);
                Ok(KeyRecord {
                    purpose: row::word("purpose", &KeyPurpose::ALL, KeyPurpose::as_str, &purpose)?,
                    id: found.get(1)?,
                    state: row::word("key state", &KeyState::ALL, KeyState::as_str, &state)?,
                    source: row::word("key source", &KeySource::ALL, KeySource::as_str, &source)?,
                    created_at: time(4)?,
                    accepted_until: time(5)?,
                    revoked_at: time(6)?,
                })
            })
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
    for Stored { key, state, .. } in all_keys(tx, sealing, purpose)? {
        match state {
            KeyState::Current => current = Some(key),
            KeyState::Accepted => accepted.push(key),
            KeyState::Revoked => {}
        }
    }
    Ok(current.map(|current| KeyRing { current, accepted }))
}

/// A key as it is stored.
struct Stored {
    key: Key,
    state: KeyState,
    source: KeySource,
}

/// A key about to become current.
struct Fresh {
    secret: Secret<[u8; 32]>,
    source: KeySource,
}

/// All keys of a purpose, newest first.
fn all_keys(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
) -> Result<Vec<Stored>, Error> {
    let sql = "SELECT id, secret, accepted_until, state, source FROM keys WHERE purpose = ?1
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
        let (state, source): (String, String) = (found.get(3)?, found.get(4)?);
        Ok(Stored {
            key: Key {
                id,
                secret: Secret::new(bytes),
                accepted_until: accepted_until.map(row::time),
            },
            state: row::word("key state", &KeyState::ALL, KeyState::as_str, &state)?,
            source: row::word("key source", &KeySource::ALL, KeySource::as_str, &source)?,
        })
    })
}

fn add_current(
    tx: &Transaction<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
    fresh: Fresh,
    now: Option<Time>,
) -> Result<Key, Error> {
    let next: i64 = tx.query_row(
        "SELECT coalesce(max(id), 0) + 1 FROM keys WHERE purpose = ?1",
        [purpose.as_str()],
        |found| found.get(0),
    )?;
    let id = u8::try_from(next).map_err(|_| Error::NoKeyId(purpose.as_str()))?;
    let Fresh { secret, source } = fresh;
    let sealed = sealing.seal(key_cell(&cell_row(purpose, id)), secret.expose())?;
    tx.execute(
        "INSERT INTO keys (purpose, id, secret, state, source, created_at)
         VALUES (?1, ?2, ?3, 'current', ?4, ?5)",
        (purpose.as_str(), id, sealed, source.as_str(), now.map(row::millis)),
    )?;
    Ok(Key { id, secret, accepted_until: None })
}

fn cell_row(purpose: KeyPurpose, id: u8) -> String {
    format!("{}/{id}", purpose.as_str())
}

fn key_cell(row: &str) -> Cell<'_> {
    Cell { column: "keys.secret", row }
}
