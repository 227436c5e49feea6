//! Durable single-row commits per second, alone and with eight writers at once: what group commit
//! is for. Run with `cargo bench -p shoal-sqlite`.

use std::time::{Duration, Instant};

use shoal_sqlite::{Database, Error, Migration};

const MIGRATIONS: &[Migration] = &[Migration {
    name: "rows",
    sql: "CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;",
}];

const MEASURED: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    for writers in [1_u32, 8, 64] {
        let database = Database::scratch(1, MIGRATIONS)?;
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..writers {
            tasks.spawn(write_until(database.clone(), started + MEASURED));
        }
        let commits: u32 = tasks.join_all().await.into_iter().sum::<Result<u32, Error>>()?;
        let rate = f64::from(commits) / started.elapsed().as_secs_f64();
        #[expect(clippy::print_stdout, reason = "a bench prints its result")]
        {
            println!("{writers:>3} writers: {rate:>9.0} acknowledged commits/s");
        }
        database.close().await?;
    }
    Ok(())
}

async fn write_until(database: Database, end: Instant) -> Result<u32, Error> {
    let mut commits = 0;
    while Instant::now() < end {
        database
            .write(|tx| -> Result<_, Error> {
                tx.prepare_cached("INSERT INTO rows (body) VALUES ('x')")?.execute([])?;
                Ok(())
            })
            .await?;
        commits += 1;
    }
    Ok(commits)
}
