//! Pushing: every way content may arrive.

use crate::stage::{IMAGE, INDEX, MIB, Stage, image, noise, sha256, sha512};

/// What was pushed can be pulled from where the answer says it is.
async fn assert_stored(stage: &Stage, answer: &crate::stage::Answer, digest: &str, content: &[u8]) {
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("docker-content-digest"), digest);
    let location = answer.header("location");
    assert!(location.starts_with("/v2/"), "{location} is not relative");
    let got = stage.ask("GET", location, b"").await;
    assert_eq!((got.status, got.header("docker-content-digest")), (200, digest));
    assert!(got.body == content);
}

#[tokio::test]
async fn a_session_takes_its_content_in_one_put() {
    let stage = Stage::new().await;
    for content in [noise(3 * MIB), b"small".to_vec(), Vec::new()] {
        let (digest, location) = (sha256(&content), stage.start("a/b").await);
        let put = stage.ask("PUT", &format!("{location}?digest={digest}"), &content).await;
        assert_stored(&stage, &put, &digest, &content).await;
        let again = stage.ask("PUT", &format!("{location}?digest={digest}"), b"").await;
        assert_eq!(again.status, 201, "a retried end is an end");
    }
}

#[tokio::test]
async fn a_session_takes_its_content_in_chunks_with_the_last_in_the_put() {
    let stage = Stage::new().await;
    let content = noise(100_000);
    let location = stage.start("a").await;
    for (from, to) in [(0, 40_000), (40_000, 70_000)] {
        let range = format!("{from}-{}", to - 1);
        let part = &content[from..to];
        let sent = stage.ask_with("PATCH", &location, &[("Content-Range", &range)], part).await;
        assert_eq!((sent.status, sent.header("location")), (202, &*location));
        assert_eq!(sent.header("range"), format!("0-{}", to - 1));
    }
    let digest = sha256(&content);
    let path = format!("{location}?digest={digest}");
    let last = [("Content-Range", "70000-99999")];
    let put = stage.ask_with("PUT", &path, &last, &content[70_000..]).await;
    assert_stored(&stage, &put, &digest, &content).await;
}

#[tokio::test]
async fn a_session_takes_a_stream_without_length() {
    let stage = Stage::new().await;
    let content = noise(2 * MIB);
    let location = stage.start("a").await;
    let mut client = stage.client().await;
    client.head("PATCH", &location, &[("Transfer-Encoding", "chunked")]).await;
    for part in content.chunks(123_457) {
        client.chunk(part).await;
    }
    client.chunk(b"").await;
    let sent = client.answer("PATCH").await;
    assert_eq!((sent.status, sent.header("range")), (202, &*format!("0-{}", content.len() - 1)));
    let digest = sha256(&content);
    let put = client.ask("PUT", &format!("{location}?digest={digest}"), &[], b"").await;
    assert_stored(&stage, &put, &digest, &content).await;
}

#[tokio::test]
async fn one_post_may_bring_everything() {
    let stage = Stage::new().await;
    let content = noise(50_000);
    let digest = sha256(&content);
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest.replace(':', "%3A"));
    let post = stage.ask("POST", &path, &content).await;
    assert_stored(&stage, &post, &digest, &content).await;
    let wrong = stage.ask("POST", &path, b"other").await;
    assert_eq!((wrong.status, &*wrong.code()), (400, "DIGEST_INVALID"));
    assert_eq!(stage.registry.uploads(), [], "such a push leaves no session");
    let left = std::fs::read_dir(stage.root.path().join("uploads")).unwrap().count();
    assert_eq!(left, 0, "nor a file");
}

#[tokio::test]
async fn sha512_works_said_first_or_only_at_the_end() {
    let stage = Stage::new().await;
    let content = noise(70_000);
    let digest = sha512(&content);
    let late = stage.start("a").await;
    assert_eq!(stage.ask("PATCH", &late, &content).await.status, 202);
    let put = stage.ask("PUT", &format!("{late}?digest={digest}"), b"").await;
    assert_stored(&stage, &put, &digest, &content).await;
    let post = stage.ask("POST", "/v2/b/blobs/uploads/?digest-algorithm=sha512", b"").await;
    let early = post.header("location").to_owned();
    assert_eq!(stage.ask("PATCH", &early, &content).await.status, 202);
    let put = stage.ask("PUT", &format!("{early}?digest={digest}"), b"").await;
    assert_stored(&stage, &put, &digest, &content).await;
    let odd = stage.ask("POST", "/v2/b/blobs/uploads/?digest-algorithm=md5", b"").await;
    assert_eq!(odd.status, 400);
}

#[tokio::test]
async fn a_mount_shares_the_blob_or_begins_a_session() {
    let stage = Stage::new().await;
    let digest = stage.blob("s/a", b"shared").await;
    let encoded = digest.replace(':', "%3A");
    let path = format!("/v2/t/b/blobs/uploads/?from=s%2Fa&mount={encoded}");
    let mounted = stage.ask("POST", &path, b"").await;
    assert_stored(&stage, &mounted, &digest, b"shared").await;
    assert!(mounted.header("location").starts_with("/v2/t/b/"));
    let other = sha256(b"other");
    for query in [
        format!("mount={other}&from=s/a"),
        format!("mount={digest}&from=nowhere"),
        format!("mount={digest}"),
    ] {
        let answer = stage.ask("POST", &format!("/v2/u/blobs/uploads/?{query}"), b"").await;
        assert_eq!(answer.status, 202, "{query}");
        assert_eq!(stage.ask("DELETE", answer.header("location"), b"").await.status, 204);
    }
    assert_eq!(stage.ask("HEAD", &format!("/v2/u/blobs/{digest}"), b"").await.status, 404);
    assert_eq!(stage.registry.uploads(), []);
}

