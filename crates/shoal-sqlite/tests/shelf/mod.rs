//! The small schema which all tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;

use shoal_sqlite::rusqlite::Transaction;
use shoal_sqlite::{Config, Database, Error, Migration};

pub(crate) const APPLICATION_ID: i32 = 0x5348_4F4C;

pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "items",
        sql: "CREATE TABLE items (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;",
    },
    Migration {
        name: "children",
        sql: "CREATE TABLE children (
                  id INTEGER PRIMARY KEY,
                  parent INTEGER NOT NULL REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED
              ) STRICT;",
    },
];

/// What a store's error looks like: its own refusals and the database's.
#[derive(Debug)]
pub(crate) enum Refusal {
    Mine(&'static str),
    Database(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

pub(crate) fn scratch() -> Database {
    Database::scratch(APPLICATION_ID, MIGRATIONS).unwrap()
}

pub(crate) fn open(path: &Path) -> Result<Database, Error> {
    Database::open(Config::new(path, APPLICATION_ID, MIGRATIONS))
}

pub(crate) fn insert(tx: &Transaction<'_>, id: i64) -> Result<(), Error> {
    tx.execute("INSERT INTO items (id, body) VALUES (?1, 'item')", [id])?;
    Ok(())
}

pub(crate) fn count(tx: &Transaction<'_>) -> Result<i64, Error> {
    Ok(tx.query_row("SELECT count(*) FROM items", [], |row| row.get(0))?)
}

pub(crate) fn ids(tx: &Transaction<'_>) -> Result<Vec<i64>, Error> {
    let mut statement = tx.prepare("SELECT id FROM items ORDER BY id")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}
