//! Starting, draining and stopping the runner.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use shoal_core::{Event, JobId, Phase};
use shoal_store::{Lease, Store};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    dispatch::{self, Chain},
    effects::Effects,
    gate::Gate,
    gauges,
    places::Place,
    pressure, watch,
};

/// What an operator sets about the runner.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this instance, as leases show it.
    pub instance: String,
    /// What lets jobs out of the queue.
    pub gate: Gate,
    /// How often the queue is looked at even if nothing woke us.
    pub sweep: Duration,
    /// How long a command may go unanswered before its job gives its place to another.
    pub patience: Duration,
    /// A commit that takes longer closes the gate, until one takes half as long.
    pub slow_commit: Duration,
    /// Directories whose disks must not run full.
    pub disks: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance: "shoal".to_owned(),
            gate: Gate::default(),
            sweep: Duration::from_secs(30),
            patience: Duration::from_secs(5),
            slow_commit: Duration::from_secs(1),
            disks: Vec::new(),
        }
    }
}

/// A running runner. Clones are handles to the same one.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What all tasks of one runner share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) lease: Lease,
    pub(crate) settings: Settings,
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
    tended: Mutex<HashMap<JobId, Arc<Notify>>>,
}

impl Engine {
    /// Adopts every unfinished job and begins to claim queued ones.
    pub async fn start(
        store: Store,
        effects: impl Effects,
        clock: Clock,
        settings: Settings,
    ) -> Result<Self, shoal_store::Error> {
        let now = clock.now();
        let adopted = store.adopt(&settings.instance, now).await?;
        metrics::counter!("lease_steals_total").increment(adopted.stolen);
        let shared = Arc::new(Shared {
            store,
            clock,
            lease: adopted.lease,
            settings,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            tended: Mutex::default(),
        });
        let effects = Arc::new(effects);
        // Subscribing before the jobs are read means that no change can fall between.
        let changes = shared.store.subscribe();
        for record in shared.store.unfinished().await? {
            if *record.job.phase() == Phase::Queued {
                continue;
            }
            let resumed = Event::Resumed { gap: adopted.gap };
            shared.store.record(record.job.id(), resumed, now, None).await?;
            dispatch::tend(&shared, &effects, record.job.id(), None);
        }
        // The absence is accounted for: a start that fails right after this must not count it again.
        shared.store.alive(now).await?;
        shared.tasks.spawn(dispatch::follow(shared.clone(), changes));
        shared.tasks.spawn(dispatch::claim(shared.clone(), effects));
        shared.tasks.spawn(watch::clock(shared.clone()));
        shared.tasks.spawn(gauges::sample(shared.clone()));
        shared.tasks.spawn(pressure::follow(shared.clone()));
        Ok(Self { shared })
    }

    /// What lets jobs out of the queue.
    pub fn gate(&self) -> &Gate {
        self.shared.gate()
    }

    /// Whether jobs are taken out of the queue.
    pub fn is_picking(&self) -> bool {
        self.shared.is_picking()
    }

    /// Stops: no claim, no new power-on; commands under way finish and their answers are stored.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        // Nothing depends on it: the next start takes what was not given back.
        if let Err(error) = self.shared.store.release(&self.shared.lease).await {
            tracing::error!(op = "release", error = %Chain(&error), "failed to give jobs back");
        }
    }
}

impl Shared {
    pub(crate) fn now(&self) -> shoal_core::Time {
        self.clock.now()
    }

    pub(crate) fn is_picking(&self) -> bool {
        self.gate().closed().is_none() && !self.stopping.is_cancelled()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.settings.gate
    }

    /// Who works in a place, as log lines name it.
    pub(crate) fn worker(&self, place: &Place) -> String {
        format!("{}/{}", self.settings.instance, place.number())
    }

    /// Registers a job as tended; none if somebody tends it already.
    pub(crate) fn begin(&self, job: JobId) -> Option<Arc<Notify>> {
        let mut tended = self.tended.lock().unwrap_or_else(PoisonError::into_inner);
        if tended.contains_key(&job) {
            return None;
        }
        let wake = Arc::new(Notify::new());
        tended.insert(job, wake.clone());
        Some(wake)
    }

    pub(crate) fn end(&self, job: JobId) {
        self.tended.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
        self.gate().wake();
    }

    pub(crate) fn wake(&self, job: JobId) {
        if let Some(wake) = self.tended.lock().unwrap_or_else(PoisonError::into_inner).get(&job) {
            wake.notify_one();
        }
    }

    pub(crate) fn wake_all(&self) {
        for wake in self.tended.lock().unwrap_or_else(PoisonError::into_inner).values() {
            wake.notify_one();
        }
    }
}
