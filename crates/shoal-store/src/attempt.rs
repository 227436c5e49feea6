//! An attempt's inputs are frozen when it starts: the same row gives the same medium on any machine
//! and after any restart, and a rebuild that would differ is noticed instead of served.

use std::fmt;

use serde::{Deserialize, Serialize};
use shoal_core::{JobId, Time};
use shoal_recipe::Identity;
use zeroize::Zeroizing;

use crate::{
    Error, Store, row,
    sealing::{Cell, Sealing},
};

/// Everything a task medium is built from besides the recipe. Sealed as a whole when stored: the
/// media addresses in it are capabilities, and its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Address of the boot medium.
    pub boot_url: String,
    /// Address of the task medium; none where one slot carries both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_url: Option<String>,
    /// Where the machine reports.
    pub webhook_url: String,
    /// The registry it pulls from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_url: Option<String>,
    /// Certificates it trusts, PEM.
    pub ca_pem: String,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The key that signed the media addresses.
    pub media_key: u8,
    /// The key of the webhook token.
    pub token_key: u8,
    /// The key of the registry pull token, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_key: Option<u8>,
    /// Name and password for a registry of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_login: Option<RegistryLogin>,
    /// Until when the media may be opened for the first time.
    pub expires_at: Time,
    /// Until when the machine retries its reports.
    pub report_until: Time,
    /// The media and their object ids.
    #[serde(with = "object_ids")]
    pub objects: Vec<(MediaKind, [u8; 16])>,
    /// What is known of the right machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// SHA-256 of the boot medium, where it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_medium: Option<String>,
}

/// A login at a registry that is not ours, as the operator gave it when the attempt began.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryLogin(***)")
    }
}

/// Which of the two media an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// The task medium.
    Task,
    /// The boot medium.
    Boot,
}

/// What a media address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaObject {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// Which of its media.
    pub kind: MediaKind,
    /// When it was opened first.
    pub opened_at: Option<Time>,
}

/// Whether a built task medium is the one that was built before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumCheck {
    /// None was built before; this one is now the attempt's.
    First,
    /// It is the same.
    Same,
    /// It is another one, which must not be served. Nothing was changed.
    Differs {
        /// Size and SHA-256 of the attempt's medium.
        stored: (u64, String),
    },
}

impl MediaKind {
    pub(crate) const ALL: [Self; 2] = [Self::Task, Self::Boot];

    /// The word used in SQL, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Boot => "boot",
        }
    }
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frozen(***)")
    }
}

impl Store {
    /// Freezes an attempt's inputs. The first write wins, and what is stored comes back.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::Unseal`], [`Error::Database`].
    pub async fn freeze(&self, job: JobId, attempt: u32, frozen: Frozen) -> Result<Frozen, Error> {
        self.write(move |tx, sealing| {
            let id = job.to_string();
            if !tx.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?.exists([&id])? {
                return Err(Error::UnknownJob(job));
            }
            if let Some(stored) = frozen_row(tx, sealing, &id, attempt)? {
                return Ok(stored);
            }
            let plain = Zeroizing::new(row::to_json("attempt", &frozen)?);
            let sealed = sealing.seal(frozen_cell(&cell_row(&id, attempt)), plain.as_bytes())?;
            tx.execute(
                "INSERT INTO attempts (job_id, attempt, frozen) VALUES (?1, ?2, ?3)",
                (&id, attempt, sealed),
            )?;
            for (kind, object) in &frozen.objects {
                tx.execute(
                    "INSERT INTO media_objects (id, job_id, attempt, kind) VALUES (?1, ?2, ?3, ?4)",
                    (object, &id, attempt, kind.as_str()),
                )?;
            }
            Ok(frozen)
        })
        .await
    }

