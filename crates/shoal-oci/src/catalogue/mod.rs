//! The truth about repositories, tags, manifests, references and uploads: one SQLite file inside the
//! registry's directory. Each use case is one transaction here, and no transaction spans an await.

mod blob;
mod inspect;
mod list;
mod manifest;
mod reach;
mod schema;
mod survey;
mod sweep;
mod upload;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use shoal_sqlite::rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use shoal_sqlite::rusqlite::{OptionalExtension as _, Result as SqlResult, ToSql, Transaction};
use shoal_sqlite::{Config, Database};

use crate::error::Error;
use crate::name::Repository;

pub(crate) use blob::{Arrival, Journaled};
pub use inspect::User;
pub use list::{Page, Referrer};
pub(crate) use manifest::Push;
pub(crate) use survey::ManifestRow;
pub use survey::{RepositoryState, TagName, TagState};
pub(crate) use sweep::{Dropped, Garbage, Removed, Swept};
pub(crate) use upload::UploadRow;

/// The open catalogue. Clones share it.
#[derive(Debug, Clone)]
pub struct Catalogue {
    database: Database,
    totals: Arc<Totals>,
}

/// What the layout holds, kept beside the rows so that no gauge needs a scan.
#[derive(Debug, Default)]
struct Totals {
    blobs: AtomicU64,
    bytes: AtomicU64,
}

impl Catalogue {
    /// Opens or creates `registry.db` in `root`. Blocks.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let database = Database::open(Config {
            name: "registry",
            readers: 8,
            ..Config::new(root.join("registry.db"), schema::APPLICATION_ID, schema::MIGRATIONS)
        })?;
        let (Size(blobs), Size(bytes)) = database.read_blocking(|tx| -> Result<_, Error> {
            let sql = "SELECT count(*), coalesce(sum(size), 0) FROM blobs";
            Ok(tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })?;
        let totals = Totals { blobs: blobs.into(), bytes: bytes.into() };
        let catalogue = Self { database, totals: Arc::new(totals) };
        catalogue.export_totals();
        Ok(catalogue)
    }

    /// The database, for transactions of other modules.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Accounts for content that came.
    pub(crate) fn count_stored(&self, bytes: u64) {
        self.totals.blobs.fetch_add(1, Ordering::Relaxed);
        self.totals.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.export_totals();
    }

    /// Accounts for content that was removed, after its rows were deleted for good.
    pub fn count_removed(&self, blobs: u64, bytes: u64) {
        self.totals.blobs.fetch_sub(blobs, Ordering::Relaxed);
        self.totals.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.export_totals();
    }

    /// Number and bytes of the blobs stored.
    pub fn totals(&self) -> (u64, u64) {
        (self.totals.blobs.load(Ordering::Relaxed), self.totals.bytes.load(Ordering::Relaxed))
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; sizes are far below 2^53")]
    fn export_totals(&self) {
        let (blobs, bytes) = self.totals();
        metrics::gauge!("registry_blob_count").set(blobs as f64);
        metrics::gauge!("registry_storage_bytes").set(bytes as f64);
    }

    /// Bytes of blobs and manifests that a repository refers to.
    pub(crate) async fn usage(&self, repository: &Repository) -> Result<u64, Error> {
        let repository = repository.clone();
        self.database
            .read(move |tx| match find_repository(tx, &repository)? {
                Some(id) => used(tx, id),
                None => Ok(0),
            })
            .await
    }

    /// A single value kept across starts. Blocks.
    pub(crate) fn state(&self, key: &'static str) -> Result<Option<String>, Error> {
        self.database.read_blocking(|tx| -> Result<_, Error> {
            let sql = "SELECT value FROM state WHERE key = ?1";
            Ok(tx.query_row(sql, [key], |row| row.get(0)).optional()?)
        })
    }

    /// Forgets a single value. Blocks.
    pub(crate) fn clear_state(&self, key: &'static str) -> Result<(), Error> {
        self.database.write_blocking(move |tx| {
            tx.execute("DELETE FROM state WHERE key = ?1", [key])?;
            Ok(())
        })
    }

    /// Keeps a single value. Blocks.
    pub(crate) fn set_state(&self, key: &'static str, value: String) -> Result<(), Error> {
        self.database.write_blocking(move |tx| {
            let sql = "INSERT INTO state (key, value) VALUES (?1, ?2)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            tx.execute(sql, (key, value))?;
            Ok(())
        })
    }
}

/// A number of bytes or rows. SQLite's integers are signed; nothing here comes near their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl ToSql for Size {
    fn to_sql(&self) -> SqlResult<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

impl FromSql for Size {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::try_from(value.as_i64()?).map(Self).map_err(FromSqlError::other)
    }
}

/// Seconds since 1970, for what people read. Nothing is decided by comparing two of them: the clock
/// may go back.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Bytes of blobs and manifests that a repository refers to.
fn used(tx: &Transaction<'_>, repository: i64) -> Result<u64, Error> {
    let mut query = tx.prepare_cached("SELECT bytes FROM repositories WHERE id = ?1")?;
    let Size(bytes) = query.query_row([repository], |row| row.get(0))?;
    Ok(bytes)
}

/// The row of a repository, if anything was ever put in it.
fn find_repository(tx: &Transaction<'_>, name: &Repository) -> Result<Option<i64>, Error> {
    let mut query = tx.prepare_cached("SELECT id FROM repositories WHERE name = ?1")?;
    Ok(query.query_row([name], |row| row.get(0)).optional()?)
}

/// The row of a repository, made when there is none.
fn ensure_repository(tx: &Transaction<'_>, name: &Repository) -> Result<i64, Error> {
    if let Some(id) = find_repository(tx, name)? {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO repositories (name) VALUES (?1)")?.execute([name])?;
    Ok(tx.last_insert_rowid())
}
