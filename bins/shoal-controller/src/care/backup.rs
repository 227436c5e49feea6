//! Copies of the job database: made whole under a name of their own, checked, then told; only then do
//! old ones go. Secrets in them are sealed with a key that lies elsewhere.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Instant,
};

use shoal_core::Time;
use shoal_sqlite::{Manifest, manifest_path};
use shoal_store::Store;

use super::{Error, blocking};
use crate::settings::Backups;

const PREFIX: &str = "provisioner-";
const SUFFIX: &str = ".db";

/// What the database may still need while a backup is made beside it.
const ROOM: u64 = 64 * 1024 * 1024;

/// Makes one backup, then deletes those that are one too many.
pub(super) async fn make(store: &Store, backups: &Backups, now: Time) -> Result<(), Error> {
    let began = Instant::now();
    let Backups { dir, keep, .. } = backups.clone();
    let needed = store.sample()?;
    let needed = needed.db_bytes.saturating_add(needed.wal_bytes);
    let directory = dir.clone();
    blocking(move || {
        prepare(&directory)?;
        check_room(&directory, needed)
    })
    .await?;
    let to = dir.join(name(now));
    let manifest = store.backup(&to).await?;
    metrics::histogram!("backup_duration_seconds").record(began.elapsed());
    show_size(manifest.bytes);
    tracing::info!(
        path = %to.display(),
        size = manifest.bytes,
        sha256 = manifest.sha256,
        schema_version = manifest.schema_version,
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "the database was backed up"
    );
    blocking(move || prune(&dir, keep)).await
}

/// The newest backup that has its manifest. Blocks.
pub(super) fn newest(directory: &Path) -> Result<Option<PathBuf>, Error> {
    Ok(listed(directory)?.pop())
}

/// Shows the size of the newest backup there is.
pub(super) async fn show_newest(directory: &Path) {
    let directory = directory.to_owned();
    let read = blocking(move || {
        let Some(newest) = newest(&directory)? else { return Ok(0) };
        Ok(Manifest::read(&newest)?.bytes)
    });
    show_size(read.await.unwrap_or_else(|error| {
        tracing::warn!(error = super::plain(&error), "the newest backup cannot be read");
        0
    }));
}

#[expect(clippy::cast_precision_loss, reason = "file sizes are far below 2^53")]
fn show_size(bytes: u64) {
    metrics::gauge!("backup_size_bytes").set(bytes as f64);
}

/// Sorts like time.
fn name(now: Time) -> String {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let stamp: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{PREFIX}{stamp}{SUFFIX}")
}

fn is_backup(file: &OsStr) -> bool {
    file.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// Whole backups, the oldest first.
fn listed(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Io { action: "list", path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if is_backup(&entry.file_name()) && manifest_path(&entry.path()).exists() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Makes the directory, and removes what a killed backup left in it.
fn prepare(directory: &Path) -> Result<(), Error> {
    let failed = |action| move |source| Error::Io { action, path: directory.to_owned(), source };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(directory)
        .map_err(failed("create"))?;
    for entry in fs::read_dir(directory).map_err(failed("list"))? {
        let path = entry.map_err(failed("list"))?.path();
        let ours = path.file_name().and_then(OsStr::to_str).filter(|it| it.starts_with(PREFIX));
        let Some(name) = ours else { continue };
        let lonely =
            name.strip_suffix(".manifest.json").is_some_and(|it| !path.with_file_name(it).exists());
        if lonely || name.contains(".partial") {
            remove(&path)?;
        }
    }
    Ok(())
}

fn check_room(directory: &Path, needed: u64) -> Result<(), Error> {
    let asked = rustix::fs::statvfs(directory).map_err(|errno| Error::Io {
        action: "ask for the free space of",
        path: directory.to_owned(),
        source: errno.into(),
    })?;
    let free = asked.f_bavail.saturating_mul(asked.f_frsize);
    if free < needed.saturating_add(ROOM) {
        return Err(Error::NoRoom { path: directory.to_owned(), needed, free });
    }
    Ok(())
}

/// The manifest goes last: without it a backup counts as none, and with it alone it is swept up.
fn prune(directory: &Path, keep: usize) -> Result<(), Error> {
    let whole = listed(directory)?;
    for old in whole.iter().take(whole.len().saturating_sub(keep)) {
        remove(old)?;
        remove(&manifest_path(old))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { action: "delete", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
