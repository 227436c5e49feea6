//! Lists: tags by pages, referrers with their filter, repositories.

use serde_json::json;

use crate::stage::{IMAGE, INDEX, Stage, image, sha256};

#[tokio::test]
async fn tags_are_listed_in_order_and_by_pages() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    assert_eq!(stage.ask("GET", "/v2/a/tags/list", b"").await.json()["tags"], json!([]));
    let text = image(&config, &[]).to_string();
    for tag in ["b", "A", "c", "a", "10", "9"] {
        stage.manifest("a", tag, &text).await;
    }
    let list = async |query: &str| {
        let answer = stage.ask("GET", &format!("/v2/a/tags/list{query}"), b"").await;
        assert_eq!(answer.status, 200);
        (answer.json()["tags"].clone(), answer.header("link").to_owned())
    };
    let link = |query: &str| format!("</v2/a/tags/list?{query}>; rel=\"next\"");
    assert_eq!(list("").await, (json!(["10", "9", "A", "a", "b", "c"]), String::new()));
    assert_eq!(list("?n=2").await, (json!(["10", "9"]), link("n=2&last=9")));
    assert_eq!(list("?n=2&last=9").await, (json!(["A", "a"]), link("n=2&last=a")));
    assert_eq!(list("?n=2&last=a").await, (json!(["b", "c"]), String::new()));
    assert_eq!(list("?last=a").await.0, json!(["b", "c"]));
    assert_eq!(list("?last=between").await.0, json!(["c"]));
    assert_eq!(list("?n=0").await, (json!([]), String::new()));
    assert_eq!(stage.ask("GET", "/v2/a/tags/list?n=x", b"").await.status, 400);
    stage.blob("b/c", b"x").await;
    let catalog = stage.ask("GET", "/v2/_catalog?n=1", b"").await;
    assert_eq!(catalog.json()["repositories"], json!(["a"]));
    assert_eq!(catalog.header("link"), "</v2/_catalog?n=1&last=a>; rel=\"next\"");
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_forgotten() {
    let stage = Stage::new().await;
    let subject = stage.image("a", "subject").await;
    let digest = sha256(subject.as_bytes());
    let config = stage.blob("a", b"{}").await;
    let referring = |artifact_type: Option<&str>, note: &str| {
        let mut document = image(&config, &[]);
        document["subject"] = json!({"mediaType": IMAGE, "digest": digest, "size": subject.len()});
        document["annotations"] = json!({"note": note});
        if let Some(artifact_type) = artifact_type {
            document["artifactType"] = artifact_type.into();
        }
        document.to_string()
    };
    let (signature, sbom) = (referring(Some("x/sig"), "1"), referring(None, "2"));
    for text in [&signature, &sbom] {
        let pushed = stage.manifest("a", &sha256(text.as_bytes()), text).await;
        assert_eq!((pushed.status, pushed.header("oci-subject")), (201, &*digest));
    }
    let path = format!("/v2/a/referrers/{digest}");
    let all = stage.ask("GET", &path, b"").await;
    assert_eq!((all.status, all.header("content-type")), (200, INDEX));
    let list = all.json();
    assert_eq!(
        (list["schemaVersion"].as_u64(), list["mediaType"].as_str()),
        (Some(2), Some(INDEX))
    );
    assert_eq!(list["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(all.header("oci-filters-applied"), "");
    let filtered = stage.ask("GET", &format!("{path}?artifactType=x%2Fsig"), b"").await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let expected = json!([{
        "mediaType": IMAGE, "digest": sha256(signature.as_bytes()), "size": signature.len(),
        "artifactType": "x/sig", "annotations": {"note": "1"},
    }]);
    assert_eq!(filtered.json()["manifests"], expected);
    let by_config = format!("{path}?artifactType=application/vnd.shoal.config");
    let by_config = stage.ask("GET", &by_config, b"").await.json();
    assert_eq!(by_config["manifests"][0]["digest"], sha256(sbom.as_bytes()));

    let gone = format!("/v2/a/manifests/{}", sha256(sbom.as_bytes()));
    assert_eq!(stage.ask("DELETE", &gone, b"").await.status, 202);
    let left = stage.ask("GET", &path, b"").await.json();
    assert_eq!(left["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_never_pushed_has_no_referrers_and_may_be_a_subject() {
    let stage = Stage::new().await;
    let missing = sha256(b"missing");
    let path = format!("/v2/unknown/referrers/{missing}");
    let none = stage.ask("GET", &path, b"").await;
    assert_eq!((none.status, none.header("content-type")), (200, INDEX));
    assert_eq!(none.json()["manifests"], json!([]));
    let config = stage.blob("a", b"{}").await;
    let mut early = image(&config, &[]);
    early["subject"] = json!({"mediaType": IMAGE, "digest": missing, "size": 7});
    assert_eq!(stage.manifest("a", "early", &early.to_string()).await.status, 201);
    let one = stage.ask("GET", &format!("/v2/a/referrers/{missing}"), b"").await.json();
    assert_eq!(one["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn referrers_too_many_for_one_answer_come_in_pages() {
    let stage = Stage::new().await;
    let config = stage.blob("a", b"{}").await;
    let subject = sha256(b"subject");
    for n in 0..4 {
        let mut document = image(&config, &[]);
        document["subject"] = json!({"mediaType": IMAGE, "digest": subject, "size": 7});
        document["annotations"] = json!({"n": n.to_string(), "long": "x".repeat(1_200_000)});
        let text = document.to_string();
        assert_eq!(stage.manifest("a", &sha256(text.as_bytes()), &text).await.status, 201);
    }
    let mut path = format!("/v2/a/referrers/{subject}");
    let mut seen = std::collections::BTreeSet::new();
    for pages in 0.. {
        let page = stage.ask("GET", &path, b"").await;
        assert!(page.body.len() < 4 * 1024 * 1024);
        for entry in page.json()["manifests"].as_array().unwrap() {
            assert!(seen.insert(entry["digest"].as_str().unwrap().to_owned()));
        }
        let Some(next) = page.header("link").strip_prefix('<') else {
            assert!(pages > 0);
            break;
        };
        path = next.split('>').next().unwrap().to_owned();
    }
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_hundred_thousand_tags_are_listed_whole_and_by_pages() {
    const MANY: usize = 100_000;
    let stage = Stage::new().await;
    stage.image("a", "zero").await;
    let database = stage.registry.catalogue().database();
    let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 99999)
        INSERT INTO tags (repository, name, manifest, tagged_at)
        SELECT repository, printf('t%06d', n), manifest, 0 FROM n, tags";
    let filled =
        database.write(move |tx| -> Result<_, shoal_oci::Error> { Ok(tx.execute(fill, [])?) });
    assert_eq!(filled.await.unwrap(), MANY - 1);
    let whole = stage.ask("GET", "/v2/a/tags/list", b"").await;
    assert_eq!(whole.json()["tags"].as_array().unwrap().len(), MANY);
    assert_eq!(whole.header("link"), "");
    let mut client = stage.client().await;
    let (mut path, mut seen) = ("/v2/a/tags/list?n=9999".to_owned(), 0);
    loop {
        let page = client.ask("GET", &path, &[], b"").await;
        seen += page.json()["tags"].as_array().unwrap().len();
        let Some(next) = page.header("link").strip_prefix('<') else { break };
        path = next.split('>').next().unwrap().to_owned();
    }
    assert_eq!(seen, MANY);
}
