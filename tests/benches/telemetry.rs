//! What telling costs: jobs carried through the store with telemetry and without it, by two processes
//! of the same build that take turns, so that a busy machine is busy for both.
//!
//! On means metrics, and a log line as JSON for every event of every job. Everything around the store
//! is left out, since it would only hide the difference.
#![expect(clippy::print_stdout, reason = "what a benchmark prints is its result")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on says so")]

use std::{
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use metrics::Label;
use serde::{Deserialize, Serialize};
use shoal_core::{
    Command, Event, JobId, MediaClass, MediaPlan, NewJob, Next, Plan, Power, Report, Seen, Sight,
    Time, Verdict, Workflow,
};
use shoal_store::{Lease, Limits, NewRecord, Server, Store, TlsPolicy};
use shoal_telemetry::{
    Config, Telemetry,
    catalogue::{self, Kind, Metric, Values},
};

const ROUNDS: usize = 9;
const JOBS: u128 = 300;
const AT_ONCE: u128 = 16;
const SCRAPES: usize = 30;
const NOW: Time = Time::from_millis(1_700_000_000_000);

/// What one process found.
#[derive(Serialize, Deserialize)]
struct Found {
    jobs_per_second: f64,
    rss_kib: u64,
    scrape_ms: f64,
    series: usize,
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("child-on") => child(true),
        Some("child-off") => child(false),
        _ => parent(),
    }
}

fn parent() {
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who goes first takes turns too.
        for with in if round % 2 == 0 { [true, false] } else { [false, true] } {
            (if with { &mut on } else { &mut off }).push(turn(with));
        }
    }
    let rate = |found: &[Found]| median(found.iter().map(|it| it.jobs_per_second));
    #[expect(clippy::cast_precision_loss, reason = "a process has far less than 2^52 KiB")]
    let memory = |found: &[Found]| median(found.iter().map(|it| it.rss_kib as f64)) / 1024.0;
    let pairs = on.iter().zip(&off).map(|(on, off)| on.jobs_per_second / off.jobs_per_second);
    println!("jobs through the store: {:.0}/s with, {:.0}/s without", rate(&on), rate(&off));
    println!(
        "cost of telemetry: {:.1} % (median of {ROUNDS} pairs; aim: at most 3 %)",
        (1.0 - median(pairs)) * 100.0
    );
    println!("memory: {:+.1} MiB (aim: at most 16)", memory(&on) - memory(&off));
    let series = on.first().map_or(0, |found| found.series);
    let scrape = median(on.iter().map(|it| it.scrape_ms));
    println!("a scrape of {series} lines: {scrape:.1} ms (aim: at most 20)");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Runs one process. Its log goes nowhere, as far as a pipe to a service manager costs nothing.
