//! Disks that are full, clients that go silent or away, and what a power failure takes.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use shoal_oci::Config;
use shoal_oci::auth::Open;

use crate::stage::{IMAGE, MIB, Stage, image, noise, sha256};

/// Changes the space that has to stay free of a running registry.
fn set_headroom(stage: &Stage, bytes: u64) {
    let mut config = Config::new(stage.root.path());
    config.limits.headroom_bytes = bytes;
    stage.registry.reconfigure(&config);
}

#[tokio::test]
async fn a_full_disk_is_told_before_content_is_taken() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    let config = stage.blob("a", b"{}").await;
    set_headroom(&stage, u64::MAX);
    let content = noise(1000);
    let put = format!("{location}?digest={}", sha256(&content));
    let manifest = image(&config, &[]).to_string();
    for (method, path, body) in [
        ("POST", "/v2/a/blobs/uploads/", &b""[..]),
        ("PATCH", &location, &content),
        ("PUT", &put, &content),
        ("POST", &format!("/v2/a/blobs/uploads/?digest={}", sha256(&content)), &content),
    ] {
        let refused = stage.ask(method, path, body).await;
        assert_eq!((refused.status, &*refused.code()), (507, "STORAGE_FULL"), "{method}");
    }
    assert_eq!(stage.manifest("a", "v1", &manifest).await.status, 507);
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.status, 404);
    set_headroom(&stage, 0);
    assert_eq!(stage.ask("PUT", &put, &content).await.status, 201, "the session is as it was");
}

#[tokio::test]
async fn a_disk_that_fills_while_content_comes_ends_the_request_and_not_the_session() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    let content = noise(MIB);
    let mut client = stage.client().await;
    client.head("PATCH", &location, &[("Content-Length", &(72 * MIB).to_string())]).await;
    client.send(&content).await;
    while stage.registry.uploads()[0].received == 0 {
        tokio::task::yield_now().await;
    }
    set_headroom(&stage, u64::MAX);
    for _ in 1..72 {
        client.send(&content).await;
    }
    let refused = client.answer("PATCH").await;
    assert_eq!((refused.status, &*refused.code()), (507, "STORAGE_FULL"));
    let received = usize::try_from(stage.registry.uploads()[0].received).unwrap();
    let whole: Vec<u8> = content.iter().copied().cycle().take(received).collect();
    set_headroom(&stage, 0);
    let put = format!("{location}?digest={}", sha256(&whole));
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 201, "{received} bytes are whole");
}

#[tokio::test]
async fn who_goes_silent_loses_the_request_and_keeps_the_bytes() {
    let adjust = |config: &mut Config| config.limits.idle = Duration::from_millis(50);
    let stage = Stage::with(adjust, Arc::new(Open)).await;
    let location = stage.start("a").await;
    let mut client = stage.client().await;
    client.head("PATCH", &location, &[("Content-Length", "1000")]).await;
    client.send(b"a few").await;
    assert_eq!(client.answer("PATCH").await.status, 408);
    assert_eq!(stage.ask("GET", &location, b"").await.header("range"), "0-4");
}

