//! Lists: tags, repositories, referrers, uploads.

use std::time::Duration;

use super::Registry;
use crate::catalogue::{Page, Referrer};
use crate::digest::Digest;
use crate::error::Error;
use crate::name::{Repository, Tag};
use crate::upload::UploadId;

/// An upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// Its id.
    pub id: UploadId,
    /// The repository it is for.
    pub repository: Repository,
    /// Bytes received.
    pub received: u64,
    /// How long nobody has touched it.
    pub untouched: Duration,
}

impl Registry {
    /// The tags of a repository strictly after `last`, at most `most` and at most a page.
    ///
    /// # Errors
    /// [`Error::RepositoryUnknown`].
    pub async fn tags(
        &self,
        repository: &Repository,
        last: String,
        most: usize,
    ) -> Result<Page<Tag>, Error> {
        let found = self.inner.catalogue.tags(repository, last, most).await?;
        found.ok_or_else(|| Error::RepositoryUnknown { repository: repository.clone() })
    }

    /// The repositories strictly after `last`, at most `most` and at most a page.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn repositories(&self, last: String, most: usize) -> Result<Page<Repository>, Error> {
        self.inner.catalogue.repositories(last, most).await
    }

    /// The manifests whose subject is `subject`, with digests strictly after `last`; none for what
    /// was never pushed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: Digest,
        artifact_type: Option<String>,
        last: String,
    ) -> Result<Page<Referrer>, Error> {
        self.inner.catalogue.referrers(repository, subject, artifact_type, last).await
    }

    /// The sessions that are open, the oldest touch first.
    pub fn uploads(&self) -> Vec<UploadState> {
        let mut uploads: Vec<_> = self
            .inner
            .uploads
            .all()
            .iter()
            .map(|session| UploadState {
                id: session.id,
                repository: session.repository.clone(),
                received: session.received(),
                untouched: session.untouched_for(),
            })
            .collect();
        uploads.sort_by_key(|upload| std::cmp::Reverse(upload.untouched));
        uploads
    }
}
