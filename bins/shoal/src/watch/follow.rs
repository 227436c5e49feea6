//! One job's stream: opened, read, resumed after the last event that was seen.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::{News, Update};
use crate::client::{Client, is_transient, view};
use crate::error::Error;
use crate::sse::{Message, Reader};
use crate::wire::Job;

pub(crate) struct Follower {
    index: usize,
    id: String,
    client: Arc<Client>,
    updates: Sender<Update>,
    /// The last event that was told; the stream is resumed after it, and its beginning is 0.
    last: i64,
}

impl Follower {
    pub(crate) fn new(
        index: usize,
        id: String,
        client: Arc<Client>,
        updates: Sender<Update>,
    ) -> Self {
        Self { index, id, client, updates, last: 0 }
    }

    /// The job, once nothing is left to do.
    pub(crate) async fn run(mut self) -> Result<Job, Error> {
        let mut job = self.look().await?;
        let mut silent = 0;
        while !job.is_complete() {
            let pace = self.client.pace();
            let (heard, now) = self.listen().await?;
            if let Some(now) = now {
                job = now;
                continue;
            }
            silent = if heard { 0 } else { silent + 1 };
            if silent >= pace.silent_streams {
                let url = self.client.address().to_owned();
                return Err(Error::StreamLost { url, times: silent });
            }
            self.tell(News::Lost).await;
            tokio::time::sleep(pace.pause(silent.saturating_sub(1), None)).await;
            if let Some(now) = self.look_again().await? {
                job = now;
            }
        }
        Ok(job)
    }

    /// Reads one stream until it ends or the job does. Says whether anything was heard.
    async fn listen(&mut self) -> Result<(bool, Option<Job>), Error> {
        let path = ["jobs", self.id.as_str(), "events"];
        let opened = self.client.stream(&path, Some(&self.last.to_string())).await;
        let mut response = match opened {
            Err(error) if is_transient(&error) => return Ok((false, None)),
            other => other?,
        };
        let silence = self.client.pace().silence;
        let mut reader = Reader::default();
        let mut heard = false;
        // Too long a silence, a broken connection and the stream's end mean the same: open it again.
        while let Ok(Ok(Some(bytes))) = tokio::time::timeout(silence, response.chunk()).await {
            heard = true;
            let messages = reader.feed(&bytes);
            if messages.is_empty() {
                continue;
            }
            for message in messages {
                self.take(&message).await;
            }
            let job = self.look_again().await?;
            if job.as_ref().is_some_and(Job::is_complete) {
                return Ok((heard, job));
            }
        }
        Ok((heard, None))
    }

    async fn take(&mut self, message: &Message) {
        if let Ok(event) = serde_json::from_str(&message.data) {
            let told = message.id.as_deref().and_then(|id| id.parse().ok());
            self.happened(told, event).await;
        }
    }

    /// Tells an event, unless it was told before.
    async fn happened(&mut self, id: Option<i64>, event: Value) {
        let id = id.or_else(|| event.get("id").and_then(Value::as_i64));
        if id.is_some_and(|id| id <= self.last) {
            return;
        }
        self.last = id.unwrap_or(self.last);
        self.tell(News::Event(event)).await;
    }

    /// Asks for the job; a moment without an answer is nothing to stop for.
    async fn look_again(&mut self) -> Result<Option<Job>, Error> {
        match self.look().await {
            Ok(job) => Ok(Some(job)),
            Err(error) if is_transient(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn look(&mut self) -> Result<Job, Error> {
        let value = self.client.get(&["jobs", &self.id], &[]).await?;
        let job: Job = view("GET /api/v1/jobs/{id}", &value)?;
        if job.is_complete() {
            // The stream may not have brought the last events yet, and will not be read again.
            let events = value.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
            for event in events {
                self.happened(None, event).await;
            }
        }
        self.tell(News::State(Box::new(job.clone()))).await;
        Ok(job)
    }

    async fn tell(&self, news: News) {
        // Nobody listens any more when output has failed; this task is about to be dropped then.
        let _ = self.updates.send(Update { index: self.index, news }).await;
    }
}
