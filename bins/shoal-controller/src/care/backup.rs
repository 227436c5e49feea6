//! Copies of the job database: made whole under a name of their own, checked, then told; only then do
//! old ones go. Secrets in them are sealed with a key that lies elsewhere.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use shoal_core::Time;
use shoal_sqlite::{Manifest, manifest_path};
use shoal_store::Store;

use super::{Error, blocking};
use crate::{effects::chain, settings::Backups};

const PREFIX: &str = "provisioner-";
const SUFFIX: &str = ".db";

/// What a start waits for a look at the directory.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every copy leaves free: jobs write to the same disk, and with less they would not be picked.
const ROOM: u64 = shoal_engine::ENOUGH_SPACE;

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
    // The backup is made, whatever becomes of the ones before.
    if let Err(error) = blocking(move || prune(&dir, keep, &to)).await {
        tracing::warn!(error = chain(&error), "old backups were not deleted");
    }
    Ok(())
}

/// The newest backup that has its manifest. One of a time to come was made by a wrong clock and counts
/// only where there is no other. Blocks.
pub(super) fn newest(directory: &Path, now: Time) -> Result<Option<PathBuf>, Error> {
    let latest = directory.join(name(now));
    let whole = listed(directory)?;
    Ok(whole.iter().rfind(|it| **it <= latest).or(whole.last()).cloned())
}

/// Shows the size of the newest backup there is; a disk that does not answer is not waited for.
pub(super) async fn show_newest(directory: &Path, now: Time) {
    let directory = directory.to_owned();
    let read = blocking(move || {
        let Some(newest) = newest(&directory, now)? else { return Ok(0) };
        Ok(Manifest::read(&newest)?.bytes)
    });
    let read = tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(Error::Ended));
    show_size(read.unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "the newest backup cannot be read");
        0
    }));
}

#[expect(clippy::cast_precision_loss, reason = "file sizes are far below 2^53")]
fn show_size(bytes: u64) {
    metrics::gauge!("backup_size_bytes").set(bytes as f64);
}

/// Sorts like time, and is what [`is_backup`] knows again.
fn name(now: Time) -> String {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let stamp: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{PREFIX}{stamp}{SUFFIX}")
}

fn is_backup(file: &OsStr) -> bool {
    let stamp = file.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    let parts = stamp.and_then(|stamp| stamp.strip_suffix('Z')?.split_once('T'));
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(day, time)| digits(day, 8) && digits(time, 6))
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

/// Refuses a copy of so many bytes that would leave too little for jobs. Blocks.
pub(super) fn check_room(directory: &Path, needed: u64) -> Result<(), Error> {
    let asked = rustix::fs::statvfs(directory).map_err(|errno| Error::Io {
        action: "ask for the free space of",
        path: directory.to_owned(),
        source: errno.into(),
    })?;
    let free = asked.f_bavail.saturating_mul(asked.f_frsize);
    if fits(free, needed) {
        return Ok(());
    }
    Err(Error::NoRoom { path: directory.to_owned(), needed, free, kept_free: ROOM })
}

pub(super) fn fits(free: u64, needed: u64) -> bool {
    free.checked_sub(needed).is_some_and(|left| left >= ROOM)
}

/// Deletes what is older than the newest `keep`, and first what a wrong clock dated after the one just
/// `made`, which is newer than it all. One that cannot be deleted costs none of the others their turn.
///
/// The manifest goes last: without it a backup counts as none, and with it alone it is swept up.
fn prune(directory: &Path, keep: usize, made: &Path) -> Result<(), Error> {
    let mut whole = listed(directory)?;
    whole.sort_by_key(|path| (path.as_path() <= made, path.clone()));
    for old in whole.iter().take(whole.len().saturating_sub(keep)) {
        if let Err(error) = remove(old).and_then(|()| remove(&manifest_path(old))) {
            tracing::warn!(error = chain(&error), "an old backup was not deleted");
        }
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
