//! The handle everybody holds: it opens the database in the right order and hands closures to the
//! writer and the readers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::check::inspect_and_export;
use crate::connection::{open_reader, open_writer};
use crate::filesystem::{create_private, directory, failed, prepare_directory, sibling, sync};
use crate::instance::InstanceLock;
use crate::member::Write;
use crate::migration::{migrate, recognise};
use crate::reader::Readers;
use crate::restore::unfinished_restore;
use crate::writer::{Message, Writer};
use crate::{Config, Depth, Error, Manifest, Migration};

/// An open database. Clones share it; the last one to go closes it.
///
/// Dropping the last clone waits for queued writes; prefer [`Database::close`] in async code.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

/// Fields drop in this order: the writer ends and frees the lock, then the pool, then the files of
/// a scratch database.
struct Inner {
    writer: Writer,
    readers: Readers,
    config: Config,
    _scratch: Option<TempDir>,
}

/// What [`Database::sample`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Bytes of the database file.
    pub db_bytes: u64,
    /// Bytes of the WAL beside it; grows without bound while somebody holds a snapshot.
    pub wal_bytes: u64,
    /// How long the latest group of writes took; zero before the first.
    pub last_group: Duration,
}

impl Database {
    /// Takes the instance lock, opens, checks and migrates the database. Blocks; call it before
    /// the runtime starts or from a blocking thread.
    ///
    /// # Errors
    /// Among others [`Error::Held`], [`Error::NewerSchema`], [`Error::MigrationEdited`],
    /// [`Error::ForeignDatabase`], and [`Error::is_corrupt`] when `quick_check` finds damage.
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_in(config, None)
    }

    /// A throw-away database in a temporary directory, which goes with the last handle. A file and
    /// not `:memory:`, so that locking, WAL and snapshots are those of production.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn scratch(application_id: i32, migrations: &'static [Migration]) -> Result<Self, Error> {
        let directory =
            tempfile::tempdir().map_err(failed("create a directory in", &std::env::temp_dir()))?;
        let config = Config::new(directory.path().join("scratch.db"), application_id, migrations);
        Self::open_in(config, Some(directory))
    }

    fn open_in(config: Config, scratch: Option<TempDir>) -> Result<Self, Error> {
        prepare_directory(&config.path)?;
        let lock = InstanceLock::take(&config.path, &config.instance)?;
        if let Some(path) = unfinished_restore(&config.path) {
            return Err(Error::RestoreUnfinished { path });
        }
        if create_private(&config.path)? {
            sync(directory(&config.path))?;
        }
        // Before anything is written: even switching to WAL would change a file that is not ours.
        recognise(&open_reader(&config.path, config.busy_timeout)?, &config)?;
        let connection = open_writer(&config.path, config.busy_timeout)?;
        inspect_and_export(&config, Depth::Quick)?;
        migrate(&connection, &config)?;
        let readers = Readers::start(&config)?;
        let writer = Writer::start(connection, lock, &config)?;
        Ok(Self { inner: Arc::new(Inner { writer, readers, config, _scratch: scratch }) })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.inner.config.path
    }

    /// Runs the closure in the writer and answers once its changes are on disk.
    ///
    /// An `Err` of the closure undoes what it did and nothing else. Waits while the queue is full;
    /// a future dropped then never runs its closure. Once queued, the closure runs and commits even
    /// if nobody waits for the answer any more. It blocks all other writers: no network, no files,
    /// and no call of this database inside it.
    ///
    /// # Errors
    /// The closure's own, or through `From`: [`Error::NotCommitted`], [`Error::Panicked`],
    /// [`Error::Closed`].
    pub async fn write<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (write, answer) = Write::new(body);
        let queue = self.inner.writer.queue()?;
        queue.send(Message::Write(Box::new(write))).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(E::from(Error::Closed)))
    }

    /// [`Database::write`] for threads outside the async runtime.
    ///
    /// # Panics
    /// When called from async code, which must not block.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_blocking<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (write, answer) = Write::new(body);
        let queue = self.inner.writer.queue()?;
        queue.blocking_send(Message::Write(Box::new(write))).map_err(|_| Error::Closed)?;
        answer.blocking_recv().unwrap_or_else(|_| Err(E::from(Error::Closed)))
    }

    /// Runs the closure on a read-only connection, on a blocking thread. All its statements see
    /// the same snapshot, which includes every write acknowledged before the call.
    ///
    /// # Errors
    /// The closure's own, or through `From`: [`Error::Sqlite`], [`Error::NoReader`],
    /// [`Error::Panicked`], [`Error::Closed`].
    pub async fn read<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.inner.readers.read(body).await
    }

    /// [`Database::read`] on the calling thread.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub fn read_blocking<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E>,
        E: From<Error>,
    {
        self.inner.readers.read_blocking(body)
    }

    /// Copies the database to `to` while it is written, and puts a manifest beside it. `labels`
    /// go into the manifest as they are, for what only the caller knows (such as a key id).
    ///
    /// # Errors
    /// [`Error::is_corrupt`] when the copy fails its integrity check; nothing is left then.
    /// [`Error::Io`] when `to` exists.
    pub async fn backup(
        &self,
        to: impl Into<PathBuf>,
        labels: BTreeMap<String, String>,
    ) -> Result<Manifest, Error> {
        let (config, to) = (self.inner.config.clone(), to.into());
        blocking(move || crate::backup::backup(&config, &to, labels)).await
    }

    /// Checks the file on a fresh connection and exports the verdict as `db_integrity_ok`.
    ///
    /// # Errors
    /// [`Error::is_corrupt`] when there is damage; anything else: it could not be looked at.
    pub async fn check(&self, depth: Depth) -> Result<(), Error> {
        let config = self.inner.config.clone();
        blocking(move || inspect_and_export(&config, depth)).await
    }

    /// Looks at the files' sizes and exports them as `sqlite_db_bytes` and `sqlite_wal_bytes`.
    ///
    /// # Errors
    /// [`Error::Io`] when the database file cannot be seen.
    pub fn sample(&self) -> Result<Sample, Error> {
        let Config { path, name, .. } = &self.inner.config;
        let db_bytes = std::fs::metadata(path).map_err(failed("look at", path))?.len();
        let wal_bytes = std::fs::metadata(sibling(path, "-wal")).map_or(0, |found| found.len());
        #[expect(clippy::cast_precision_loss, reason = "file sizes are far below 2^53")]
        let (db, wal) = (db_bytes as f64, wal_bytes as f64);
        metrics::gauge!("sqlite_db_bytes", "db" => *name).set(db);
        metrics::gauge!("sqlite_wal_bytes", "db" => *name).set(wal);
        Ok(Sample { db_bytes, wal_bytes, last_group: self.inner.writer.last_group() })
    }

    /// Commits what is queued, waits for running async reads, empties the WAL into the database
    /// and frees the instance lock. Later calls on any clone answer [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Closed`] when it is closed already; else why the WAL stayed. Nothing is lost then.
    pub async fn close(&self) -> Result<(), Error> {
        self.inner.readers.close().await;
        let (reply, closed) = oneshot::channel();
        let queue = self.inner.writer.queue()?;
        queue.send(Message::Close(reply)).await.map_err(|_| Error::Closed)?;
        closed.await.unwrap_or(Err(Error::Closed))
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.path()).finish_non_exhaustive()
    }
}

async fn blocking<T: Send + 'static>(
    body: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(body).await;
    done.unwrap_or_else(|error| Err(if error.is_panic() { Error::Panicked } else { Error::Closed }))
}
