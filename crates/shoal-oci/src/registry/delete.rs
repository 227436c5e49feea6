//! Deleting. What is deleted is gone for clients at once; its space is freed by the garbage
//! collection.

use super::{Inner, Registry, to_its_end};
use crate::digest::Digest;
use crate::error::Error;
use crate::name::{Reference, Repository};

impl Registry {
    /// Makes a repository forget a blob.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`], [`Error::DeleteDisabled`], [`Error::ReadOnly`].
    pub async fn delete_blob(&self, repository: &Repository, digest: Digest) -> Result<(), Error> {
        self.admit_delete()?;
        let known = self.inner.catalogue.unlink_blob(repository, digest).await?;
        if known { Ok(()) } else { Err(Error::BlobUnknown { digest }) }
    }

    /// Deletes a manifest and the tags that point at it; named by a tag, only that tag. A referrer is
    /// listed no more.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`], [`Error::DeleteDisabled`], [`Error::ReadOnly`],
    /// [`Error::TagImmutable`].
    pub async fn delete_manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<(), Error> {
        self.admit_delete()?;
        let (registry, repository, reference) =
            (self.clone(), repository.clone(), reference.clone());
        to_its_end(async move {
            let Inner { catalogue, leases, export, .. } = &*registry.inner;
            if !catalogue.delete_manifest(&repository, &reference, leases).await? {
                return Err(Error::ManifestUnknown { reference });
            }
            export.note_change();
            Ok(())
        })
        .await
    }
}
