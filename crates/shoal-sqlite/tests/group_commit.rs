//! What writers are promised: no busy inside the process, answers after COMMIT, neighbours that
//! cannot hurt each other, and truth when the disk is full.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod shelf;

use std::sync::mpsc;

use rusqlite::Connection;
use shelf::{Refusal, count, insert, open, scratch};
use shoal_sqlite::{Config, Database, Depth, Error, rusqlite};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Queues the closures while the writer is held inside an earlier one, so that they share a group.
async fn as_one_group<T: Send + 'static>(
    database: &Database,
    closures: Vec<Closure<T>>,
) -> Vec<Result<T, Refusal>> {
    let (entered, inside) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let holder = database.clone();
    let held = tokio::spawn(async move {
        holder
            .write(move |_| -> Result<_, Refusal> {
                entered.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            })
            .await
    });
    inside.await.unwrap();
    let mut answers: Vec<_> = closures.into_iter().map(|c| Box::pin(database.write(c))).collect();
    for answer in &mut answers {
        // One poll puts the closure into the queue; the answer cannot be there yet.
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx)));
        assert!(polled.await.is_pending());
    }
    release.send(()).unwrap();
    let mut results = Vec::new();
    for answer in answers {
        results.push(answer.await);
    }
    // The holder is a member of the same group, so it shares the fate.
    let _ = held.await.unwrap();
    results
}

