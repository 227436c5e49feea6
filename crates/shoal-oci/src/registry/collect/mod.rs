//! Collecting garbage, while everything else goes on. One thread goes through retention, blobs and
//! files, each in batches: choose by reading, delete the rows in a small transaction that asks again,
//! move the files to the trash while their digests are condemned, free their space afterwards.
//! Killed after any of these steps, the next start and the next collection do the rest.

mod sweep;

use std::sync::PoisonError;
use std::time::Instant;

use ring::digest::{Context, SHA256};
use tokio_util::sync::CancellationToken;

use self::sweep::Collection;
use super::{Inner, Registry, blocking};
use crate::catalogue::now;
use crate::error::Error;
use crate::gc::{Mode, Report, Scope, Step};

/// The key under which the catalogue remembers that it was rebuilt and nothing may be removed yet;
/// its value is what confirms, once there was a dry run.
pub(crate) const UNCONFIRMED: &str = "gc_unconfirmed";

/// The key under which the catalogue remembers the Unix second of the last collection that ended
/// well; that of the first start before there was one.
const COLLECTED: &str = "gc_done_at";

impl Inner {
    /// Writes down that a collection ended well, and tells it.
    fn note_collection(&self) -> Result<(), Error> {
        let at = now();
        self.catalogue.set_state(COLLECTED, at.to_string())?;
        show_collection(at);
        Ok(())
    }

