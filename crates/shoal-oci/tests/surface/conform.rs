//! What the conformance suites look at beside the ways of pushing and pulling: that every answer is
//! complete, also those to requests that make no sense.

use serde_json::json;

use crate::stage::{Answer, IMAGE, INDEX, Stage, image, noise, sha256, sha512};

/// The code of a refusal, whose body has every part that the specification names.
fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/json");
    let error = &answer.json()["errors"][0];
    assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "{error}");
    assert!(error.get("detail").is_some(), "{error}");
    answer.code()
}

/// The headers of an answer that say something about its content.
fn about(answer: &Answer) -> Vec<String> {
    let names = [
        "content-length",
        "content-type",
        "content-range",
        "docker-content-digest",
        "etag",
        "accept-ranges",
        "location",
        "range",
    ];
    names.map(|name| format!("{name}: {}", answer.headers(name).join(","))).to_vec()
}

#[tokio::test]
async fn head_says_what_get_would() {
    let stage = Stage::new().await;
    let content = noise(50_000);
    let blob = stage.blob("a", &content).await;
    let long = sha512(&content);
    let path = format!("/v2/a/blobs/uploads/?digest={long}");
    assert_eq!(stage.ask("POST", &path, &content).await.status, 201);
    let manifest = sha256(stage.image("a", "v1").await.as_bytes());
    let none = sha256(b"none");
    for (path, status) in [
        (format!("/v2/a/blobs/{blob}"), 200),
        (format!("/v2/a/blobs/{long}"), 200),
        ("/v2/a/manifests/v1".to_owned(), 200),
        (format!("/v2/a/manifests/{manifest}"), 200),
        (format!("/v2/a/blobs/{none}"), 404),
        (format!("/v2/a/manifests/{none}"), 404),
        ("/v2/a/manifests/none".to_owned(), 404),
        ("/v2/a/blobs/sha256:short".to_owned(), 400),
        ("/v2/".to_owned(), 200),
        (stage.start("a").await, 204),
    ] {
        let (get, head) = (stage.ask("GET", &path, b"").await, stage.ask("HEAD", &path, b"").await);
        assert_eq!((get.status, head.status), (status, status), "{path}");
        assert_eq!(about(&get), about(&head), "{path}");
        assert_eq!(head.body, b"");
        if status >= 400 {
            refusal(&get);
        }
    }
    let range = [("Range", "bytes=10-19")];
    let path = format!("/v2/a/blobs/{long}");
    let (get, head) = (
        stage.ask_with("GET", &path, &range, b"").await,
        stage.ask_with("HEAD", &path, &range, b"").await,
    );
    assert_eq!((get.status, &*get.body), (206, &content[10..20]));
    assert_eq!((head.status, about(&head)), (206, about(&get)));
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let stage = Stage::new().await;
    let blob = stage.blob("a", b"content").await;
    let manifest = sha256(stage.image("a", "v1").await.as_bytes());
    for (path, digest) in [
        (format!("/v2/a/blobs/{blob}"), &blob),
        ("/v2/a/manifests/v1".to_owned(), &manifest),
        (format!("/v2/a/manifests/{manifest}"), &manifest),
    ] {
        let etag = format!("\"{digest}\"");
        for method in ["GET", "HEAD"] {
            let known = [("If-None-Match", &*etag)];
            let same = stage.ask_with(method, &path, &known, b"").await;
            assert_eq!((same.status, same.header("etag")), (304, &*etag), "{method} {path}");
            let other = [("If-None-Match", "\"sha256:other\"")];
            assert_eq!(stage.ask_with(method, &path, &other, b"").await.status, 200);
        }
        let part = [("Range", "bytes=1-2"), ("If-Range", &*etag)];
        assert_eq!(stage.ask_with("GET", &path, &part, b"").await.status, 206, "{path}");
    }
}

#[tokio::test]
async fn each_place_has_its_methods_and_no_other_place_exists() {
    let stage = Stage::new().await;
    let digest = stage.blob("a", b"x").await;
    let session = stage.start("a").await;
    for (path, methods) in [
        ("/v2/".to_owned(), "POST PUT PATCH DELETE"),
        ("/v2/_catalog".to_owned(), "POST PUT PATCH DELETE"),
        ("/v2/a/tags/list".to_owned(), "POST PUT PATCH DELETE"),
        (format!("/v2/a/referrers/{digest}"), "POST PUT PATCH DELETE"),
        (format!("/v2/a/blobs/{digest}"), "POST PUT PATCH"),
        ("/v2/a/manifests/v1".to_owned(), "POST PATCH"),
        ("/v2/a/blobs/uploads/".to_owned(), "GET PUT PATCH DELETE"),
        (session, "POST"),
    ] {
        for method in methods.split(' ') {
            let refused = stage.ask(method, &path, b"").await;
            assert_eq!(
                (refused.status, &*refusal(&refused)),
                (405, "UNSUPPORTED"),
                "{method} {path}"
            );
            // What is told instead is what is not refused: together they are all there is.
            let allowed = refused.header("allow").split(", ");
            let both = allowed.filter(|it| *it != "HEAD").chain(methods.split(' '));
            let mut both: Vec<_> = both.filter(|it| *it != "GET").collect();
            both.sort_unstable();
            assert_eq!(both, ["DELETE", "PATCH", "POST", "PUT"], "{method} {path}");
        }
    }
    for path in ["/v2/a", "/v2/a/", "/v2/a/tags", "/v2/a/tags/list/", "/v2/a/blobs", "/v2/_none"] {
        let refused = stage.ask("GET", path, b"").await;
        assert_eq!((refused.status, &*refusal(&refused)), (404, "NAME_UNKNOWN"), "{path}");
    }
}

