//! The steps of one collection: what the rules give up, what nothing needs, what nobody knows.

use std::fs;

use tokio_util::sync::CancellationToken;

use super::super::Inner;
use super::Watch;
use crate::catalogue::{Dropped, Garbage, Removed, Swept};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, failed};
use crate::gc::{Item, Kept, Mode, Report, Step, What};
use crate::name::Repository;
use crate::retention::{self, Doomed};

/// Most content in one transaction: it is away for clients until the transaction has ended.
const BATCH: usize = 32;

/// Files looked up in one go.
const FILES: usize = 512;

pub(super) struct Collection<'a> {
    inner: &'a Inner,
    mode: Mode,
    stop: &'a CancellationToken,
    watch: &'a Watch,
    pub(super) report: Report,
    /// In a dry run, the rows of the manifests that would be gone.
    without: Vec<i64>,
}

impl<'a> Collection<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        mode: Mode,
        stop: &'a CancellationToken,
        watch: &'a Watch,
    ) -> Self {
        Self { inner, mode, stop, watch, report: Report::new(mode), without: Vec::new() }
    }

    fn step(&self, step: Step) {
        (self.watch.step)(step);
    }

    /// Tells what was met so far.
    fn tell(&self) {
        (self.watch.report)(&self.report);
    }

    fn is_dry(&self) -> bool {
        self.mode == Mode::DryRun
    }

    /// Removes the tags and manifests that the rules keep no longer.
    pub(super) fn retain(&mut self, rules: &[retention::Rule]) -> Result<(), Error> {
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
            self.tell();
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
        self.step(Step::Chosen);
        let dropped = self.inner.catalogue.drop_manifests(&self.inner.leases, batch.to_vec())?;
        self.inner.export.note_change();
        self.step(Step::Committed);
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
    pub(super) fn sweep_blobs(&mut self) -> Result<(), Error> {
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
                self.tell();
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
        self.step(Step::Chosen);
        let digests = batch.iter().map(|garbage| garbage.digest).collect();
        let swept = self.inner.catalogue.sweep_blobs(&self.inner.leases, digests)?;
        self.step(Step::Committed);
        for (garbage, swept) in batch.iter().zip(swept) {
            match swept {
                Swept::Leased => self.note(What::Blob, garbage.digest, (0, Some(Kept::Leased))),
                Swept::Needed => self.note(What::Blob, garbage.digest, (0, Some(Kept::Needed))),
                Swept::Removed(Removed { condemned, links, whole }) => {
                    if whole.is_some() {
                        self.inner.layout.trash(condemned.digest())?;
                        self.step(Step::PutAway);
                    }
                    self.note_removed(garbage.digest, links, whole);
                }
            }
        }
        Ok(())
    }

    /// Removes files that the catalogue does not know: a process was killed before it wrote their
    /// row, or after it deleted it.
    pub(super) fn sweep_files(&mut self) -> Result<(), Error> {
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
            self.tell();
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
            self.step(Step::Chosen);
            let still = !self.inner.catalogue.unknown(&[digest])?.is_empty();
            if still && self.inner.layout.trash(&digest)? {
                self.step(Step::PutAway);
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