    /// Tells when a collection last ended well. Neglect counts from the first start on.
    pub(super) fn recall_collection(&self) -> Result<(), Error> {
        match self.catalogue.state(COLLECTED)?.and_then(|text| text.parse().ok()) {
            Some(at) => show_collection(at),
            None => self.note_collection()?,
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn show_collection(at: i64) {
    metrics::gauge!("gc_last_success_timestamp_seconds", "kind" => "registry").set(at as f64);
}

/// Who is told how a collection goes.
struct Watch {
    step: Box<dyn Fn(Step) + Send>,
    report: Box<dyn Fn(&Report) + Send>,
}

impl Registry {
    /// Removes what nothing needs and nobody was promised, or says what that would be. One collection
    /// runs at a time; another one waits. It goes on to its end when nobody waits for it any more,
    /// unless `stop` says otherwise.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::CollectionUnconfirmed`], [`Error::Storage`],
    /// [`Error::Database`]. What was removed before stays removed, the rest is for the next time.
    pub async fn collect(&self, mode: Mode, stop: &CancellationToken) -> Result<Report, Error> {
        self.collect_watched(mode, stop, |_| {}).await
    }

    /// [`Registry::collect`], telling `watch` of each step, from the thread that does it.
    ///
    /// # Errors
    /// As [`Registry::collect`].
    pub async fn collect_watched(
        &self,
        mode: Mode,
        stop: &CancellationToken,
        watch: impl Fn(Step) + Send + 'static,
    ) -> Result<Report, Error> {
        let watch = Watch { step: Box::new(watch), report: Box::new(|_| {}) };
        self.collect_as((mode, Scope::Everything), stop, watch).await
    }

    /// [`Registry::collect`] as far as `scope` says, telling `watch` after each batch what was met so
    /// far, from the thread that does it.
    ///
    /// # Errors
    /// As [`Registry::collect`].
    pub async fn collect_followed(
        &self,
        (mode, scope): (Mode, Scope),
        stop: &CancellationToken,
        watch: impl Fn(&Report) + Send + 'static,
    ) -> Result<Report, Error> {
        let watch = Watch { step: Box::new(|_| {}), report: Box::new(watch) };
        self.collect_as((mode, scope), stop, watch).await
    }

    async fn collect_as(
        &self,
        (mode, scope): (Mode, Scope),
        stop: &CancellationToken,
        watch: Watch,
    ) -> Result<Report, Error> {
        let (registry, stop) = (self.clone(), stop.clone());
        blocking(move || {
            let started = Instant::now();
            let collected = registry.collect_now((mode, scope), &stop, &watch);
            if mode == Mode::Sweep && scope == Scope::Everything {
                let outcome = match &collected {
                    Ok(report) if report.stopped => "stopped",
                    Ok(_) => "done",
                    Err(_) => "failed",
                };
                metrics::counter!("registry_gc_runs_total", "outcome" => outcome).increment(1);
                metrics::histogram!("registry_gc_seconds").record(started.elapsed());
                match &collected {
                    // What a stop left undone is still due.
                    Ok(report) if report.stopped => {}
                    Ok(_) => registry.inner.note_collection()?,
                    Err(_) => {
                        metrics::counter!("gc_failures_total", "kind" => "registry").increment(1);
                    }
                }
            }
            let report = collected?;
            report.log(started.elapsed());
            Ok(report)
        })
        .await
    }

    /// Allows collections again after a rebuild; `confirmation` is what the last dry run said, which
    /// says nothing during the first grace period.
    ///
    /// # Errors
    /// [`Error::CollectionUnconfirmed`] when it is something else; ask for another dry run.
    pub async fn confirm_collection(&self, confirmation: String) -> Result<(), Error> {
        let registry = self.clone();
        blocking(move || {
            let catalogue = &registry.inner.catalogue;
            match catalogue.state(UNCONFIRMED)? {
                Some(expected) if expected.is_empty() || expected != confirmation => {
                    Err(Error::CollectionUnconfirmed)
                }
                Some(_) => catalogue.clear_state(UNCONFIRMED),
                None => Ok(()),
            }
        })
        .await
    }

    /// Collects at every interval until told to stop.
    pub(super) async fn collect_in_turns(&self, stop: &CancellationToken) {
        loop {
            let reconfigured = self.inner.reconfigured.notified();
            let settings = self.settings();
            let interval = settings.gc_interval.filter(|_| !settings.policy.read_only);
            let due = async {
                match interval {
                    Some(interval) => tokio::time::sleep(interval).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = reconfigured => continue,
                () = due => {}
            }
            match self.collect(Mode::Sweep, stop).await {
                Ok(_) => {}
                Err(error @ Error::CollectionUnconfirmed) => {
                    tracing::info!(%error, "no collection");
                }
                Err(error) => tracing::warn!(%error, "garbage was not collected"),
            }
        }
    }

    fn collect_now(
        &self,
        (mode, scope): (Mode, Scope),
        stop: &CancellationToken,
        watch: &Watch,
    ) -> Result<Report, Error> {
        let inner = &*self.inner;
        let _alone = inner.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.settings();
        let unconfirmed = inner.catalogue.state(UNCONFIRMED)?.is_some();
        if mode == Mode::Sweep {
            if settings.policy.read_only {
                return Err(Error::ReadOnly);
            }
            if unconfirmed {
                return Err(Error::CollectionUnconfirmed);
            }
        }
        let mut collection = Collection::new(inner, mode, stop, watch);
        collection.retain(&settings.policy.retention)?;
        if scope == Scope::Everything {
            collection.sweep_blobs()?;
            collection.sweep_files()?;
            if mode == Mode::Sweep {
                inner.layout.empty_trash()?;
                (watch.step)(Step::Freed);
                inner.catalogue.drop_empty_repositories()?;
            }
        }
        let mut report = collection.report;
        report.stopped = stop.is_cancelled();
        // What may go is known only once the promises of the former process have run out.
        let whole = scope == Scope::Everything && !report.stopped;
        if unconfirmed && whole && inner.leases.is_settled() {
            let confirmation = fingerprint(&report);
            inner.catalogue.set_state(UNCONFIRMED, confirmation.clone())?;
            report.confirmation = Some(confirmation);
        }
        Ok(report)
    }
}

/// A short text that another outcome of a dry run would not have.
fn fingerprint(report: &Report) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(format!("{:?} {} {}", report.removed, report.bytes, report.leased).as_bytes());
    for item in &report.items {
        hash.update(format!("{item:?}").as_bytes());
    }
    let value = hash.finish();
    data_encoding::HEXLOWER.encode(value.as_ref().get(..8).unwrap_or_default())
}
