//! What operators ask of a running registry: what is in it, what that costs, what is on its way in,
//! and what the rules would remove. Nothing here changes anything but an upload that is given up, and
//! nothing here is asked by a client of the protocol.

mod tree;
mod usage;
mod verdict;

use std::collections::HashMap;

use serde::Serialize;

use super::{Registry, blocking};
use crate::catalogue::{Page, RepositoryState, TagState};
use crate::error::Error;
use crate::name::Repository;
use crate::upload::UploadId;

pub use tree::{ContentState, ManifestTree};
pub use usage::{RepositoryUsage, Usage};
pub use verdict::{Asked, Verdicts};

/// An upload in progress, and who began it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploadInspected {
    /// Its id.
    pub id: String,
    /// The repository it is for.
    pub repository: Repository,
    /// Bytes received.
    pub received: u64,
    /// Who began it; empty where that was not written down.
    pub owner: String,
    /// When it began, Unix seconds; none when it ended just now.
    pub started_at: Option<i64>,
    /// Seconds since somebody last touched it.
    pub idle_seconds: u64,
    /// Seconds of silence after which it is removed.
    pub expires_after_seconds: u64,
}

impl Registry {
    /// What the repositories hold whose names begin with `prefix`, those after `last`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn survey(
        &self,
        prefix: String,
        last: String,
        most: usize,
    ) -> Result<Page<RepositoryState>, Error> {
        self.inner.catalogue.survey((prefix, last), most).await
    }

    /// What one repository holds.
    ///
    /// # Errors
    /// [`Error::RepositoryUnknown`].
    pub async fn repository(&self, repository: &Repository) -> Result<RepositoryState, Error> {
        let found = self.inner.catalogue.repository(repository).await?;
        found.ok_or_else(|| Error::RepositoryUnknown { repository: repository.clone() })
    }

    /// The tags of a repository after `last` with what they point at, at most `most`.
    ///
    /// # Errors
    /// [`Error::RepositoryUnknown`].
    pub async fn tag_states(
        &self,
        repository: &Repository,
        last: String,
        most: usize,
    ) -> Result<Page<TagState>, Error> {
        let found = self.inner.catalogue.tag_states(repository, last, most).await?;
        found.ok_or_else(|| Error::RepositoryUnknown { repository: repository.clone() })
    }

    /// The sessions that are open, the longest untouched first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn inspect_uploads(&self) -> Result<Vec<UploadInspected>, Error> {
        let registry = self.clone();
        blocking(move || {
            let origins = registry.inner.catalogue.upload_origins()?;
            let mut origins: HashMap<_, _> =
                origins.into_iter().map(|origin| (origin.id, origin)).collect();
            let expires_after_seconds = registry.settings().limits.upload_age.as_secs();
            let inspected = registry.uploads().into_iter().map(|upload| {
                let origin = origins.remove(&upload.id);
                UploadInspected {
                    id: upload.id.to_string(),
                    repository: upload.repository,
                    received: upload.received,
                    started_at: origin.as_ref().map(|origin| origin.started_at),
                    owner: origin.map(|origin| origin.owner).unwrap_or_default(),
                    idle_seconds: upload.untouched.as_secs(),
                    expires_after_seconds,
                }
            });
            Ok(inspected.collect())
        })
        .await
    }

    /// Gives up a session whosever it is; the repository it was for.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`].
    pub async fn remove_upload(&self, id: UploadId) -> Result<Repository, Error> {
        let found = self.uploads().into_iter().find(|upload| upload.id == id);
        let repository = found.ok_or(Error::UploadUnknown { id })?.repository;
        self.cancel_upload(&repository, id).await?;
        Ok(repository)
    }

    /// Whether the registry takes no writes.
    pub fn is_read_only(&self) -> bool {
        self.settings().policy.read_only
    }

    /// Whether collections are off until somebody has confirmed a dry run, since the catalogue was
    /// rebuilt from the files.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn is_unconfirmed(&self) -> Result<bool, Error> {
        let registry = self.clone();
        blocking(move || Ok(registry.inner.catalogue.state(super::UNCONFIRMED)?.is_some())).await
    }
}
