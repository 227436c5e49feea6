//! Backups, restores and checks: a copy is whole or it is not there, and damage is found.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod shelf;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use shelf::{APPLICATION_ID, count, ids, insert, open};
use shoal_sqlite::{
    Database, Depth, Error, Manifest, check_file, manifest_path, restore, rusqlite, vacuum,
};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

async fn fill(database: &Database, range: std::ops::Range<i64>) {
    database
        .write(move |tx| -> Result<_, Error> {
            range.into_iter().try_for_each(|id| insert(tx, id))
        })
        .await
        .unwrap();
}

fn damage_a_page(path: &Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    assert!(pages > 12, "too small to damage");
    // Cells only: the page header stays, so that merely counting rows does not notice.
    file.write_all_at(&[0xA5; 2048], 10 * 4096 + 2048).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn backup_during_writes_is_one_consistent_moment() {
    let place = Place::new();
    let database = open(&place.path("jobs.db")).unwrap();
    fill(&database, 0..2000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (database, stop) = (database.clone(), Arc::clone(&stop));
        async move {
            let mut id = 10_000;
            while !stop.load(Ordering::Relaxed) && id < 1_000_000 {
                // Two rows at a time: an odd count would be half a write.
                database
                    .write(move |tx| insert(tx, id).and_then(|()| insert(tx, id + 1)))
                    .await
                    .unwrap();
                id += 2;
            }
        }
    });
    let mut manifests = Vec::new();
    for round in 0..3 {
        let to = place.path(&format!("backup-{round}.db"));
        let labels = BTreeMap::from([("key_id".to_owned(), "k1".to_owned())]);
        manifests.push(database.backup(&to, labels).await.unwrap());
        check_file(&to, Depth::Full).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();

    let mut earlier = 2000;
    for (round, manifest) in manifests.iter().enumerate() {
        let to = place.path(&format!("backup-{round}.db"));
        assert_eq!(&Manifest::read(&to).unwrap(), manifest);
        assert_eq!(manifest.bytes, std::fs::metadata(&to).unwrap().len());
        assert_eq!((manifest.application_id, manifest.schema_version), (APPLICATION_ID, 2));
        assert_eq!(manifest.rows["applied_migrations"], 2);
        assert_eq!(manifest.labels["key_id"], "k1");
        let rows = manifest.rows["items"];
        assert!(rows >= earlier && rows % 2 == 0, "{rows} rows after {earlier}");
        earlier = rows;
        let copy = Connection::open(&to).unwrap();
        let counted: i64 =
            copy.query_row("SELECT count(*) FROM items", [], |row| row.get(0)).unwrap();
        assert_eq!(counted.unsigned_abs(), rows);
    }
    assert!(!place.names().iter().any(|name| name.contains("partial")), "{:?}", place.names());
}

#[tokio::test]
async fn backups_of_an_unchanged_database_are_identical() {
    let place = Place::new();
    let database = open(&place.path("jobs.db")).unwrap();
    fill(&database, 0..500).await;
    let first = database.backup(place.path("a.db"), BTreeMap::new()).await.unwrap();
    let second = database.backup(place.path("b.db"), BTreeMap::new()).await.unwrap();
    assert_eq!(first.sha256, second.sha256);
    fill(&database, 500..501).await;
    let third = database.backup(place.path("c.db"), BTreeMap::new()).await.unwrap();
    assert_ne!(first.sha256, third.sha256);
}

#[tokio::test]
async fn backup_never_replaces_an_earlier_one() {
    let place = Place::new();
    let database = open(&place.path("jobs.db")).unwrap();
    let to = place.path("a.db");
    database.backup(&to, BTreeMap::new()).await.unwrap();
    let before = std::fs::read(&to).unwrap();
    fill(&database, 0..10).await;
    let error = database.backup(&to, BTreeMap::new()).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert_eq!(std::fs::read(&to).unwrap(), before);
}

#[tokio::test]
async fn damaged_page_is_found_and_never_becomes_a_backup() {
    let place = Place::new();
    let path = place.path("jobs.db");
    let database = open(&path).unwrap();
    fill(&database, 0..5000).await;
    database.close().await.unwrap();
    let database = open(&path).unwrap();
    database.check(Depth::Full).await.unwrap();
    damage_a_page(&path);

    for depth in [Depth::Quick, Depth::Full] {
        let error = database.check(depth).await.unwrap_err();
        assert!(error.is_corrupt(), "{error:?}");
        assert!(check_file(&path, depth).unwrap_err().is_corrupt());
    }
    let error = database.backup(place.path("backup.db"), BTreeMap::new()).await.unwrap_err();
    assert!(error.is_corrupt(), "{error:?}");
    assert!(!place.names().iter().any(|name| name.starts_with("backup")), "{:?}", place.names());
    drop(database);
    assert!(open(&path).unwrap_err().is_corrupt());
}

#[tokio::test]
async fn flaw_that_only_the_check_sees_is_found_and_never_becomes_a_backup() {
    let place = Place::new();
    let database = open(&place.path("jobs.db")).unwrap();
    database
        .write(|tx| -> Result<_, Error> {
            let sql = "CREATE TABLE positive (x INTEGER CHECK (x > 0)) STRICT;
                       PRAGMA ignore_check_constraints = ON;
                       INSERT INTO positive VALUES (-1);";
            Ok(tx.execute_batch(sql)?)
        })
        .await
        .unwrap();

    for depth in [Depth::Quick, Depth::Full] {
        let error = database.check(depth).await.unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    }
    let error = database.backup(place.path("backup.db"), BTreeMap::new()).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(!place.names().iter().any(|name| name.starts_with("backup")), "{:?}", place.names());
}

#[tokio::test]
async fn restore_brings_back_the_backup_and_keeps_what_it_replaced() {
    let place = Place::new();
    let path = place.path("jobs.db");
    let backup = place.path("backup.db");
    let database = open(&path).unwrap();
    fill(&database, 0..100).await;
    let manifest = database.backup(&backup, BTreeMap::new()).await.unwrap();
    fill(&database, 100..150).await;

    let refused = restore(&path, &backup).unwrap_err();
    assert!(matches!(refused, Error::Held { .. }), "{refused:?}");
    // A copy made now is what a crash would leave: a database whose news is still in the WAL.
    let crashed = place.path("crashed.db");
    for part in ["", "-wal", "-shm"] {
        let name = |path: &Path| PathBuf::from(format!("{}{part}", path.display()));
        std::fs::copy(name(&path), name(&crashed)).unwrap();
    }
    database.close().await.unwrap();

    let restored = restore(&crashed, &backup).unwrap();
    assert_eq!(restored.manifest, manifest);
    let database = open(&crashed).unwrap();
    assert_eq!(database.read(ids).await.unwrap(), (0..100).collect::<Vec<_>>());
    fill(&database, 1000..1001).await;
    let aside = Connection::open(restored.aside.unwrap()).unwrap();
    let former: i64 = aside.query_row("SELECT count(*) FROM items", [], |row| row.get(0)).unwrap();
    assert_eq!(former, 150, "the replaced database keeps its WAL");
}

#[tokio::test]
async fn backup_that_is_not_what_its_manifest_says_changes_nothing() {
    let place = Place::new();
    let path = place.path("jobs.db");
    let backup = place.path("backup.db");
    let database = open(&path).unwrap();
    fill(&database, 0..5000).await;
    database.backup(&backup, BTreeMap::new()).await.unwrap();
    fill(&database, 5000..5001).await;
    database.close().await.unwrap();
    drop(database);

    let mut manifest = Manifest::read(&backup).unwrap();
    manifest.rows.insert("items".to_owned(), 4999);
    std::fs::write(manifest_path(&backup), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let error = restore(&path, &backup).unwrap_err();
    assert!(matches!(error, Error::ManifestMismatch { field: "rows" }), "{error:?}");

    damage_a_page(&backup);
    assert!(restore(&path, &backup).unwrap_err().is_corrupt());

    std::fs::remove_file(manifest_path(&backup)).unwrap();
    assert!(matches!(restore(&path, &backup), Err(Error::Io { .. })));
    assert!(!place.names().iter().any(|name| name.contains("restor") || name.contains("aside")));
    assert_eq!(open(&path).unwrap().read(count).await.unwrap(), 5001);
}

#[tokio::test]
async fn interrupted_restore_blocks_opening_until_it_is_run_again() {
    let place = Place::new();
    let path = place.path("jobs.db");
    let backup = place.path("backup.db");
    let database = open(&path).unwrap();
    fill(&database, 0..10).await;
    database.backup(&backup, BTreeMap::new()).await.unwrap();
    database.close().await.unwrap();
    drop(database);
    // The state between moving the database aside and putting the copy in its place.
    std::fs::copy(&backup, place.path("jobs.db.restoring")).unwrap();
    std::fs::remove_file(&path).unwrap();

    assert!(matches!(open(&path), Err(Error::RestoreUnfinished { .. })));
    assert!(!path.exists(), "a refused open must not create an empty database");
    assert_eq!(restore(&path, &backup).unwrap().aside, None);
    assert_eq!(open(&path).unwrap().read(count).await.unwrap(), 10);
}

#[tokio::test]
async fn vacuum_gives_space_back_only_while_nobody_has_it_open() {
    let place = Place::new();
    let path = place.path("jobs.db");
    let database = open(&path).unwrap();
    fill(&database, 0..5000).await;
    database
        .write(|tx| -> Result<_, Error> { Ok(tx.execute("DELETE FROM items WHERE id > 10", [])?) })
        .await
        .unwrap();
    assert!(matches!(vacuum(&path), Err(Error::Held { .. })));
    database.close().await.unwrap();

    let vacuumed = vacuum(&path).unwrap();
    assert!(vacuumed.after_bytes < vacuumed.before_bytes, "{vacuumed:?}");
    assert_eq!(open(&path).unwrap().read(count).await.unwrap(), 11);
}
