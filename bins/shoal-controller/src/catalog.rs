//! What the media server serves, told by the store: which medium an object is, whether its attempt
//! still runs, and the ledger of milestones.

mod kept;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::HEXLOWER;
use shoal_core::{Event, Ignored, JobId};
use shoal_engine::Clock;
use shoal_media::{
    Catalog, Content, Digest, Extent, Kind, LedgerDown, Medium, Milestone, Milestones, ObjectId,
    OpenError, Opened, ReadSpan, Tripwire,
};
use shoal_store::{MediaKind, MediaObject, Record, Store};
use tracing::Instrument as _;

use self::kept::{Kept, Untouched};
use crate::{
    boot_medium::BootMedia,
    effects::{Built, Mediums, boot_object, chain},
    reads::Reads,
    trace::Trace,
};

/// The catalog of one controller.
pub(crate) struct Shelf {
    store: Store,
    mediums: Arc<Mediums>,
    boot: BootMedia,
    clock: Clock,
    reads: Arc<Reads>,
    open: Mutex<HashMap<ObjectId, Kept>>,
}

impl Shelf {
    /// A shelf on which only `boot` stands.
    pub(crate) fn new(store: Store, mediums: Arc<Mediums>, boot: BootMedia, clock: Clock) -> Self {
        Self { store, mediums, boot, clock, reads: Arc::default(), open: Mutex::default() }
    }

    /// What is read of the media on this shelf.
    pub(crate) fn reads(&self) -> Arc<Reads> {
        self.reads.clone()
    }

    /// Forgets a finished job's media and says which they were.
    pub(crate) async fn retire(&self, job: JobId, attempts: u32) -> Vec<ObjectId> {
        let mut retired = Vec::new();
        for attempt in 1..=attempts {
            match self.store.frozen(job, attempt).await {
                Ok(Some(frozen)) => {
                    retired.extend(frozen.objects.iter().map(|(_, id)| ObjectId(*id)));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(job_id = %job, error = %chain(&error), "failed to read an attempt");
                }
            }
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for object in &retired {
            open.remove(object);
        }
        retired
    }

    async fn find(&self, object: ObjectId) -> Result<(MediaObject, Record), OpenError> {
        let found = self
            .store
            .object(object.0)
            .await
            .map_err(|error| unavailable(&error))?
            .ok_or(OpenError::Gone)?;
        let record = self
            .store
            .job(found.job)
            .await
            .map_err(|error| unavailable(&error))?
            .ok_or(OpenError::Gone)?;
        if !record.job.media_open() || found.attempt != record.job.attempt() {
            return Err(OpenError::Revoked);
        }
        Ok((found, record))
    }

    async fn medium(
        &self,
        object: ObjectId,
        found: &MediaObject,
        record: &Record,
    ) -> Result<Medium, OpenError> {
        if let Some(kept) = self.kept(object) {
            if kept.is_untouched() {
                return Ok(kept.medium);
            }
            tracing::warn!(
                job_id = %found.job,
                step = "iso.serve",
                "somebody changed a task medium on disk; it is checked, and built again if need be"
            );
        }
        let combined = record.job.media().is_some_and(|media| media.task_slot.is_none());
        let kept = match found.kind {
            MediaKind::Boot if combined => {
                let task = self.task_medium(record, found.attempt).await?;
                self.boot_medium(found, record).await?;
                task.laid_over(|task| self.boot.overlay(task)).map_err(|error| {
                    tracing::error!(op = "media.open", error = %chain(&error), "failed to lay the task over the boot medium");
                    OpenError::Gone
                })?
            }
            MediaKind::Boot => Kept::shared(self.boot_medium(found, record).await?),
            MediaKind::Task => self.task_medium(record, found.attempt).await?,
        };
        let medium = kept.medium.clone();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(object, kept);
        // The job may have ended while the medium was opened.
        if let Err(ended) = self.find(object).await {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&object);
            return Err(ended);
        }
        Ok(medium)
    }

    fn kept(&self, object: ObjectId) -> Option<Kept> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&object).cloned()
    }

    /// The boot medium this attempt was begun with, if it is still there.
    async fn boot_medium(&self, found: &MediaObject, record: &Record) -> Result<Medium, OpenError> {
        let frozen = self
            .store
            .frozen(found.job, found.attempt)
            .await
            .map_err(|error| unavailable(&error))?;
        let begun_with = frozen.ok_or(OpenError::Gone)?.boot_medium;
        let medium = match &begun_with {
            Some(digest) => self.boot.find(digest),
            None => self.boot.own(record.job.plan().workflow),
        };
        if let Some(medium) = medium {
            return Ok(medium.clone());
        }
        if begun_with.is_none() {
            return Err(OpenError::Gone);
        }
        tracing::error!(
            job_id = %found.job,
            "the boot medium was replaced while this job installs from it; put the old file back"
        );
        Err(OpenError::Unavailable)
    }

    /// The task medium from disk, rebuilt if it was lost. Another digest is never served.
    async fn task_medium(&self, record: &Record, attempt: u32) -> Result<Kept, OpenError> {
        let built = self.mediums.find(record, attempt).await.map_err(|error| {
            tracing::error!(step = "iso.serve", error = %chain(&error), "failed to find the task medium");
            OpenError::Unavailable
        })?;
        let opened = tokio::task::spawn_blocking(move || open_task(&built)).await;
        opened.ok().and_then(Result::ok).ok_or(OpenError::Unavailable)
    }
}

