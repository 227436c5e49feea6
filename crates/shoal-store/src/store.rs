//! The handle everybody holds, and the two doors to the database behind it: reads, and writes that
//! run to their end and are announced even when their caller has gone away.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use shoal_core::{JobId, Status};
use shoal_sqlite::{Config, Database, Depth, Manifest, Migration, Sample, rusqlite::Transaction};
use tokio::sync::broadcast;

use crate::{
    Error, announce::announce, caller::KnownTokens, sealing::Sealing, transition::Transition,
    unbroken::Unbroken,
};

/// `SHOL`, so that `file` and this program recognise the database.
const APPLICATION_ID: i32 = 0x5348_4F4C;

/// Changes a slow subscriber may fall behind before it is told that it lagged.
const CHANGES_KEPT: usize = 1024;

const MIGRATIONS: &[Migration] = &[
    Migration { name: "first", sql: include_str!("../migrations/0001_first.sql") },
    Migration {
        name: "tokens and keys",
        sql: include_str!("../migrations/0002_tokens_and_keys.sql"),
    },
    Migration {
        name: "operators actions",
        sql: include_str!("../migrations/0003_operators_actions.sql"),
    },
    Migration { name: "media reads", sql: include_str!("../migrations/0004_media_reads.sql") },
    Migration {
        name: "probes and logins",
        sql: include_str!("../migrations/0005_probes_and_logins.sql"),
    },
    Migration { name: "fewer indexes", sql: include_str!("../migrations/0006_fewer_indexes.sql") },
    Migration { name: "audit address", sql: include_str!("../migrations/0007_audit_address.sql") },
    Migration {
        name: "learned and transcripts",
        sql: include_str!("../migrations/0008_learned_and_transcripts.sql"),
    },
    Migration { name: "chores", sql: include_str!("../migrations/0009_chores.sql") },
    Migration { name: "traces", sql: include_str!("../migrations/0010_traces.sql") },
];

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    sealing: Arc<Sealing>,
    tokens: KnownTokens,
    changes: broadcast::Sender<Change>,
}

/// How a store is opened.
#[derive(Debug)]
pub struct Options {
    /// The database file; created when missing.
    pub path: PathBuf,
    /// Who we are, for the message that another opener of the same file gets.
    pub instance: String,
    /// The keys for secret cells.
    pub sealing: Sealing,
}

/// Something about a job was committed.
///
/// A hint to look, not a log: changes may be told out of order, and a lagging subscriber misses
/// some. Whoever must miss nothing reads [`Store::events`] after the last id it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The job.
    pub job: JobId,
    /// Its version now.
    pub version: u64,
    /// The last event of any job when this was committed; all events of the change are up to it.
    pub event_id: i64,
    /// The job's status now.
    pub status: Status,
}

impl Store {
    /// Opens or creates the database. Blocks.
    ///
    /// # Errors
    /// [`Error::Database`] names who holds a database that is held; [`Error::WrongSealingKey`].
    pub fn open(options: Options) -> Result<Self, Error> {
        let mut config = Config::new(options.path, APPLICATION_ID, MIGRATIONS);
        config.instance = options.instance;
        Self::over(Database::open(config)?, options.sealing)
    }

    /// A throw-away store with a random sealing key; its files go with the last clone. Blocks.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn scratch() -> Result<Self, Error> {
        Self::over(Database::scratch(APPLICATION_ID, MIGRATIONS)?, Sealing::generate()?)
    }

    fn over(database: Database, sealing: Sealing) -> Result<Self, Error> {
        let sealing = Arc::new(sealing);
        let prover = Arc::clone(&sealing);
        // A thread of its own: opening may be called where blocking on the writer would panic.
        let proving = database.clone();
        let proved = std::thread::scope(|scope| {
            scope
                .spawn(|| proving.write_blocking(move |tx| prover.prove(tx)))
                .join()
                .unwrap_or(Err(Error::Database(shoal_sqlite::Error::Panicked)))
        });
        proved?;
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        Ok(Self {
            inner: Arc::new(Inner { database, sealing, tokens: KnownTokens::default(), changes }),
        })
    }

    /// Commits what is queued and frees the database; later calls on any clone fail.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.inner.database.close().await?)
    }

    /// Hears of every change of a job from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Copies the database while it is written; the manifest beside it names the sealing key.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn backup(&self, to: impl Into<PathBuf>) -> Result<Manifest, Error> {
        let labels = BTreeMap::from([("sealing_key".to_owned(), self.inner.sealing.key_id())]);
        Ok(self.inner.database.backup(to, labels).await?)
    }

    /// Id of the key that seals.
    pub fn sealing_key_id(&self) -> String {
        self.inner.sealing.key_id()
    }

    /// Checks the file and exports the verdict.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn check(&self, depth: Depth) -> Result<(), Error> {
        Ok(self.inner.database.check(depth).await?)
    }

    /// Looks at the sizes of the files and exports them.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sample(&self) -> Result<Sample, Error> {
        Ok(self.inner.database.sample()?)
    }

    pub(crate) fn sealing(&self) -> &Sealing {
        &self.inner.sealing
    }

    pub(crate) fn known_tokens(&self) -> &KnownTokens {
        &self.inner.tokens
    }

    /// Runs a read on one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Transaction<'_>, &Sealing) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let sealing = Arc::clone(&self.inner.sealing);
        self.inner.database.read(move |tx| body(tx, &sealing)).await
    }

    /// Runs a write that changes no job.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Transaction<'_>, &Sealing) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let sealing = Arc::clone(&self.inner.sealing);
        self.inner.database.write(move |tx| body(tx, &sealing)).await
    }

    /// Runs a write that changes jobs, and announces every transition once it is committed.
    ///
    /// A caller that stops waiting, such as a web request whose client hung up, must not keep a
    /// committed change from being announced.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Transaction<'_>, &Sealing) -> Result<(T, Vec<Transition>), Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        let changing = async move {
            let (answer, transitions) = store.write(body).await?;
            for transition in &transitions {
                announce(transition, &store.inner.changes);
            }
            Ok(answer)
        };
        Unbroken::new(changing).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.database.path()).finish_non_exhaustive()
    }
}
