//! What a registry that is killed leaves behind. A program of its own: between fork and exec a child
//! shares its parent's locks, and tests beside it that open a registry again would find it held.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what surrounds a test fails it like the test itself"
)]

mod client;
mod pushed;
mod served;
mod swept;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use shoal_oci::{Algorithm, Digest};

use client::{Gone, ask, header};
use served::Served;

/// Times the registry is killed.
const ROUNDS: usize = 6;

/// Bytes of the upload that goes on from one life to the next, and of each of its chunks.
const LONG: usize = 24 << 20;
const CHUNK: usize = 300_000;

fn digest(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, content).to_string()
}

/// Content that is small, or just too large for the journal.
fn content(n: usize) -> Vec<u8> {
    format!("content {n} ").repeat(if n.is_multiple_of(3) { 4_000 } else { 40 }).into_bytes()
}

#[test]
fn what_was_answered_outlives_kill_minus_nine() {
    if served::serve_if_child() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (mut blobs, mut tags) = (Vec::new(), Vec::new());
    let mut long = Long::default();
    for round in 0..ROUNDS {
        let mut served = Served::start(root.path());
        let port = served.port;
        let acknowledged = [const { AtomicUsize::new(0) }; 3];
        std::thread::scope(|scope| {
            let [of_blobs, of_tags, of_long] = &acknowledged;
            let first = blobs.len();
            let blobs_pushed = scope.spawn(move || push_blobs(port, first, of_blobs));
            let tagged = scope.spawn(move || push_tags(port, round, of_tags));
            let sending = scope.spawn(|| long.send(port, of_long));
            // At another moment of the work in each round, and never before there was some of each.
            let counts = || acknowledged.each_ref().map(|count| count.load(Ordering::Acquire));
            let is_early = |[blobs, tags, chunks]: [usize; 3]| {
                blobs + tags + chunks < 20 + round * 7 || blobs < 2 || tags < 2
            };
            // One that failed ends early, and says why when it is joined.
            let ended = || blobs_pushed.is_finished() || tagged.is_finished();
            while !ended() && is_early(counts()) {
                std::thread::yield_now();
            }
            served.kill();
            blobs.extend(blobs_pushed.join().unwrap());
            tags.extend(tagged.join().unwrap());
            sending.join().unwrap();
        });
    }
    let served = Served::start(root.path());
    verify(served.port, &blobs, &tags);
    long.finish(served.port);
    assert_eq!(left(root.path(), "uploads"), 0, "no upload is left that nobody owns");
}

#[test]
fn a_push_killed_at_any_step_goes_on_or_leaves_nothing() {
    if !pushed::push_if_child() {
        pushed::kill_at_each_step("a_push_killed_at_any_step_goes_on_or_leaves_nothing");
    }
}

#[test]
fn a_collection_killed_at_any_step_is_ended_by_the_next() {
    if !swept::sweep_if_child() {
        swept::kill_at_each_step("a_collection_killed_at_any_step_is_ended_by_the_next");
    }
}

fn left(root: &Path, room: &str) -> usize {
    std::fs::read_dir(root.join(room)).unwrap().count()
}

/// Pushes content after content until the registry is gone; the numbers of those that were answered.
fn push_blobs(port: u16, first: usize, acknowledged: &AtomicUsize) -> Vec<usize> {
    let mut pushed = Vec::new();
    for n in first..first + 10_000 {
        let content = content(n);
        let path = format!("/v2/a/blobs/uploads/?digest={}", digest(&content));
        match ask(port, "POST", &path, "", &content) {
            Ok(answer) => assert_eq!(answer.status, 201, "{}", answer.text()),
            Err(Gone) => break,
        }
        pushed.push(n);
        acknowledged.fetch_add(1, Ordering::AcqRel);
    }
    pushed
}

/// Pushes manifest after manifest until the registry is gone; tags and texts that were answered.
fn push_tags(port: u16, round: usize, acknowledged: &AtomicUsize) -> Vec<(String, String)> {
    let mut pushed = Vec::new();
    for n in 0..10_000 {
        let tag = format!("r{round}-{n}");
        let config = format!("{{\"tag\":\"{tag}\"}}");
        let path = format!("/v2/a/blobs/uploads/?digest={}", digest(config.as_bytes()));
        let manifest = json!({
            "schemaVersion": 2,
            "config": {"mediaType": "a/b", "digest": digest(config.as_bytes()), "size": config.len()},
            "layers": [],
        })
        .to_string();
        let media_type = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
        let stored = ask(port, "POST", &path, "", config.as_bytes()).and_then(|answer| {
            assert_eq!(answer.status, 201, "{}", answer.text());
            ask(port, "PUT", &format!("/v2/a/manifests/{tag}"), media_type, manifest.as_bytes())
        });
        match stored {
            Ok(answer) => assert_eq!(answer.status, 201, "{}", answer.text()),
            Err(Gone) => break,
        }
        pushed.push((tag, manifest));
        acknowledged.fetch_add(1, Ordering::AcqRel);
    }
    pushed
}

fn verify(port: u16, blobs: &[usize], tags: &[(String, String)]) {
    assert!(blobs.len() > ROUNDS && tags.len() > ROUNDS);
    for n in blobs {
        let content = content(*n);
        let answer = ask(port, "GET", &format!("/v2/a/blobs/{}", digest(&content)), "", b"");
        assert!(answer.unwrap().body == content, "content {n} was answered and is lost");
    }
    for (tag, manifest) in tags {
        let answer = ask(port, "GET", &format!("/v2/a/manifests/{tag}"), "", b"").unwrap();
        assert_eq!(answer.text(), *manifest, "{tag} was answered and is lost");
    }
}

/// One upload that outlives several registries.
#[derive(Default)]
struct Long {
    location: Option<String>,
    acknowledged: usize,
}

impl Long {
    fn content() -> Vec<u8> {
        (0..LONG).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
    }

    /// Goes on where the registry says, until it is gone or has everything.
    fn send(&mut self, port: u16, acknowledged: &AtomicUsize) {
        let content = Self::content();
        let Ok(mut offset) = self.resume(port) else { return };
        while offset < LONG {
            let end = (offset + CHUNK).min(LONG);
            let range = format!("Content-Range: {offset}-{}\r\n", end - 1);
            let location = self.location.clone().unwrap();
            match ask(port, "PATCH", &location, &range, &content[offset..end]) {
                Ok(answer) => assert_eq!(answer.status, 202, "{}", answer.text()),
                Err(Gone) => return,
            }
            (offset, self.acknowledged) = (end, end);
            acknowledged.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Where the registry says that the upload is; never before what it said before.
    fn resume(&mut self, port: u16) -> Result<usize, Gone> {
        let Some(location) = &self.location else {
            let started = ask(port, "POST", "/v2/a/blobs/uploads/", "", b"")?;
            self.location = Some(header(&started.head, "location").to_owned());
            return Ok(0);
        };
        let state = ask(port, "GET", location, "", b"")?;
        assert_eq!(state.status, 204, "a session that was answered is gone");
        let last = header(&state.head, "range").strip_prefix("0-").unwrap();
        let last: usize = last.parse().unwrap();
        let offset = if last == 0 { 0 } else { last + 1 };
        assert!(offset >= self.acknowledged, "{offset} of {}", self.acknowledged);
        Ok(offset)
    }

    fn finish(mut self, port: u16) {
        self.send(port, &AtomicUsize::new(0));
        let path = format!("{}?digest={}", self.location.unwrap(), digest(&Self::content()));
        let put = ask(port, "PUT", &path, "", b"").unwrap();
        assert_eq!(put.status, 201, "{}", put.text());
    }
}
