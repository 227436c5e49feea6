//! What logging can carry: a process writes lines to a pipe that another one reads, first at the rate
//! that is asked for, then as fast as it can. It prints lines per second and how many were dropped.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a benchmark prints is its result"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has no result")]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use shoal_telemetry::{Config, Telemetry, logs};

/// What is asked for.
const RATE: u64 = 10_000;
const SECONDS: u64 = 5;
/// Lines written without a pause.
const MOST: u64 = 200_000;
/// How the process calls itself to write.
const WRITER: &str = "SHOAL_BENCH_WRITES";

fn main() {
    match std::env::var(WRITER).as_deref() {
        Ok("paced") => write(paced),
        Ok(_) => write(unpaced),
        Err(_) => {
            for kind in ["paced", "unpaced"] {
                read(kind);
            }
        }
    }
}

fn read(kind: &str) {
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own).env(WRITER, kind).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut read, mut line) = (0_u64, Vec::new());
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        read += 1;
        line.clear();
    }
    assert!(child.wait().unwrap().success());
    println!("{kind}: {read} lines arrived");
}

/// Installs logging as the controller does, runs `emit`, and says what became of its lines.
fn write(emit: fn() -> u64) {
    let mut config = Config::new("shoal-bench", "0");
    config.logs.format = logs::Format::Json;
    let guard = Telemetry::init(config).unwrap();
    let metrics = guard.metrics();
    let begun = Instant::now();
    let lines = emit();
    let took = begun.elapsed();
    guard.shutdown(Duration::from_secs(30));
    let rendered = metrics.render();
    let dropped = rendered.lines().find_map(|line| line.strip_prefix("log_lines_dropped_total "));
    let rate = u128::from(lines) * 1_000_000 / took.as_micros().max(1);
    eprintln!("{rate} lines/s, {lines} lines, {} dropped", dropped.unwrap());
}

fn paced() -> u64 {
    let begun = Instant::now();
    let mut written = 0;
    while written < RATE * SECONDS {
        let due = u64::try_from(begun.elapsed().as_millis()).unwrap() * RATE / 1000;
        while written < due.min(RATE * SECONDS) {
            line(written);
            written += 1;
        }
        thread::sleep(Duration::from_millis(5));
    }
    written
}

fn unpaced() -> u64 {
    (0..MOST).for_each(line);
    MOST
}

fn line(number: u64) {
    let job = tracing::info_span!(
        "job",
        job_id = "0199c2b4-6d3e-7a10-b6f1-2f1f0a9d7c11",
        server_serial = "CZ12345678",
        trace_id = "0af7651916cd43dd8448eb211c80319c",
        worker_id = "controller-4711/3"
    );
    job.in_scope(|| {
        tracing::info!(
            step = "redfish.mount.task",
            op = "ensure_task_inserted",
            code = "done",
            duration_ms = number,
            "command done"
        );
    });
}
