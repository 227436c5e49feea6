//! Write-ahead: no byte leaves before what it proves is durable.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use shoal_media::{Kind, Milestone, OpenError};

use crate::stage::{
    BOOT, KIB, Ledger, RawClient, Stage, TASK, bytes_of, file_medium, medium, pattern,
};

use Milestone::{BootAgain, BootImageRead, Opened, OsLoading, Payload, TaskRead};

const WIRES: [(Milestone, u64, u64); 3] = [
    (BootImageRead, 300 * KIB, 64 * KIB),
    (OsLoading, 600 * KIB, 100 * KIB),
    (Payload, 900 * KIB, 50 * KIB),
];

/// The bytes of the whole chunks before the one with the boot image in it.
const BEFORE_BOOT_IMAGE: u64 = 256 * KIB;

#[tokio::test]
async fn no_byte_of_a_tripwire_reaches_the_client_before_its_milestone_is_durable() {
    let bytes = pattern(1024 * KIB);
    let stage = Stage::new();
    stage.put_read(BOOT, &file_medium(&bytes, &WIRES), &[Opened]);
    stage.ledger(Ledger::Hangs);
    let mut client = RawClient::connect(stage.listen().await).await;

    client.ask("GET", &stage.path(BOOT, Kind::Boot), "").await;
    assert!(client.head().await.starts_with("http/1.1 200"));
    let before = client.body(BEFORE_BOOT_IMAGE).await;
    stage.commit_asked().await;
    let early = client.0.try_read(&mut [0; 1]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(stage.committed(), []);

    stage.ledger(Ledger::Works);
    let after = client.body(1024 * KIB - BEFORE_BOOT_IMAGE).await;
    assert!([before, after].concat() == bytes, "bytes differ");
    assert_eq!(stage.committed(), [BootImageRead, OsLoading, Payload]);
}

#[tokio::test]
async fn a_ledger_that_fails_midway_cuts_the_connection_before_the_tripwire() {
    let bytes = pattern(1024 * KIB);
    let stage = Stage::new();
    stage.put_read(BOOT, &file_medium(&bytes, &WIRES), &[Opened]);
    stage.ledger(Ledger::Hangs);
    let mut client = RawClient::connect(stage.listen().await).await;

    client.ask("GET", &stage.path(BOOT, Kind::Boot), "").await;
    assert!(client.head().await.contains("content-length: 1048576"));
    assert!(client.body(BEFORE_BOOT_IMAGE).await == bytes[..256 * 1024], "bytes differ");
    stage.ledger(Ledger::Fails);
    assert_eq!(client.rest().await, b"", "the connection ends at the tripwire");
    assert_eq!(stage.committed(), []);
}

#[tokio::test]
async fn a_body_waits_exactly_at_the_tripwire_and_ends_there_when_the_ledger_fails() {
    let stage = Stage::new();
    stage.put_read(BOOT, &medium(&pattern(1024 * KIB), &WIRES), &[Opened]);
    stage.ledger(Ledger::Hangs);
    let mut body = stage.send("GET", &stage.path(BOOT, Kind::Boot), &[]).await.into_body();
    let mut poll = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    for _ in 0..2 {
        let Poll::Ready(Some(Ok(frame))) = poll() else { panic!("no chunk before the tripwire") };
        assert_eq!(frame.into_data().unwrap().len(), 128 * 1024);
    }
    for _ in 0..3 {
        assert!(poll().is_pending());
    }
    stage.ledger(Ledger::Fails);
    assert!(matches!(poll(), Poll::Ready(Some(Err(_)))));
    assert!(matches!(poll(), Poll::Ready(None)));
}

#[tokio::test]
async fn a_ranged_read_that_cannot_be_recorded_gets_503_and_works_later() {
    let stage = Stage::new();
    let bytes = pattern(1024 * KIB);
    stage.put_read(BOOT, &medium(&bytes, &WIRES), &[Opened]);
    stage.ledger(Ledger::Fails);
    let path = stage.path(BOOT, Kind::Boot);

    let refused = stage.get(&path, "bytes=320000-320999").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(bytes_of(refused).await, "not now\n");
    let elsewhere = stage.get(&path, "bytes=0-999").await;
    assert_eq!(elsewhere.status(), 206);

    stage.ledger(Ledger::Works);
    let served = stage.get(&path, "bytes=320000-320999").await;
    assert_eq!(bytes_of(served).await, bytes[320_000..321_000]);
    assert_eq!(stage.committed(), [BootImageRead]);
}

#[tokio::test]
async fn each_milestone_is_committed_once_however_many_read_at_once() {
    let stage = Stage::new();
    stage.put(BOOT, &medium(&pattern(1024 * KIB), &WIRES));
    stage.ledger(Ledger::Hangs);
    let address = stage.listen().await;
    let path = stage.path(BOOT, Kind::Boot);
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = RawClient::connect(address).await;
        client.ask("GET", &path, "Range: bytes=307200-311295\r\n").await;
        clients.push(client);
    }
    stage.commit_asked().await;
    stage.ledger(Ledger::Works);
    for client in &mut clients {
        assert!(client.head().await.starts_with("http/1.1 206"));
        client.body(4096).await;
    }
    assert_eq!(stage.committed(), [Opened, BootImageRead]);
}