#[tokio::test]
async fn small_content_whose_file_a_power_failure_took_is_written_again() {
    let stage = Stage::new().await;
    let digest = stage.blob("a", b"small").await;
    let manifest = stage.image("a", "v1").await;
    let file = |digest: &str| stage.root.path().join("blobs").join(digest.replace(':', "/"));
    std::fs::remove_file(file(&digest)).unwrap();
    std::fs::write(file(&sha256(manifest.as_bytes())), b"").unwrap();
    let stage = stage.restart().await;
    assert_eq!(stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await.text(), "small");
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
    let journal: i64 = stage
        .registry
        .catalogue()
        .database()
        .read(|tx| -> Result<_, shoal_oci::Error> {
            Ok(tx.query_row("SELECT count(*) FROM journal", [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(journal, 0, "what reached the disk needs no journal");
}

#[tokio::test]
async fn after_a_power_failure_an_upload_has_what_was_flushed() {
    let stage = Stage::new().await;
    // Of so much, how far it is flushed is written down once.
    let content = noise(63 * MIB);
    let location = stage.start("a").await;
    assert_eq!(stage.ask("PATCH", &location, &content).await.status, 202);
    // It is written down by a thread of its own.
    let durable = loop {
        let database = stage.registry.catalogue().database();
        let durable = database
            .write(|tx| -> Result<i64, shoal_oci::Error> {
                tx.execute("UPDATE state SET value = 'another boot' WHERE key = 'boot_id'", [])?;
                Ok(tx.query_row("SELECT durable_bytes FROM uploads", [], |row| row.get(0))?)
            })
            .await
            .unwrap();
        if durable > 0 {
            break usize::try_from(durable).unwrap();
        }
    };
    assert!(durable <= content.len(), "{durable}");
    let stage = stage.restart().await;
    let received = usize::try_from(stage.registry.uploads()[0].received).unwrap();
    assert_eq!(received, durable);
    let range = format!("{received}-{}", content.len() - 1);
    let headers = [("Content-Range", &*range)];
    assert_eq!(
        stage.ask_with("PATCH", &location, &headers, &content[received..]).await.status,
        202
    );
    let digest = sha256(&content);
    let put = format!("{location}?digest={digest}");
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 201);
    let found = stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await;
    assert!(found.body == content, "nothing is between what was flushed and what came again");
}

/// Has the database refuse statements of a kind, or allow them again.
async fn refuse(stage: &Stage, what: Option<&str>) {
    let sql = match what {
        Some(what) => {
            format!("CREATE TRIGGER refusal BEFORE {what} BEGIN SELECT RAISE(ABORT, 'no'); END")
        }
        None => "DROP TRIGGER refusal".to_owned(),
    };
    let database = stage.registry.catalogue().database();
    let done = database.write(move |tx| Ok::<_, shoal_oci::Error>(tx.execute(&sql, [])?));
    done.await.unwrap();
}

#[tokio::test]
async fn a_blob_that_others_use_never_grows() {
    let stage = Stage::new().await;
    // Nothing, what goes through the journal, and what does not.
    for length in [0, 900, 100_000] {
        let content = noise(length);
        let digest = stage.blob("b", &content).await;
        let location = stage.start("a").await;
        stage.ask("PATCH", &location, &content).await;
        let put = format!("{location}?digest={digest}");
        refuse(&stage, Some("INSERT ON repository_blobs")).await;
        assert_eq!(stage.ask("PUT", &put, b"").await.status, 500);
        refuse(&stage, None).await;
        let more = stage.ask("PATCH", &location, b"more").await;
        assert_eq!(more.status, if length == 0 { 202 } else { 416 });
        let found = stage.ask("GET", &format!("/v2/b/blobs/{digest}"), b"").await;
        assert!(found.body == content, "{length} bytes are as they were");
        let received = if length == 0 { 4 } else { 0 };
        assert_eq!(stage.registry.uploads()[0].received, received, "the rest comes anew");
        stage.ask("PATCH", &location, &content).await;
        let whole = [&b"more"[..received.try_into().unwrap()], &content].concat();
        let put = format!("{location}?digest={}", sha256(&whole));
        assert_eq!(stage.ask("PUT", &put, b"").await.status, 201);
    }
}

#[tokio::test]
async fn a_seal_whose_transaction_failed_is_tried_again_without_the_content() {
    let stage = Stage::new().await;
    let content = noise(100_000);
    let digest = sha256(&content);
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, &content).await;
    let put = format!("{location}?digest={digest}");
    refuse(&stage, Some("INSERT ON repository_blobs")).await;
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 500);
    refuse(&stage, None).await;
    let mut client = stage.client().await;
    client.head("PUT", &put, &[("Transfer-Encoding", "chunked")]).await;
    client.chunk(b"").await;
    assert_eq!(client.answer("PUT").await.status, 201);
    assert!(stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await.body == content);
}

#[tokio::test]
async fn pulls_that_cannot_be_noted_keep_nothing_else_from_being_written() {
    let stage = Stage::new().await;
    stage.image("a", "v1").await;
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.status, 200);
    refuse(&stage, Some("UPDATE OF pulled_at ON repositories")).await;
    assert!(last_index(&stage).await.contains("\"a:v1\""));
}

/// Closes a registry; the index it leaves.
async fn last_index(stage: &Stage) -> String {
    stage.registry.close().await.unwrap();
    std::fs::read_to_string(stage.root.path().join("index.json")).unwrap()
}

/// Asks a registry for something, and hangs up when it has begun. The task it began runs on this
/// very thread, so it cannot have ended before.
async fn hang_up<T>(asked: impl Future<Output = T>) {
    let mut asked = std::pin::pin!(asked);
    std::future::poll_fn(|cx| {
        let answered = asked.as_mut().poll(cx).is_ready();
        assert!(!answered, "the answer was there before the client left");
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_push_whose_client_hangs_up_is_accounted_for() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let manifest = image(&config, &[]).to_string();
    let (repository, tag) = ("a".parse().unwrap(), "v1".parse().unwrap());
    let pushed = (Some(IMAGE), manifest.clone().into_bytes());
    hang_up(stage.registry.put_manifest(&repository, &tag, Vec::new(), pushed)).await;
    let stored = async {
        while stage.ask("GET", "/v2/a/manifests/v1", b"").await.status == 404 {
            tokio::task::yield_now().await;
        }
    };
    let stored = tokio::time::timeout(Duration::from_mins(5), stored).await;
    stored.expect("the push went with its client");
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
    // Comes after it in the database.
    stage.blob("a", b"later").await;
    assert_eq!(stage.registry.catalogue().totals().0, 3);
    assert!(last_index(&stage).await.contains("\"a:v1\""));
}

#[tokio::test]
async fn a_deletion_whose_client_hangs_up_is_exported() {
    let stage = Stage::new().await;
    stage.image("a", "v1").await;
    // What comes before is exported by the start.
    let stage = stage.restart().await;
    let (repository, tag) = ("a".parse().unwrap(), "v1".parse().unwrap());
    hang_up(stage.registry.delete_manifest(&repository, &tag)).await;
    stage.blob("a", b"later").await;
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.status, 404);
    assert!(!last_index(&stage).await.contains("\"a:v1\""));
}

#[tokio::test]
async fn an_upload_that_was_named_and_not_recorded_can_be_finished_again() {
    let stage = Stage::new().await;
    let content = noise(100_000);
    let digest = sha256(&content);
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, &content).await;
    // As a process leaves it that was killed between naming the file and the transaction.
    let upload = stage.root.path().join("uploads").join(location.rsplit('/').next().unwrap());
    let blob = stage.root.path().join("blobs").join(digest.replace(':', "/"));
    std::fs::hard_link(upload, blob).unwrap();
    let stage = stage.restart().await;
    assert_eq!(stage.ask("HEAD", &format!("/v2/a/blobs/{digest}"), b"").await.status, 404);
    assert_eq!(stage.ask("PUT", &format!("{location}?digest={digest}"), b"").await.status, 201);
    assert!(stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await.body == content);
}

#[tokio::test]
async fn what_nobody_owns_is_removed_at_the_start() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, b"bytes").await;
    let uploads = stage.root.path().join("uploads");
    for stray in ["tmp-x", "0123456789abcdef0123456789abcdef", "odd"] {
        std::fs::write(uploads.join(stray), b"x").unwrap();
    }
    std::fs::write(stage.root.path().join("trash/sha256-00"), b"x").unwrap();
    let stage = stage.restart().await;
    let left = |room: &str| std::fs::read_dir(stage.root.path().join(room)).unwrap().count();
    assert_eq!((left("uploads"), left("trash")), (1, 0));
    assert_eq!(stage.ask("GET", &location, b"").await.header("range"), "0-4");
}
