//! Online backups. Copying the files by hand loses what is still in the WAL without a word, so the
//! copy is made through SQLite, checked as a whole, and described by a manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};

use crate::check::inspect;
use crate::connection::{open_examiner, open_reader, set};
use crate::filesystem::{
    create_private, directory, failed, prepare_directory, remove, rename_durably, sibling, sync,
};
use crate::instance::unix_seconds;
use crate::{Config, Depth, Error};

/// What a backup holds; stored as JSON beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Unix seconds at which the backup was made.
    pub created_at: u64,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, lower case hex. Two backups of an unchanged database share it.
    pub sha256: String,
    /// SQLite's `application_id`.
    pub application_id: i32,
    /// The number of the last migration in it.
    pub schema_version: u32,
    /// Rows per table.
    pub rows: BTreeMap<String, u64>,
    /// What the maker of the backup noted.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Manifest`].
    pub fn read(backup: &Path) -> Result<Self, Error> {
        let path = manifest_path(backup);
        let text = std::fs::read(&path).map_err(failed("read", &path))?;
        serde_json::from_slice(&text).map_err(|source| Error::Manifest { path, source })
    }
}

/// Where the manifest of a backup is: the same name plus `.manifest.json`.
pub fn manifest_path(backup: &Path) -> PathBuf {
    sibling(backup, ".manifest.json")
}

/// What can be counted in a database file.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) application_id: i32,
    pub(crate) schema_version: u32,
    pub(crate) rows: BTreeMap<String, u64>,
}

impl Contents {
    /// Checks the whole file, then counts.
    pub(crate) fn inspect(connection: &Connection) -> Result<Self, Error> {
        inspect(connection, Depth::Full)?;
        let tables: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut rows = BTreeMap::new();
        for table in tables {
            let quoted = table.replace('"', "\"\"");
            let count: i64 =
                connection.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| {
                    row.get(0)
                })?;
            rows.insert(table, count.unsigned_abs());
        }
        Ok(Self {
            application_id: connection
                .pragma_query_value(None, "application_id", |row| row.get(0))?,
            schema_version: connection
                .pragma_query_value(None, "user_version", |row| row.get(0))?,
            rows,
        })
    }
}

/// A file that disappears unless it is kept, with whatever SQLite put beside it.
pub(crate) struct Unfinished(pub(crate) PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let path = sibling(&self.0, suffix);
            if let Err(error) = remove(&path) {
                tracing::warn!(path = %path.display(), %error, "unfinished file stays");
            }
        }
    }
}

/// Makes a checked copy at `to`. The manifest is in place before the backup is, so a backup is
/// never seen without one.
pub(crate) fn backup(
    config: &Config,
    to: &Path,
    labels: BTreeMap<String, String>,
) -> Result<Manifest, Error> {
    prepare_directory(to)?;
    if to.exists() {
        return Err(failed("create", to)(ErrorKind::AlreadyExists.into()));
    }
    let partial = Unfinished(sibling(to, ".partial"));
    remove(&partial.0)?;
    create_private(&partial.0)?;
    copy(&open_reader(&config.path, config.busy_timeout)?, &partial.0)?;
    let contents = Contents::inspect(&open_examiner(&partial.0, config.busy_timeout)?)?;
    sync(&partial.0)?;
    let (bytes, sha256) = fingerprint(&partial.0)?;
    let Contents { application_id, schema_version, rows } = contents;
    let manifest = Manifest {
        created_at: unix_seconds(),
        bytes,
        sha256,
        application_id,
        schema_version,
        rows,
        labels,
    };
    write_manifest(&manifest, to)?;
    rename_durably(&partial.0, to)?;
    Ok(manifest)
}

/// Copies in one step: it reads one snapshot and cannot be restarted by writers. The copy leaves
/// WAL mode, so that it is whole as a single file and can be read from read-only media.
fn copy(from: &Connection, to: &Path) -> Result<(), Error> {
    let mut copy = Connection::open(to)?;
    match Backup::new(from, &mut copy)?.step(-1)? {
        StepResult::Done => {}
        _ => {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, None).into());
        }
    }
    set(&copy, "journal_mode", "delete")?;
    copy.close().map_err(|(_, error)| error.into())
}

fn write_manifest(manifest: &Manifest, backup: &Path) -> Result<(), Error> {
    let path = manifest_path(backup);
    let text = serde_json::to_vec_pretty(manifest)
        .map_err(|source| Error::Manifest { path: path.clone(), source })?;
    let partial = Unfinished(sibling(&path, ".partial"));
    remove(&partial.0)?;
    create_private(&partial.0)?;
    std::fs::write(&partial.0, text).map_err(failed("write", &partial.0))?;
    sync(&partial.0)?;
    rename_durably(&partial.0, &path)?;
    sync(directory(backup))
}

/// Size and SHA-256 of a file.
pub(crate) fn fingerprint(path: &Path) -> Result<(u64, String), Error> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer).map_err(failed("read", path))?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
        context.update(chunk);
        bytes += u64::try_from(count).unwrap_or(0);
    }
    Ok((bytes, HEXLOWER.encode(context.finish().as_ref())))
}
