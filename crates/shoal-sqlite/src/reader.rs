//! Reads: a bounded pool of connections that cannot write. Async callers wait for a place before a
//! blocking thread is taken, so a crowd of readers cannot eat the runtime's threads.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use crate::connection::{ReaderManager, open_reader};
use crate::member::call;
use crate::{Config, Error};

/// How long a blocking reader waits for a connection that others use.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pool.
#[derive(Debug)]
pub(crate) struct Readers {
    pool: r2d2::Pool<ReaderManager>,
    places: Arc<Semaphore>,
    count: u32,
    db: &'static str,
}

impl Readers {
    /// Builds the pool; connections are made on demand, the first one here, so that what is wrong
    /// shows now and with its own error.
    pub(crate) fn start(config: &Config) -> Result<Self, Error> {
        open_reader(&config.path, config.busy_timeout)?;
        let count = config.readers.max(1);
        let manager =
            ReaderManager { path: config.path.clone(), busy_timeout: config.busy_timeout };
        let pool = r2d2::Pool::builder()
            .max_size(count)
            .min_idle(Some(0))
            .connection_timeout(PATIENCE)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build(manager)
            .map_err(Error::NoReader)?;
        let places = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)));
        Ok(Self { pool, places, count, db: config.name })
    }

    /// Runs the closure on a blocking thread.
    pub(crate) async fn read<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.map_err(|_| Error::Closed)?;
        let (pool, db) = (self.pool.clone(), self.db);
        let reading = tokio::task::spawn_blocking(move || {
            let _place = place;
            read_pooled(&pool, db, body)
        });
        // Panics are caught inside; what is left is a runtime that shuts down.
        reading.await.unwrap_or_else(|_| Err(E::from(Error::Closed)))
    }

    /// Runs the closure on this thread.
    pub(crate) fn read_blocking<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> Result<T, E>,
        E: From<Error>,
    {
        if self.places.is_closed() {
            return Err(E::from(Error::Closed));
        }
        read_pooled(&self.pool, self.db, body)
    }

    /// Waits for running async reads and refuses new ones.
    pub(crate) async fn close(&self) {
        if let Ok(all) = self.places.acquire_many(self.count).await {
            self.places.close();
            drop(all);
        }
    }
}

fn read_pooled<F, T, E>(pool: &r2d2::Pool<ReaderManager>, db: &'static str, body: F) -> Result<T, E>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, E>,
    E: From<Error>,
{
    let connection = pool.get().map_err(Error::NoReader)?;
    let tx = snapshot(&connection).inspect_err(|error| {
        if error.is_busy() {
            metrics::counter!("sqlite_busy_total", "db" => db).increment(1);
        }
    })?;
    // The transaction rolls back when dropped: it ends with the closure, panic or not.
    call(|| body(&tx))
}

/// Begins a read transaction and reads once, because BEGIN alone does not yet fix the snapshot.
fn snapshot(connection: &Connection) -> Result<Transaction<'_>, Error> {
    let tx = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    tx.prepare_cached("SELECT count(*) FROM sqlite_schema")?.query_row([], |_| Ok(()))?;
    Ok(tx)
}
