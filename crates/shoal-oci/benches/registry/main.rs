//! What the registry costs beside what people run, in turns in one run: docker-registry, nginx with
//! sendfile, and dd, and beside a sink that does no more than every push needs. It prints figures with the aim of each and judges none: on a busy machine only
//! processor time and ratios mean much, and of several rounds the best is taken. `cargo xtask bench
//! registry` runs it; `cargo xtask bench registry --huge [GIB]` pushes one very large content instead.
//! It needs docker-registry and nginx.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops at the first thing that is not as it should be"
)]

mod client;
mod huge;
mod large;
mod server;
mod sink;
mod small;

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use shoal_oci::{Algorithm, Digest};
use tempfile::TempDir;

use crate::server::SERVE;
use crate::sink::SINK;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, root, htpasswd @ ..] = arguments.as_slice()
        && serve == SERVE
    {
        server::serve(Path::new(root), htpasswd.first().map(Path::new));
        return;
    }
    if let [sink, directory] = arguments.as_slice()
        && sink == SINK
    {
        sink::serve(Path::new(directory));
        return;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("skipped: run it with cargo bench -p shoal-oci");
        return;
    }
    let scratch = scratch();
    if let Some(at) = arguments.iter().position(|argument| argument == "--huge") {
        let wanted = arguments.get(at + 1).and_then(|gib| gib.parse().ok()).unwrap_or(20);
        huge::push(scratch.path(), wanted);
        return;
    }
    println!("{:<62} {:>12} {:>12} {:>7}  aim", "", "shoal", "other", "ratio");
    large::measure(scratch.path());
    small::measure(scratch.path());
}

/// A directory on the disk of the build, since the one for temporary files may be in memory.
fn scratch() -> TempDir {
    let program = std::env::current_exe().unwrap();
    let scratch = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
    scratch
}

/// One line: what, ours, theirs, the ratio of ours to theirs, and what it is to be.
fn print(what: &str, (ours, other): (f64, f64), unit: &str, aim: &str) {
    let shown = |figure: f64| format!("{figure:.*} {unit}", if figure < 100.0 { 2 } else { 0 });
    let (left, right, ratio) = (shown(ours), shown(other), ours / other);
    println!("{what:<62} {left:>12} {right:>12} {ratio:>6.2}x  {aim}");
}

/// One line without anything to compare with.
fn print_alone(what: &str, ours: &str, aim: &str) {
    println!("{what:<62} {ours:>12} {:>12} {:>7}  {aim}", "", "");
}

fn least(times: &[Duration]) -> f64 {
    times.iter().min().unwrap().as_secs_f64()
}

/// Bytes that repeat nowhere near.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes()[..word.len()]);
        }
    }
}

/// A file of noise; its digest.
fn write_noise(path: &Path, length: u64) -> String {
    let (mut noise, mut file) = (Noise(0x9e37_79b9_7f4a_7c15), File::create(path).unwrap());
    let mut whole = Vec::with_capacity(usize::try_from(length).unwrap());
    let mut part = vec![0; 1 << 20];
    while (whole.len() as u64) < length {
        noise.fill(&mut part);
        whole.extend_from_slice(&part);
    }
    file.write_all(&whole).unwrap();
    file.sync_all().unwrap();
    digest(&whole)
}

fn digest(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, content).to_string()
}
