//! API tokens: who may call, as what. Only a digest is stored, so the database cannot be used to call.

use data_encoding::BASE32_NOPAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shoal_core::Time;

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
        self.write(move |tx, _| {
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
        self.write(move |tx, _| {
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
        self.read(move |tx, _| {
            row::first(tx, "SELECT name, role FROM api_tokens WHERE sha256 = ?1", [sha256], caller)
        })
        .await
    }
}

fn caller(found: &shoal_sqlite::rusqlite::Row<'_>) -> Result<Caller, Error> {
    let role: String = found.get(1)?;
    Ok(Caller { name: found.get(0)?, role: row::word("role", &Role::ALL, Role::as_str, &role)? })
}
