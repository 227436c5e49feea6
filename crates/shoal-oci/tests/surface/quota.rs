//! How much a repository may hold.

use std::sync::Arc;
use std::time::Duration;

use shoal_oci::auth::Open;
use shoal_oci::gc::Mode;
use shoal_oci::quota::Rule;

use crate::stage::{Stage, image, noise, sha256};

async fn small() -> Stage {
    let rule = Rule { repositories: "small/*".parse().unwrap(), bytes: 10_000 };
    let adjust = |config: &mut shoal_oci::Config| {
        (config.policy.quotas, config.grace) = (vec![rule], Duration::ZERO);
    };
    Stage::with(adjust, Arc::new(Open)).await
}

#[tokio::test]
async fn what_would_exceed_the_quota_is_refused_before_its_body_comes() {
    let stage = small().await;
    stage.blob("small/a", &noise(6_000)).await;
    let path = format!("/v2/small/a/blobs/uploads/?digest={}", sha256(&noise(5_000)));
    let mut client = stage.client().await;
    client.head("POST", &path, &[("Content-Length", "5000"), ("Expect", "100-continue")]).await;
    let refused = client.answer("POST").await;
    assert_eq!((refused.status, &*refused.code()), (403, "DENIED"));
    let location = stage.start("small/a").await;
    let mut client = stage.client().await;
    client.head("PATCH", &location, &[("Transfer-Encoding", "chunked")]).await;
    client.chunk(&noise(5_000)).await;
    client.chunk(b"").await;
    assert_eq!(client.answer("PATCH").await.status, 403, "a length that was not told counts too");
    stage.blob("small/a", &noise(3_999)).await;
    stage.blob("small/b", &noise(10_000)).await;
    stage.blob("large", &noise(50_000)).await;
}

#[tokio::test]
async fn mounts_and_manifests_count_and_what_is_removed_does_not() {
    let stage = small().await;
    let layer = stage.blob("other", &noise(9_000)).await;
    let config = stage.blob("small/a", &noise(9_500)).await;
    let mount = format!("/v2/small/a/blobs/uploads/?mount={layer}&from=other");
    assert_eq!(stage.ask("POST", &mount, b"").await.status, 403);
    let manifest = image(&config, &[]);
    let (mut large, mut held) = (manifest.clone(), manifest);
    large["annotations"] = serde_json::json!({"a": "x".repeat(500)});
    assert_eq!(stage.manifest("small/a", "v1", &large.to_string()).await.status, 403);
    held["annotations"] = serde_json::json!({"a": "x"});
    assert_eq!(stage.manifest("small/a", "v1", &held.to_string()).await.status, 201);
    assert_eq!(stage.manifest("small/a", "v2", &held.to_string()).await.status, 201, "as before");
    let path = format!("/v2/small/a/manifests/{}", sha256(held.to_string().as_bytes()));
    assert_eq!(stage.ask("DELETE", &path, b"").await.status, 202);
    stage.collect(Mode::Sweep).await;
    stage.blob("small/a", &noise(10_000)).await;
}