fn unavailable(error: &shoal_store::Error) -> OpenError {
    tracing::error!(op = "media.open", error = %chain(&error), "failed to look a medium up");
    OpenError::Unavailable
}

/// What was just found or built, if its file holds that still.
fn open_task(built: &Built) -> io::Result<Kept> {
    let task = Untouched::of(&built.path)?;
    let content = Content::file(task.file()?)?;
    let digest = Digest::of_content(&content)?;
    if HEXLOWER.encode(&digest.0) != built.sha256 {
        return Err(io::Error::other("it was changed as soon as it was built"));
    }
    let tripwire = built.recipe.and_then(|(offset, len)| Extent::new(offset, len));
    let tripwires = tripwire
        .map(|extent| Tripwire { milestone: Milestone::TaskRead, extent })
        .into_iter()
        .collect();
    let medium = Medium::new(content, digest, tripwires).map_err(io::Error::other)?;
    Ok(Kept::with_task(medium, task))
}

impl Catalog for Shelf {
    async fn open(&self, object: ObjectId, kind: Kind) -> Result<Opened, OpenError> {
        let (found, record) = self.find(object).await?;
        let asked = match kind {
            Kind::Task => MediaKind::Task,
            Kind::Boot => MediaKind::Boot,
        };
        if found.kind != asked {
            return Err(OpenError::Gone);
        }
        let medium = self.medium(object, &found, &record).await?;
        let stored = record.job.evidence().milestones.keys();
        let mut already: Milestones = stored.filter_map(|seen| from_core(*seen)).collect();
        if found.opened_at.is_some() {
            already = already.with(Milestone::Opened);
        } else if found.kind == MediaKind::Task {
            // The job's own Opened is the boot medium's.
            already = already.iter().filter(|seen| *seen != Milestone::Opened).collect();
        }
        Ok(Opened { medium, already, together: boot_object(found.job, found.attempt) })
    }

    async fn commit_milestone(
        &self,
        object: ObjectId,
        milestone: Milestone,
    ) -> Result<(), LedgerDown> {
        let (found, record) = self.find(object).await.map_err(|_| LedgerDown)?;
        let span = Trace::milestone(&record, to_core(milestone));
        self.committed(object, milestone, &found).instrument(span).await
    }

    fn observe(&self, object: ObjectId, read: ReadSpan) {
        self.reads.note(object, read);
    }
}

impl Shelf {
    async fn committed(
        &self,
        object: ObjectId,
        milestone: Milestone,
        found: &MediaObject,
    ) -> Result<(), LedgerDown> {
        let down = |error: shoal_store::Error| {
            tracing::error!(op = "media.milestone", error = %chain(&error), "failed to store a milestone; nothing is sent");
            LedgerDown
        };
        let now = self.clock.now();
        if milestone == Milestone::Opened {
            self.store.opened(object.0, now).await.map_err(down)?;
            if found.kind == MediaKind::Task {
                return Ok(());
            }
        }
        let event = Event::MediaRead { attempt: found.attempt, milestone: to_core(milestone) };
        let recorded = self.store.record(found.job, event, now, None).await.map_err(down)?;
        match recorded.applied {
            Ok(()) | Err(Ignored::Duplicate) => Ok(()),
            Err(_) => Err(LedgerDown),
        }
    }
}

fn to_core(milestone: Milestone) -> shoal_core::Milestone {
    use shoal_core::Milestone as Core;
    match milestone {
        Milestone::Opened => Core::Opened,
        Milestone::BootImageRead => Core::BootImageRead,
        Milestone::OsLoading => Core::OsLoading,
        Milestone::TaskRead => Core::TaskRead,
        Milestone::Payload => Core::Payload,
        Milestone::Reopened => Core::Reopened,
        Milestone::BootAgain => Core::BootAgain,
    }
}

fn from_core(milestone: shoal_core::Milestone) -> Option<Milestone> {
    Milestone::ALL.into_iter().find(|ours| to_core(*ours) == milestone)
}

#[cfg(test)]
mod tests;