#[tokio::test]
async fn names_may_be_as_long_as_they_may_be_and_no_longer() {
    let stage = Stage::new().await;
    let name = format!("{}/{}", "a".repeat(127), "b".repeat(127));
    assert_eq!(name.len(), 255);
    let tag = "t".repeat(128);
    let manifest = stage.image(&name, &tag).await;
    let path = format!("/v2/{name}/manifests/{tag}");
    assert_eq!(stage.ask("GET", &path, b"").await.text(), manifest);
    let tags = stage.ask("GET", &format!("/v2/{name}/tags/list"), b"").await.json();
    assert_eq!(tags, json!({"name": name, "tags": [tag]}));
    let long = stage.ask("POST", &format!("/v2/{name}b/blobs/uploads/"), b"").await;
    assert_eq!((long.status, &*refusal(&long)), (400, "NAME_INVALID"));
    let long = stage.ask("GET", &format!("{path}t"), b"").await;
    assert_eq!((long.status, &*refusal(&long)), (400, "TAG_INVALID"));
}

#[tokio::test]
async fn every_manifest_is_found_where_its_push_said() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let mut inline = image(&config, &[]);
    inline["config"]["data"] = "e30=".into();
    inline["config"]["size"] = 2.into();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    let mut with_subject = index.clone();
    with_subject["subject"] = json!({"mediaType": IMAGE, "digest": sha512(b"gone"), "size": 9});
    with_subject["artifactType"] = "x/y".into();
    for document in [image(&config, &[]), inline, index, with_subject.clone()] {
        let text = document.to_string();
        for (reference, digest) in [
            ("by-tag".to_owned(), sha256(text.as_bytes())),
            (sha256(text.as_bytes()), sha256(text.as_bytes())),
            (sha512(text.as_bytes()), sha512(text.as_bytes())),
        ] {
            let pushed = stage.manifest("a", &reference, &text).await;
            assert_eq!(pushed.status, 201, "{}", pushed.text());
            assert_eq!(pushed.header("docker-content-digest"), digest);
            let subject = document["subject"]["digest"].as_str().unwrap_or_default();
            assert_eq!(pushed.header("oci-subject"), subject);
            let got = stage.ask("GET", pushed.header("location"), b"").await;
            assert_eq!((got.status, got.text()), (200, text.clone()));
            assert_eq!(got.header("docker-content-digest"), digest);
        }
    }
    // An index refers as well, once for each of its addresses.
    let path = format!("/v2/a/referrers/{}?artifactType=x/y", sha512(b"gone"));
    let listed = stage.ask("GET", &path, b"").await.json();
    let listed = listed["manifests"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    for entry in &listed {
        assert_eq!((&entry["mediaType"], &entry["artifactType"]), (&json!(INDEX), &json!("x/y")));
        assert_eq!(entry["size"], with_subject.to_string().len());
    }
}

#[tokio::test]
async fn a_deleted_subject_keeps_its_referrers_until_they_are_deleted() {
    let stage = Stage::new().await;
    let subject = stage.image("a", "subject").await;
    let digest = sha256(subject.as_bytes());
    let config = stage.blob("a", b"{}").await;
    let mut referrer = image(&config, &[]);
    referrer["subject"] = json!({"mediaType": IMAGE, "digest": digest, "size": subject.len()});
    let referrer = referrer.to_string();
    let of_referrer = sha256(referrer.as_bytes());
    assert_eq!(stage.manifest("a", &of_referrer, &referrer).await.status, 201);
    let list = format!("/v2/a/referrers/{digest}");
    let count =
        async || stage.ask("GET", &list, b"").await.json()["manifests"].as_array().unwrap().len();
    for (gone, left) in [(&digest, 1), (&of_referrer, 0)] {
        let path = format!("/v2/a/manifests/{gone}");
        assert_eq!(stage.ask("DELETE", &path, b"").await.status, 202);
        assert_eq!(stage.ask("HEAD", &path, b"").await.status, 404);
        assert_eq!(count().await, left);
    }
}

#[tokio::test]
async fn digests_that_are_none_are_told_so_everywhere() {
    let stage = Stage::new().await;
    let session = stage.start("a").await;
    for digest in ["sha256:x", "sha256:", "sha384:00", "md5:00", ":", "sha256:../../x"] {
        let encoded = digest.replace(':', "%3A").replace('/', "%2F");
        for (method, path) in [
            ("POST", format!("/v2/a/blobs/uploads/?digest={encoded}")),
            ("POST", format!("/v2/a/blobs/uploads/?mount={encoded}&from=b")),
            ("PUT", format!("{session}?digest={encoded}")),
        ] {
            let refused = stage.ask(method, &path, b"").await;
            assert_eq!((refused.status, &*refusal(&refused)), (400, "DIGEST_INVALID"), "{path}");
        }
    }
    assert_eq!(stage.ask("GET", &session, b"").await.status, 204, "the session is as it was");
}
