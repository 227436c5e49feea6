//! Runs: one at a time, remembered for a while. They live in memory, because what they did is in the
//! registry, and what they had still to do is found again by the next one.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use shoal_api::{Checked, Collected, Declined, Order, Run, RunState, RunTask};
use shoal_engine::Clock;
use shoal_oci::{
    Error, Registry,
    gc::{Mode, Report, Scope},
};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{chain, seen};

/// Runs that are remembered.
const REMEMBERED: usize = 16;

/// The runs of one process. Clones share them.
#[derive(Clone)]
pub(super) struct Runs(Arc<Shared>);

struct Shared {
    clock: Clock,
    stop: CancellationToken,
    /// Part of each id, so that no run of another process has the same.
    process: u64,
    begun: AtomicU64,
    /// The newest first.
    kept: Mutex<VecDeque<Kept>>,
    tasks: TaskTracker,
}

struct Kept {
    run: Run,
    stop: CancellationToken,
}

/// The place of a run that has not begun; given back when it is dropped.
pub(super) struct Place {
    runs: Runs,
    run: Run,
    stop: CancellationToken,
    is_taken: bool,
}

/// What a run came to.
enum Came {
    Collected(Report),
    Checked(shoal_oci::registry::Checked),
}

impl Runs {
    pub(super) fn new(clock: Clock, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self(Arc::new(Shared {
            process: clock.now().as_millis(),
            begun: AtomicU64::new(0),
            kept: Mutex::default(),
            tasks,
            clock,
            stop,
        }))
    }

    /// Does something of the same lifetime as the runs, whoever waits for it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.tasks.spawn(work)
    }

    /// Takes the place of a run that may yet be declined, so that no other begins meanwhile.
    pub(super) fn reserve(&self, order: &Order, registry: &Registry) -> Result<Place, Declined> {
        let shared = &self.0;
        let stop = shared.stop.child_token();
        let mut kept = self.lock();
        busy(&kept)?;
        let nth = shared.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let is_check = order.task == RunTask::Check;
        let run = Run {
            id: format!("{:x}-{nth}", shared.process),
            task: order.task,
            dry_run: order.dry_run,
            state: RunState::Running,
            started_at: shared.clock.now(),
            ended_at: None,
            bytes_to_read: is_check.then(|| registry.catalogue().totals().1),
            collected: (!is_check).then(Collected::default),
            checked: is_check.then(Checked::default),
            error: None,
        };
        kept.push_front(Kept { run: run.clone(), stop: stop.clone() });
        drop(kept);
        Ok(Place { runs: self.clone(), run, stop, is_taken: false })
    }

    pub(super) fn all(&self) -> Vec<Run> {
        self.lock().iter().map(|kept| kept.run.clone()).collect()
    }

    pub(super) fn one(&self, id: &str) -> Result<Run, Declined> {
        let kept = self.lock();
        let found = kept.iter().find(|kept| kept.run.id == id);
        found.map(|kept| kept.run.clone()).ok_or(Declined::NoRun)
    }

    pub(super) fn stop(&self, id: &str) -> Result<Run, Declined> {
        let kept = self.lock();
        let found = kept.iter().find(|kept| kept.run.id == id).ok_or(Declined::NoRun)?;
        found.stop.cancel();
        Ok(found.run.clone())
    }

    async fn perform(
        &self,
        id: &str,
        order: &Order,
        registry: &Registry,
        stop: &CancellationToken,
    ) -> Result<Came, Error> {
        let (runs, id) = (self.clone(), id.to_owned());
        let mode = if order.dry_run { Mode::DryRun } else { Mode::Sweep };
        let scope = match order.task {
            RunTask::Gc => Scope::Everything,
            RunTask::Retention => Scope::Retention,
            RunTask::Check => {
                let watch = move |checked: &shoal_oci::registry::Checked| {
                    runs.change(&id, |run| run.checked = Some(seen::checked(checked)));
                };
                return Ok(Came::Checked(registry.check_watched(stop, watch).await?));
            }
        };
        let watch = move |report: &Report| {
            runs.change(&id, |run| run.collected = Some(seen::progress(report)));
        };
        Ok(Came::Collected(registry.collect_followed((mode, scope), stop, watch).await?))
    }

    fn end(&self, id: &str, came: Result<Came, Error>) {
        let ended_at = Some(self.0.clock.now());
        let state = |stopped| if stopped { RunState::Stopped } else { RunState::Done };
        self.change(id, |run| {
            run.ended_at = ended_at;
            run.state = match came {
                Ok(Came::Collected(report)) => {
                    run.collected = Some(seen::collected(&report));
                    state(report.stopped)
                }
                Ok(Came::Checked(checked)) => {
                    run.checked = Some(seen::checked(&checked));
                    state(checked.stopped)
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(run = run.id, task = run.task.as_str(), error, "a run failed");
                    run.error = Some(error);
                    RunState::Failed
                }
            };
        });
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Run)) {
        if let Some(kept) = self.lock().iter_mut().find(|kept| kept.run.id == id) {
            change(&mut kept.run);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Begins the run; it goes on when nobody waits for it.
    pub(super) fn begin(mut self, order: &Order, registry: Registry) -> Run {
        self.is_taken = true;
        self.runs.lock().truncate(REMEMBERED);
        let (runs, id, order) = (self.runs.clone(), self.run.id.clone(), order.clone());
        let stop = self.stop.clone();
        self.runs.0.tasks.spawn(async move {
            let came = runs.perform(&id, &order, &registry, &stop).await;
            runs.end(&id, came);
        });
        self.run.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            self.runs.lock().retain(|kept| kept.run.id != self.run.id);
        }
    }
}

fn busy(kept: &VecDeque<Kept>) -> Result<(), Declined> {
    match kept.iter().find(|kept| kept.run.state == RunState::Running) {
        Some(running) => Err(Declined::Busy { id: running.run.id.clone() }),
        None => Ok(()),
    }
}
