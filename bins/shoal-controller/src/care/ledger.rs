//! How fresh everything is, in the database and on the gauges. Both are written together, so that a
//! restart shows what was true before it.

use shoal_core::Time;
use shoal_engine::Clock;
use shoal_store::{Chore, Store};

use crate::effects::chain;

/// Writes down what was done well. Clones write the same.
#[derive(Clone)]
pub(crate) struct Ledger {
    store: Store,
    clock: Clock,
}

impl Ledger {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Puts what is known on the gauges.
    pub(super) async fn show(&self) -> Result<(), shoal_store::Error> {
        let chores = self.store.chores().await?;
        for chore in Chore::ALL {
            show(chore, chores.since(chore));
        }
        Ok(())
    }

    /// Writes down that a chore was done well just now.
    pub(crate) async fn done(&self, chore: Chore) {
        let now = self.clock.now();
        // It was done; unwritten it is merely done again sooner after the next start.
        if let Err(error) = self.store.chore_done(chore, now).await {
            tracing::error!(
                error = chain(&error),
                chore = chore.as_str(),
                "failed to write down what was done"
            );
        }
        show(chore, now);
    }
}

fn show(chore: Chore, at: Time) {
    let at = seconds(at);
    match chore {
        Chore::Backup => metrics::gauge!("backup_last_success_timestamp_seconds").set(at),
        Chore::RestoreTest => {
            metrics::gauge!("restore_test_last_success_timestamp_seconds").set(at);
        }
        Chore::TaskCollection => {
            metrics::gauge!("gc_last_success_timestamp_seconds", "kind" => "tasks").set(at);
        }
        // The database tells its own checks, also the quick one of every start; the registry tells
        // what it found.
        Chore::Check | Chore::RegistryCheck => {}
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
pub(super) fn seconds(at: Time) -> f64 {
    at.as_secs() as f64
}
