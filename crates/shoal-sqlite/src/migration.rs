//! Forward-only migrations with a ledger of what was applied, so that a file tells which release
//! wrote it and an edited migration is caught before it splits installations in two.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::connection::set;
use crate::instance::unix_seconds;
use crate::{Config, Error};

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS applied_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// One step of the schema. Its version is its position in [`Config::migrations`], from 1.
///
/// Foreign keys are off while it runs, so that tables can be rebuilt, and are checked before it
/// commits. It must not contain BEGIN or COMMIT.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// A short name, for errors and the ledger.
    pub name: &'static str,
    /// Statements, separated by semicolons.
    pub sql: &'static str,
}

impl Migration {
    fn sha256(&self) -> String {
        HEXLOWER.encode(digest(&SHA256, self.sql.as_bytes()).as_ref())
    }
}

/// Brings a database to the newest version, each migration in a transaction of its own.
pub(crate) fn migrate(connection: &Connection, config: &Config) -> Result<(), Error> {
    let applied = recognise(connection, config)?;
    if applied == 0 {
        set(connection, "application_id", &config.application_id.to_string())?;
    }
    connection.execute_batch(LEDGER)?;
    verify(connection, config, applied)?;
    set(connection, "foreign_keys", "0")?;
    for (version, migration) in numbered(config).filter(|(version, _)| *version > applied) {
        apply(connection, version, migration)?;
        tracing::info!(db = config.name, version, name = migration.name, "migration applied");
    }
    set(connection, "foreign_keys", "1")
}

fn numbered(config: &Config) -> impl Iterator<Item = (u32, &'static Migration)> {
    (1..).zip(config.migrations)
}

/// The version of a file that is ours or empty; refuses one that is neither, or newer. Writes
/// nothing.
pub(crate) fn recognise(connection: &Connection, config: &Config) -> Result<u32, Error> {
    let found: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = found == 0 && version == 0 && objects == 0;
    if !empty && found != config.application_id {
        return Err(Error::ForeignDatabase { expected: config.application_id, found });
    }
    let known = u32::try_from(config.migrations.len()).unwrap_or(u32::MAX);
    if version > known {
        return Err(Error::NewerSchema { found: version, known });
    }
    Ok(version)
}

fn verify(connection: &Connection, config: &Config, applied: u32) -> Result<(), Error> {
    for (version, migration) in numbered(config).take_while(|(version, _)| *version <= applied) {
        let recorded: Option<String> = connection
            .query_row(
                "SELECT sha256 FROM applied_migrations WHERE version = ?1",
                [version],
                |row| row.get(0),
            )
            .optional()?;
        if recorded != Some(migration.sha256()) {
            return Err(Error::MigrationEdited { version, name: migration.name });
        }
    }
    Ok(())
}

fn apply(connection: &Connection, version: u32, migration: &Migration) -> Result<(), Error> {
    let name = migration.name;
    let failed = |source| Error::Migration { version, name, source };
    let tx =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed)?;
    tx.execute_batch(migration.sql).map_err(failed)?;
    let orphans: Option<String> = tx
        .query_row("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if let Some(table) = orphans {
        return Err(Error::MigrationOrphans { version, name, table });
    }
    tx.execute(
        "INSERT INTO applied_migrations (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)",
        (version, name, migration.sha256(), i64::try_from(unix_seconds()).unwrap_or(i64::MAX)),
    )
    .map_err(failed)?;
    tx.pragma_update(None, "user_version", version).map_err(failed)?;
    tx.commit().map_err(failed)
}
