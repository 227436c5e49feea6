//! Pushing blobs: sessions, their end, content in one request, and mounts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use super::{Inner, Registry, Settings, blocking, to_its_end};
use crate::digest::{Algorithm, Digest};
use crate::error::Error;
use crate::name::Repository;
use crate::quota;
use crate::upload::{Bounds, Chunk, Claim, Desk, Sealed, Session, Step, UploadId, receive};

/// Which bytes of the content a request carries, both counted from 0 and included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The first one.
    pub first: u64,
    /// The last one; not before the first.
    pub last: u64,
}

/// A body with what its request says about it.
#[derive(Debug)]
pub struct Incoming<B> {
    /// The bytes.
    pub body: B,
    /// How many, if the request says so.
    pub length: Option<u64>,
    /// Which, if the request says so.
    pub range: Option<ContentRange>,
}

impl<B> Incoming<B> {
    /// What the request says, made one.
    fn chunk(&self) -> Result<Chunk, Error> {
        let Some(range) = self.range else { return Ok(Chunk { start: None, length: self.length }) };
        let expected = range.last.saturating_sub(range.first).saturating_add(1);
        match self.length {
            Some(received) if received != expected => {
                Err(Error::SizeMismatch { expected, received })
            }
            _ => Ok(Chunk { start: Some(range.first), length: Some(expected) }),
        }
    }
}

/// What a mount came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The repository has the blob now.
    Mounted,
    /// The content has to be sent, to this session.
    Session(UploadId),
}

impl Registry {
    /// Begins a session for `owner`, whom operators are told of; `algorithm` is what the content is
    /// going to be addressed by, if known.
    ///
    /// # Errors
    /// [`Error::TooManyUploads`], [`Error::DiskFull`], [`Error::ReadOnly`], [`Error::PushDenied`],
    /// [`Error::QuotaExceeded`].
    pub async fn start_upload(
        &self,
        repository: &Repository,
        algorithm: Algorithm,
        owner: &str,
    ) -> Result<UploadId, Error> {
        let settings = self.admit_push(repository)?;
        self.inner.space.admit(0)?;
        self.admit_quota(&settings, repository).await?;
        let id = UploadId::random().ok_or(Error::Closed)?;
        let Inner { layout, catalogue, uploads, .. } = &*self.inner;
        let desk = Desk::new(layout, id, algorithm, 0, Some(catalogue.clone()));
        let session = Session::new(id, repository.clone(), desk, Duration::ZERO);
        uploads.open(session, settings.limits.uploads)?;
        if let Err(error) = catalogue.begin_upload(id, repository, algorithm, owner).await {
            uploads.close(id);
            return Err(error);
        }
        layout.watch().reached(Step::Begun);
        Ok(id)
    }

    /// Makes a repository know a blob of another one, or begins a session for `owner` if that one lacks it.
    /// Whether the client may read the other repository was asked before.
    ///
    /// # Errors
    /// As [`Registry::start_upload`].
    pub async fn mount(
        &self,
        repository: &Repository,
        from: &Repository,
        digest: Digest,
        owner: &str,
    ) -> Result<Started, Error> {
        let settings = self.admit_push(repository)?;
        let quota = self.admit_quota(&settings, repository).await?;
        let held = self.hold(digest).await?;
        if self.inner.catalogue.mount_blob(from, repository, digest, quota).await? {
            return Ok(Started::Mounted);
        }
        drop(held);
        Ok(Started::Session(self.start_upload(repository, digest.algorithm(), owner).await?))
    }

    /// Bytes a session has received.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`].
    pub fn upload_offset(&self, repository: &Repository, id: UploadId) -> Result<u64, Error> {
        let session = self.inner.uploads.find(repository, id)?;
        session.touch();
        Ok(session.received())
    }

    /// Appends to a session; bytes it has received then. What arrived stays, whatever the answer.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`], [`Error::OutOfOrder`],
    /// [`Error::SizeMismatch`], [`Error::BodyStopped`], [`Error::TooLarge`], [`Error::DiskFull`].
    pub async fn append<B>(
        &self,
        repository: &Repository,
        id: UploadId,
        incoming: Incoming<B>,
    ) -> Result<u64, Error>
    where
        B: Body<Data = Bytes>,
    {
        let settings = self.admit_push(repository)?;
        let session = self.inner.uploads.find(repository, id)?;
        let claim = session.claim(settings.limits.takeover).await?;
        let (claim, received) = self.receive(&settings, claim, incoming).await;
        received?;
        drop(claim);
        Ok(session.received())
    }

    /// Ends a session with the last of its content, if any is left, and makes it a blob. Asked again
    /// after it succeeded, it succeeds again.
    ///
    /// # Errors
    /// As [`Registry::append`], and [`Error::DigestMismatch`]; the session stays.
    pub async fn finish_upload<B>(
        &self,
        repository: &Repository,
        (id, digest): (UploadId, Digest),
        incoming: Incoming<B>,
    ) -> Result<(), Error>
    where
        B: Body<Data = Bytes>,
    {
        let settings = self.admit_push(repository)?;
        let session = match self.inner.uploads.find(repository, id) {
            Ok(session) => session,
            // The answer of an earlier try was lost, or the client would not ask again.
            Err(unknown) => {
                return self.blob(repository, digest).await.map(drop).map_err(|_| unknown);
            }
        };
        let mut claim = session.claim(settings.limits.takeover).await?;
        if claim.desk().offset() == 0 {
            claim.desk().expect(digest.algorithm());
        }
        let (claim, received) = self.receive(&settings, claim, incoming).await;
        received?;
        self.seal(claim.ok_or(Error::Closed)?, digest, Some(id)).await
    }

