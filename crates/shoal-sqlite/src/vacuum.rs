//! Offline vacuum: rewriting the file gives space back to the file system, needs the file to
//! itself, and cannot run inside the writer's transactions.

use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::connection::open_writer;
use crate::filesystem::failed;
use crate::instance::InstanceLock;
use crate::writer::checkpoint;

/// What a vacuum gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacuumed {
    /// Bytes of the database file before.
    pub before_bytes: u64,
    /// Bytes of it now.
    pub after_bytes: u64,
}

/// Rewrites a database that nobody has open. Needs as much free space as the database is large.
///
/// # Errors
/// [`Error::Held`] while it is open, [`Error::is_full`] without enough space; nothing changed then.
pub fn vacuum(database: &Path) -> Result<Vacuumed, Error> {
    let size = || -> Result<u64, Error> {
        Ok(std::fs::metadata(database).map_err(failed("look at", database))?.len())
    };
    let before_bytes = size()?;
    let _lock = InstanceLock::take(database, "vacuum")?;
    let connection = open_writer(database, Duration::from_secs(5))?;
    connection.execute_batch("VACUUM")?;
    checkpoint(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Vacuumed { before_bytes, after_bytes: size()? })
}
