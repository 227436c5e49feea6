//! What lets jobs out of the queue: limits, an operator's drain, and the load we are under. One
//! handle, which the runner obeys and the API sets and explains, so that both say the same.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shoal_core::JobId;
use shoal_store::Limits;
use tokio::sync::Notify;

use crate::places::Places;

/// Lets jobs out of the queue, or not. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: RwLock<Limits>,
    draining: AtomicBool,
    pressure: Mutex<Option<Pressure>>,
    places: Places,
    /// Jobs that were let out and wait for a worker again.
    waiting: Mutex<BTreeSet<JobId>>,
    changed: Notify,
}

/// Why no job at all is let out of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// An operator drains this controller.
    Draining,
    /// No workers are configured.
    NoWorkers,
    /// This controller has to catch up first.
    Pressure(Pressure),
}

/// What this controller has too much, or too little, of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// The database takes long to write.
    SlowCommits {
        /// How long the last commit took.
        took: Duration,
    },
    /// A disk is nearly full.
    LittleSpace {
        /// A directory on it.
        path: PathBuf,
        /// Bytes left.
        free_bytes: u64,
    },
}

impl Gate {
    /// An open gate.
    pub fn new(limits: Limits) -> Self {
        let places = Places::new(places(&limits));
        Self(Arc::new(Inner {
            limits: RwLock::new(limits),
            draining: AtomicBool::new(false),
            pressure: Mutex::default(),
            places,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.0.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other limits in force. Jobs under way go on, even if they are too many now.
    pub fn set_limits(&self, limits: Limits) {
        self.0.places.resize(places(&limits));
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        self.wake();
    }

    /// Stops (or resumes) letting jobs out of the queue. Jobs under way go on.
    pub fn drain(&self, draining: bool) {
        self.0.draining.store(draining, Ordering::SeqCst);
        self.wake();
    }

    /// Whether an operator drains this controller.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Why the gate is closed; none while it is open.
    pub fn closed(&self) -> Option<Closed> {
        if self.is_draining() {
            return Some(Closed::Draining);
        }
        if self.0.limits.read().unwrap_or_else(PoisonError::into_inner).workers == 0 {
            return Some(Closed::NoWorkers);
        }
        self.pressure().map(Closed::Pressure)
    }

    /// Whether a job that is under way waits for a worker.
    pub fn waits_for_worker(&self, job: JobId) -> bool {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).contains(&job)
    }

    pub(crate) fn pressure(&self) -> Option<Pressure> {
        self.0.pressure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_pressure(&self, pressure: Option<Pressure>) {
        *self.0.pressure.lock().unwrap_or_else(PoisonError::into_inner) = pressure;
        self.wake();
    }

    pub(crate) fn places(&self) -> &Places {
        &self.0.places
    }

    /// Says that a job waits for a worker, until the answer is dropped.
    pub(crate) fn waiting(&self, job: JobId) -> Waiting {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        Waiting { gate: self.clone(), job }
    }

    /// Looks at the queue now.
    pub(crate) fn wake(&self) {
        self.0.changed.notify_one();
    }

    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

/// See [`Gate::waiting`].
pub(crate) struct Waiting {
    gate: Gate,
    job: JobId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waiting = &self.gate.0.waiting;
        waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}

/// Places for jobs that work on a BMC. With no workers wanted nothing new is let out, but what is
/// under way still has to be brought to its end.
fn places(limits: &Limits) -> usize {
    const ENDING: usize = 4;
    if limits.workers == 0 { ENDING } else { limits.workers }
}
