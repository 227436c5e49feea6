//! What the file on disk gives away, and what it survives.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod drive;

use std::path::Path;

use drive::{NOW, create, frozen, id, lease, new_job, put, serial, server, until};
use shoal_core::Workflow;
use shoal_sqlite::rusqlite::Connection;
use shoal_store::{
    Credentials, Error, KeyPurpose, Limits, NewRecord, Options, Role, Sealing, SealingKey, Secret,
    Store,
};

fn key(byte: u8) -> SealingKey {
    SealingKey::from_bytes([byte; 32])
}

fn open(path: &Path, sealing: Sealing) -> Result<Store, Error> {
    Store::open(Options { path: path.to_owned(), instance: "controller-1".to_owned(), sealing })
}

/// Two servers with credentials and jobs with frozen attempts.
async fn filled(path: &Path) -> Store {
    let store = open(path, Sealing::new(key(1))).unwrap();
    for number in 1..=2 {
        let password = Secret::new(format!("canary-password-{number}"));
        let credentials = Credentials { user: format!("canary-user-{number}"), password };
        store.put_server(server(number), Some(credentials), "ada", NOW).await.unwrap();
        let recipe = format!("canary-recipe-{number}").into_bytes();
        create(&store, NewRecord { recipe, ..new_job(number, Workflow::Linux) }).await;
        let frozen = frozen(u8::try_from(number).unwrap());
        store.freeze(id(number), 1, frozen).await.unwrap();
    }
    store
}

fn tamper(path: &Path, sql: &str) {
    assert!(Connection::open(path).unwrap().execute(sql, []).unwrap() > 0, "{sql}");
}

fn finds(path: &Path, needle: &[u8]) -> bool {
    ["", "-wal"].iter().any(|suffix| {
        let file = format!("{}{suffix}", path.display());
        let bytes = std::fs::read(file).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn no_secret_stands_in_the_file_in_plain() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = filled(&path).await;
    let api = store.add_api_token("ci", Role::Admin, NOW).await.unwrap();
    let media = store.keys(KeyPurpose::Media).await.unwrap().current;
    let text = Secret::from("canary-fleet-secret");
    let wait = std::time::Duration::ZERO;
    store.import_key(KeyPurpose::FleetWebhook, &text, NOW, wait).await.unwrap();

    for when in ["while open", "after close"] {
        assert!(finds(&path, b"SRV-001"), "the search itself works, {when}");
        assert!(!finds(&path, b"canary"), "{when}");
        assert!(!finds(&path, b"capability"), "{when}");
        assert!(!finds(&path, api.text.expose().as_bytes()), "{when}");
        assert!(!finds(&path, media.secret.expose()), "{when}");
        if when == "while open" {
            assert!(std::fs::metadata(format!("{}-wal", path.display())).unwrap().len() > 0);
            store.close().await.unwrap();
        }
    }
}

#[test]
fn nothing_secret_is_printed() {
    let credentials = Credentials { user: "canary".to_owned(), password: Secret::from("canary") };
    let recipe = b"canary".to_vec();
    let new = NewRecord { recipe: recipe.clone(), ..new_job(1, Workflow::Linux) };
    let shown = format!("{credentials:?} {new:?} {:?} {:?}", frozen(1), key(1));

    assert!(!shown.contains("canary") && !shown.contains("capability"), "{shown}");
    assert!(!shown.contains(&format!("{recipe:?}")), "{shown}");
    assert!(shown.contains("recipe_bytes: 6"), "{shown}");
}

#[tokio::test]
async fn moved_cells_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    filled(&path).await.close().await.unwrap();
    for (table, column, row) in [
        ("jobs", "recipe", "server_serial"),
        ("servers", "credentials", "serial"),
        ("attempts", "frozen", "job_id"),
    ] {
        tamper(
            &path,
            &format!(
                "UPDATE {table} SET {column} = (SELECT other.{column} FROM {table} AS other
                 WHERE other.{row} <> {table}.{row})"
            ),
        );
    }

    let store = open(&path, Sealing::new(key(1))).unwrap();
    assert!(matches!(store.recipe(id(1)).await.unwrap_err(), Error::Unseal { .. }));
    assert!(matches!(store.credentials(&serial(1)).await.unwrap_err(), Error::Unseal { .. }));
    let error = store.frozen(id(1), 1).await.unwrap_err();
    assert_eq!(error.to_string(), format!("unseal attempts.frozen/{}/1", id(1)));
}

