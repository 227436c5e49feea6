//! Ten thousand contents of 4 KiB: by eight clients beside docker-registry, durable pushes by more
//! and more of them, and what credentials cost.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;

use crate::client::Client;
use crate::server::Server;
use crate::{Noise, digest, print, print_alone};

const CONTENTS: usize = 10_000;
/// docker-registry takes so long that a part of them has to do; what counts is the rate.
const THEIRS: usize = 1_000;
const CLIENTS: usize = 8;
const ROUNDS: usize = 3;

type Content = (String, Vec<u8>);

pub(crate) fn measure(scratch: &Path) {
    let contents = contents(CONTENTS, 1);
    let docker_at = scratch.join("docker");
    fs::create_dir_all(&docker_at).unwrap();
    let htpasswd = scratch.join("htpasswd");
    fs::write(&htpasswd, format!("bench:{}\n", bcrypt::hash("bench", 10).unwrap())).unwrap();
    let ours = Server::ours(&scratch.join("small"), None);
    let closed = Server::ours(&scratch.join("closed"), Some(&htpasswd));
    let docker = Server::docker(&docker_at);
    let login = format!("Authorization: Basic {}\r\n", BASE64.encode(b"bench:bench"));
    let few = &contents[..THEIRS];
    // What both of ours have, often enough for a figure.
    let often: Vec<Content> = few.iter().cycle().take(CONTENTS).cloned().collect();
    let push = |client: &mut Client, (digest, content): &Content| {
        client.push_small("bench/small", digest, content);
    };
    let our_push = run(&ours, ("", CLIENTS), &contents, push);
    let their_push = run(&docker, ("", CLIENTS), few, push);
    run(&closed, (&login, CLIENTS), few, push);
    print("push 4 KiB, 8 clients", (our_push.rate, their_push.rate), "/s", "");
    for method in ["HEAD", "GET"] {
        let ask = |client: &mut Client, (digest, _): &Content| {
            let path = format!("/v2/bench/small/blobs/{digest}");
            assert_eq!(client.ask(method, &path, "", b"").status, 200);
        };
        let (mut our, mut their) = (Run::default(), Run::default());
        let (mut open, mut locked) = (Run::default(), Run::default());
        for round in 0..ROUNDS {
            our.better(run(&ours, ("", CLIENTS), &contents, ask));
            if round == 0 {
                their.better(run(&docker, ("", CLIENTS), few, ask));
            }
            open.better(run(&ours, ("", CLIENTS), &often, ask));
            locked.better(run(&closed, (&login, CLIENTS), &often, ask));
        }
        let what = format!("{method} 4 KiB, 8 clients");
        print(&what, (our.rate, their.rate), "/s", ">= 10x");
        print(
            &format!("{method} 4 KiB: with credentials"),
            (locked.rate, open.rate),
            "/s",
            ">= 0.9x",
        );
    }
    scale(&ours, scratch);
}

/// Durable pushes by more and more clients, against what the disk does for one writer that flushes
/// each file and its name.
fn scale(ours: &Server, scratch: &Path) {
    let alone = flushed_files(&scratch.join("flushed"));
    for (clients, seed) in [(1, 2), (2, 3), (4, 4), (8, 5), (16, 6), (32, 7)] {
        let contents = contents(250 * clients, seed);
        let pushed = run(ours, ("", clients), &contents, |client, (digest, content)| {
            let path = format!("/v2/bench/scale/blobs/uploads/?digest={digest}");
            assert_eq!(client.ask("POST", &path, "", content).status, 201);
        });
        let what = format!("durable push, {clients} clients, against flushing each file");
        print(&what, (pushed.rate, alone), "/s", if clients == 1 { ">= 0.5x" } else { "more" });
        if clients == 8 {
            let each = pushed.processor.as_secs_f64() * 1e6 / contents.len() as f64;
            print_alone("durable push: processor time of one", &format!("{each:.0} us"), "");
        }
    }
}

/// Small files that one writer makes durable each second, with their names.
fn flushed_files(directory: &Path) -> f64 {
    const FILES: usize = 300;
    fs::create_dir_all(directory).unwrap();
    let names = File::open(directory).unwrap();
    let begun = Instant::now();
    for n in 0..FILES {
        let temporary = directory.join("new");
        let mut file = File::create(&temporary).unwrap();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_all().unwrap();
        fs::rename(temporary, directory.join(n.to_string())).unwrap();
        names.sync_all().unwrap();
    }
    FILES as f64 / begun.elapsed().as_secs_f64()
}

fn contents(count: usize, seed: u64) -> Vec<Content> {
    let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let content = |_| {
        let mut content = vec![0; 4096];
        noise.fill(&mut content);
        (digest(&content), content)
    };
    (0..count).map(content).collect()
}

/// What a run over some contents came to.
#[derive(Default)]
struct Run {
    /// Requests per second.
    rate: f64,
    processor: Duration,
}

impl Run {
    fn better(&mut self, other: Self) {
        if other.rate > self.rate {
            *self = other;
        }
    }
}

/// Has some clients do something with every content.
fn run(
    server: &Server,
    (more, clients): (&str, usize),
    contents: &[Content],
    work: impl Fn(&mut Client, &Content) + Sync,
) -> Run {
    let before = server.used();
    let begun = Instant::now();
    thread::scope(|scope| {
        for part in contents.chunks(contents.len().div_ceil(clients)) {
            let work = &work;
            scope.spawn(move || {
                let mut client = Client::connect(server.address, more);
                for content in part {
                    work(&mut client, content);
                }
            });
        }
    });
    let rate = contents.len() as f64 / begun.elapsed().as_secs_f64();
    Run { rate, processor: server.used().processor.saturating_sub(before.processor) }
}
