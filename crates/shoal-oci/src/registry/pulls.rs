//! When repositories were last pulled from. A write per pull would be too dear, so the times are
//! gathered in memory and written down with the chores; a kill loses the last minute of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::catalogue::{Catalogue, now};
use crate::name::Repository;

/// How long times are gathered before they are written down.
const EVERY: Duration = Duration::from_mins(1);

/// Pulls that were not written down yet; one entry per repository there is.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    at: HashMap<Repository, i64>,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Pulls {
    /// A manifest of the repository was found for somebody.
    pub(crate) fn note(&self, repository: &Repository) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.at.insert(repository.clone(), now());
        gathered.since.get_or_insert_with(Instant::now);
    }

    /// Writes down what was gathered for long enough. Blocks.
    pub(crate) fn write_if_due(&self, catalogue: &Catalogue) {
        self.write_after(EVERY, catalogue);
    }

    /// Writes down what was gathered. Blocks.
    pub(crate) fn write(&self, catalogue: &Catalogue) {
        self.write_after(Duration::ZERO, catalogue);
    }

    fn write_after(&self, age: Duration, catalogue: &Catalogue) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.since.is_none_or(|since| since.elapsed() < age) {
            return;
        }
        let taken = std::mem::take(&mut *gathered);
        drop(gathered);
        // What is lost is a time that people look at: nothing else has to wait for it.
        if let Err(error) = catalogue.note_pulls(taken.at.into_iter().collect()) {
            tracing::warn!(%error, "when repositories were last pulled from was not written down");
        }
    }
}
