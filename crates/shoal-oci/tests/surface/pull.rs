//! Pulling: bytes come back as they were pushed, whole and in ranges, with the headers clients need.

use std::sync::Arc;
use std::time::Duration;

use shoal_oci::auth::Open;
use shoal_oci::http::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{INDEX, MIB, Stage, converse, image, noise, sha256};

#[tokio::test]
async fn a_blob_comes_back_with_its_digest_and_length() {
    let stage = Stage::new().await;
    let content = noise(MIB + 12_345);
    let digest = stage.blob("a/b", &content).await;
    let path = format!("/v2/a/b/blobs/{digest}");
    let got = stage.ask("GET", &path, b"").await;
    assert_eq!(got.status, 200);
    assert!(got.body == content);
    let head = stage.ask("HEAD", &path, b"").await;
    for answer in [&got, &head] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("docker-content-digest"), digest);
        assert_eq!(answer.header("content-length"), content.len().to_string());
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
    }
}

#[tokio::test]
async fn ranges_of_a_blob_are_exact() {
    let stage = Stage::new().await;
    let content = noise(300_000);
    let digest = stage.blob("a", &content).await;
    let path = format!("/v2/a/blobs/{digest}");
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=5-299999", 5, 299_999),
        ("bytes=270000-", 270_000, 299_999),
        ("bytes=-10", 299_990, 299_999),
        ("bytes=299999-999999999", 299_999, 299_999),
    ] {
        let got = stage.ask_with("GET", &path, &[("Range", range)], b"").await;
        assert_eq!(got.status, 206, "{range}");
        assert_eq!(got.header("content-range"), format!("bytes {first}-{last}/300000"));
        assert!(got.body == content[first..=last], "{range}");
    }
    for range in ["bytes=300000-", "bytes=500-0", "bytes=-0"] {
        let got = stage.ask_with("GET", &path, &[("Range", range)], b"").await;
        assert_eq!(got.status, 416, "{range}");
        assert_eq!(got.header("content-range"), "bytes */300000");
    }
    let other = [("Range", "bytes=0-1"), ("If-Range", "\"other\"")];
    assert_eq!(stage.ask_with("GET", &path, &other, b"").await.status, 200);
    let etag = format!("\"{digest}\"");
    let known = stage.ask_with("GET", &path, &[("If-None-Match", &etag)], b"").await;
    assert_eq!(known.status, 304);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let stage = Stage::new().await;
    let digest = stage.blob("a", b"").await;
    let got = stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await;
    assert_eq!((got.status, got.header("content-length")), (200, "0"));
    let path = format!("/v2/a/blobs/{digest}");
    let ranged = stage.ask_with("GET", &path, &[("Range", "bytes=0-")], b"").await;
    assert_eq!(ranged.status, 416);
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let layer = stage.blob("a", b"layer").await;
    let mut document = image(&config, &[&layer]);
    document["x-custom"] = "kept".into();
    let text = format!("  {}\n\n", serde_json::to_string_pretty(&document).unwrap());
    let pushed = stage.manifest("a", "v1", &text).await;
    assert_eq!(pushed.status, 201);
    let digest = sha256(text.as_bytes());
    assert_eq!(pushed.header("docker-content-digest"), digest);
    assert_eq!(pushed.header("location"), format!("/v2/a/manifests/{digest}"));
    for reference in ["v1", &digest] {
        let path = format!("/v2/a/manifests/{reference}");
        let got = stage.ask("GET", &path, b"").await;
        assert_eq!((got.status, got.text()), (200, text.clone()));
        assert_eq!(got.header("content-type"), crate::stage::IMAGE);
        assert_eq!(got.header("docker-content-digest"), digest);
        let head = stage.ask("HEAD", &path, b"").await;
        assert_eq!((head.status, head.header("content-length")), (200, &*text.len().to_string()));
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_with_its_code() {
    let stage = Stage::new().await;
    stage.blob("a", b"x").await;
    let none = sha256(b"none");
    for (path, status, code) in [
        (format!("/v2/a/blobs/{none}"), 404, "BLOB_UNKNOWN"),
        (format!("/v2/b/blobs/{}", sha256(b"x")), 404, "BLOB_UNKNOWN"),
        (format!("/v2/a/manifests/{none}"), 404, "MANIFEST_UNKNOWN"),
        ("/v2/a/manifests/none".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("/v2/a/manifests/sha256:totallywrong".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/sha256:totallywrong".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/b/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("/v2/A/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("/v2/a/../tags/list".to_owned(), 400, "NAME_INVALID"),
        ("/v2/a/nothing".to_owned(), 404, "NAME_UNKNOWN"),
    ] {
        let got = stage.ask("GET", &path, b"").await;
        assert_eq!((got.status, &*got.code()), (status, code), "{path}");
        let errors = got.json()["errors"].clone();
        assert!(errors[0]["message"].is_string() && errors[0].get("detail").is_some());
    }
    assert_eq!(stage.ask("GET", "/v2/", b"").await.status, 200);
    assert_eq!(stage.ask("BREW", "/v2/a/tags/list", b"").await.code(), "UNSUPPORTED");
}

#[tokio::test]
async fn a_blob_whose_file_was_cut_is_put_away_and_can_be_pushed_again() {
    let stage = Stage::new().await;
    let content = noise(100_000);
    let digest = stage.blob("a", &content).await;
    let file = stage.root.path().join("blobs").join(digest.replace(':', "/"));
    std::fs::write(&file, b"short").unwrap();
    let path = format!("/v2/a/blobs/{digest}");
    let got = stage.ask("GET", &path, b"").await;
    assert_eq!((got.status, &*got.code()), (404, "BLOB_UNKNOWN"));
    assert!(got.text().contains(&digest), "{}", got.text());
    assert_eq!(stage.ask("HEAD", &path, b"").await.status, 404);
    let kept = stage.root.path().join("quarantine").join(digest.replace(':', "-"));
    assert_eq!(std::fs::read(kept).unwrap(), b"short");
    stage.blob("a", &content).await;
    assert!(stage.ask("GET", &path, b"").await.body == content);
    std::fs::write(&file, noise(200_000).split_at(100_000).1).unwrap();
    stage.blob("a", &content).await;
    assert!(stage.ask("GET", &path, b"").await.body == content, "a push heals what it finds");
}

#[tokio::test]
async fn the_directory_is_an_image_layout_that_names_every_tag() {
    let stage = Stage::new().await;
    let manifest = stage.image("tools/a", "v1").await;
    stage.registry.close().await.unwrap();
    let read = |name: &str| std::fs::read_to_string(stage.root.path().join(name)).unwrap();
    assert_eq!(read("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: serde_json::Value = serde_json::from_str(&read("index.json")).unwrap();
    assert_eq!(
        (index["schemaVersion"].as_u64(), index["mediaType"].as_str()),
        (Some(2), Some(INDEX))
    );
    let entry = &index["manifests"][0];
    let digest = sha256(manifest.as_bytes());
    assert_eq!(entry["digest"], digest);
    assert_eq!(entry["size"], manifest.len());
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "tools/a:v1");
    assert_eq!(read(&format!("blobs/{}", digest.replace(':', "/"))), manifest);
}

#[tokio::test]
async fn whoever_stops_taking_a_blob_loses_the_connection() {
    let adjust = |config: &mut shoal_oci::Config| config.limits.stall = Duration::from_millis(50);
    let stage = Stage::with(adjust, Arc::new(Open)).await;
    // More than both sockets hold.
    let content = vec![7; 48 * MIB];
    let digest = stage.blob("a", &content).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let request = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: registry\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();

    // Ends, although the client neither reads nor leaves.
    let service = Service::new(stage.registry.clone(), Arc::new(Open), stage.book.clone());
    let ended = tokio::time::timeout(Duration::from_mins(5), converse(server, service)).await;
    ended.expect("the connection goes on");

    let mut taken = Vec::new();
    // The end of a connection that was cut may be an error.
    let _ = client.read_to_end(&mut taken).await;
    assert!(taken.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(taken.len() < content.len(), "{} bytes", taken.len());
}
