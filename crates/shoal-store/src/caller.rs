//! API tokens: who may call, as what. Only a digest is stored, so the database cannot be used to call.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use data_encoding::BASE32_NOPAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shoal_core::Time;
use shoal_sqlite::rusqlite::{Row, Transaction};

use crate::{Error, Secret, Store, row, sealing::random};

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

/// The tokens as they were read last. Every call asks for one, and they hardly ever change.
#[derive(Default)]
pub(crate) struct KnownCallers(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Grows with every change of a token, so that what was read before it is not kept after it.
    changes: u64,
    callers: Option<Arc<Callers>>,
}

type Callers = HashMap<[u8; 32], Caller>;

impl KnownCallers {
    fn get(&self) -> (u64, Option<Arc<Callers>>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (known.changes, known.callers.clone())
    }

    fn keep(&self, read_at: u64, callers: Arc<Callers>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes == read_at {
            known.callers = Some(callers);
        }
    }

    fn forget(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.changes += 1;
        known.callers = None;
    }
}

impl Role {
    const ALL: [Self; 3] = [Self::Reader, Self::Operator, Self::Admin];

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
        let drawn = BASE32_NOPAD.encode(random::<32>()?.as_slice()).to_ascii_lowercase();
        Ok(Self { text: Secret::new(format!("shoal_{drawn}")) })
    }
}

impl Store {
    /// Adds an API token: `shoal_` and 52 characters of base32.
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
        self.keep_api_token(name, role, &token, now).await?;
        Ok(token)
    }

    /// Accepts a token that was drawn before, so that whoever hands it out can store it first.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Database`].
    pub async fn keep_api_token(
        &self,
        name: &str,
        role: Role,
        token: &ApiToken,
        now: Time,
    ) -> Result<(), Error> {
        let name = name.to_owned();
        let sha256 = digest(&SHA256, token.text.expose().as_bytes());
        self.change_tokens(move |tx| {
            let added = tx.execute(
                "INSERT INTO api_tokens (name, sha256, role, created_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO NOTHING",
                (&name, sha256.as_ref(), role.as_str(), row::millis(now)),
            )?;
            if added == 1 { Ok(()) } else { Err(Error::NameTaken(name)) }
        })
        .await
    }

    /// Removes an API token; `false` if there is none of this name.
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

    /// Every API token's name and role.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_tokens(&self) -> Result<Vec<Caller>, Error> {
        self.read(|tx, _| {
            row::all(tx, "SELECT name, role FROM api_tokens ORDER BY name", [], caller)
        })
        .await
    }

    /// Whose token has this SHA-256.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_token(&self, sha256: [u8; 32]) -> Result<Option<Caller>, Error> {
        let known = self.known_callers();
        let (read_at, callers) = known.get();
        if let Some(callers) = callers {
            return Ok(callers.get(&sha256).cloned());
        }
        let read = self.read(|tx, _| {
            row::all(tx, "SELECT name, role, sha256 FROM api_tokens", [], |found| {
                Ok((found.get(2)?, caller(found)?))
            })
        });
        let callers: Arc<Callers> = Arc::new(read.await?.into_iter().collect());
        known.keep(read_at, callers.clone());
        Ok(callers.get(&sha256).cloned())
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
            store.known_callers().forget();
            answer
        };
        tokio::spawn(changing).await.unwrap_or(Err(Error::Ending))
    }
}

fn caller(found: &Row<'_>) -> Result<Caller, Error> {
    let role: String = found.get(1)?;
    Ok(Caller { name: found.get(0)?, role: row::word("role", &Role::ALL, Role::as_str, &role)? })
}
