//! One very large content, made while it is sent: whether memory and the end of the upload stay what
//! they are, whatever the size.

use std::path::Path;
use std::time::Instant;

use ring::digest::{Context, SHA256};

use crate::client::Client;
use crate::server::Server;
use crate::{Noise, print_alone};

/// Bytes that stay free on the disk.
const LEFT: u64 = 4 << 30;
const PART: usize = 1 << 20;

pub(crate) fn push(scratch: &Path, wanted: u64) {
    let found = rustix::fs::statvfs(scratch).unwrap();
    let room = (found.f_bavail * found.f_frsize).saturating_sub(LEFT) >> 30;
    let gib = wanted.min(room);
    assert!(gib > 0, "the disk of {} has no room for this", scratch.display());
    if gib < wanted {
        println!("the disk has room for {gib} GiB and not for {wanted}");
    }
    let server = Server::ours(&scratch.join("huge"), None);
    let mut client = Client::connect(server.address, "");
    let quiet = server.used();
    let location = client.start("bench/huge");
    let path = location.trim_end_matches(['?', '&']);
    let length = gib << 30;
    let begun = Instant::now();
    client.send(
        format!("PATCH {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
    );
    let (mut noise, mut hash, mut part) = (Noise(1), Context::new(&SHA256), vec![0; PART]);
    noise.fill(&mut part);
    for n in 0..length / PART as u64 {
        // No two parts are the same, and making them costs nothing.
        part[..8].copy_from_slice(&n.to_le_bytes());
        hash.update(&part);
        client.send(&part);
    }
    assert_eq!(client.answer("PATCH").status, 202);
    let received = begun.elapsed();
    let ending = Instant::now();
    let digest = data_encoding::HEXLOWER.encode(hash.finish().as_ref());
    let put = client.ask("PUT", &format!("{location}digest=sha256:{digest}"), "", b"");
    assert_eq!(put.status, 201);
    let end = ending.elapsed();
    let used = server.used();
    let speed = length as f64 / received.as_secs_f64() / 1e6;
    print_alone(&format!("push {gib} GiB: speed"), &format!("{speed:.0} MB/s"), "");
    let processor = used.processor.saturating_sub(quiet.processor).as_secs_f64() / gib as f64;
    print_alone("  processor time for each GiB", &format!("{processor:.2} s"), "");
    print_alone("  the end", &format!("{:.2} s", end.as_secs_f64()), "< 10 s");
    let grown = used.most.saturating_sub(quiet.most) >> 20;
    print_alone("  growth of memory", &format!("{grown} MiB"), "<= 32 MiB");
    let head = client.ask("HEAD", &format!("/v2/bench/huge/blobs/sha256:{digest}"), "", b"");
    assert_eq!((head.status, head.length), (200, length));
}
