//! Events as Server-Sent Events. A stream holds one page and its place in the history; it ends with
//! its job, with the process, or when its caller leaves.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use shoal_core::{JobId, Status};
use shoal_store::{Change, EventFilter, Store, StoredEvent};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio_util::sync::CancellationToken;

use super::EventView;
use crate::{
    api::Shared,
    error::{Error, chain},
};

/// Events read at once.
const BATCH: u32 = 100;
/// Between two comments on a quiet stream; proxies cut what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One caller's place in the history.
pub(super) struct Reader {
    store: Store,
    changes: broadcast::Receiver<Change>,
    stop: CancellationToken,
    job: Option<JobId>,
    after: i64,
    batch: VecDeque<StoredEvent>,
    /// Held as long as the stream is open.
    _place: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn of_job(shared: &Shared, job: JobId, after: i64) -> Result<Self, Error> {
        Self::new(shared, Some(job), after)
    }

    pub(super) fn of_all(shared: &Shared, after: i64) -> Result<Self, Error> {
        Self::new(shared, None, after)
    }

    /// Hears of changes before it reads what was, so that nothing falls in between.
    fn new(shared: &Shared, job: Option<JobId>, after: i64) -> Result<Self, Error> {
        let place = Arc::clone(&shared.streams)
            .try_acquire_owned()
            .map_err(|_| Error::unavailable("too many event streams are open"))?;
        Ok(Self {
            store: shared.store().clone(),
            changes: shared.store().subscribe(),
            stop: shared.api.stop.clone(),
            job,
            after,
            batch: VecDeque::new(),
            _place: place,
        })
    }

    /// Whether the job is complete and all of it was seen.
    pub(super) async fn is_over(&self) -> Result<bool, Error> {
        Ok(self.is_complete().await.map_err(Error::store)?
            && self.page(1).await.map_err(Error::store)?.is_empty())
    }

    async fn is_complete(&self) -> Result<bool, shoal_store::Error> {
        let Some(job) = self.job else { return Ok(false) };
        let record = self.store.job(job).await?;
        Ok(record.is_none_or(|record| record.job.is_complete()))
    }

    async fn page(&self, limit: u32) -> Result<Vec<StoredEvent>, shoal_store::Error> {
        self.store.events(EventFilter { job: self.job, after: self.after, limit }).await
    }

    /// The next event, once there is one; none at the end of the stream.
    async fn next(&mut self) -> Option<StoredEvent> {
        loop {
            if let Some(event) = self.batch.pop_front() {
                self.after = event.id;
                return Some(event);
            }
            // Asked before the page is read: what completed the job is then on the page.
            let complete = self.is_complete().await;
            match (complete, self.page(BATCH).await) {
                (_, Ok(page)) if !page.is_empty() => self.batch.extend(page),
                (Ok(true), Ok(_)) => return None,
                (Ok(false), Ok(_)) => self.changed().await?,
                (Err(error), _) | (_, Err(error)) => {
                    // The caller comes back with the last id it saw.
                    tracing::warn!(error = %chain(&error), "event stream cut");
                    return None;
                }
            }
        }
    }

    /// Waits until something of interest was committed; none when nothing will be.
    async fn changed(&mut self) -> Option<()> {
        loop {
            let change = tokio::select! {
                change = self.changes.recv() => change,
                () = self.stop.cancelled() => return None,
            };
            match change {
                Ok(change) if self.concerns(&change) => return Some(()),
                Ok(_) => {}
                // What was missed is in the table.
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(()),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn concerns(&self, change: &Change) -> bool {
        let ours = self.job.is_none_or(|job| job == change.job);
        ours && (change.event_id > self.after || change.status == Status::Complete)
    }
}

impl IntoResponse for Reader {
    fn into_response(self) -> Response {
        let events = stream::unfold(self, async |mut reader| {
            let event = reader.next().await?;
            Some((Ok::<_, Infallible>(sent(event)), reader))
        });
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
    }
}

fn sent(event: StoredEvent) -> Event {
    let id = event.id.to_string();
    let data = serde_json::to_string(&EventView::from(event)).unwrap_or_default();
    // No event name: `onmessage` of a browser hears only those without one.
    Event::default().id(id).data(data)
}