    /// An attempt's inputs, once they are frozen.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn frozen(&self, job: JobId, attempt: u32) -> Result<Option<Frozen>, Error> {
        self.read(move |tx, sealing| frozen_row(tx, sealing, &job.to_string(), attempt)).await
    }

    /// Records size and SHA-256 (lower-case hex) of an attempt's task medium; the first write wins.
    ///
    /// # Errors
    /// [`Error::UnknownAttempt`] before the attempt was frozen; [`Error::Database`].
    pub async fn medium_built(
        &self,
        job: JobId,
        attempt: u32,
        bytes: u64,
        sha256: &str,
    ) -> Result<MediumCheck, Error> {
        let sha256 = sha256.to_owned();
        self.write(move |tx, _| {
            let id = job.to_string();
            let stored: Option<(Option<i64>, Option<String>)> = row::first(
                tx,
                "SELECT medium_bytes, medium_sha256 FROM attempts WHERE job_id = ?1 AND attempt = ?2",
                (&id, attempt),
                |found| Ok((found.get(0)?, found.get(1)?)),
            )?;
            let (stored_bytes, stored_sha256) =
                stored.ok_or(Error::UnknownAttempt { job, attempt })?;
            if let (Some(stored_bytes), Some(stored_sha256)) = (stored_bytes, stored_sha256) {
                let stored = (row::unsigned(stored_bytes), stored_sha256);
                let same = stored == (bytes, sha256);
                return Ok(if same { MediumCheck::Same } else { MediumCheck::Differs { stored } });
            }
            tx.execute(
                "UPDATE attempts SET medium_bytes = ?3, medium_sha256 = ?4
                 WHERE job_id = ?1 AND attempt = ?2",
                (&id, attempt, row::signed(bytes), &sha256),
            )?;
            Ok(MediumCheck::First)
        })
        .await
    }

    /// What the object id of a media address stands for.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn object(&self, id: [u8; 16]) -> Result<Option<MediaObject>, Error> {
        self.read(move |tx, _| {
            let sql = "SELECT job_id, attempt, kind, opened_at FROM media_objects WHERE id = ?1";
            row::first(tx, sql, [id], |found| {
                let kind: String = found.get(2)?;
                let opened_at: Option<i64> = found.get(3)?;
                Ok(MediaObject {
                    job: row::job_id(&found.get::<_, String>(0)?)?,
                    attempt: found.get(1)?,
                    kind: row::word("media kind", &MediaKind::ALL, MediaKind::as_str, &kind)?,
                    opened_at: opened_at.map(row::time),
                })
            })
        })
        .await
    }

    /// Notes that an object was opened; only the first time is kept.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn opened(&self, id: [u8; 16], now: Time) -> Result<(), Error> {
        self.write(move |tx, _| {
            tx.execute(
                "UPDATE media_objects SET opened_at = ?2 WHERE id = ?1 AND opened_at IS NULL",
                (id, row::millis(now)),
            )?;
            Ok(())
        })
        .await
    }
}

fn frozen_row(
    tx: &shoal_sqlite::rusqlite::Transaction<'_>,
    sealing: &Sealing,
    job: &str,
    attempt: u32,
) -> Result<Option<Frozen>, Error> {
    let sql = "SELECT frozen FROM attempts WHERE job_id = ?1 AND attempt = ?2";
    row::first(tx, sql, (job, attempt), |found| {
        let sealed: Vec<u8> = found.get(0)?;
        let plain = sealing.open(frozen_cell(&cell_row(job, attempt)), &sealed)?;
        serde_json::from_slice(&plain).map_err(|source| Error::Stored { what: "attempt", source })
    })
}

pub(crate) fn cell_row(job: &str, attempt: u32) -> String {
    format!("{job}/{attempt}")
}

pub(crate) fn frozen_cell(row: &str) -> Cell<'_> {
    Cell { column: "attempts.frozen", row }
}

/// Object ids are hex in the stored form, as they are in logs.
mod object_ids {
    use data_encoding::HEXLOWER;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::MediaKind;

    #[derive(Serialize, Deserialize)]
    struct Object {
        kind: MediaKind,
        id: String,
    }

    pub(super) fn serialize<S: Serializer>(
        objects: &[(MediaKind, [u8; 16])],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_seq(
            objects.iter().map(|(kind, id)| Object { kind: *kind, id: HEXLOWER.encode(id) }),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<(MediaKind, [u8; 16])>, D::Error> {
        let objects = Vec::<Object>::deserialize(input)?;
        let bytes = |text: &str| HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok();
        let parsed = objects.into_iter().map(|object| Some((object.kind, bytes(&object.id)?)));
        parsed
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("an object id is 32 hex digits"))
    }
}