    /// Stores a blob whose whole content is one body.
    ///
    /// # Errors
    /// As [`Registry::finish_upload`]; nothing of the content is kept then.
    pub async fn put_blob<B>(
        &self,
        repository: &Repository,
        digest: Digest,
        incoming: Incoming<B>,
    ) -> Result<(), Error>
    where
        B: Body<Data = Bytes>,
    {
        let settings = self.admit_push(repository)?;
        let id = UploadId::random().ok_or(Error::Closed)?;
        let desk = Desk::new(&self.inner.layout, id, digest.algorithm(), 0, None);
        let claim = Claim::alone(id, repository.clone(), desk);
        let (claim, received) = self.receive(&settings, claim, incoming).await;
        received?;
        self.seal(claim.ok_or(Error::Closed)?, digest, None).await
    }

    /// Gives a session up.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`].
    pub async fn cancel_upload(&self, repository: &Repository, id: UploadId) -> Result<(), Error> {
        let session = self.inner.uploads.find(repository, id)?;
        let claim = session.claim(self.settings().limits.takeover).await?;
        self.give_up(claim).await
    }

    /// Ends a session that nobody wants. Its bytes go first: where the disk is full, that is what lets
    /// the catalogue forget it.
    pub(super) async fn give_up(&self, mut claim: Claim) -> Result<(), Error> {
        let id = claim.session().id;
        let claim = blocking(move || {
            claim.empty();
            Ok(claim)
        })
        .await?;
        self.inner.catalogue.end_upload(id).await?;
        self.inner.uploads.close(id);
        end(claim).await
    }

    async fn receive<B>(
        &self,
        settings: &Arc<Settings>,
        claim: Claim,
        incoming: Incoming<B>,
    ) -> (Option<Claim>, Result<(), Error>)
    where
        B: Body<Data = Bytes>,
    {
        let limits = &settings.limits;
        let chunk = match incoming.chunk() {
            Ok(chunk) => chunk,
            Err(error) => return (Some(claim), Err(error)),
        };
        let _place = match self.enter().await {
            Ok(place) => place,
            Err(error) => return (Some(claim), Err(error)),
        };
        let repository = claim.session().repository.clone();
        let room = match self.room(settings, &repository).await {
            Ok(room) => room,
            Err(error) => return (Some(claim), Err(error)),
        };
        let (idle, content_max) = (limits.idle, limits.blob_bytes.min(room));
        let bounds = Bounds { idle, content_max, space: &self.inner.space };
        let (claim, received) = receive(claim, chunk, incoming.body, bounds).await;
        let quota = quota::limit_of(&settings.policy.quotas, &repository);
        match (received, quota) {
            // What the registry takes would have been enough.
            (Err(Error::TooLarge { limit }), Some(quota)) if limit < limits.blob_bytes => {
                (claim, Err(Error::QuotaExceeded { repository, quota }))
            }
            (received, _) => (claim, received),
        }
    }

    /// Bytes of one more blob that the repository's quota leaves.
    async fn room(&self, settings: &Settings, repository: &Repository) -> Result<u64, Error> {
        let Some(quota) = quota::limit_of(&settings.policy.quotas, repository) else {
            return Ok(u64::MAX);
        };
        Ok(quota.saturating_sub(self.inner.catalogue.usage(repository).await?))
    }

    /// Makes a received content a blob of the repository.
    async fn seal(&self, claim: Claim, digest: Digest, id: Option<UploadId>) -> Result<(), Error> {
        let registry = self.clone();
        to_its_end(async move { registry.seal_now(claim, digest, id).await }).await
    }

    async fn seal_now(
        &self,
        mut claim: Claim,
        digest: Digest,
        id: Option<UploadId>,
    ) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        let (claim, sealed) = blocking(move || {
            let sealed = claim.desk().seal(digest, &inner.layout, &inner.leases);
            Ok((claim, sealed))
        })
        .await?;
        let repository = claim.session().repository.clone();
        let linked = match sealed {
            Ok(Sealed { arrival, held: _held }) => {
                let settings = self.settings();
                let quota = quota::limit_of(&settings.policy.quotas, &repository);
                self.inner.catalogue.link_blob(&repository, arrival, id, quota).await
            }
            Err(error) => Err(error),
        };
        linked?;
        self.inner.layout.watch().reached(Step::Known);
        if let Some(id) = id {
            self.inner.uploads.close(id);
        }
        end(claim).await
    }
}

/// Ends a session; unlinking what it received may take a while.
async fn end(claim: Claim) -> Result<(), Error> {
    blocking(move || {
        claim.end();
        Ok(())
    })
    .await
}
