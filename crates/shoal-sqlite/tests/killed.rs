//! What a killed process leaves behind. A program of its own: between fork and exec a child shares
//! its parent's locks, and tests beside it that open a database again would find it held.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod shelf;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use shelf::{ids, insert, open};
use shoal_sqlite::Error;

const CHILD: &str = "SHOAL_SQLITE_TEST_CHILD_PATH";

/// Plays both parts: started again with a path in its environment it is the process to be killed.
#[test]
fn every_acknowledged_write_outlives_kill_minus_nine() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "every_acknowledged_write_outlives_kill_minus_nine", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(id) = line.strip_prefix("ack ").and_then(|id| id.parse::<i64>().ok()) {
            acknowledged.push(id);
        }
        if acknowledged.len() == 200 {
            assert!(
                matches!(open(&path), Err(Error::Held { holder, .. }) if holder.pid == child.id())
            );
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();

    assert!(acknowledged.len() >= 200, "the child acknowledged only {}", acknowledged.len());
    let database = open(&path).unwrap();
    let kept = database.read_blocking(ids).unwrap();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !kept.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Bounded, so that a parent which forgets to kill still ends.
fn write_until_killed(path: &Path) {
    let database = open(path).unwrap();
    // The harness has begun a line with the name of this test.
    std::io::stdout().write_all(b"\n").unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_i64 {
            let database = database.clone();
            scope.spawn(move || {
                for step in 0..100_000 {
                    let id = writer * 1_000_000 + step;
                    database.write_blocking(move |tx| insert(tx, id)).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "ack {id}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}
