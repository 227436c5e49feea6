//! That the database was restored, told by the command that did it to the next start: the restored
//! database knows nothing of it, and who looks for a cause must find it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use shoal_core::Time;
use shoal_sqlite::Manifest;
use shoal_store::Store;

/// Leaves word for the next start.
pub(crate) fn leave_word(
    database: &Path,
    backup: &Path,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    let word = BTreeMap::from([
        ("backup", backup.display().to_string()),
        ("backup_created_at", manifest.created_at.to_string()),
        ("backup_sha256", manifest.sha256.clone()),
    ]);
    let path = path(database);
    fs::write(&path, serde_json::to_vec(&word)?)
        .with_context(|| format!("failed to write {}", path.display()))
}

/// Notes a restore that word was left of. Killed in between it is noted twice, never lost.
pub(crate) async fn note(store: &Store, database: &Path, now: Time) -> anyhow::Result<()> {
    let path = path(database);
    let word = match fs::read(&path) {
        Ok(word) => word,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", path.display()));
        }
    };
    let detail: BTreeMap<String, String> = serde_json::from_slice(&word).unwrap_or_default();
    tracing::warn!(backup = detail.get("backup"), "the database was restored from a backup");
    store.installation_event("restore", detail, now).await?;
    fs::remove_file(&path).with_context(|| format!("failed to delete {}", path.display()))
}

fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".restored");
    name.into()
}
