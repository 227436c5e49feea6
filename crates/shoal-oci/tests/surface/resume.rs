//! Uploads that do not go straight: out of order, cut, doubled, wrong at the end, restarted.

use crate::stage::{MIB, Stage, noise, sha256};

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_session_lives() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    let patch = async |range: &str, part: &[u8]| {
        stage.ask_with("PATCH", &location, &[("Content-Range", range)], part).await
    };
    let empty = stage.ask("GET", &location, b"").await;
    assert_eq!((empty.status, empty.header("range")), (204, "0-0"));
    assert_eq!(patch("5-9", b"56789").await.status, 416);
    assert_eq!(patch("0-4", b"01234").await.status, 202);
    for range in ["0-4", "7-11"] {
        let refused = patch(range, b"xxxxx").await;
        assert_eq!((refused.status, refused.header("range")), (416, "0-4"), "{range}");
        assert_eq!(refused.header("location"), location);
    }
    let digest = sha256(b"0123456789");
    let put = format!("{location}?digest={digest}");
    let late = [("Content-Range", "6-9")];
    assert_eq!(stage.ask_with("PUT", &put, &late, b"6789").await.status, 416);
    let state = stage.ask("GET", &location, b"").await;
    assert_eq!((state.status, state.header("range")), (204, "0-4"));
    assert_eq!(state.header("location"), location);
    let last = [("Content-Range", "5-9")];
    assert_eq!(stage.ask_with("PUT", &put, &last, b"56789").await.status, 201);
}

#[tokio::test]
async fn what_a_request_says_about_its_chunk_must_be_so() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    let odd = stage.ask_with("PATCH", &location, &[("Content-Range", "0-x")], b"01234").await;
    assert_eq!(odd.status, 400);
    let short = stage.ask_with("PATCH", &location, &[("Content-Range", "0-9")], b"01234").await;
    assert_eq!((short.status, &*short.code()), (400, "SIZE_INVALID"));
    assert_eq!(stage.registry.uploads()[0].received, 0);
    let none = stage.ask("PUT", &location, b"").await;
    assert_eq!((none.status, &*none.code()), (400, "DIGEST_INVALID"));
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_the_session_keeps_its_bytes() {
    let stage = Stage::new().await;
    let content = noise(100_000);
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, &content).await;
    let wrong = format!("{location}?digest={}", sha256(b"other"));
    let refused = stage.ask("PUT", &wrong, b"").await;
    assert_eq!((refused.status, &*refused.code()), (400, "DIGEST_INVALID"));
    assert_eq!(stage.ask("GET", &location, b"").await.header("range"), "0-99999");
    let right = format!("{location}?digest={}", sha256(&content));
    assert_eq!(stage.ask("PUT", &right, b"").await.status, 201);
    assert_eq!(stage.ask("GET", &location, b"").await.code(), "BLOB_UPLOAD_UNKNOWN");
}

/// Sends the head of a long chunk and the first of its bytes, and waits until they were taken.
async fn send_part(stage: &Stage, location: &str, part: &[u8]) -> crate::stage::Client {
    let mut client = stage.client().await;
    client.head("PATCH", location, &[("Content-Length", "100000000")]).await;
    client.send(part).await;
    let expected = part.len() as u64;
    while stage.registry.uploads()[0].received < expected {
        tokio::task::yield_now().await;
    }
    client
}

#[tokio::test]
async fn a_cut_connection_leaves_what_arrived() {
    let stage = Stage::new().await;
    let content = noise(3 * MIB);
    let location = stage.start("a").await;
    drop(send_part(&stage, &location, &content[..MIB]).await);
    let rest = &content[MIB..];
    let range = format!("{MIB}-{}", content.len() - 1);
    // The writer puts its desk back when it has noticed the cut.
    loop {
        let sent = stage.ask_with("PATCH", &location, &[("Content-Range", &range)], rest).await;
        match sent.status {
            202 => break,
            other => assert_eq!(other, 409),
        }
    }
    let put = format!("{location}?digest={}", sha256(&content));
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 201);
}

#[tokio::test]
async fn a_cut_push_in_one_request_leaves_nothing() {
    let stage = Stage::new().await;
    let content = noise(MIB);
    let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(&content));
    let mut client = stage.client().await;
    client.head("POST", &path, &[("Content-Length", &content.len().to_string())]).await;
    client.send(&content[..MIB / 2]).await;
    let uploads = stage.root.path().join("uploads");
    let files = || std::fs::read_dir(&uploads).unwrap().count();
    while files() == 0 {
        tokio::task::yield_now().await;
    }
    drop(client);
    while files() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_has_one_writer() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    let mut first = send_part(&stage, &location, b"0123").await;
    for method in ["PATCH", "DELETE"] {
        let second = stage.ask(method, &location, b"xxxx").await;
        assert_eq!((second.status, &*second.code()), (409, "BLOB_UPLOAD_INVALID"), "{method}");
    }
    let put = format!("{location}?digest={}", sha256(b"0123"));
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 409);
    assert_eq!(stage.ask("GET", &location, b"").await.header("range"), "0-3");
    first.send(b"4567").await;
    while stage.registry.uploads()[0].received < 8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_restart_keeps_sessions_and_what_was_pushed() {
    let stage = Stage::new().await;
    let content = noise(2 * MIB);
    let small = stage.blob("a", b"small").await;
    let manifest = stage.image("a", "v1").await;
    let (untouched, location) = (stage.start("a").await, stage.start("a").await);
    stage.ask("PATCH", &location, &content[..MIB]).await;
    let stage = stage.restart().await;
    let state = stage.ask("GET", &location, b"").await;
    assert_eq!((state.status, state.header("range")), (204, &*format!("0-{}", MIB - 1)));
    assert_eq!(stage.ask("GET", &untouched, b"").await.status, 204);
    let range = format!("{MIB}-{}", content.len() - 1);
    let headers = [("Content-Range", &*range)];
    assert_eq!(stage.ask_with("PATCH", &location, &headers, &content[MIB..]).await.status, 202);
    let stage = stage.restart().await;
    let put = format!("{location}?digest={}", sha256(&content));
    assert_eq!(stage.ask("PUT", &put, b"").await.status, 201);
    assert_eq!(stage.ask("GET", &format!("/v2/a/blobs/{small}"), b"").await.text(), "small");
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
}

#[tokio::test]
async fn a_cancelled_session_is_gone_with_its_bytes() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, b"bytes").await;
    assert_eq!(stage.ask("DELETE", &location, b"").await.status, 204);
    for method in ["GET", "DELETE", "PATCH"] {
        assert_eq!(stage.ask(method, &location, b"").await.code(), "BLOB_UPLOAD_UNKNOWN");
    }
    assert_eq!(std::fs::read_dir(stage.root.path().join("uploads")).unwrap().count(), 0);
    let elsewhere = stage.start("a").await.replace("/v2/a/", "/v2/b/");
    assert_eq!(stage.ask("GET", &elsewhere, b"").await.status, 404, "a session has a repository");
}
