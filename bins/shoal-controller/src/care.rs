//! What is done for the installation itself while nobody looks: backups, their trial, checks of the
//! database, and the figures that tell whether all of it is still done. One chore at a time, so that
//! they do not compete with each other for the disk.

mod backup;
mod ledger;
mod measure;
mod registry;
mod synchronised;
mod trial;

use std::{collections::BTreeMap, time::Duration};

use shoal_core::Time;
use shoal_engine::Clock;
use shoal_store::{Chore, Store};
use tokio_util::sync::CancellationToken;

use self::measure::Measure;
pub(crate) use self::{ledger::Ledger, registry::RegistryCare};
use crate::{effects::chain, settings::InForce};

/// Between two looks at what is due: bounds how late a chore is after the clock was stepped.
const BEAT: Duration = Duration::from_mins(1);

/// After a failure; most causes, such as a full disk, need somebody first.
const RETRY: Duration = Duration::from_mins(15);

const WEEK: Duration = Duration::from_hours(7 * 24);

/// Everything that is done for the installation.
pub(crate) struct Care {
    store: Store,
    clock: Clock,
    in_force: InForce,
    ledger: Ledger,
    measure: Measure,
}

/// Why a chore was not done.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The database said no, or is damaged.
    #[error(transparent)]
    Store(#[from] shoal_store::Error),
    /// A copy of the database said no.
    #[error(transparent)]
    Sqlite(#[from] shoal_sqlite::Error),
    /// The directory of backups.
    #[error("{action} {}", path.display())]
    Io { action: &'static str, path: std::path::PathBuf, source: std::io::Error },
    /// A copy must not take the room that jobs need.
    #[error(
        "copy {needed} bytes into {}: it has {free} bytes left, of which {kept_free} stay free for \
         jobs; make room, or set BACKUP_DIR to a directory on a larger disk",
        path.display()
    )]
    NoRoom { path: std::path::PathBuf, needed: u64, free: u64, kept_free: u64 },
    /// There is nothing to try.
    #[error("find a backup in {}", path.display())]
    NoBackup { path: std::path::PathBuf },
    /// The blocking work ended without an answer.
    #[error("the work was ended before it was done")]
    Ended,
}

impl Care {
    /// Shows how fresh everything is, so that a first scrape finds it; then [`Care::follow`] it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn begin(
        ledger: Ledger,
        in_force: InForce,
        tls: std::sync::Arc<crate::tls::Tls>,
    ) -> Result<Self, shoal_store::Error> {
        let (store, clock) = (ledger.store().clone(), ledger.clock().clone());
        ledger.show().await?;
        let measure = Measure::new(store.clone(), in_force.clone(), tls);
        measure.figures().await?;
        let backups = in_force.now().backups.clone();
        tokio::join!(backup::show_newest(&backups.dir, clock.now()), measure.clock());
        Ok(Self { store, clock, in_force, ledger, measure })
    }

    /// Does what is due until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        let mut failed: BTreeMap<Chore, Time> = BTreeMap::new();
        let mut beat = tokio::time::interval(BEAT);
        while stop.run_until_cancelled(beat.tick()).await.is_some() {
            // Every chore is whole or leaves what it found; what a stop cuts is the next start's.
            if stop.run_until_cancelled(self.pass(&mut failed)).await.is_none() {
                return;
            }
        }
    }

    async fn pass(&self, failed: &mut BTreeMap<Chore, Time>) {
        self.measure.beat().await;
        for chore in [Chore::Backup, Chore::RestoreTest, Chore::Check] {
            match self.is_due(chore, failed.get(&chore).copied()).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::error!(error = chain(&error), "failed to look at what is due");
                    return;
                }
            }
            match self.perform(chore).await {
                Ok(()) => {
                    failed.remove(&chore);
                    self.ledger.done(chore).await;
                }
                Err(error) => {
                    failed.insert(chore, self.clock.now());
                    tell_failure(chore, &error);
                }
            }
        }
    }

    async fn is_due(&self, chore: Chore, failed: Option<Time>) -> Result<bool, shoal_store::Error> {
        let every = match chore {
            Chore::Backup => self.in_force.now().backups.interval,
            Chore::RestoreTest | Chore::Check | Chore::TaskCollection | Chore::RegistryCheck => {
                WEEK
            }
        };
        let now = self.clock.now();
        let done = self.store.chores().await?.done(chore);
        Ok(is_due(now, done, every)
            && failed.is_none_or(|at| is_due(now, Some(at), RETRY.min(every))))
    }

    async fn perform(&self, chore: Chore) -> Result<(), Error> {
        let backups = self.in_force.now().backups.clone();
        match chore {
            Chore::Backup => backup::make(&self.store, &backups, self.clock.now()).await,
            Chore::RestoreTest => trial::restore_newest(&backups.dir, self.clock.now()).await,
            Chore::Check => Ok(self.store.check(shoal_sqlite::Depth::Full).await?),
            // Who keeps them does this, each at its own pace.
            Chore::TaskCollection | Chore::RegistryCheck => Ok(()),
        }
    }
}

/// What was never done is due, and so is what was done at a time which has not come: the clock was
/// wrong then.
fn is_due(now: Time, done: Option<Time>, every: Duration) -> bool {
    done.is_none_or(|at| now.since(at) >= every || at > now)
}

fn tell_failure(chore: Chore, error: &Error) {
    let error = chain(error);
    match chore {
        Chore::Backup => {
            metrics::counter!("backup_failures_total").increment(1);
            tracing::error!(error, "the backup failed; the ones before are kept");
        }
        Chore::RestoreTest => {
            metrics::counter!("restore_test_failures_total").increment(1);
            tracing::error!(error, "the trial restore failed");
        }
        Chore::Check | Chore::TaskCollection | Chore::RegistryCheck => {
            tracing::error!(chore = chore.as_str(), error, "the check failed");
        }
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    body: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(body).await.unwrap_or(Err(Error::Ended))
}

#[cfg(test)]
mod tests;
