//! One content of a gibibyte: pushed beside docker-registry, dd and the least there can be, pulled
//! beside nginx.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::{Client, Sent};
use crate::server::Server;
use crate::{least, print, print_alone, write_noise};

const SIZE: u64 = 1 << 30;
const RANGE: u64 = 8 << 20;
const ROUNDS: usize = 4;

/// What one round cost a server, in time and in processor time.
#[derive(Default)]
struct Costs {
    wall: Vec<Duration>,
    processor: Vec<Duration>,
    ends: Vec<Sent>,
    grown: u64,
}

impl Costs {
    fn add(&mut self, server: &Server, work: impl FnOnce() -> Option<Sent>) {
        let before = server.used();
        let begun = Instant::now();
        let sent = work();
        self.wall.push(sent.map_or_else(|| begun.elapsed(), |sent| sent.whole));
        let after = server.used();
        self.processor.push(after.processor.saturating_sub(before.processor));
        self.grown = self.grown.max(after.most.saturating_sub(server.used().most.min(after.most)));
        self.ends.extend(sent);
    }

    /// Seconds of processor time; the clock ticks in hundredths.
    fn processor(&self) -> f64 {
        least(&self.processor).max(0.01)
    }
}

pub(crate) fn measure(scratch: &Path) {
    let blob = scratch.join("blob");
    let digest = write_noise(&blob, SIZE);
    let (ours_at, docker_at) = (scratch.join("ours"), scratch.join("docker"));
    fs::create_dir_all(&docker_at).unwrap();
    let (ours, docker) = (Server::ours(&ours_at, None), Server::docker(&docker_at));
    push([&ours, &docker, &Server::sink(scratch)], &blob, &digest);
    fs::remove_file(scratch.join("sunk")).unwrap();
    fs::remove_dir_all(&docker_at).unwrap();
    drop(docker);
    pull(&ours, &Server::nginx(scratch), &digest);
}

fn push([ours, docker, sink]: [&Server; 3], blob: &Path, digest: &str) {
    let file = File::open(blob).unwrap();
    let (mut our, mut their, mut plain) = (Costs::default(), Costs::default(), Vec::new());
    let mut floor = Costs::default();
    let quiet = ours.used().most;
    let mut most = 0;
    for round in 0..ROUNDS {
        plain.push(dd(blob));
        for (server, costs) in [(ours, &mut our), (sink, &mut floor), (docker, &mut their)] {
            let mut client = Client::connect(server.address, "");
            // The first time there is nothing to delete.
            client.ask("DELETE", &format!("/v2/bench/big/blobs/{digest}"), "", b"");
            server.used();
            // docker-registry needs so much longer that half the rounds have to do.
            if !std::ptr::eq(server, docker) || round % 2 == 0 {
                costs.add(server, || Some(client.push("bench/big", digest, &file)));
            }
        }
        most = most.max(our.grown);
    }
    let (wall, cpu) = (least(&our.wall), our.processor());
    print("push 1 GiB: processor time", (cpu, their.processor()), "s", "<= 0.5x, <= 1.8 s");
    let (least_cpu, least_wall) = (floor.processor(), least(&floor.wall));
    print("push 1 GiB: processor time, against a bare sink", (cpu, least_cpu), "s", "<= 1.3x");
    print("push 1 GiB: time, against a bare sink", (wall, least_wall), "s", "");
    print("push 1 GiB: time, against docker-registry", (wall, least(&their.wall)), "s", "");
    print(
        "push 1 GiB: speed, against dd conv=fsync",
        (SIZE as f64 / wall / 1e6, SIZE as f64 / least(&plain) / 1e6),
        "MB/s",
        ">= 0.7x",
    );
    print(
        "a bare sink: speed, against dd conv=fsync",
        (SIZE as f64 / least_wall / 1e6, SIZE as f64 / least(&plain) / 1e6),
        "MB/s",
        "",
    );
    let shares = our.ends.iter().map(|sent| sent.end.as_secs_f64() / sent.whole.as_secs_f64());
    let share = format!("{:.1} %", shares.fold(f64::MAX, f64::min) * 100.0);
    print_alone("push 1 GiB: share of the end", &share, "<= 5 %");
    let grown = (ours.used().most.max(most)).saturating_sub(quiet) >> 20;
    print_alone("push 1 GiB: growth of memory", &format!("{grown} MiB"), "<= 32 MiB");
}

/// Writes the same bytes and flushes them.
fn dd(blob: &Path) -> Duration {
    let copy = blob.with_extension("copy");
    let begun = Instant::now();
    let status = Command::new("dd")
        .arg(format!("if={}", blob.display()))
        .arg(format!("of={}", copy.display()))
        .args(["bs=1M", "conv=fsync", "status=none"])
        .status();
    let took = begun.elapsed();
    assert!(status.unwrap().success());
    fs::remove_file(copy).unwrap();
    took
}

fn pull(ours: &Server, nginx: &Server, digest: &str) {
    let path = format!("/v2/bench/big/blobs/{digest}");
    let (mut our, mut their, mut parts) = (Costs::default(), Costs::default(), Costs::default());
    // More of them, since they are quick; in the first one the disk has to be asked.
    for _ in 0..2 * ROUNDS {
        for (server, costs, path) in [(ours, &mut our, &*path), (nginx, &mut their, "/blob")] {
            let mut client = Client::connect(server.address, "");
            costs.add(server, || {
                let whole = client.ask("GET", path, "", b"");
                assert_eq!((whole.status, whole.length), (200, SIZE));
                None
            });
        }
        let mut client = Client::connect(ours.address, "");
        parts.add(ours, || {
            for first in (0..SIZE).step_by(usize::try_from(RANGE).unwrap()) {
                let range = format!("Range: bytes={first}-{}\r\n", first + RANGE - 1);
                assert_eq!(client.ask("GET", &path, &range, b"").status, 206);
            }
            None
        });
    }
    let speed = |costs: &Costs| SIZE as f64 / least(&costs.wall) / 1e6;
    print("pull 1 GiB: speed, against nginx", (speed(&our), speed(&their)), "MB/s", ">= 0.6x");
    print("pull 1 GiB: processor time", (our.processor(), their.processor()), "s", "<= 2x");
    print(
        "8 MiB ranges: speed, against the whole",
        (speed(&parts), speed(&our)),
        "MB/s",
        ">= 0.8x",
    );
}
