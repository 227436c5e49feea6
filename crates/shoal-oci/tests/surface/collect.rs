//! What the garbage collection removes, what it keeps, and what it says of both.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoal_oci::auth::Open;
use shoal_oci::gc::{Counts, Kept, Mode, What};
use shoal_oci::retention::{Keep, Rule};
use shoal_oci::{Config, Error};
use tokio_util::sync::CancellationToken;

use crate::stage::{IMAGE, INDEX, Stage, image, noise, sha256, sha512};

/// A registry that promises nothing for longer than a request.
async fn graceless(adjust: impl FnOnce(&mut Config)) -> Stage {
    let with = |config: &mut Config| {
        config.grace = Duration::ZERO;
        adjust(config);
    };
    Stage::with(with, Arc::new(Open)).await
}

fn set_grace(stage: &Stage, grace: Duration) {
    let mut config = Config::new(stage.root.path());
    config.policy.allow_delete = true;
    config.grace = grace;
    stage.registry.reconfigure(&config);
}

fn keep(rules: &[(&str, Keep)]) -> Vec<Rule> {
    let rule =
        |(name, keep): &(&str, Keep)| Rule { repositories: name.parse().unwrap(), keep: *keep };
    rules.iter().map(rule).collect()
}

async fn status(stage: &Stage, path: &str) -> u16 {
    stage.ask("HEAD", path, b"").await.status
}

#[tokio::test]
async fn what_nothing_needs_goes_and_what_a_manifest_needs_stays() {
    let stage = graceless(|_| {}).await;
    let manifest = stage.image("a", "v1").await;
    let kept = stage.files();
    let large = noise(100_000);
    let (small, large) = (stage.blob("a", b"small").await, stage.blob("b", &large).await);
    let long = sha512(b"long");
    let path = format!("/v2/a/blobs/uploads/?digest={long}");
    assert_eq!(stage.ask("POST", &path, b"long").await.status, 201);

    let dry = stage.collect(Mode::DryRun).await;
    assert_eq!(stage.files().len(), kept.len() + 2, "a dry run removes nothing");
    let swept = stage.collect(Mode::Sweep).await;
    assert_eq!((dry.removed, dry.bytes), (swept.removed, swept.bytes));
    assert_eq!(swept.removed, Counts { links: 3, blobs: 3, ..Counts::default() });
    assert_eq!(swept.bytes, 100_009);
    for digest in [&small, &large, &long] {
        assert!(swept.items.iter().any(|it| it.digest.to_string() == **digest), "{digest}");
    }
    assert_eq!(stage.files(), kept);
    assert_eq!(status(&stage, &format!("/v2/a/blobs/{small}")).await, 404);
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
    assert_eq!(stage.collect(Mode::Sweep).await.removed.total(), 0);
    let totals = stage.registry.catalogue().totals();
    assert_eq!(totals.0, u64::try_from(kept.len()).unwrap());
    stage.blob("a", b"small").await;
}

#[tokio::test]
async fn what_another_repository_needs_is_forgotten_by_the_one_that_does_not() {
    let stage = graceless(|_| {}).await;
    stage.image("a", "v1").await;
    let layer = sha256(b"layer of v1");
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    assert_eq!(stage.ask("POST", &mount, b"").await.status, 201);
    let report = stage.collect(Mode::Sweep).await;
    assert_eq!(report.removed, Counts { links: 1, ..Counts::default() });
    assert_eq!(status(&stage, &format!("/v2/b/blobs/{layer}")).await, 404);
    assert_eq!(status(&stage, &format!("/v2/a/blobs/{layer}")).await, 200);
}

#[tokio::test]
async fn what_a_client_was_told_of_stays_for_the_grace() {
    let stage = Stage::new().await;
    let digest = stage.blob("a", b"promised").await;
    for mode in [Mode::DryRun, Mode::Sweep] {
        let report = stage.collect(mode).await;
        assert_eq!((report.removed.total(), report.leased), (0, 1));
        assert_eq!((report.items[0].what, report.items[0].kept), (What::Blob, Some(Kept::Leased)));
    }
    assert_eq!(status(&stage, &format!("/v2/a/blobs/{digest}")).await, 200);
}

