//! Who may open a database, and which one: the instance lock, migrations, pragmas, file modes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod shelf;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use shelf::{APPLICATION_ID, MIGRATIONS, count, insert, open};
use shoal_sqlite::{Config, Database, Error, Migration, rusqlite};

#[test]
fn second_opener_is_refused_and_told_who_owns_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let config =
        Config { instance: "north".to_owned(), ..Config::new(&path, APPLICATION_ID, MIGRATIONS) };
    let first = Database::open(config).unwrap();

    let error = open(&path).unwrap_err();
    let Error::Held { holder, .. } = &error else { panic!("{error:?}") };
    assert_eq!((holder.pid, holder.instance.as_str()), (std::process::id(), "north"));
    assert!(holder.started_at > 1_700_000_000);
    assert!(error.to_string().contains(&format!("held by pid {}", std::process::id())));

    drop(first);
    open(&path).unwrap();
}

#[test]
fn files_and_directory_are_private() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("db/jobs.db");
    let database = open(&path).unwrap();
    database.write_blocking(|tx| insert(tx, 1)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&outer.path().join("db")), 0o750);
    for name in ["jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db.lock"] {
        assert_eq!(mode(&outer.path().join("db").join(name)), 0o600, "{name}");
    }
}

#[test]
fn writer_has_the_settings_that_durability_needs() {
    let database = shelf::scratch();
    let wanted = [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("busy_timeout", "5000"),
        ("foreign_keys", "1"),
        ("trusted_schema", "0"),
        ("cell_size_check", "1"),
        ("journal_size_limit", "67108864"),
        ("application_id", "1397247820"),
        ("user_version", "2"),
    ];
    for (name, value) in wanted {
        let found = database
            .write_blocking(move |tx| -> Result<String, Error> {
                let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
                Ok(match name {
                    "busy_timeout" => {
                        tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?.to_string()
                    }
                    _ => tx.query_row(&sql, [], |row| row.get(0))?,
                })
            })
            .unwrap();
        assert_eq!(found, value, "{name}");
    }
}

#[tokio::test]
async fn closed_database_answers_closed_and_leaves_one_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let database = open(&path).unwrap();
    database.write(|tx| insert(tx, 1)).await.unwrap();
    assert!(database.sample().unwrap().wal_bytes > 0);
    database.close().await.unwrap();
    assert_eq!(
        std::fs::metadata(directory.path().join("jobs.db-wal")).map_or(0, |wal| wal.len()),
        0
    );

    assert!(matches!(database.write(|tx| insert(tx, 2)).await, Err(Error::Closed)));
    assert!(matches!(database.read(count).await, Err(Error::Closed)));
    assert!(matches!(database.read_blocking(count), Err(Error::Closed)));
    assert!(matches!(database.close().await, Err(Error::Closed)));
    // The lock is free although a handle still lives.
    let again = open(&path).unwrap();
    assert_eq!(again.read(count).await.unwrap(), 1);
}

#[test]
fn migrations_run_once_and_only_forward() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let first: &'static [Migration] = &MIGRATIONS[..1];
    let old = Database::open(Config::new(&path, APPLICATION_ID, first)).unwrap();
    old.write_blocking(|tx| insert(tx, 1)).unwrap();
    drop(old);

    let new = open(&path).unwrap();
    assert_eq!(new.read_blocking(count).unwrap(), 1);
    new.read_blocking(|tx| -> Result<_, Error> {
        Ok(tx.query_row("SELECT count(*) FROM children", [], |_| Ok(()))?)
    })
    .unwrap();
    drop(new);

    let error = Database::open(Config::new(&path, APPLICATION_ID, first)).unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 2, known: 1 }), "{error:?}");
}

#[test]
fn edited_migration_is_refused_by_name() {
    const EDITED: &[Migration] = &[
        Migration { name: "items", sql: "CREATE TABLE items (id INTEGER PRIMARY KEY) STRICT;" },
        MIGRATIONS[1],
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    drop(open(&path).unwrap());
    let error = Database::open(Config::new(&path, APPLICATION_ID, EDITED)).unwrap_err();
    assert!(matches!(error, Error::MigrationEdited { version: 1, name: "items" }), "{error:?}");
}

#[test]
fn failing_migration_leaves_the_version_before_it() {
    const BROKEN: &[Migration] = &[
        MIGRATIONS[0],
        Migration { name: "broken", sql: "CREATE TABLE half (x ANY) STRICT; SELECT nonsense;" },
    ];
    const ORPHANS: &[Migration] = &[
        MIGRATIONS[0],
        Migration {
            name: "orphans",
            sql: "CREATE TABLE kids (p INTEGER REFERENCES items (id)) STRICT;
                  INSERT INTO kids VALUES (9);",
        },
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let error = Database::open(Config::new(&path, APPLICATION_ID, BROKEN)).unwrap_err();
    assert!(matches!(error, Error::Migration { version: 2, name: "broken", .. }), "{error:?}");
    let error = Database::open(Config::new(&path, APPLICATION_ID, ORPHANS)).unwrap_err();
    assert!(
        matches!(&error, Error::MigrationOrphans { table, .. } if table == "kids"),
        "{error:?}"
    );

    let database = open(&path).unwrap();
    let tables: i64 = database
        .read_blocking(|tx| -> Result<_, Error> {
            let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('half', 'kids')";
            Ok(tx.query_row(sql, [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn file_of_another_application_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, Error::ForeignDatabase { found: 0, .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
