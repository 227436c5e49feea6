//! The only place that opens connections, so that none exists without its settings, and no setting
//! without having been read back: SQLite ignores a pragma it cannot honour.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::Error;

/// Bytes the WAL file may keep after a checkpoint has emptied it.
const WAL_KEPT_BYTES: u64 = 64 * 1024 * 1024;

/// Pages in the WAL before they are copied into the database, 16 MiB. A page that changes again and
/// again, as those of indexes do, is then copied once for many commits.
const CHECKPOINT_PAGES: &str = "4096";

/// Statements that a connection keeps prepared: more than anybody uses in turn.
const STATEMENTS_KEPT: usize = 128;

/// Opens the writing connection. The file must exist.
pub(crate) fn open_writer(path: &Path, busy_timeout: Duration) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_shared(&connection, busy_timeout)?;
    set(&connection, "journal_mode", "wal")?;
    // FULL: a provisioner acts on hardware after a commit, so the commit must survive power loss.
    set(&connection, "synchronous", "2")?;
    set(&connection, "foreign_keys", "1")?;
    set(&connection, "journal_size_limit", &WAL_KEPT_BYTES.to_string())?;
    set(&connection, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_shared(&connection, busy_timeout)?;
    set(&connection, "query_only", "1")?;
    Ok(connection)
}

/// Opens a connection for an integrity check: it changes nothing, yet is opened for writing.
///
/// On a connection opened read-only SQLite 3.53.2 answers `ok` to `quick_check` and
/// `integrity_check` for files in which it finds flaws otherwise.
pub(crate) fn open_examiner(path: &Path, busy_timeout: Duration) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Whoever looks at a broken database wants its WAL left as it was found.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    set_shared(&connection, busy_timeout)?;
    set(&connection, "query_only", "1")?;
    if connection.is_readonly("main")? {
        let readonly = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(readonly, None).into());
    }
    Ok(connection)
}

fn set_shared(connection: &Connection, busy_timeout: Duration) -> Result<(), Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    set(connection, "busy_timeout", &busy_timeout.as_millis().to_string())?;
    set(connection, "trusted_schema", "0")?;
    set(connection, "cell_size_check", "1")
}

/// Sets a pragma and reads it back. `wanted` is written as SQLite reports it.
pub(crate) fn set(connection: &Connection, name: &'static str, wanted: &str) -> Result<(), Error> {
    connection.execute_batch(&format!("PRAGMA {name} = {wanted}"))?;
    let found = connection.pragma_query_value(None, name, |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => format!("{other:?}"),
        })
    })?;
    if found == wanted {
        Ok(())
    } else {
        Err(Error::Pragma { name, wanted: wanted.to_owned(), found })
    }
}

/// Makes read-only connections for the pool.
#[derive(Debug)]
pub(crate) struct ReaderManager {
    pub(crate) path: PathBuf,
    pub(crate) busy_timeout: Duration,
}

impl r2d2::ManageConnection for ReaderManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        open_reader(&self.path, self.busy_timeout)
    }

    fn is_valid(&self, _: &mut Connection) -> Result<(), Error> {
        Ok(())
    }

    /// A connection still inside a transaction would pin the WAL for ever.
    fn has_broken(&self, connection: &mut Connection) -> bool {
        !connection.is_autocommit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_that_does_not_take_is_an_error() {
        let memory = Connection::open_in_memory().unwrap();
        let error = set(&memory, "journal_mode", "wal").unwrap_err();
        assert_eq!(error.to_string(), "set pragma journal_mode to wal: it reads memory");
    }

    #[test]
    fn reader_refuses_to_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x) STRICT").unwrap_err();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x ANY) STRICT").unwrap();
        let reader = open_reader(&path, Duration::from_secs(1)).unwrap();
        let refused = Error::from(reader.execute("INSERT INTO t VALUES (1)", []).unwrap_err());
        assert!(refused.is_readonly());
    }

    #[test]
    fn file_that_is_no_database_is_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(
            &path,
            "these bytes are not a database, and there are enough of them".repeat(9),
        )
        .unwrap();
        assert!(open_writer(&path, Duration::from_secs(1)).unwrap_err().is_corrupt());
    }
}
