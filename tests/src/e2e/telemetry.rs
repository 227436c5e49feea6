//! What controllers tell in numbers: that a fresh one tells all the reference page promises and nothing
//! else, that nobody outside can make it tell more series, and, after everything else, that no metric
//! is there for decoration.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use shoal_tests::{Controller, PATIENCE, Scrape, declared};

use crate::{
    Group,
    stage::Stage,
    suite::{Place, Scenario},
};

/// Metrics that a run may leave alone, with the reason.
const UNTOUCHED: &str = include_str!("telemetry/untouched.txt");

/// What the linter says although it is wanted: the runbook's own names.
const LINTED: [&str; 1] = ["registry_blob_count"];

/// Series of one controller; far below what a scraper minds.
const MOST_SERIES: usize = 3000;

const STRANGERS: u32 = 1000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(Group::Metrics, None, "a fresh controller tells what the page says", fresh),
        Scenario::new(Group::Metrics, None, "a thousand hostile jobs add no series", hostile),
        Scenario::new(Group::Metrics, None, "backups that cannot be made are told", no_backups),
    ]
}

async fn fresh(place: Place) -> Result<()> {
    let path = clock(&place)?;
    let stage = Stage::set_with(&place, |config| config.set("PATH", path)).await?;
    let mut found = Vec::new();
    let scrape = settled(&stage.controller, |scrape| {
        found = scrape.differences();
        found.is_empty()
    });
    let scrape = scrape.await.with_context(|| format!("at last: {found:#?}"))?;
    ensure!(scrape.series.len() < MOST_SERIES, "{} series at start", scrape.series.len());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
    for metric in declared().iter().filter(|it| it.name.ends_with("_timestamp_seconds")) {
        // One that has not come yet is a zero of its own: no former key is accepted.
        let window = metric.name == "secret_dual_accept_until_timestamp_seconds";
        for (labels, value) in scrape.of(&metric.name) {
            let recent = value > now - 600.0 || metric.name.starts_with("tls_certificate");
            ensure!(recent || window, "{} {labels} is {value}", metric.name);
        }
    }
    lint(&Scrape::fetch(&stage.controller.ready().admin).await?)?;
    stage.strike([]).await
}

/// A directory with a program that says that the clock is right: a container has nobody to ask.
fn clock(place: &Place) -> Result<String> {
    use std::os::unix::fs::PermissionsExt;

    let directory = place.directory.join("bin");
    fs::create_dir_all(&directory)?;
    let program = directory.join("timedatectl");
    fs::write(&program, "#!/bin/sh\necho yes\n")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(format!("{}:/usr/bin:/bin", directory.display()))
}

/// The linter of the monitoring system that reads us.
fn lint(text: &str) -> Result<()> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start promtool; `cargo xtask test --stage setup` installs it")?;
    promtool.stdin.take().context("write to promtool")?.write_all(text.as_bytes())?;
    let output = promtool.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| !LINTED.iter().any(|name| line.starts_with(name)))
        .filter(|line| !line.trim().is_empty())
        .collect();
    ensure!(wrong.is_empty(), "promtool says: {wrong:#?}");
    Ok(())
}

/// Nobody's names become labels: serials, vendors, targets, paths.
async fn hostile(place: Place) -> Result<()> {
    let stage = Stage::set_with(&place, |config| config.set("WORKER_CONCURRENCY", "0")).await?;
    // What is told first is told from then on.
    for stranger in 0..2 {
        intrude(&stage, stranger).await?;
    }
    let unknown = |scrape: &Scrape| {
        scrape.value("jobs_current{status=\"queued\",task_target=\"other\"}") >= Some(2.0)
    };
    let before = settled(&stage.controller, unknown).await?;
    for stranger in 2..STRANGERS {
        intrude(&stage, stranger).await?;
    }
    let all = f64::from(STRANGERS);
    let after = settled(&stage.controller, |scrape| {
        scrape.value("jobs_current{status=\"queued\",task_target=\"other\"}") >= Some(all)
    })
    .await?;
    let names = |scrape: &Scrape| scrape.series.keys().cloned().collect::<BTreeSet<_>>();
    let added: Vec<String> = names(&after).difference(&names(&before)).cloned().collect();
    ensure!(added.is_empty(), "new series: {added:#?}");
    ensure!(after.series.len() < MOST_SERIES, "{} series", after.series.len());
    stage.strike([]).await
}

/// A place for backups that is none: failures count, and freshness stays that of the installation.
async fn no_backups(place: Place) -> Result<()> {
    let file = place.directory.join("a-file");
    fs::write(&file, "")?;
    let file = file.display().to_string();
    let stage = Stage::set_with(&place, |config| config.set("BACKUP_DIR", file)).await?;
    let fresh = "backup_last_success_timestamp_seconds";
    let before = stage.controller.scrape().await?.value(fresh);
    let after = settled(&stage.controller, |scrape| {
        scrape.value("backup_failures_total") >= Some(1.0)
            && scrape.value("restore_test_failures_total") >= Some(1.0)
    });
    let after = after.await?.value(fresh);
    ensure!(before.is_some() && before == after, "fresh since {before:?}, then {after:?}");
    stage.strike([]).await
}

