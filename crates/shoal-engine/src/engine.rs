//! Starting, draining and stopping the runner.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shoal_core::{Event, JobId, Phase};
use shoal_store::{Lease, Store};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{clock::Clock, dispatch, effects::Effects, gauges, watch};

/// What an operator sets about the runner.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this instance, as leases show it.
    pub instance: String,
    /// Jobs that may work on a BMC at one time (`WORKER_CONCURRENCY`); 0 starts nothing new.
    pub workers: usize,
    /// Jobs that may be under way at one time, waiting ones included (`MAX_ACTIVE_JOBS`).
    pub max_active: usize,
    /// How often the queue is looked at even if nothing woke us.
    pub sweep: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance: "shoal".to_owned(),
            workers: 4,
            max_active: 10_000,
            sweep: Duration::from_secs(30),
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
    pub(crate) workers: Arc<Semaphore>,
    pub(crate) draining: AtomicBool,
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) queue: Notify,
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
        let shared = Arc::new(Shared {
            store,
            clock,
            lease: adopted.lease,
            workers: Arc::new(Semaphore::new(places(&settings))),
            settings,
            draining: AtomicBool::new(false),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            queue: Notify::new(),
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
        Ok(Self { shared })
    }

    /// Looks at the queue now.
    pub fn wake(&self) {
        self.shared.queue.notify_one();
    }

    /// Stops (or resumes) taking jobs out of the queue. Jobs under way go on.
    pub fn drain(&self, draining: bool) {
        self.shared.draining.store(draining, Ordering::SeqCst);
        self.wake();
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
    }
}

/// Places for jobs that work on a BMC. With no workers wanted nothing new is claimed, but what is
/// under way still has to be brought to its end.
pub(crate) fn places(settings: &Settings) -> usize {
    const DRAINING: usize = 4;
    if settings.workers == 0 { DRAINING } else { settings.workers }
}

impl Shared {
    pub(crate) fn now(&self) -> shoal_core::Time {
        self.clock.now()
    }

    pub(crate) fn is_picking(&self) -> bool {
        self.settings.workers > 0
            && !self.draining.load(Ordering::SeqCst)
            && !self.stopping.is_cancelled()
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
        self.queue.notify_one();
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

    pub(crate) fn active(&self) -> usize {
        self.tended.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
