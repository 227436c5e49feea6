//! What ends with a job: its media stop being served, its file is deleted, its BMC session is
//! given back.

use std::{collections::BTreeSet, sync::Arc};

use shoal_core::{JobId, Status};
use shoal_media::MediaServer;
use shoal_store::{Change, Store};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::Shelf,
    effects::{Bmcs, Mediums, chain},
    trace::Trace,
};

/// Everything that has to hear of a job's end.
pub(crate) struct Retire {
    /// The jobs.
    pub(crate) store: Store,
    /// The media they had.
    pub(crate) shelf: Arc<Shelf>,
    /// Who serves them.
    pub(crate) server: Arc<MediaServer<Shelf>>,
    /// Their files.
    pub(crate) mediums: Arc<Mediums>,
    /// Their BMC sessions.
    pub(crate) bmcs: Arc<Bmcs>,
    /// Their traces.
    pub(crate) trace: Trace,
}

impl Retire {
    /// Follows the store until it closes or `stop` is cancelled.
    pub(crate) async fn follow(self, mut changes: Receiver<Change>, stop: CancellationToken) {
        self.sweep().await;
        loop {
            let change = tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => change,
            };
            match change {
                Ok(change) if change.status == Status::Complete => self.end(change.job).await,
                Ok(_) => {}
                // What was missed is closed all the same: the shelf asks the store at every open.
                Err(RecvError::Lagged(_)) => self.sweep().await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Ends what ended while nobody listened, before a restart or in a burst of changes.
    async fn sweep(&self) {
        let mut jobs: BTreeSet<JobId> = self.trace.under_way().into_iter().collect();
        jobs.extend(self.mediums.kept().await.unwrap_or_default());
        for job in jobs {
            match self.store.job(job).await {
                Ok(Some(record)) if !record.job.is_complete() => {}
                Ok(Some(_)) => self.end(job).await,
                Ok(None) => {
                    self.trace.forget(job);
                    self.mediums.remove(job).await;
                }
                Err(error) => {
                    tracing::error!(job_id = %job, error = %chain(&error), "failed to read a job");
                }
            }
        }
    }

    async fn end(&self, job: JobId) {
        let record = match self.store.job(job).await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(job_id = %job, error = %chain(&error), "failed to read a finished job");
                return;
            }
        };
        for object in self.shelf.retire(job, record.job.attempt()).await {
            self.server.revoke(object);
        }
        self.trace.ended(&record).await;
        self.mediums.remove(job).await;
        // A change of a finished job may come while the server's next job is already talking.
        match self.store.active_on(record.job.serial()).await {
            Ok(None) => self.bmcs.close(record.job.serial()).await,
            Ok(Some(_)) => {}
            Err(error) => {
                tracing::error!(job_id = %job, error = %chain(&error), "failed to look for a next job");
            }
        }
    }
}
