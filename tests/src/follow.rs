//! One job's history as it happens, through restarts of the controller: a stream that ends is
//! opened again behind the last event seen, so nothing is missed and nothing comes twice.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use tokio::{sync::watch, task::JoinHandle, time};

use crate::Api;

/// Longest wait for anything that a test expects, in real time. Only what never comes takes so long,
/// also on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Between two attempts at opening a stream that was refused.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a stream may be refused or end early before we give up, which takes minutes.
const BREAKS: u32 = 2000;

/// One entry of a job's history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Place in the history of all jobs.
    pub id: i64,
    /// When, RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// The particulars.
    #[serde(default)]
    pub detail: BTreeMap<String, String>,
}

impl Event {
    /// Whether the job entered this phase.
    pub fn enters(&self, phase: &str) -> bool {
        self.kind == "phase" && self.detail.get("to").is_some_and(|to| to == phase)
    }

    /// One particular.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.detail.get(key).map(String::as_str)
    }
}

/// A job being followed. Dropping it ends that.
#[derive(Debug)]
pub struct Follow {
    seen: watch::Receiver<Vec<Event>>,
    gave_up: Arc<OnceLock<String>>,
    task: JoinHandle<()>,
}

impl Follow {
    /// Begins to follow a job from its first event.
    pub fn start(api: &Api, job: &str) -> Self {
        let (sender, seen) = watch::channel(Vec::new());
        let (api, job) = (api.clone(), job.to_owned());
        let gave_up = Arc::new(OnceLock::new());
        let reason = Arc::clone(&gave_up);
        let task = tokio::spawn(async move {
            if let Err(error) = read(&api, &job, &sender).await {
                // Set once, by this task alone; it ends with this.
                let _ = reason.set(format!("{error:#}"));
            }
        });
        Self { seen, gave_up, task }
    }

    /// Why following ended before the job did.
    pub fn gave_up(&self) -> Option<&str> {
        self.gave_up.get().map(String::as_str)
    }

    /// Every event so far.
    pub fn seen(&self) -> Vec<Event> {
        self.seen.borrow().clone()
    }

    /// A view that wakes with every event.
    pub fn watch(&self) -> watch::Receiver<Vec<Event>> {
        self.seen.clone()
    }

    /// The first event, past or future, that `wanted` accepts.
    ///
    /// # Errors
    /// When the job's history ends without it, or time is up; with the last event that came.
    pub async fn wait_for(&self, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let mut seen = self.seen.clone();
        let search = async {
            let found = seen.wait_for(|events| events.iter().any(&wanted)).await;
            let found = found.context("the job's history ended without the expected event")?;
            found.iter().find(|event| wanted(event)).cloned().context("an event vanished")
        };
        match time::timeout(PATIENCE, search).await {
            Ok(found) => match self.gave_up() {
                Some(reason) => found.with_context(|| reason.to_owned()),
                None => found,
            },
            Err(_) => bail!(
                "the expected event did not come within {} s; the last was {:?}",
                PATIENCE.as_secs(),
                self.seen().last()
            ),
        }
    }

    /// Waits until the job entered a phase.
    pub async fn phase(&self, phase: &str) -> Result<Event> {
        let entered = self.wait_for(|event| event.enters(phase)).await;
        entered.with_context(|| format!("wait for phase {phase}"))
    }

    /// Waits until nothing is left to do.
    pub async fn completed(&self) -> Result<()> {
        self.phase("complete").await.map(drop)
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads until the job is complete.
async fn read(api: &Api, job: &str, events: &watch::Sender<Vec<Event>>) -> Result<()> {
    let mut refused = None;
    for _ in 0..BREAKS {
        let after = events.borrow().last().map_or(0, |event| event.id);
        match api.stream(job, after).await {
            Ok(response) => read_stream(response, events).await?,
            Err(error) => refused = Some(error),
        }
        if events.borrow().iter().any(|event| event.enters("complete")) {
            return Ok(());
        }
        time::sleep(PAUSE).await;
    }
    Err(refused.unwrap_or_else(|| anyhow!("the stream kept ending before the job did")))
}

/// Reads what one stream tells. How it ends says nothing: the controller may have been killed.
async fn read_stream(
    mut response: reqwest::Response,
    events: &watch::Sender<Vec<Event>>,
) -> Result<()> {
    let mut pending = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        pending.extend_from_slice(&piece);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            let event: Event = serde_json::from_slice(data).context("understand an event")?;
            events.send_modify(|events| events.push(event));
        }
    }
    Ok(())
}
