//! One job's stream: opened, read, resumed after the last event that was seen.

use std::sync::Arc;

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

/// What one stream brought before it ended.
#[derive(Debug, Default)]
struct Heard {
    /// Bytes, if only as a sign of life.
    anything: bool,
    /// An event that was not told before.
    news: bool,
    /// It was ended by the controller, and not by a lost connection or too long a silence.
    whole: bool,
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

    /// The job, once nothing is left to do and all of its events were told.
    pub(crate) async fn run(mut self) -> Result<Job, Error> {
        let mut job = self.look().await?;
        let pace = self.client.pace();
        let mut silent = 0;
        while silent < pace.silent_streams {
            let heard = self.listen().await?;
            job = self.look_again().await?.unwrap_or(job);
            let ended = job.is_complete() && heard.whole;
            if ended && !heard.news {
                return Ok(job);
            }
            silent = if heard.anything { 0 } else { silent + 1 };
            // An ended job's stream ends as well: it is opened once more, to hear that it is over.
            if !ended {
                self.tell(News::Lost).await;
                tokio::time::sleep(pace.pause(silent.saturating_sub(1), None)).await;
            }
        }
        Err(Error::StreamLost { url: self.client.address().to_owned(), times: silent })
    }

    /// Reads one stream to its end.
    async fn listen(&mut self) -> Result<Heard, Error> {
        let path = ["jobs", self.id.as_str(), "events"];
        let mut response = match self.client.stream(&path, self.last).await {
            Ok(Some(response)) => response,
            Ok(None) => return Ok(Heard { anything: true, news: false, whole: true }),
            Err(error) if is_transient(&error) => return Ok(Heard::default()),
            Err(error) => return Err(error),
        };
        let silence = self.client.pace().silence;
        let mut reader = Reader::default();
        let mut heard = Heard::default();
        while let Ok(Ok(piece)) = tokio::time::timeout(silence, response.chunk()).await {
            let Some(bytes) = piece else {
                heard.whole = true;
                break;
            };
            heard.anything = true;
            let messages = reader.feed(&bytes);
            let mut news = false;
            for message in &messages {
                news |= self.take(message).await;
            }
            if news {
                heard.news = true;
                self.look_again().await?;
            }
        }
        Ok(heard)
    }

    /// Tells an event, and says whether it had not been told before.
    async fn take(&mut self, message: &Message) -> bool {
        let id = message.id.as_deref().and_then(|id| id.parse().ok());
        let Some((id, event)) = id.zip(serde_json::from_str(&message.data).ok()) else {
            return false;
        };
        if id <= self.last {
            return false;
        }
        self.last = id;
        self.tell(News::Event(event)).await;
        true
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
        self.tell(News::State(Box::new(job.clone()))).await;
        Ok(job)
    }

    async fn tell(&self, news: News) {
        // Nobody listens any more when output has failed; this task is about to be dropped then.
        let _ = self.updates.send(Update { index: self.index, news }).await;
    }
}
