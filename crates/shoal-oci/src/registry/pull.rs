//! Reading: blobs and manifests. Each answer that confirms content takes a lease on it first, and
//! hands out an open file, which stays whole whatever happens to its name.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use super::{Registry, blocking};
use crate::digest::Digest;
use crate::error::{Error, failed};
use crate::lease::Held;
use crate::name::{Reference, Repository};

/// Content that can be read.
#[derive(Debug, Clone)]
pub struct Content {
    /// The open file.
    pub file: Arc<File>,
    /// Its bytes.
    pub size: u64,
    /// Its digest, in the algorithm it is known by.
    pub digest: Digest,
}

/// A blob that can be read.
pub type Blob = Content;

impl Registry {
    /// A blob of a repository.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`], [`Error::BlobDamaged`].
    pub async fn blob(&self, repository: &Repository, digest: Digest) -> Result<Content, Error> {
        let unknown = || Error::BlobUnknown { digest };
        let _lease = self.lease(digest).await?;
        let size = self.inner.catalogue.blob_size(repository, digest).await?.ok_or_else(unknown)?;
        self.open_content(digest, size).await
    }

    /// A manifest and its media type.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`], [`Error::BlobDamaged`].
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<(Content, String), Error> {
        let unknown = || Error::ManifestUnknown { reference: reference.clone() };
        let catalogue = &self.inner.catalogue;
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            // The lease comes before the look that counts, and needs to know on what.
            Reference::Tag(_) => {
                catalogue.manifest(repository, reference).await?.ok_or_else(unknown)?.digest
            }
        };
        let _lease = self.lease(digest).await?;
        let by_digest = Reference::Digest(digest);
        let stored = catalogue.manifest(repository, &by_digest).await?.ok_or_else(unknown)?;
        let content = self.open_content(digest, stored.size).await?;
        self.inner.pulls.note(repository);
        Ok((content, stored.media_type))
    }

    /// Whether a digest is one of these artifacts of a repository, or belongs to one: as config, layer
    /// or listed manifest, however deep.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn belongs(
        &self,
        repository: &Repository,
        roots: Vec<Reference>,
        digest: Digest,
    ) -> Result<bool, Error> {
        self.inner.catalogue.belongs(repository, roots, digest).await
    }

    /// Promises a digest before it is looked for. Where a sweep is at it, waits for the few
    /// milliseconds that takes and keeps it away: the sweep may be about another repository.
    async fn lease(&self, digest: Digest) -> Result<Option<Held>, Error> {
        if self.inner.leases.renew(&digest).is_ok() {
            return Ok(None);
        }
        Ok(Some(self.hold(digest).await?))
    }

    /// Keeps a digest from being swept, after the sweep that may be at it.
    pub(super) async fn hold(&self, digest: Digest) -> Result<Held, Error> {
        if let Ok(held) = self.inner.leases.try_hold(&digest) {
            return Ok(held);
        }
        let leases = Arc::clone(&self.inner.leases);
        blocking(move || Ok(leases.hold(&digest))).await
    }

    /// Opens content that the catalogue says is there. A file that is not what it was is put away, so
    /// that clients are told the truth and push it again.
    async fn open_content(&self, digest: Digest, size: u64) -> Result<Content, Error> {
        if let Some(file) = self.open_whole(digest, size)? {
            return Ok(Content { file: Arc::new(file), size, digest });
        }
        // Who brings the content just now has it whole in a moment, and the client asks again.
        if let Some(seized) = self.inner.leases.seize(&digest) {
            if let Some(file) = self.open_whole(digest, size)? {
                return Ok(Content { file: Arc::new(file), size, digest });
            }
            tracing::error!(%digest, size, "blob is damaged or gone: it is put away");
            let registry = self.clone();
            blocking(move || registry.put_away(*seized.digest())).await?;
        }
        Err(Error::BlobDamaged { digest })
    }

    /// Opens a file if it is there and as long as it should be.
    fn open_whole(&self, digest: Digest, size: u64) -> Result<Option<File>, Error> {
        match self.inner.layout.open_blob(&digest) {
            Ok((file, length)) => Ok((length == size).then_some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &self.inner.layout.blob(&digest))(error)),
        }
    }
}
