//! Deleting, policy and limits.

use std::sync::Arc;

use shoal_oci::auth::Open;

use crate::stage::{Stage, image, noise, sha256};

#[tokio::test]
async fn deletes_are_visible_at_once() {
    let stage = Stage::new().await;
    let manifest = stage.image("a", "one").await;
    assert_eq!(stage.manifest("a", "two", &manifest).await.status, 201);
    let digest = sha256(manifest.as_bytes());
    assert_eq!(stage.ask("DELETE", "/v2/a/manifests/one", b"").await.status, 202);
    assert_eq!(stage.ask("HEAD", "/v2/a/manifests/one", b"").await.status, 404);
    let by_digest = format!("/v2/a/manifests/{digest}");
    for path in ["/v2/a/manifests/two", &by_digest] {
        assert_eq!(stage.ask("HEAD", path, b"").await.status, 200, "{path}: only a tag went");
    }
    assert_eq!(stage.ask("DELETE", &by_digest, b"").await.status, 202);
    for path in ["/v2/a/manifests/two", &by_digest] {
        assert_eq!(stage.ask("HEAD", path, b"").await.status, 404, "{path}");
    }
    let blob = format!("/v2/a/blobs/{}", sha256(b"layer of one"));
    stage.blob("b", b"layer of one").await;
    assert_eq!(stage.ask("DELETE", &blob, b"").await.status, 202);
    assert_eq!(stage.ask("HEAD", &blob, b"").await.status, 404);
    let elsewhere = blob.replace("/v2/a/", "/v2/b/");
    assert_eq!(stage.ask("HEAD", &elsewhere, b"").await.status, 200);
    for path in [&blob, &by_digest] {
        assert_eq!(stage.ask("DELETE", path, b"").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn deleting_is_off_unless_it_is_allowed() {
    let stage = Stage::with(|config| config.policy.allow_delete = false, Arc::new(Open)).await;
    stage.image("a", "v1").await;
    let blob = format!("/v2/a/blobs/{}", sha256(b"layer of v1"));
    for path in ["/v2/a/manifests/v1", &blob] {
        let refused = stage.ask("DELETE", path, b"").await;
        assert_eq!((refused.status, &*refused.code()), (405, "UNSUPPORTED"));
        assert!(!refused.header("allow").contains("DELETE"), "{}", refused.header("allow"));
        assert_eq!(stage.ask("HEAD", path, b"").await.status, 200);
    }
}

#[tokio::test]
async fn policy_is_asked_before_anything_is_written() {
    let adjust = |config: &mut shoal_oci::Config| {
        config.policy.push = vec!["tools/*".parse().unwrap(), "os".parse().unwrap()];
        config.policy.immutable_tags = vec!["os".parse().unwrap()];
    };
    let stage = Stage::with(adjust, Arc::new(Open)).await;
    let denied = stage.ask("POST", "/v2/other/blobs/uploads/", b"").await;
    assert_eq!((denied.status, &*denied.code()), (403, "DENIED"));
    stage.image("tools/a", "v1").await;
    let first = stage.image("os", "v1").await;
    assert_eq!(stage.manifest("os", "v1", &first).await.status, 201, "the same may come again");
    let config = stage.blob("os", b"{}").await;
    let moved = stage.manifest("os", "v1", &image(&config, &[]).to_string()).await;
    assert_eq!((moved.status, &*moved.code()), (409, "DENIED"));
    assert_eq!(stage.ask("GET", "/v2/os/manifests/v1", b"").await.text(), first);

    let mut config = shoal_oci::Config::new(stage.root.path());
    config.policy.read_only = true;
    stage.registry.reconfigure(&config);
    for (method, path) in [
        ("POST", "/v2/os/blobs/uploads/"),
        ("PUT", "/v2/os/manifests/v1"),
        ("DELETE", "/v2/os/manifests/v1"),
    ] {
        let refused = stage.ask(method, path, first.as_bytes()).await;
        assert_eq!((refused.status, &*refused.code()), (405, "UNSUPPORTED"), "{method}");
    }
    assert_eq!(stage.ask("GET", "/v2/os/manifests/v1", b"").await.status, 200);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_and_while_it_comes() {
    let stage = Stage::with(|config| config.limits.blob_bytes = 1000, Arc::new(Open)).await;
    let content = noise(1001);
    let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(&content));
    let announced = stage.ask("POST", &path, &content).await;
    assert_eq!((announced.status, &*announced.code()), (413, "SIZE_INVALID"));
    let location = stage.start("a").await;
    let mut client = stage.client().await;
    client.head("PATCH", &location, &[("Transfer-Encoding", "chunked")]).await;
    client.chunk(&content).await;
    client.chunk(b"").await;
    assert_eq!(client.answer("PATCH").await.status, 413);
}

#[tokio::test]
async fn sessions_and_senders_are_bounded() {
    let adjust = |config: &mut shoal_oci::Config| {
        config.limits.uploads = 2;
        config.limits.receiving = 1;
        config.limits.patience = std::time::Duration::ZERO;
    };
    let stage = Stage::with(adjust, Arc::new(Open)).await;
    let (first, second) = (stage.start("a").await, stage.start("a").await);
    let third = stage.ask("POST", "/v2/a/blobs/uploads/", b"").await;
    assert_eq!((third.status, &*third.code()), (429, "TOOMANYREQUESTS"));
    assert_eq!(third.header("retry-after"), "1");
    let mut sender = stage.client().await;
    sender.head("PATCH", &first, &[("Content-Length", "10")]).await;
    sender.send(b"01234").await;
    while stage.registry.uploads().iter().all(|upload| upload.received == 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.ask("PATCH", &second, b"x").await.status, 429);
    sender.send(b"56789").await;
    assert_eq!(sender.answer("PATCH").await.status, 202);
    assert_eq!(stage.ask("PATCH", &second, b"x").await.status, 202);
}

#[tokio::test]
async fn uploads_nobody_touches_expire() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, b"bytes").await;
    assert_eq!(stage.registry.expire_uploads().await.unwrap(), 0);
    let mut config = shoal_oci::Config::new(stage.root.path());
    config.limits.upload_age = std::time::Duration::ZERO;
    stage.registry.reconfigure(&config);
    assert_eq!(stage.registry.expire_uploads().await.unwrap(), 1);
    assert_eq!(stage.ask("GET", &location, b"").await.status, 404);
    assert_eq!(std::fs::read_dir(stage.root.path().join("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn every_push_and_delete_is_recorded_done_or_not() {
    let stage = Stage::new().await;
    let layer = stage.blob("a", b"layer").await;
    let config = stage.blob("a", b"{}").await;
    stage.manifest("a", "v1", &image(&config, &[&layer]).to_string()).await;
    stage.manifest("a", "v2", &image(&sha256(b"none"), &[]).to_string()).await;
    stage.ask("DELETE", "/v2/a/manifests/v1", b"").await;
    stage.ask("GET", "/v2/a/tags/list", b"").await;
    let book = stage.book.0.lock().unwrap();
    assert_eq!(
        *book,
        [
            format!("anonymous registry.push_blob a {layer} 201 Created"),
            format!("anonymous registry.push_blob a {config} 201 Created"),
            "anonymous registry.push_manifest a v1 201 Created".to_owned(),
            "anonymous registry.push_manifest a v2 400 Bad Request".to_owned(),
            "anonymous registry.delete_manifest a v1 202 Accepted".to_owned(),
        ]
    );
}

/// A body of which nothing ever comes.
struct Nothing;

impl http_body::Body for Nothing {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_push_whose_client_is_gone_before_the_answer_is_recorded() {
    let stage = Stage::new().await;
    let service =
        shoal_oci::http::Service::new(stage.registry.clone(), Arc::new(Open), stage.book.clone());
    let request = http::Request::put("/v2/a/manifests/v1").body(Nothing).unwrap();

    tokio::select! {
        biased;
        _ = service.respond(request) => panic!("there is no answer without a body"),
        () = std::future::ready(()) => {}
    }

    let book = stage.book.0.lock().unwrap();
    assert_eq!(book.len(), 1);
    assert!(book[0].starts_with("anonymous registry.push_manifest a v1 499"), "{book:?}");
}
