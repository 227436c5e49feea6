//! API tokens: who may call, as what. Only a digest is stored, so the database cannot be used to call.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shoal_core::Time;
use shoal_sqlite::rusqlite::{Row, Transaction};

use crate::{Error, Secret, Store, row};

/// How exactly the last use of a token is known: one write a day and token is all it may cost.
const USE_KNOWN_TO_SECS: u64 = 24 * 3600;

/// What a caller may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Reader,
    /// Jobs and servers.
    Operator,
    /// The installation itself.
    Admin,
}

/// A fresh API token. Its text is shown once and never stored.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// The text that callers send.
    pub text: Secret,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// An API token as it is stored, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Names the token in calls and logs: the first 16 hex digits of its SHA-256.
    pub id: String,
    /// Whose it is, and what it may do.
    pub caller: Caller,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used, to the day; none: never.
    pub used_at: Option<Time>,
    /// From when on it is refused; none: never.
    pub expires_at: Option<Time>,
}

/// The tokens as they were read last. Every call asks for one, and they hardly ever change.
#[derive(Default)]
pub(crate) struct KnownTokens(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Grows with every change of a token, so that what was read before it is not kept after it.
    changes: u64,
    tokens: Option<Arc<Tokens>>,
}

type Tokens = HashMap<[u8; 32], TokenRecord>;

impl KnownTokens {
    fn get(&self) -> (u64, Option<Arc<Tokens>>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (known.changes, known.tokens.clone())
    }

    fn keep(&self, read_at: u64, tokens: Arc<Tokens>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes == read_at {
            known.tokens = Some(tokens);
        }
    }

    fn forget(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.changes += 1;
        known.tokens = None;
    }
}

impl TokenRecord {
    /// Whether it opens anything at that time.
    pub fn is_valid(&self, now: Time) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether a use now is worth noting.
    pub fn is_use_news(&self, now: Time) -> bool {
        let day = |time: Time| time.as_secs() / USE_KNOWN_TO_SECS;
        self.used_at.is_none_or(|used| day(used) != day(now))
    }
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Operator, Self::Admin];

    /// The word used in configuration, SQL and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl ApiToken {
    /// A token nobody accepts yet.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn draw() -> Result<Self, Error> {
        Ok(Self { text: Secret::new(format!("shoal_{}", Secret::draw()?.expose())) })
    }
}

impl Store {
    /// Adds an API token without an end: `shoal_` and 52 characters of base32.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::NoRandomness`], [`Error::Database`].
    pub async fn add_api_token(
        &self,
        name: &str,
        role: Role,
        now: Time,
    ) -> Result<ApiToken, Error> {
        let token = ApiToken::draw()?;
        let caller = Caller { name: name.to_owned(), role };
        self.keep_api_token(caller, &token, None, now).await?;
        Ok(token)
    }

    /// Accepts a token that was drawn before, so that whoever hands it out can store it first.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Database`].
    pub async fn keep_api_token(
        &self,
        caller: Caller,
        token: &ApiToken,
        expires_at: Option<Time>,
        now: Time,
    ) -> Result<TokenRecord, Error> {
        let sha256 = digest(&SHA256, token.text.expose().as_bytes());
        self.change_tokens(move |tx| {
            let added = tx.execute(
                "INSERT INTO api_tokens (name, sha256, role, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO NOTHING",
                (
                    &caller.name,
                    sha256.as_ref(),
                    caller.role.as_str(),
                    row::millis(now),
                    expires_at.map(row::millis),
                ),
            )?;
            if added != 1 {
                return Err(Error::NameTaken(caller.name));
            }
            let id = id_of(sha256.as_ref());
            Ok(TokenRecord { id, caller, created_at: now, used_at: None, expires_at })
        })
        .await
    }

    /// Removes an API token by its name; `false` if there is none of this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn remove_api_token(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.change_tokens(move |tx| {
            Ok(tx.execute("DELETE FROM api_tokens WHERE name = ?1", [&name])? == 1)
        })
        .await
    }

    /// Removes an API token by its id and answers whose it was; none if there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn revoke_api_token(&self, id: &str) -> Result<Option<Caller>, Error> {
        let id = id.to_owned();
        self.change_tokens(move |tx| {
            let sql = "DELETE FROM api_tokens WHERE lower(hex(substr(sha256, 1, 8))) = ?1
                       RETURNING name, role";
            row::first(tx, sql, [&id], caller)
        })
        .await
    }

    /// Every API token, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        self.read(|tx, _| row::all(tx, ALL, [], record)).await
    }

    /// The token with this SHA-256, whether it has ended or not.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_token(&self, sha256: [u8; 32]) -> Result<Option<TokenRecord>, Error> {
        let known = self.known_tokens();
        let (read_at, tokens) = known.get();
        if let Some(tokens) = tokens {
            return Ok(tokens.get(&sha256).cloned());
        }
        let read =
            self.read(|tx, _| row::all(tx, ALL, [], |found| Ok((found.get(2)?, record(found)?))));
        let tokens: Arc<Tokens> = Arc::new(read.await?.into_iter().collect());
        known.keep(read_at, tokens.clone());
        Ok(tokens.get(&sha256).cloned())
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_token_used(&self, sha256: [u8; 32], now: Time) -> Result<(), Error> {
        self.change_tokens(move |tx| {
            tx.execute(
                "UPDATE api_tokens SET used_at = ?2 WHERE sha256 = ?1",
                (sha256, row::millis(now)),
            )?;
            Ok(())
        })
        .await
    }

    /// A task of its own: a token whose removal was committed must not be known any longer because
    /// nobody waited for the answer.
    async fn change_tokens<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        let changing = async move {
            let answer = store.write(move |tx, _| body(tx)).await;
            store.known_tokens().forget();
            answer
        };
        tokio::spawn(changing).await.unwrap_or(Err(Error::Ending))
    }
}

/// Every token, in the columns that [`record`] reads.
const ALL: &str = "SELECT name, role, sha256, created_at, used_at, expires_at FROM api_tokens
                   ORDER BY name";

fn record(found: &Row<'_>) -> Result<TokenRecord, Error> {
    let time = |column| Ok::<_, Error>(found.get::<_, Option<i64>>(column)?.map(row::time));
    Ok(TokenRecord {
        id: id_of(&found.get::<_, Vec<u8>>(2)?),
        caller: caller(found)?,
        created_at: row::time(found.get(3)?),
        used_at: time(4)?,
        expires_at: time(5)?,
    })
}

fn caller(found: &Row<'_>) -> Result<Caller, Error> {
    let role: String = found.get(1)?;
    Ok(Caller { name: found.get(0)?, role: row::word("role", &Role::ALL, Role::as_str, &role)? })
}

/// Nothing can be done with it: the digest of 256 random bits says nothing about them.
fn id_of(sha256: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(sha256.get(..8).unwrap_or_default())
}