#[tokio::test]
async fn tampered_cell_is_refused_and_its_neighbour_still_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    filled(&path).await.close().await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let mut cell: Vec<u8> = connection
        .query_row("SELECT recipe FROM jobs WHERE server_serial = 'SRV-001'", [], |row| row.get(0))
        .unwrap();
    *cell.last_mut().unwrap() ^= 1;
    connection
        .execute("UPDATE jobs SET recipe = ?1 WHERE server_serial = 'SRV-001'", [cell])
        .unwrap();
    drop(connection);

    let store = open(&path, Sealing::new(key(1))).unwrap();
    assert!(matches!(store.recipe(id(1)).await.unwrap_err(), Error::Unseal { .. }));
    assert_eq!(store.recipe(id(2)).await.unwrap().unwrap(), b"canary-recipe-2");
    assert_eq!(store.recipe(id(3)).await.unwrap(), None);
}

#[tokio::test]
async fn wrong_sealing_key_is_named_at_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    filled(&path).await.close().await.unwrap();

    let error = open(&path, Sealing::new(key(2))).unwrap_err();
    let (stored, given) = (key(1).id(), key(2).id());
    assert_eq!(
        error.to_string(),
        format!("open a database sealed with key {stored}: the given sealing keys are {given}")
    );
    // With both it opens, and from then on neither alone will do.
    let both = Sealing::new(key(2)).and_older(key(1));
    let store = open(&path, both).unwrap();
    assert_eq!(store.recipe(id(1)).await.unwrap().unwrap(), b"canary-recipe-1");
    store.close().await.unwrap();
    for alone in [1, 2] {
        let error = open(&path, Sealing::new(key(alone))).unwrap_err();
        assert!(matches!(error, Error::WrongSealingKey { .. }), "{alone}");
    }
}

#[tokio::test]
async fn resealed_database_opens_with_the_new_key_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = filled(&path).await;
    let media = store.keys(KeyPurpose::Media).await.unwrap().current;
    store.close().await.unwrap();
    let store = open(&path, Sealing::new(key(2)).and_older(key(1))).unwrap();
    // Two recipes, two credentials, two attempts, one key; and nothing is left the second time.
    assert_eq!(store.reseal().await.unwrap(), 7);
    assert_eq!(store.reseal().await.unwrap(), 0);
    store.close().await.unwrap();

    let store = open(&path, Sealing::new(key(2))).unwrap();
    assert_eq!(store.recipe(id(2)).await.unwrap().unwrap(), b"canary-recipe-2");
    assert_eq!(store.frozen(id(1), 1).await.unwrap(), Some(frozen(1)));
    let credentials = store.credentials(&serial(1)).await.unwrap().unwrap();
    assert_eq!(credentials.password.expose(), "canary-password-1");
    let again = store.keys(KeyPurpose::Media).await.unwrap().current;
    assert_eq!(again.secret.expose(), media.secret.expose());
    store.close().await.unwrap();
    assert!(open(&path, Sealing::new(key(1))).is_err());
}

#[tokio::test]
async fn restart_gives_the_same_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = filled(&path).await;
    let lease = lease(&store).await;
    store.claim(&lease, &Limits::default(), NOW).await.unwrap().unwrap();
    let before = until(&store, id(1), &lease, "await_boot").await;
    let events = store.last_events(id(1), 100).await.unwrap();
    let keys = store.keys(KeyPurpose::Media).await.unwrap();
    store.close().await.unwrap();
    assert!(store.job(id(1)).await.is_err());

    let store = open(&path, Sealing::new(key(1))).unwrap();
    assert_eq!(store.job(id(1)).await.unwrap().unwrap(), before);
    assert_eq!(store.active_on(&serial(1)).await.unwrap().unwrap(), before);
    assert_eq!(store.last_events(id(1), 100).await.unwrap(), events);
    assert_eq!(store.frozen(id(1), 1).await.unwrap(), Some(frozen(1)));
    let again = store.keys(KeyPurpose::Media).await.unwrap();
    assert_eq!(again.current.secret.expose(), keys.current.secret.expose());
}

#[tokio::test]
async fn second_opener_hears_who_holds_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = open(&path, Sealing::new(key(1))).unwrap();
    let error = open(&path, Sealing::new(key(1))).unwrap_err();

    let pid = std::process::id();
    assert!(error.to_string().contains(&format!("held by pid {pid} (controller-1")), "{error}");
    assert!(error.is_transient());
    put(&store, 1).await;
}

#[tokio::test]
async fn backup_opens_with_the_key_its_manifest_names() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(&directory.path().join("a.db")).await;
    let copy = directory.path().join("copy.db");
    let manifest = store.backup(&copy).await.unwrap();

    let named = serde_json::to_string(&manifest).unwrap();
    assert!(named.contains(&key(1).id()), "{named}");
    let restored = open(&copy, Sealing::new(key(1))).unwrap();
    assert_eq!(restored.recipe(id(1)).await.unwrap().unwrap(), b"canary-recipe-1");
}
