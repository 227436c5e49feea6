//! Integrity checks. They run on a connection of their own: one that already has a page in its
//! cache would not see that the page on disk has gone bad.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::connection::open_examiner;
use crate::instance::unix_seconds;
use crate::{Config, Error};

/// More findings than this help nobody.
const MOST_FINDINGS: u32 = 20;

/// How thorough a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `quick_check`: pages, cells and constraints, not indexes against their tables.
    Quick,
    /// `integrity_check`: everything SQLite can verify.
    Full,
}

/// Checks a database file, open or not, without taking its instance lock. The file must be
/// writable, or the check would prove nothing; it is not changed.
///
/// # Errors
/// [`Error::is_corrupt`] when there is damage; anything else means that it could not be looked at.
pub fn check_file(path: &Path, depth: Depth) -> Result<(), Error> {
    inspect(&open_examiner(path, Duration::from_secs(5))?, depth)
}

/// Checks the database behind a connection made by [`open_examiner`].
pub(crate) fn inspect(connection: &Connection, depth: Depth) -> Result<(), Error> {
    let pragma = match depth {
        Depth::Quick => "quick_check",
        Depth::Full => "integrity_check",
    };
    let mut findings = Vec::new();
    connection.pragma(None, pragma, MOST_FINDINGS, |row| {
        findings.push(row.get::<_, String>(0)?);
        Ok(())
    })?;
    if findings == ["ok"] { Ok(()) } else { Err(Error::Damaged { findings }) }
}

/// Checks on a fresh connection and exports the verdict as `db_integrity_ok` and
/// `db_integrity_checked_timestamp_seconds`. A check that could not look leaves both alone.
pub(crate) fn inspect_and_export(config: &Config, depth: Depth) -> Result<(), Error> {
    let verdict = open_examiner(&config.path, config.busy_timeout)
        .and_then(|connection| inspect(&connection, depth));
    let intact = match &verdict {
        Ok(()) => 1.0,
        Err(error) if error.is_corrupt() => 0.0,
        Err(_) => return verdict,
    };
    metrics::gauge!("db_integrity_ok", "db" => config.name).set(intact);
    #[expect(clippy::cast_precision_loss, reason = "seconds stay exact for 285 million years")]
    let now = unix_seconds() as f64;
    metrics::gauge!("db_integrity_checked_timestamp_seconds", "db" => config.name).set(now);
    verdict
}