#[tokio::test]
async fn what_a_deleted_manifest_needed_stays_for_who_is_pulling_it() {
    let stage = graceless(|_| {}).await;
    let manifest = stage.image("a", "v1").await;
    set_grace(&stage, Duration::from_hours(1));
    let path = format!("/v2/a/manifests/{}", sha256(manifest.as_bytes()));
    assert_eq!(stage.ask("DELETE", &path, b"").await.status, 202);
    // What is promised from here on is not, and what was is.
    set_grace(&stage, Duration::ZERO);
    let report = stage.collect(Mode::Sweep).await;
    assert_eq!((report.removed.blobs, report.leased), (1, 2), "the manifest alone goes");
    let layer = sha256(b"layer of v1");
    assert_eq!(status(&stage, &format!("/v2/a/blobs/{layer}")).await, 200);
}

#[tokio::test]
async fn content_being_read_is_not_broken_by_the_sweep() {
    let stage = graceless(|_| {}).await;
    let content = noise(100_000);
    let digest = stage.blob("a", &content).await.parse().unwrap();
    let open = stage.registry.blob(&"a".parse().unwrap(), digest).await.unwrap();
    assert_eq!(stage.collect(Mode::Sweep).await.removed.blobs, 1);
    assert!(stage.files().is_empty());
    let mut read = vec![0; content.len()];
    open.file.read_exact_at(&mut read, 0).unwrap();
    assert!(read == content);
}

#[tokio::test]
async fn files_without_a_row_are_removed_and_odd_ones_left() {
    let stage = graceless(|_| {}).await;
    stage.image("a", "v1").await;
    let kept = stage.files();
    let blobs = stage.root.path().join("blobs/sha256");
    let stray = sha256(b"stray");
    std::fs::write(blobs.join(stray.split_once(':').unwrap().1), b"stray").unwrap();
    std::fs::write(blobs.join("README"), b"mine").unwrap();
    assert_eq!(stage.collect(Mode::DryRun).await.removed.files, 1);
    let report = stage.collect(Mode::Sweep).await;
    assert_eq!((report.removed.files, report.bytes), (1, 5));
    assert!(blobs.join("README").exists());
    std::fs::remove_file(blobs.join("README")).unwrap();
    assert_eq!(stage.files(), kept);
    assert_eq!(std::fs::read_dir(stage.root.path().join("trash")).unwrap().count(), 0);
}

#[tokio::test]
async fn retention_keeps_the_last_tags_of_some_repositories_and_all_of_others() {
    let rules = keep(&[("tools/*", Keep::Last(2)), ("os-images/*", Keep::All)]);
    let stage = graceless(|config| config.policy.retention = rules).await;
    for tag in ["v1", "v2", "v3"] {
        for name in ["tools/x", "os-images/x", "other"] {
            stage.image(name, tag).await;
        }
    }
    stage.image("tools/x", "v1").await;
    let dry = stage.collect(Mode::DryRun).await;
    let swept = stage.collect(Mode::Sweep).await;
    assert_eq!(swept.removed, Counts { tags: 1, manifests: 1, links: 2, ..Counts::default() });
    assert_eq!((dry.removed, dry.bytes), (swept.removed, swept.bytes), "a dry run tells the truth");
    let listed = stage.ask("GET", "/v2/tools/x/tags/list", b"").await.json();
    assert_eq!(listed["tags"], json!(["v1", "v3"]), "v1 was pushed again");
    for name in ["os-images/x", "other"] {
        for tag in ["v1", "v2", "v3"] {
            assert_eq!(status(&stage, &format!("/v2/{name}/manifests/{tag}")).await, 200);
        }
    }
}

