//! Collecting garbage, while everything else goes on. One thread goes through retention, blobs and
//! files, each in batches: choose by reading, delete the rows in a small transaction that asks again,
//! move the files to the trash while their digests are condemned, free their space afterwards.
//! Killed after any of these steps, the next start and the next collection do the rest.

use std::fs;
use std::sync::PoisonError;
use std::time::Instant;

use ring::digest::{Context, SHA256};
use tokio_util::sync::CancellationToken;

use super::{Inner, Registry, blocking};
use crate::catalogue::{Dropped, Garbage, Removed, Swept, now};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, failed};
use crate::gc::{Item, Kept, Mode, Report, Step, What};
use crate::name::Repository;
use crate::retention::{self, Doomed};

/// Most content in one transaction: it is away for clients until the transaction has ended.
const BATCH: usize = 32;

/// Files looked up in one go.
const FILES: usize = 512;

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
        let (registry, stop) = (self.clone(), stop.clone());
        blocking(move || {
            let started = Instant::now();
            let collected = registry.collect_now((mode, &stop), &watch);
            if mode == Mode::Sweep {
                let outcome = if collected.is_ok() { "done" } else { "failed" };
                metrics::counter!("registry_gc_runs_total", "outcome" => outcome).increment(1);
                metrics::histogram!("registry_gc_seconds").record(started.elapsed());
                match &collected {
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
        (mode, stop): (Mode, &CancellationToken),
        watch: &dyn Fn(Step),
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
        let mut collection =
            Collection { inner, mode, stop, watch, report: Report::new(mode), without: Vec::new() };
        collection.retain(&settings.policy.retention)?;
        collection.sweep_blobs()?;
        collection.sweep_files()?;
        if mode == Mode::Sweep {
            inner.layout.empty_trash()?;
            watch(Step::Freed);
        }
        let mut report = collection.report;
        report.stopped = stop.is_cancelled();
        // What may go is known only once the promises of the former process have run out.
        if unconfirmed && !report.stopped && inner.leases.is_settled() {
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

struct Collection<'a> {
    inner: &'a Inner,
    mode: Mode,
    stop: &'a CancellationToken,
    watch: &'a dyn Fn(Step),
    report: Report,
    /// In a dry run, the rows of the manifests that would be gone.
    without: Vec<i64>,
}

impl Collection<'_> {
    fn is_dry(&self) -> bool {
        self.mode == Mode::DryRun
    }

    /// Removes the tags and manifests that the rules keep no longer.
    fn retain(&mut self, rules: &[retention::Rule]) -> Result<(), Error> {
        if rules.is_empty() {
            return Ok(());
        }
        for (row, repository) in self.inner.catalogue.all_repositories()? {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let Some(keep) = retention::keep_of(rules, &repository) else { continue };
            let graph = self.inner.catalogue.graph(row)?;
            let leases = &self.inner.leases;
            let plan = retention::plan(&graph, keep, |digest| leases.is_leased(digest));
            for digest in plan.leased {
                self.note_manifest(&repository, digest, Some(Kept::Leased));
            }
            if self.is_dry() {
                self.note_doomed(&repository, &plan.doomed);
            } else {
                self.drop_manifests(&repository, plan.doomed)?;
            }
        }
        Ok(())
    }

    fn note_doomed(&mut self, repository: &Repository, doomed: &[Doomed]) {
        for doomed in doomed {
            self.note_tags(repository, doomed, 0..doomed.tags.len());
            if doomed.whole {
                self.without.push(doomed.manifest);
                self.note_manifest(repository, doomed.digest, None);
            }
        }
    }

    /// Removes manifests as long as some go: an entry goes after its index, a referrer after its
    /// subject.
    fn drop_manifests(
        &mut self,
        repository: &Repository,
        mut left: Vec<Doomed>,
    ) -> Result<(), Error> {
        loop {
            let before = left.len();
            let mut again = Vec::new();
            for batch in left.chunks(BATCH) {
                if self.stop.is_cancelled() {
                    return Ok(());
                }
                again.extend(self.drop_batch(repository, batch)?);
            }
            if again.is_empty() || again.len() == before {
                for doomed in again {
                    self.note_manifest(repository, doomed.digest, Some(Kept::Needed));
                }
                return Ok(());
            }
            left = again;
        }
    }

    /// What may go once others are gone.
    fn drop_batch(
        &mut self,
        repository: &Repository,
        batch: &[Doomed],
    ) -> Result<Vec<Doomed>, Error> {
        (self.watch)(Step::Chosen);
        let dropped = self.inner.catalogue.drop_manifests(&self.inner.leases, batch.to_vec())?;
        self.inner.export.note_change();
        (self.watch)(Step::Committed);
        let mut again = Vec::new();
        for (doomed, Dropped { swept, tags }) in batch.iter().zip(dropped) {
            self.note_tags(repository, doomed, tags);
            match swept {
                Swept::Leased => {
                    self.note_manifest(repository, doomed.digest, Some(Kept::Leased));
                }
                Swept::Needed => again.push(Doomed { tags: Vec::new(), ..doomed.clone() }),
                Swept::Removed(_) if doomed.whole => {
                    self.note_manifest(repository, doomed.digest, None);
                }
                Swept::Removed(_) => {}
            }
        }
        Ok(again)
    }

    /// Removes blobs that nothing needs, from repositories that do not need them.
    fn sweep_blobs(&mut self) -> Result<(), Error> {
        let without = serde_json::to_string(&self.without).map_err(Error::encode)?;
        let mut last = String::new();
        loop {
            let page = self.inner.catalogue.garbage(&last, &without)?;
            let Some(end) = page.last() else { return Ok(()) };
            last = end.digest.to_string();
            for batch in page.chunks(BATCH) {
                if self.stop.is_cancelled() {
                    return Ok(());
                }
                if self.is_dry() {
                    for garbage in batch {
                        self.note_garbage(garbage);
                    }
                } else {
                    self.sweep_batch(batch)?;
                }
            }
        }
    }

    fn note_garbage(&mut self, garbage: &Garbage) {
        let Garbage { digest, size, links, whole } = *garbage;
        if self.inner.leases.is_leased(&digest) {
            self.note(What::Blob, digest, (0, Some(Kept::Leased)));
        } else {
            self.note_removed(digest, links, whole.then_some(size));
        }
    }

    fn sweep_batch(&mut self, batch: &[Garbage]) -> Result<(), Error> {
        (self.watch)(Step::Chosen);
        let digests = batch.iter().map(|garbage| garbage.digest).collect();
        let swept = self.inner.catalogue.sweep_blobs(&self.inner.leases, digests)?;
        (self.watch)(Step::Committed);
        for (garbage, swept) in batch.iter().zip(swept) {
            match swept {
                Swept::Leased => self.note(What::Blob, garbage.digest, (0, Some(Kept::Leased))),
                Swept::Needed => self.note(What::Blob, garbage.digest, (0, Some(Kept::Needed))),
                Swept::Removed(Removed { condemned, links, whole }) => {
                    if whole.is_some() {
                        self.inner.layout.trash(condemned.digest())?;
                        (self.watch)(Step::PutAway);
                    }
                    self.note_removed(garbage.digest, links, whole);
                }
            }
        }
        Ok(())
    }

    /// Removes files that the catalogue does not know: a process was killed before it wrote their
    /// row, or after it deleted it.
    fn sweep_files(&mut self) -> Result<(), Error> {
        for algorithm in Algorithm::ALL {
            let directory = self.inner.layout.blobs(algorithm);
            let mut batch = Vec::with_capacity(FILES);
            for entry in fs::read_dir(&directory).map_err(failed("list", &directory))? {
                let name = entry.map_err(failed("list", &directory))?.file_name();
                // What has another kind of name is none of ours.
                let digest =
                    name.to_str().map(|hex| format!("{algorithm}:{hex}").parse::<Digest>());
                batch.extend(digest.and_then(Result::ok));
                if batch.len() >= FILES {
                    self.sweep_strangers(&std::mem::take(&mut batch))?;
                }
            }
            self.sweep_strangers(&batch)?;
        }
        Ok(())
    }

    fn sweep_strangers(&mut self, batch: &[Digest]) -> Result<(), Error> {
        if self.stop.is_cancelled() {
            return Ok(());
        }
        for digest in self.inner.catalogue.unknown(batch)? {
            let size = self.inner.layout.open_blob(&digest).map_or(0, |(_, size)| size);
            if self.is_dry() {
                let kept = self.inner.leases.is_leased(&digest).then_some(Kept::Leased);
                self.note(What::File, digest, (size, kept));
                continue;
            }
            // Who brings content holds it until its row is written, and nobody can from here on.
            let Some(_condemned) = self.inner.leases.condemn(&digest) else {
                self.note(What::File, digest, (size, Some(Kept::Leased)));
                continue;
            };
            (self.watch)(Step::Chosen);
            let still = !self.inner.catalogue.unknown(&[digest])?.is_empty();
            if still && self.inner.layout.trash(&digest)? {
                (self.watch)(Step::PutAway);
                self.note(What::File, digest, (size, None));
            }
        }
        Ok(())
    }

    fn note_removed(&mut self, digest: Digest, links: u64, whole: Option<u64>) {
        for _ in 0..links {
            self.note(What::Link, digest, (0, None));
        }
        if let Some(size) = whole {
            self.note(What::Blob, digest, (size, None));
        }
    }

    fn note_tags(
        &mut self,
        repository: &Repository,
        doomed: &Doomed,
        positions: impl IntoIterator<Item = usize>,
    ) {
        for (tag, _) in positions.into_iter().filter_map(|position| doomed.tags.get(position)) {
            let (what, digest, tag) = (What::Tag, doomed.digest, Some(tag.clone()));
            let repository = Some(repository.clone());
            self.report.add(Item { what, digest, repository, tag, bytes: 0, kept: None });
        }
    }

    fn note_manifest(&mut self, repository: &Repository, digest: Digest, kept: Option<Kept>) {
        let (what, repository) = (What::Manifest, Some(repository.clone()));
        self.report.add(Item { what, digest, repository, tag: None, bytes: 0, kept });
    }

    fn note(&mut self, what: What, digest: Digest, (bytes, kept): (u64, Option<Kept>)) {
        self.report.add(Item { what, digest, repository: None, tag: None, bytes, kept });
    }
}