type Closure<T> =
    Box<dyn FnOnce(&rusqlite::Transaction<'_>) -> Result<T, Refusal> + Send + 'static>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_and_readers_never_see_busy() {
    let database = scratch();
    let mut tasks = JoinSet::new();
    for writer in 0..8_i64 {
        let database = database.clone();
        tasks.spawn(async move {
            for step in 0..50 {
                let id = writer * 1000 + step;
                // Read, then write: the shape that gives BUSY_SNAPSHOT under deferred transactions.
                database
                    .write(move |tx| -> Result<_, Error> {
                        let before = count(tx)?;
                        insert(tx, id)?;
                        assert_eq!(count(tx)?, before + 1);
                        Ok(())
                    })
                    .await
                    .unwrap();
            }
        });
    }
    for _ in 0..8 {
        let database = database.clone();
        tasks.spawn(async move {
            let mut seen = 0;
            for _ in 0..50 {
                let now = database.read(count).await.unwrap();
                assert!(now >= seen, "a later read saw less");
                seen = now;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(database.read(count).await.unwrap(), 400);
}

#[tokio::test]
async fn acknowledged_write_is_seen_by_the_next_read() {
    let database = scratch();
    for id in 0..20 {
        database.write(move |tx| insert(tx, id)).await.unwrap();
        assert_eq!(database.read(count).await.unwrap(), id + 1);
    }
}

#[tokio::test]
async fn refused_and_panicking_closures_are_undone_alone() {
    let database = scratch();
    let closures: Vec<Closure<()>> = vec![
        Box::new(|tx| Ok(insert(tx, 1)?)),
        Box::new(|tx| {
            insert(tx, 2)?;
            Err(Refusal::Mine("changed my mind"))
        }),
        Box::new(|tx| {
            insert(tx, 3)?;
            panic!("closures may be wrong")
        }),
        Box::new(|tx| Ok(insert(tx, 1)?)),
        Box::new(|tx| Ok(insert(tx, 4)?)),
    ];
    let results = as_one_group(&database, closures).await;

    assert!(results[0].is_ok());
    assert!(matches!(results[1], Err(Refusal::Mine("changed my mind"))));
    assert!(matches!(results[2], Err(Refusal::Database(Error::Panicked))));
    assert!(matches!(results[3], Err(Refusal::Database(Error::Sqlite(_)))));
    assert!(results[4].is_ok());
    let ids = database.read(shelf::ids).await.unwrap();
    assert_eq!(ids, [1, 4]);
}

#[tokio::test]
async fn a_closure_that_changed_much_is_undone_without_a_file_of_its_own() {
    const FILL: &str =
        "WITH RECURSIVE n(id) AS (SELECT 10 UNION ALL SELECT id + 1 FROM n LIMIT 300)
        INSERT INTO items SELECT id, printf('%.4000c', 'x') FROM n";
    let database = scratch();
    database.write(|tx| -> Result<_, Error> { Ok(tx.execute(FILL, [])?) }).await.unwrap();
    let closures: Vec<Closure<()>> = vec![
        Box::new(|tx| Ok(insert(tx, 1)?)),
        Box::new(|tx| {
            tx.execute("UPDATE items SET body = 'changed'", []).map_err(Error::from)?;
            let open = std::fs::read_dir("/proc/self/fd").unwrap();
            let open = open.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
            let files: Vec<_> = open.filter(|to| to.to_string_lossy().contains("etilqs")).collect();
            assert!(files.is_empty(), "{files:?}");
            Err(Refusal::Mine("changed my mind"))
        }),
        Box::new(|tx| Ok(insert(tx, 2)?)),
    ];
    let results = as_one_group(&database, closures).await;

    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(matches!(results[1], Err(Refusal::Mine("changed my mind"))), "{:?}", results[1]);
    let changed = "SELECT count(*) FROM items WHERE body = 'changed'";
    let left = database.read(|tx| -> Result<(i64, i64), Error> {
        Ok((count(tx)?, tx.query_row(changed, [], |row| row.get(0))?))
    });
    assert_eq!(left.await.unwrap(), (302, 0));
}

#[tokio::test]
async fn failed_commit_is_told_to_every_member() {
    let database = scratch();
    let closures: Vec<Closure<()>> = vec![
        Box::new(|tx| Ok(insert(tx, 1)?)),
        // The parent does not exist, and the constraint is checked at COMMIT only.
        Box::new(|tx| {
            tx.execute("INSERT INTO children (parent) VALUES (77)", []).map_err(Error::from)?;
            Ok(())
        }),
        Box::new(|_| Err(Refusal::Mine("saw a neighbour that never was"))),
    ];
    let results = as_one_group(&database, closures).await;

    for result in results {
        let Err(Refusal::Database(error)) = result else { panic!("{result:?}") };
        assert!(matches!(error, Error::NotCommitted { doubtful: false, .. }), "{error:?}");
        assert!(!error.may_have_taken_effect());
    }
    assert_eq!(database.read(count).await.unwrap(), 0);
    database.write(|tx| insert(tx, 5)).await.unwrap();
    assert_eq!(database.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn full_database_is_named_and_stays_intact() {
    let database = scratch();
    database.write(|tx| insert(tx, 1)).await.unwrap();
    set_page_limit(&database, 1).await;
    let filler = "x".repeat(200_000);
    let big = filler.clone();
    let closures: Vec<Closure<()>> = vec![
        Box::new(|tx| Ok(insert(tx, 2)?)),
        Box::new(move |tx| {
            let sql = "INSERT INTO items (id, body) VALUES (3, ?1)";
            tx.execute(sql, [big]).map_err(Error::from)?;
            Ok(())
        }),
        // Swallows the error and goes on; nothing it writes then may slip out.
        Box::new(move |tx| {
            let sql = "INSERT INTO items (id, body) VALUES (4, ?1)";
            assert!(tx.execute(sql, [filler]).is_err());
            let _ = insert(tx, 5);
            Ok(())
        }),
    ];
    let results = as_one_group(&database, closures).await;

    let Err(Refusal::Database(neighbour)) = &results[0] else { panic!("{results:?}") };
    assert!(matches!(neighbour, Error::NotCommitted { .. }) && neighbour.is_transient());
    let Err(Refusal::Database(culprit)) = &results[1] else { panic!("{results:?}") };
    assert!(culprit.is_full(), "{culprit:?}");
    let Err(Refusal::Database(swallower)) = &results[2] else { panic!("{results:?}") };
    assert!(matches!(swallower, Error::NotCommitted { .. }), "{swallower:?}");
    database.check(Depth::Full).await.unwrap();
    assert_eq!(database.read(shelf::ids).await.unwrap(), [1]);

    set_page_limit(&database, 1_000_000).await;
    database.write(|tx| insert(tx, 6)).await.unwrap();
    assert_eq!(database.read(shelf::ids).await.unwrap(), [1, 6]);
}

async fn set_page_limit(database: &Database, pages: u32) {
    database
        .write(move |tx| -> Result<_, Error> {
            let sql = format!("PRAGMA max_page_count = {pages}");
            Ok(tx.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn closure_cannot_commit_by_itself() {
    let database = scratch();
    let early = database
        .write(|tx| -> Result<_, Error> {
            insert(tx, 1)?;
            Ok(tx.execute_batch("COMMIT")?)
        })
        .await;
    assert!(early.is_err());
    let restarted = database
        .write(|tx| -> Result<_, Error> {
            tx.execute_batch("ROLLBACK")?;
            let _ = insert(tx, 2);
            Ok(())
        })
        .await;
    assert!(matches!(restarted, Err(Error::NotCommitted { .. })), "{restarted:?}");
    assert_eq!(database.read(count).await.unwrap(), 0);
    database.write(|tx| insert(tx, 3)).await.unwrap();
    assert_eq!(database.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn lock_held_by_another_process_is_busy_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let config = Config {
        busy_timeout: std::time::Duration::from_millis(10),
        ..Config::new(&path, 1, shelf::MIGRATIONS)
    };
    let database = Database::open(config).unwrap();
    let outsider = Connection::open(&path).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();

    let error = database.write(|tx| insert(tx, 1)).await.unwrap_err();
    assert!(error.is_busy() && error.is_transient(), "{error:?}");
    assert!(matches!(error, Error::NotCommitted { doubtful: false, .. }));

    outsider.execute_batch("ROLLBACK").unwrap();
    database.write(|tx| insert(tx, 1)).await.unwrap();
}

#[tokio::test]
async fn read_sees_one_snapshot_however_long_it_takes() {
    let database = scratch();
    database.write(|tx| insert(tx, 1)).await.unwrap();
    let (opened, is_open) = oneshot::channel();
    let (go, going) = mpsc::channel::<()>();
    let reader = database.clone();
    let reading = tokio::spawn(async move {
        reader
            .read(move |tx| -> Result<_, Error> {
                opened.send(()).unwrap();
                going.recv().unwrap();
                count(tx)
            })
            .await
    });
    is_open.await.unwrap();
    database.write(|tx| insert(tx, 2)).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), 1);
    assert_eq!(database.read(count).await.unwrap(), 2);
}

#[tokio::test]
async fn reader_can_neither_write_nor_stay_in_its_transaction() {
    let database = scratch();
    let refused = database.read(|tx| insert(tx, 1)).await.unwrap_err();
    assert!(refused.is_readonly(), "{refused:?}");
    let panicked = database.read(|_| -> Result<(), Error> { panic!("readers too") }).await;
    assert!(matches!(panicked, Err(Error::Panicked)));
    for id in 0..8 {
        database.write(move |tx| insert(tx, id)).await.unwrap();
        assert_eq!(database.read(count).await.unwrap(), id + 1);
    }
}

#[test]
fn threads_without_a_runtime_write_and_read_too() {
    let database = scratch();
    let threads: Vec<_> = (0..4)
        .map(|id| {
            let database = database.clone();
            std::thread::spawn(move || database.write_blocking(move |tx| insert(tx, id)))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(database.read_blocking(count).unwrap(), 4);
}

#[tokio::test]
async fn dropped_caller_gives_up_the_answer_and_not_the_write() {
    let database = scratch();
    let mut write = Box::pin(database.write(|tx| insert(tx, 1)));
    let _ = std::future::poll_fn(|cx| std::task::Poll::Ready(write.as_mut().poll(cx))).await;
    drop(write);
    database.write(|tx| insert(tx, 2)).await.unwrap();
    assert_eq!(database.read(count).await.unwrap(), 2);
}

#[tokio::test]
async fn last_handle_may_go_inside_a_closure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let database = open(&path).unwrap();
    let (go, going) = mpsc::channel::<()>();
    let inner = database.clone();
    let mut write = Box::pin(database.write(move |tx| {
        going.recv().unwrap();
        let written = insert(tx, 1);
        drop(inner);
        written
    }));
    let _ = std::future::poll_fn(|cx| std::task::Poll::Ready(write.as_mut().poll(cx))).await;
    drop(write);
    drop(database);
    go.send(()).unwrap();

    // Waits in the kernel until the writer has ended and freed the instance lock.
    std::fs::File::open(directory.path().join("jobs.db.lock")).unwrap().lock().unwrap();
    assert_eq!(open(&path).unwrap().read(count).await.unwrap(), 1);
}
