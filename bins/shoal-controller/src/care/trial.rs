//! The trial of backups: one that was never restored is a hope. The newest one is restored beside the
//! others as an operator would do it, looked at, and thrown away.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

use shoal_core::Time;
use shoal_sqlite::Manifest;

use super::{Error, backup, blocking};

/// Where the trial happens, in the directory of backups: what fits there fits twice or is told.
const SCRATCH: &str = "restore-test";

/// Restores the newest backup and compares the result with its manifest, page by page and row by row.
pub(super) async fn restore_newest(directory: &Path, now: Time) -> Result<(), Error> {
    let directory = directory.to_owned();
    blocking(move || {
        let Some(newest) = backup::newest(&directory, now)? else {
            return Err(Error::NoBackup { path: directory });
        };
        let scratch = directory.join(SCRATCH);
        // A trial that was killed left its files.
        remove(&scratch)?;
        backup::check_room(&directory, Manifest::read(&newest)?.bytes)?;
        let made = fs::DirBuilder::new().mode(0o700).create(&scratch);
        made.map_err(|source| Error::Io { action: "create", path: scratch.clone(), source })?;
        let restored = shoal_sqlite::restore(&scratch.join("provisioner.db"), &newest);
        remove(&scratch)?;
        let restored = restored?;
        let rows: u64 = restored.manifest.rows.values().sum();
        tracing::info!(
            path = %newest.display(),
            rows,
            schema_version = restored.manifest.schema_version,
            "a backup was restored for trial and is whole"
        );
        Ok(())
    })
    .await
}

fn remove(scratch: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { action: "delete", path: scratch.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