fn turn(with: bool) -> Found {
    let output = Process::new(std::env::current_exe().unwrap())
        .arg(if with { "child-on" } else { "child-off" })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn child(with: bool) {
    let mut config = Config::new("bench", "0");
    config.disks = vec![std::env::temp_dir()];
    let guard = with.then(|| Telemetry::init(config).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = Store::scratch().unwrap();
    let jobs_per_second = runtime.block_on(carry(store));
    let rss_kib = resident();
    let (mut scrape_ms, mut series) = (0.0, 0);
    if let Some(guard) = &guard {
        catalogue::all().for_each(populate);
        let metrics = guard.metrics();
        let scrapes = (0..SCRAPES).map(|_| {
            let began = Instant::now();
            series = metrics.render().lines().count();
            began.elapsed().as_secs_f64() * 1000.0
        });
        scrape_ms = median(scrapes);
    }
    let found = Found { jobs_per_second, rss_kib, scrape_ms, series };
    if let Some(guard) = guard {
        guard.shutdown(Duration::from_secs(3));
    }
    serde_json::to_writer(std::io::stderr(), &found).unwrap();
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Every combination of a metric's labels that a large site could come to.
fn populate(metric: &Metric) {
    let mut combinations = vec![Vec::new()];
    for label in metric.labels {
        let values: Vec<String> = match label.values {
            Values::Closed { values, .. } => values.iter().map(ToString::to_string).collect(),
            Values::Code => ["200", "404", "503"].map(str::to_owned).to_vec(),
            Values::Configured => (0..10).map(|number| format!("/route/{number}")).collect(),
        };
        combinations = combinations
            .into_iter()
            .flat_map(|prefix: Vec<Label>| {
                values.iter().map(move |value| {
                    let mut longer = prefix.clone();
                    longer.push(Label::new(label.name, value.clone()));
                    longer
                })
            })
            .collect();
    }
    for labels in combinations {
        match metric.kind {
            Kind::Counter => metrics::counter!(metric.name, labels).increment(1),
            Kind::Gauge => metrics::gauge!(metric.name, labels).set(1.0),
            Kind::Histogram(_) => metrics::histogram!(metric.name, labels).record(1.0),
        }
    }
}

/// Jobs per second, from their creation to their completion.
async fn carry(store: Store) -> f64 {
    let lease = store.adopt("bench", NOW).await.unwrap().lease;
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for first in 0..AT_ONCE {
        let (store, lease) = (store.clone(), lease.clone());
        running.spawn(async move {
            for number in (first..JOBS).step_by(AT_ONCE as usize) {
                create(&store, number).await;
                let claimed = store.claim(&lease, &Limits::default(), NOW).await.unwrap();
                if let Some(record) = claimed {
                    complete(&store, record.job.id(), &lease).await;
                }
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred jobs")]
    let jobs = JOBS as f64;
    jobs / began.elapsed().as_secs_f64()
}

async fn create(store: &Store, number: u128) {
    let serial: shoal_core::ServerSerial = format!("SRV-{number}").parse().unwrap();
    let tls = TlsPolicy::Pin { sha256: "ab".repeat(32) };
    let server = Server::new(serial.clone(), format!("https://192.0.2.1:{number}"), tls);
    store.put_server(server, None, "ada", NOW).await.unwrap();
    let job = NewJob {
        id: JobId::from_u128(number),
        serial,
        plan: Plan::for_workflow(Workflow::Linux, "install-linux.target"),
        created_at: NOW,
        hands_off_until: None,
    };
    store.create(NewRecord::new(job, b"{}".to_vec(), "ada")).await.unwrap();
}

async fn complete(store: &Store, job: JobId, lease: &Lease) {
    let mut now = NOW;
    for _ in 0..200 {
        let record = store.job(job).await.unwrap().unwrap();
        let seq = record.job.seq();
        let event = match record.job.next(now) {
            Next::Done => return,
            Next::Record(event) => event,
            Next::Wait { .. } if record.job.phase().name() == "await_report" => {
                Event::Reported { attempt: record.job.attempt(), report: Report::Success }
            }
            Next::Wait { .. } => {
                now = now + Duration::from_secs(10);
                continue;
            }
            Next::Do(command) => {
                if command.is_fenced() {
                    let intended = Event::Intended { seq };
                    store.record(job, intended, now, Some(lease.clone())).await.unwrap();
                }
                Event::Answered { seq, command, verdict: Verdict::Done { seen: seen(command) } }
            }
        };
        store.record(job, event, now, Some(lease.clone())).await.unwrap();
    }
    let record = store.job(job).await.unwrap().unwrap();
    panic!("the job stays at {}", record.job.phase().name());
}

fn seen(command: Command) -> Seen {
    match command {
        Command::ReadBmc => Seen::Bmc {
            media: MediaPlan {
                class: MediaClass::TwoCd,
                boot_slot: "CD1".to_owned(),
                task_slot: Some("CD2".to_owned()),
                spare_slots: Vec::new(),
                prefetches: false,
                settle: Duration::from_secs(5),
                notes: Vec::new(),
                carried_by: "two-cd".to_owned(),
            },
        },
        Command::BuildMedium => Seen::Medium { bytes: 6 << 20, sha256: "cd".repeat(32) },
        Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
        _ => Seen::Nothing,
    }
}