#[tokio::test]
async fn a_manifest_needs_what_it_lists_in_the_same_repository() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let layer = stage.blob("a", b"layer").await;
    let text = image(&config, &[&layer]).to_string();
    let elsewhere = stage.manifest("b", "v1", &text).await;
    assert_eq!((elsewhere.status, &*elsewhere.code()), (400, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(stage.ask("GET", "/v2/b/tags/list", b"").await.status, 404, "nothing was made");
    assert_eq!(stage.manifest("a", "v1", &text).await.status, 201);
    let mut foreign = image(&config, &[&sha256(b"elsewhere")]);
    foreign["layers"][0]["mediaType"] =
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
    assert_eq!(stage.manifest("a", "foreign", &foreign.to_string()).await.status, 201);
    assert_eq!(stage.manifest("a", "bare", &image(&config, &[]).to_string()).await.status, 201);
}

#[tokio::test]
async fn indexes_may_nest_and_may_be_empty() {
    let stage = Stage::new().await;
    let index = |children: &[&str]| {
        let child = |text: &&str| serde_json::json!({"mediaType": IMAGE, "digest": sha256(text.as_bytes()), "size": 1});
        let manifests: Vec<_> = children.iter().map(child).collect();
        serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
            .to_string()
    };
    let child = stage.image("a", "child").await;
    let (inner, empty) = (index(&[&child]), index(&[]));
    let outer = index(&[&inner, &empty, &child]);
    let early = stage.manifest("a", "outer", &outer).await;
    assert_eq!((early.status, &*early.code()), (400, "MANIFEST_BLOB_UNKNOWN"));
    for (tag, text) in [("inner", &inner), ("empty", &empty), ("outer", &outer)] {
        assert_eq!(stage.manifest("a", tag, text).await.status, 201, "{tag}");
    }
}

#[tokio::test]
async fn a_push_by_digest_may_bring_its_tags() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let text = image(&config, &[]).to_string();
    let digest = sha512(text.as_bytes());
    let tags: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    let pushed = stage.manifest("a", &format!("{digest}?tag={}", tags.join("&tag=")), &text).await;
    assert_eq!((pushed.status, pushed.header("docker-content-digest")), (201, &*digest));
    assert_eq!(pushed.headers("oci-tag"), tags);
    let got = stage.ask("GET", "/v2/a/manifests/t7", b"").await;
    assert_eq!((got.header("docker-content-digest"), got.text()), (&*digest, text.clone()));
    let short = sha256(text.as_bytes());
    assert_eq!(stage.ask("HEAD", &format!("/v2/a/manifests/{short}"), b"").await.status, 404);
    assert_eq!(stage.manifest("a", "short", &text).await.status, 201);
    let by_tag = stage.ask("HEAD", "/v2/a/manifests/short", b"").await;
    assert_eq!(by_tag.header("docker-content-digest"), short);
    let wrong = stage.manifest("a", &sha256(b"other"), &text).await;
    assert_eq!((wrong.status, &*wrong.code()), (400, "DIGEST_INVALID"));
    let many = "t&tag=".repeat(100) + "t";
    assert_eq!(stage.manifest("a", &format!("{short}?tag={many}"), &text).await.status, 414);
}

#[tokio::test]
async fn a_manifest_of_nearly_four_mebibytes_is_taken_and_a_larger_one_is_not() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let of_size = |size: usize| {
        let mut document = image(&config, &[]);
        let bare = document.to_string().len() + r#","annotations":{"x":""}"#.len();
        document["annotations"] = serde_json::json!({"x": "y".repeat(size - bare)});
        document.to_string()
    };
    let large = of_size(3_900_000);
    assert_eq!(large.len(), 3_900_000);
    assert_eq!(stage.manifest("a", "large", &large).await.status, 201);
    assert!(stage.ask("GET", "/v2/a/manifests/large", b"").await.body == large.as_bytes());
    let larger = stage.manifest("a", "larger", &of_size(4 * MIB + 1)).await;
    assert_eq!((larger.status, &*larger.code()), (413, "SIZE_INVALID"));
}

#[tokio::test]
async fn pushes_at_the_same_time_all_arrive() {
    let stage = std::sync::Arc::new(Stage::new().await);
    let mut pushes = tokio::task::JoinSet::new();
    for n in 0..60_usize {
        let stage = std::sync::Arc::clone(&stage);
        pushes.spawn(async move {
            // Some are the same, some go through the journal and some do not.
            let content = noise((n % 20) * 5_000);
            let (digest, location) = (sha256(&content), stage.start(&format!("r{}", n % 3)).await);
            let put = stage.ask("PUT", &format!("{location}?digest={digest}"), &content).await;
            assert_stored(&stage, &put, &digest, &content).await;
        });
    }
    while let Some(pushed) = pushes.join_next().await {
        pushed.unwrap();
    }
    let (blobs, bytes) = stage.registry.catalogue().totals();
    assert_eq!((blobs, bytes), (20, (0..20).map(|n| n * 5_000).sum()));
}