#[tokio::test]
async fn one_request_for_everything_does_not_count_as_having_read_everything() {
    let stage = Stage::new();
    stage.put(BOOT, &medium(&pattern(1024 * KIB), &WIRES));
    let mut body = stage.send("GET", &stage.path(BOOT, Kind::Boot), &[]).await.into_body();
    assert_eq!(stage.committed(), [Opened]);
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(stage.committed(), [Opened, BootImageRead]);
}

#[tokio::test]
async fn head_and_not_modified_prove_nothing() {
    let stage = Stage::new();
    let medium = medium(&pattern(1024 * KIB), &WIRES);
    stage.put(BOOT, &medium);
    let path = stage.path(BOOT, Kind::Boot);
    let head = stage.send("HEAD", &path, &[("range", "bytes=307200-311295")]).await;
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (206, &"4096".parse().unwrap())
    );
    let etag = medium.etag().to_str().unwrap();
    let same = stage.send("GET", &path, &[("if-none-match", etag)]).await;
    assert_eq!(same.status(), 304);
    assert_eq!(stage.committed(), []);
}

#[tokio::test]
async fn a_second_boot_is_the_boot_image_read_after_the_os_and_a_minute_of_quiet() {
    let stage = Stage::new();
    stage.put(BOOT, &medium(&pattern(1024 * KIB), &WIRES));
    let path = stage.path(BOOT, Kind::Boot);
    let boot_image = "bytes=307200-308223";
    for range in ["bytes=0-2047", boot_image, "bytes=614400-616447"] {
        bytes_of(stage.get(&path, range).await).await;
    }
    stage.clock.advance(59);
    bytes_of(stage.get(&path, boot_image).await).await;
    assert_eq!(stage.committed(), [Opened, BootImageRead, OsLoading], "probed by the OS");

    stage.clock.advance(40);
    bytes_of(stage.get(&path, "bytes=0-2047").await).await;
    stage.clock.advance(20);
    stage.ledger(Ledger::Fails);
    assert_eq!(stage.get(&path, boot_image).await.status(), 503, "write-ahead holds here too");
    stage.ledger(Ledger::Works);
    bytes_of(stage.get(&path, boot_image).await).await;
    assert_eq!(stage.committed(), [Opened, BootImageRead, OsLoading, BootAgain]);
}

#[tokio::test]
async fn a_restart_neither_forgets_milestones_nor_invents_a_second_boot() {
    let stage = Stage::new();
    stage.put_read(
        BOOT,
        &medium(&pattern(1024 * KIB), &WIRES),
        &[Opened, BootImageRead, OsLoading],
    );
    let path = stage.path(BOOT, Kind::Boot);
    let stage = stage.restarted();
    stage.clock.advance(59);
    bytes_of(stage.get(&path, "bytes=307200-308223").await).await;
    assert_eq!(stage.committed(), []);

    let stage = stage.restarted();
    stage.clock.advance(60);
    bytes_of(stage.get(&path, "bytes=307200-308223").await).await;
    assert_eq!(stage.committed(), [BootAgain]);
}

#[tokio::test]
async fn revocation_cuts_what_streams_and_refuses_what_comes() {
    let mut stage = Stage::new();
    stage.put(TASK, &medium(&pattern(1024 * KIB), &[(TaskRead, 700 * KIB, 2048)]));
    let path = stage.path(TASK, Kind::Task);
    let mut body = stage.send("GET", &path, &[]).await.into_body();
    body.frame().await.unwrap().unwrap();

    stage.refuse(TASK, OpenError::Revoked);
    stage.server.revoke(TASK);
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
    assert_eq!(stage.send("GET", &path, &[]).await.status(), 404);
    drop(body);
    let (object, read) = stage.reads.recv().await.unwrap();
    assert_eq!((object, read.offset(), read.len()), (TASK, 0, 128 * KIB));
    assert_eq!(stage.committed(), [Opened]);
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_the_file_and_its_reads_are_noted() {
    let bytes = pattern(8 * 1024 * KIB);
    let named = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(named.path(), &bytes).unwrap();
    let mut stage = Stage::new();
    let content = shoal_media::Content::file(named.reopen().unwrap()).unwrap();
    let digest = shoal_media::Digest::of(&bytes);
    stage.put(TASK, &shoal_media::Medium::new(content, digest, vec![]).unwrap());
    let path = named.path().to_owned();
    let open_files = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == path)).count()
    };
    let mut body = stage.send("GET", &stage.path(TASK, Kind::Task), &[]).await.into_body();
    let mut seen = 0;
    while seen < 5 * 1024 * 1024 {
        seen += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    stage.refuse(TASK, OpenError::Gone);
    assert_eq!(open_files(), 2, "ours and the response's");
    drop(body);
    assert_eq!(open_files(), 1, "only ours");
    let (_, first) = stage.reads.recv().await.unwrap();
    let (_, rest) = stage.reads.recv().await.unwrap();
    assert_eq!((first.offset(), first.len()), (0, 4 * 1024 * KIB));
    assert_eq!((rest.offset(), rest.end()), (first.end(), seen as u64));
}