#[tokio::test]
async fn retention_removes_nested_indexes_and_referrers_as_a_whole() {
    let rules = keep(&[("*", Keep::Last(1))]);
    let stage = graceless(|config| config.policy.retention = rules).await;
    let mut tops = Vec::new();
    for tag in ["old", "new"] {
        let config = stage.blob("a", tag.as_bytes()).await;
        let child = image(&config, &[]).to_string();
        let entry = |of: &str, media_type| json!({"mediaType": media_type, "digest": sha256(of.as_bytes()), "size": of.len()});
        let list = |entry| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        let inner = list(entry(&child, IMAGE)).to_string();
        let outer = list(entry(&inner, INDEX)).to_string();
        for content in [&child, &inner] {
            let digest = sha256(content.as_bytes());
            assert_eq!(stage.manifest("a", &digest, content).await.status, 201);
        }
        assert_eq!(stage.manifest("a", tag, &outer).await.status, 201);
        let mut referrer = image(&config, &[]);
        referrer["subject"] = entry(&child, IMAGE);
        let referrer = referrer.to_string();
        let digest = sha256(referrer.as_bytes());
        assert_eq!(stage.manifest("a", &digest, &referrer).await.status, 201);
        tops.push([child, inner, outer, referrer]);
    }
    let dry = stage.collect(Mode::DryRun).await;
    let swept = stage.collect(Mode::Sweep).await;
    let removed = Counts { tags: 1, manifests: 4, links: 1, blobs: 5, files: 0 };
    assert_eq!((dry.removed, swept.removed), (removed, removed));
    for (manifests, expected) in tops.iter().zip([404, 200]) {
        for content in manifests {
            let path = format!("/v2/a/manifests/{}", sha256(content.as_bytes()));
            assert_eq!(status(&stage, &path).await, expected, "{content}");
        }
    }
}

#[tokio::test]
async fn referrers_of_what_was_deleted_go() {
    let rules = keep(&[("*", Keep::All)]);
    let stage = graceless(|config| config.policy.retention = rules).await;
    let subject = stage.image("a", "v1").await;
    let config = stage.blob("a", b"{}").await;
    let mut referrer = image(&config, &[]);
    let digest = sha256(subject.as_bytes());
    referrer["subject"] = json!({"mediaType": IMAGE, "digest": digest, "size": subject.len()});
    let referrer = referrer.to_string();
    let path = format!("/v2/a/manifests/{}", sha256(referrer.as_bytes()));
    stage.manifest("a", &sha256(referrer.as_bytes()), &referrer).await;
    assert_eq!(stage.collect(Mode::Sweep).await.removed.total(), 0);
    stage.ask("DELETE", &format!("/v2/a/manifests/{digest}"), b"").await;
    assert_eq!(stage.collect(Mode::Sweep).await.removed.manifests, 1);
    assert_eq!(status(&stage, &path).await, 404);
    assert!(stage.files().is_empty());
}

#[tokio::test]
async fn a_registry_that_takes_no_writes_collects_nothing_and_says_what_it_would() {
    let stage = graceless(|_| {}).await;
    stage.blob("a", b"garbage").await;
    let mut config = Config::new(stage.root.path());
    (config.grace, config.policy.read_only) = (Duration::ZERO, true);
    stage.registry.reconfigure(&config);
    let stop = CancellationToken::new();
    let refused = stage.registry.collect(Mode::Sweep, &stop).await;
    assert!(matches!(refused, Err(Error::ReadOnly)), "{refused:?}");
    assert_eq!(stage.collect(Mode::DryRun).await.removed.blobs, 1);
}

#[tokio::test]
async fn garbage_is_collected_at_the_interval() {
    let stage = graceless(|config| config.gc_interval = Some(Duration::from_millis(1))).await;
    stage.blob("a", b"garbage").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (registry, stop) = (stage.registry.clone(), stop.clone());
        async move { registry.run(stop).await }
    });
    while !stage.files().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_collection_that_was_stopped_is_still_due() {
    let stage = graceless(|_| {}).await;
    let garbage = stage.blob("a", b"garbage").await;
    let ended = async |sql: &'static str| -> String {
        let read = move |tx: &shoal_sqlite::rusqlite::Transaction<'_>| {
            Ok::<_, Error>(tx.query_row(sql, [], |row| row.get(0))?)
        };
        stage.registry.catalogue().database().write(read).await.unwrap()
    };
    ended("UPDATE state SET value = '1' WHERE key = 'gc_done_at' RETURNING value").await;
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(stage.registry.collect(Mode::Sweep, &stop).await.unwrap().stopped);
    assert_eq!(stage.files(), [garbage]);
    let at = "SELECT value FROM state WHERE key = 'gc_done_at'";
    assert_eq!(ended(at).await, "1");
    stage.collect(Mode::Sweep).await;
    assert_ne!(ended(at).await, "1");
}
