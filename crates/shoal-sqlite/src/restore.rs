//! Restore. Replacing only the database file lets the old WAL replay over it, which silently
//! undoes the restore; so all files move aside together, under the instance lock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::backup::{Contents, Manifest, Unfinished, fingerprint};
use crate::connection::open_examiner;
use crate::filesystem::{
    create_private, directory, failed, prepare_directory, remove, rename_durably, sibling, sync,
};
use crate::instance::{InstanceLock, unix_seconds};

/// The files that make up one database.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// Names tried for the files moved aside within one second.
const MOST_ASIDE: u32 = 100;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup's manifest, which the database now matches.
    pub manifest: Manifest,
    /// Where the former database is, with `-wal` and `-shm` beside it as they were; none if there
    /// was no database.
    pub aside: Option<PathBuf>,
}

/// Puts a backup in the place of a database. Nothing is touched until a copy of the backup, on the
/// database's own file system, was found to be what its manifest says.
///
/// Run again after an interruption it finishes; until then the database cannot be opened.
///
/// # Errors
/// [`Error::Held`] while the database is open, [`Error::ManifestMismatch`], [`Error::is_corrupt`].
pub fn restore(database: &Path, backup: &Path) -> Result<Restored, Error> {
    prepare_directory(database)?;
    let _lock = InstanceLock::take(database, "restore")?;
    let manifest = Manifest::read(backup)?;
    let copy = Unfinished(sibling(database, ".restore-copy"));
    remove(&copy.0)?;
    create_private(&copy.0)?;
    std::fs::copy(backup, &copy.0).map_err(failed("copy", backup))?;
    // Copying carries the backup's mode along, which an archive may have widened.
    make_private(&copy.0)?;
    sync(&copy.0)?;
    verify(&copy.0, &manifest)?;

    let staged = restoring_path(database);
    rename_durably(&copy.0, &staged)?;
    let aside = move_aside(database)?;
    rename_durably(&staged, database)?;
    Ok(Restored { manifest, aside })
}

/// The verified copy of an interrupted restore, if there is one.
pub(crate) fn unfinished_restore(database: &Path) -> Option<PathBuf> {
    Some(restoring_path(database)).filter(|path| path.exists())
}

fn restoring_path(database: &Path) -> PathBuf {
    sibling(database, ".restoring")
}

fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed("set the mode of", path))
}

fn verify(copy: &Path, manifest: &Manifest) -> Result<(), Error> {
    let (bytes, sha256) = fingerprint(copy)?;
    let contents = Contents::inspect(&open_examiner(copy, Duration::from_secs(5))?)?;
    let fields = [
        ("rows", contents.rows == manifest.rows),
        ("application_id", contents.application_id == manifest.application_id),
        ("schema_version", contents.schema_version == manifest.schema_version),
        ("bytes", bytes == manifest.bytes),
        ("sha256", sha256 == manifest.sha256),
    ];
    match fields.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(Error::ManifestMismatch { field }),
        None => Ok(()),
    }
}

/// Moves all files of the database to one new name. The marker of the unfinished restore keeps
/// everybody from opening what is half moved.
fn move_aside(database: &Path) -> Result<Option<PathBuf>, Error> {
    let present = || PARTS.into_iter().filter(|part| sibling(database, part).exists());
    if present().next().is_none() {
        return Ok(None);
    }
    let now = unix_seconds();
    let aside = (0..MOST_ASIDE)
        .map(|attempt| sibling(database, &format!(".aside-{now}-{attempt}")))
        .find(|name| PARTS.into_iter().all(|part| !sibling(name, part).exists()))
        .ok_or_else(|| failed("move aside", database)(std::io::ErrorKind::AlreadyExists.into()))?;
    for part in present() {
        let from = sibling(database, part);
        std::fs::rename(&from, sibling(&aside, part)).map_err(failed("move aside", &from))?;
    }
    sync(directory(database))?;
    Ok(Some(aside))
}