async fn intrude(stage: &Stage, stranger: u32) -> Result<()> {
    let serial = format!("EVIL-{stranger}");
    let record = json!({
        "bmc_address": format!("https://192.0.2.1:{}", 1024 + stranger),
        "vendor_hint": format!("vendor{stranger}"),
        "tls": {"policy": "pin", "sha256": "ab".repeat(32)},
        "credentials": {"user": format!("user{stranger}"), "password": "nobody's"},
        "labels": {"rack": format!("r{stranger}")},
    });
    let put = stage.api.put_server(&serial, &record).await?;
    ensure!(put.status == 201, "{}: {}", put.status, put.body);
    let recipe = json!({
        "task_target": format!("evil-{stranger}.target"),
    });
    stage.api.create_job(&json!({"server_serial": serial, "recipe": recipe})).await?;
    stage.api.get(&format!("/servers/nobody-{stranger}")).await?;
    for path in [format!("/media/t/{stranger}/task.iso"), format!("/evil/{stranger}")] {
        stage.api.request(reqwest::Method::GET, &path).send().await?;
    }
    Ok(())
}

/// Scrapes until the wanted is told.
async fn settled(
    controller: &Controller,
    mut wanted: impl FnMut(&Scrape) -> bool,
) -> Result<Scrape> {
    let search = async {
        loop {
            let scrape = controller.scrape().await?;
            if wanted(&scrape) {
                return anyhow::Ok(scrape);
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.context("the metrics never said so")?
}

/// Looks at the last scrapes of every controller below a directory, and says what is wrong: what no
/// scenario touched and nobody excuses, and excuses that are needed no longer.
pub(crate) fn decorative(scratch: &Path) -> Result<Vec<String>> {
    let mut scrapes = Vec::new();
    collect(scratch, &mut scrapes)?;
    ensure!(!scrapes.is_empty(), "no controller left a scrape");
    let excused = excused()?;
    let mut wrong = Vec::new();
    for name in declared().into_iter().map(|metric| metric.name) {
        let touched = scrapes.iter().any(|scrape| is_touched(scrape, &name));
        match (touched, excused.get(&name)) {
            (false, None) => wrong.push(format!("nothing recorded {name}")),
            (true, Some(Excuse::Always)) => {
                wrong.push(format!("{name} is excused and was recorded: take its excuse out"));
            }
            _ => {}
        }
    }
    Ok(wrong)
}

/// When a metric is left at zero.
#[derive(Debug, PartialEq, Eq)]
enum Excuse {
    Always,
    ByChance,
}

/// Whether something was recorded: zero is what most begin with.
fn is_touched(scrape: &Scrape, metric: &str) -> bool {
    scrape.of(metric).any(|(_, value)| value != 0.0)
}

fn excused() -> Result<BTreeMap<String, Excuse>> {
    let lines = UNTOUCHED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let page = declared();
    let mut excused = BTreeMap::new();
    for line in lines {
        let (name, _) = line.split_once(": ").with_context(|| format!("no reason: {line}"))?;
        let (name, excuse) = match name.strip_suffix(", by chance") {
            Some(name) => (name, Excuse::ByChance),
            None => (name, Excuse::Always),
        };
        ensure!(page.iter().any(|it| it.name == name), "{name} is excused and does not exist");
        excused.insert(name.to_owned(), excuse);
    }
    Ok(excused)
}

fn collect(directory: &Path, found: &mut Vec<Scrape>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            // What a scenario made unreadable on purpose holds no scrape.
            collect(&path, found).unwrap_or_default();
        } else if path.extension().is_some_and(|it| it == Scrape::EXTENSION) {
            found.push(Scrape::read(&fs::read_to_string(&path)?)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_recorded_is_named_unless_it_is_excused() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("one")).unwrap();
        let text = "# TYPE job_total counter\njob_total{status=\"queued\"} 1\n\
                    # TYPE panics_total counter\npanics_total 0\n\
                    # TYPE sqlite_busy_total counter\nsqlite_busy_total{db=\"jobs\"} 2\n\
                    # TYPE log_lines_dropped_total counter\nlog_lines_dropped_total 3\n\
                    # TYPE job_failures_total counter\njob_failures_total 0\n";
        fs::write(scratch.path().join("one/scrape-1.prom"), text).unwrap();

        let wrong = decorative(scratch.path()).unwrap();
        let about = |name: &str| wrong.iter().filter(|it| it.contains(name)).collect::<Vec<_>>();
        assert_eq!(about(" job_total"), [] as [&str; 0]);
        assert_eq!(about("job_failures_total"), ["nothing recorded job_failures_total"]);
        assert_eq!(excused().unwrap()["panics_total"], Excuse::Always);
        assert_eq!(about("panics_total"), [] as [&str; 0]);
        assert!(about("sqlite_busy_total")[0].contains("take its excuse out"), "{wrong:?}");
        assert_eq!(excused().unwrap()["log_lines_dropped_total"], Excuse::ByChance);
        assert_eq!(about("log_lines_dropped_total"), [] as [&str; 0]);
    }
}
