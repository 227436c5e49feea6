//! One job's task: ask, do, store, wait.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use shoal_core::{Command, Event, FaultClass, JobId, Next, Time, Verdict, WaitingFor};
use shoal_store::{Error, Record, Recorded};
use tokio::sync::Notify;

use crate::{
    dispatch::{Chain, STORE_PAUSE},
    effects::Effects,
    engine::Shared,
    places::{Place, Turn},
};

pub(crate) struct Tender<E> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) effects: Arc<E>,
    pub(crate) job: JobId,
    pub(crate) wake: Arc<Notify>,
    pub(crate) place: Option<Place>,
}

/// Why a job is not tended any more.
enum End {
    Complete,
    Stopping,
    /// Another instance owns the job, or it is gone.
    NotOurs,
}

impl<E: Effects> Tender<E> {
    pub(crate) async fn run(mut self) {
        let end = match self.tend().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.shared.end(self.job);
        match end {
            End::Complete => tracing::debug!("the job is complete"),
            End::Stopping => tracing::debug!("the job is left for the next start"),
            End::NotOurs => tracing::warn!("the job belongs to another instance now"),
        }
    }

    async fn tend(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            let record = self.load().await?;
            let span = tracing::Span::current();
            span.record("server_serial", record.job.serial().as_str());
            span.record("trace_id", record.trace_id());
            let now = self.shared.now();
            match record.job.next(now) {
                Next::Done => return Err(End::Complete),
                Next::Record(event) => _ = self.store(event, false).await?,
                Next::Wait { until, waiting_for } => {
                    // A BMC that does not answer must not keep others from being worked on.
                    let idle = matches!(waiting_for, WaitingFor::Retry { .. });
                    if idle || !record.job.phase().is_bmc_active() {
                        self.give_way();
                    }
                    self.wait(until, now).await?;
                }
                Next::Do(_) if record.job.phase().is_bmc_active() && !self.has_place(&record) => {
                    // The wait may be long and the job another one after it: look again then.
                    self.take_place(&record, now).await?;
                }
                Next::Do(command) => self.perform(record, command).await?,
            }
        }
    }

    /// Performs a command and stores its answer. Only here is a fenced command ever sent.
    async fn perform(&mut self, mut record: Record, command: Command) -> Result<(), End> {
        if self.shared.stopping.is_cancelled() {
            return Err(End::Stopping);
        }
        if command.is_fenced() {
            let intended = self.store(Event::Intended { seq: record.job.seq() }, true).await?;
            if intended.applied.is_err() {
                return Ok(());
            }
            record = intended.record;
        }
        let seq = record.job.seq();
        let step = command.step();
        tracing::debug!(step = step.as_str(), op = command.name(), "performing");
        let effects = self.effects.clone();
        let mut performing =
            pin!(AssertUnwindSafe(effects.perform(&record, command)).catch_unwind());
        let (began, before) = (Instant::now(), record.job.phase().name());
        let patience = self.shared.settings.patience;
        let performed = match tokio::time::timeout(patience, performing.as_mut()).await {
            Ok(performed) => performed,
            Err(_) => {
                self.give_way();
                performing.await
            }
        };
        // A panic says nothing about what reached the BMC.
        let verdict = performed
            .unwrap_or_else(|_| Verdict::Unknown { detail: "performing it panicked".to_owned() });
        let took = began.elapsed();
        let answered = Event::Answered { seq, command, verdict: verdict.clone() };
        let stored = self.store(answered, true).await;
        let retried = stored
            .as_ref()
            .is_ok_and(|stored| !command.is_fenced() && stored.record.job.phase().name() == before);
        // Also what is stored nowhere was done.
        tell(command, &verdict, took, retried);
        stored.map(drop)
    }

    /// Whether the job holds a place where its next command belongs.
    fn has_place(&self, record: &Record) -> bool {
        self.place.as_ref().is_some_and(|place| place.turn() == turn(record))
    }

    /// Lets another job have the place.
    fn give_way(&mut self) {
        if self.place.take().is_some() {
            self.shared.gate().wake();
        }
    }

    /// Waits for a place, or until something happens to the job. Jobs get one in the order they ask.
    async fn take_place(&mut self, record: &Record, now: Time) -> Result<(), End> {
        self.give_way();
        let gate = self.shared.gate().clone();
        let _waiting = gate.waiting(self.job);
        let place = tokio::select! {
            place = gate.places().take(turn(record)) => place,
            woken = self.wait(record.job.deadline(), now) => return woken,
        };
        if let Some(place) = &place {
            tracing::Span::current().record("worker_id", self.shared.worker(place));
        }
        self.place = place;
        Ok(())
    }

    async fn wait(&self, until: Option<Time>, now: Time) -> Result<(), End> {
        let sleep = async {
            match until {
                Some(until) => tokio::time::sleep(until.since(now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.shared.stopping.cancelled() => Err(End::Stopping),
            () = self.wake.notified() => Ok(()),
            () = sleep => Ok(()),
        }
    }

    async fn load(&self) -> Result<Record, End> {
        loop {
            match self.shared.store.job(self.job).await {
                Ok(Some(record)) => return Ok(record),
                Ok(None) => return Err(End::NotOurs),
                Err(error) => self.store_failed("load", &error).await?,
            }
        }
    }

    /// Stores an event; keeps trying while the store fails, so that no answer is lost.
    async fn store(&self, event: Event, leased: bool) -> Result<Recorded, End> {
        loop {
            let lease = leased.then(|| self.shared.lease.clone());
            match self.shared.store.record(self.job, event.clone(), self.shared.now(), lease).await
            {
                Ok(recorded) => return Ok(recorded),
                Err(Error::LeaseLost) => return Err(End::NotOurs),
                Err(error) => self.store_failed(event.name(), &error).await?,
            }
        }
    }

    async fn store_failed(&self, op: &'static str, error: &Error) -> Result<(), End> {
        tracing::error!(op, error = %Chain(error), "the store failed; trying again");
        tokio::select! {
            () = self.shared.stopping.cancelled() => Err(End::Stopping),
            () = tokio::time::sleep(STORE_PAUSE) => Ok(()),
        }
    }
}

/// In which lane a job's next command belongs.
fn turn(record: &Record) -> Turn {
    if record.job.tries() == 0 { Turn::First } else { Turn::Again }
}

/// One line per command: what was done, how it ended, how long it took, and of what went wrong
/// whether it is tried again.
fn tell(command: Command, verdict: &Verdict, took: Duration, retried: bool) {
    let (step, op) = (command.step().as_str(), command.name());
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match verdict {
        Verdict::Done { .. } => {
            tracing::info!(step, op, code = "done", duration_ms, "command done");
        }
        Verdict::Refused { fault } => {
            tracing::warn!(
                step = fault.step.map_or(step, shoal_core::StepKey::as_str),
                op,
                code = "refused",
                duration_ms,
                class = class(fault.class),
                retried,
                error = fault.detail.as_deref().unwrap_or(&fault.summary),
                "command refused: {}",
                fault.summary
            );
        }
        Verdict::Unknown { detail } => {
            tracing::warn!(
                step,
                op,
                code = "unknown",
                duration_ms,
                retried,
                error = detail,
                "the command's answer was lost"
            );
        }
    }
}

fn class(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Transient { .. } => "transient",
        FaultClass::Operator => "operator",
        FaultClass::Permanent => "permanent",
    }
}
