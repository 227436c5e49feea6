//! Uploads: content on its way in. A session belongs to the server: the server alone knows its
//! offset, keeps every byte that arrived, and lets one request at a time append.

mod desk;
mod direct;
mod flush;
mod gather;
mod receive;
mod session;
mod slab;
mod step;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom as _, SystemRandom};
use shoal_sqlite::rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use shoal_sqlite::rusqlite::{Result as SqlResult, ToSql};

use crate::error::Error;
use crate::name::{BadName, Repository};

pub(crate) use desk::{Desk, JOURNALED_MAX, Sealed};
pub(crate) use receive::{Bounds, Chunk, Places, Receiving, receive};
pub(crate) use session::{Claim, Session};
pub use step::Step;
pub(crate) use step::Watch;

/// Names a session. Whoever knows it may append, so it cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId([u8; 16]);

impl UploadId {
    /// A new one; none if the system has no randomness.
    pub(crate) fn random() -> Option<Self> {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).ok()?;
        Some(Self(id))
    }
}

impl FromStr for UploadId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| BadName::Upload)?;
        Ok(Self(bytes.try_into().map_err(|_| BadName::Upload)?))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ToSql for UploadId {
    fn to_sql(&self) -> SqlResult<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.to_string()))
    }
}

impl FromSql for UploadId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

/// The sessions that are open.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    sessions: Mutex<HashMap<UploadId, Arc<Session>>>,
}

impl Uploads {
    /// Adds a session unless there are as many as there may be.
    pub(crate) fn open(&self, session: Session, most: usize) -> Result<Arc<Session>, Error> {
        let mut sessions = self.lock();
        if sessions.len() >= most {
            return Err(Error::TooManyUploads { limit: u64::try_from(most).unwrap_or(u64::MAX) });
        }
        let session = Arc::new(session);
        sessions.insert(session.id, Arc::clone(&session));
        export(sessions.len());
        Ok(session)
    }

    /// The session of that id, if it is of that repository.
    pub(crate) fn find(
        &self,
        repository: &Repository,
        id: UploadId,
    ) -> Result<Arc<Session>, Error> {
        let found = self.lock().get(&id).cloned();
        found.filter(|session| session.repository == *repository).ok_or(Error::UploadUnknown { id })
    }

    /// Forgets a session.
    pub(crate) fn close(&self, id: UploadId) {
        let mut sessions = self.lock();
        sessions.remove(&id);
        export(sessions.len());
    }

    /// Every session, for a listing.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// The sessions nobody has touched for `age`.
    pub(crate) fn untouched_for(&self, age: Duration) -> Vec<Arc<Session>> {
        self.lock().values().filter(|session| session.untouched_for() >= age).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn export(sessions: usize) {
    metrics::gauge!("registry_upload_sessions").set(sessions as f64);
}
