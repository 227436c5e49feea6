//! What unfinished attempts hold of this installation: the keys their addresses and tokens were made
//! with, and the certificates their machines trust. Whoever changes one of these asks here first.

use shoal_core::JobId;
use shoal_sqlite::rusqlite::Transaction;

use crate::{
    Error, Frozen, KeyPurpose, Store,
    attempt::{cell_row, frozen_cell},
    record::UNFINISHED,
    row,
    sealing::Sealing,
};

/// The current attempt of an unfinished job, frozen already.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// The job.
    pub job: JobId,
    /// What its machine was given.
    pub frozen: Frozen,
}

impl Frozen {
    /// The key of that purpose this attempt depends on.
    pub(crate) fn key_of(&self, purpose: KeyPurpose) -> Option<u8> {
        match purpose {
            KeyPurpose::Media => Some(self.media_key),
            KeyPurpose::WebhookToken => Some(self.token_key),
            KeyPurpose::RegistryToken => self.registry_key,
            KeyPurpose::FleetWebhook => None,
        }
    }
}

impl Store {
    /// The current attempts of all unfinished jobs that have begun.
    ///
    /// # Errors
    /// [`Error::Unseal`], [`Error::Database`].
    pub async fn under_way(&self) -> Result<Vec<UnderWay>, Error> {
        self.read(attempts).await
    }
}

pub(crate) fn attempts(tx: &Transaction<'_>, sealing: &Sealing) -> Result<Vec<UnderWay>, Error> {
    // With max() the other columns are those of the row that has it.
    let sql = format!(
        "SELECT attempts.job_id, max(attempts.attempt), attempts.frozen
         FROM jobs JOIN attempts ON attempts.job_id = jobs.id
         WHERE {UNFINISHED} GROUP BY attempts.job_id"
    );
    row::all(tx, &sql, [], |found| {
        let (job, attempt): (String, u32) = (found.get(0)?, found.get(1)?);
        let sealed: Vec<u8> = found.get(2)?;
        let plain = sealing.open(frozen_cell(&cell_row(&job, attempt)), &sealed)?;
        let frozen = serde_json::from_slice(&plain)
            .map_err(|source| Error::Stored { what: "attempt", source })?;
        Ok(UnderWay { job: row::job_id(&job)?, frozen })
    })
}
