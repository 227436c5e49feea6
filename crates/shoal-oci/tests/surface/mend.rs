//! Disks that damage content, and databases that are lost.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use shoal_oci::gc::Mode;
use shoal_oci::rebuild::{Rebuilt, rebuild};
use shoal_oci::registry::Fault;
use shoal_oci::{Config, Error, Registry};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::stage::{IMAGE, INDEX, Stage, image, noise, sha256, sha512};

fn file(stage: &Stage, digest: &str) -> PathBuf {
    stage.root.path().join("blobs").join(digest.replace(':', "/"))
}

#[tokio::test]
async fn damage_of_every_kind_is_found_named_and_healed_by_a_push() {
    let stage = Stage::new().await;
    let contents = [noise(100_000), noise(2_000_000), noise(3_000_000)];
    let mut layers = Vec::new();
    for content in &contents {
        layers.push(stage.blob("a", content).await);
    }
    let [flipped, cut, gone] = [&*layers[0], &*layers[1], &*layers[2]];
    let config = stage.blob("a", b"{}").await;
    let manifest = image(&config, &[flipped, cut]).to_string();
    assert_eq!(stage.manifest("a", "v1", &manifest).await.status, 201);
    let stop = CancellationToken::new();
    let whole = stage.registry.check(&stop).await.unwrap();
    assert_eq!((whole.blobs, whole.damaged.len()), (5, 0));

    let mut bytes = contents[0].clone();
    bytes[77_777] ^= 1;
    std::fs::write(file(&stage, flipped), bytes).unwrap();
    std::fs::write(file(&stage, cut), &contents[1][..1_999_999]).unwrap();
    std::fs::remove_file(file(&stage, gone)).unwrap();
    let checked = stage.registry.check(&stop).await.unwrap();
    let fault = |digest: &str| {
        let damage = checked.damaged.iter().find(|damage| damage.digest.to_string() == digest);
        damage.map(|damage| (damage.fault, damage.needed_by.len()))
    };
    assert_eq!(checked.damaged.len(), 3);
    assert_eq!(fault(flipped), Some((Fault::Content, 1)));
    assert_eq!(fault(cut), Some((Fault::Size, 1)));
    assert_eq!(fault(gone), Some((Fault::Missing, 0)));
    let kept = std::fs::read_dir(stage.root.path().join("quarantine")).unwrap().count();
    assert_eq!(kept, 2);
    for (digest, content) in layers.iter().zip(&contents) {
        let path = format!("/v2/a/blobs/{digest}");
        assert_eq!(stage.ask("HEAD", &path, b"").await.status, 404);
        stage.blob("a", content).await;
        assert!(stage.ask("GET", &path, b"").await.body == *content);
    }
    assert_eq!(stage.registry.check(&stop).await.unwrap().damaged, []);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_not_taken_for_damaged() {
    let stage = Stage::new().await;
    let content = noise(100_000);
    let digest = stage.blob("a", &content).await;
    let (blob, aside) = (file(&stage, &digest), stage.root.path().join("aside"));
    std::fs::rename(&blob, &aside).unwrap();
    // Opening it fails in a way that says nothing of what was stored.
    std::os::unix::fs::symlink(&blob, &blob).unwrap();
    let checked = stage.registry.check(&CancellationToken::new()).await.unwrap();
    assert_eq!((checked.skipped, checked.damaged.len()), (1, 0));
    std::fs::rename(&aside, &blob).unwrap();
    assert!(stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await.body == content);
}

#[tokio::test]
async fn what_the_journal_still_has_is_healed_by_the_check() {
    let stage = Stage::new().await;
    let digest = stage.blob("a", b"small and new").await;
    std::fs::write(file(&stage, &digest), b"small and bad").unwrap();
    let checked = stage.registry.check(&CancellationToken::new()).await.unwrap();
    let healed: Vec<String> = checked.healed.iter().map(|it| it.digest.to_string()).collect();
    assert_eq!((healed, checked.damaged), (vec![digest.clone()], vec![]));
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(stage.ask("GET", &path, b"").await.text(), "small and new");
}

#[tokio::test]
async fn a_check_that_is_told_to_stop_says_so() {
    let stage = Stage::new().await;
    stage.blob("a", b"x").await;
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(stage.registry.check(&stop).await.unwrap().stopped);
}

/// Ends a registry as a clean stop does, and loses its database.
async fn lose(stage: Stage) -> TempDir {
    stage.registry.close().await.unwrap();
    let root = stage.end().await;
    for name in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        let _ = std::fs::remove_file(root.path().join(name));
    }
    root
}

fn open(root: &TempDir) -> Result<Registry, Error> {
    Registry::open(Config::new(root.path()))
}

async fn rebuild_now(root: &TempDir) -> Result<Rebuilt, Error> {
    let path = root.path().to_owned();
    tokio::task::spawn_blocking(move || rebuild(&path)).await.unwrap()
}

#[tokio::test]
async fn a_lost_database_is_rebuilt_from_the_files_and_the_index() {
    let stage = Stage::new().await;
    let (first, second) = (stage.image("tools/x", "v1").await, stage.image("os/y", "v1").await);
    stage.image("tools/x", "v2").await;
    stage.manifest("tools/x", "latest", &first).await;
    let entry =
        |of: &str| json!({"mediaType": IMAGE, "digest": sha256(of.as_bytes()), "size": of.len()});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry(&first)]});
    let index = index.to_string();
    let path = format!("/v2/tools/x/manifests/{}", sha512(index.as_bytes()));
    let headers = [("Content-Type", INDEX)];
    assert_eq!(stage.ask_with("PUT", &path, &headers, index.as_bytes()).await.status, 201);
    let config = stage.blob("os/y", b"{}").await;
    let mut referrer = image(&config, &[]);
    referrer["subject"] = entry(&second);
    let referrer = referrer.to_string();
    stage.manifest("os/y", &sha256(referrer.as_bytes()), &referrer).await;
    stage.blob("os/y", b"never used").await;
    let root = lose(stage).await;

    let refused = open(&root);
    assert!(matches!(refused, Err(Error::CatalogueLost { .. })), "{refused:?}");
    let rebuilt = rebuild_now(&root).await.unwrap();
    assert_eq!((rebuilt.manifests, rebuilt.tags, rebuilt.unclaimed), (5, 4, 1));
    assert_eq!((rebuilt.lost.len(), rebuilt.incomplete.len(), rebuilt.damaged.len()), (0, 0, 0));
    let again = rebuild_now(&root).await;
    assert!(matches!(again, Err(Error::CatalogueExists { .. })), "{again:?}");

    let stage = Stage::again(root, |config| config.grace = Duration::ZERO).await;
    for (path, expected) in [
        ("/v2/tools/x/manifests/v1", &first),
        ("/v2/tools/x/manifests/latest", &first),
        ("/v2/os/y/manifests/v1", &second),
        (&*path, &index),
    ] {
        assert_eq!(stage.ask("GET", path, b"").await.text(), *expected, "{path}");
    }
    let layer = format!("/v2/tools/x/blobs/{}", sha256(b"layer of v2"));
    assert_eq!(stage.ask("GET", &layer, b"").await.text(), "layer of v2");
    let referrers = format!("/v2/os/y/referrers/{}", sha256(second.as_bytes()));
    let listed = stage.ask("GET", &referrers, b"").await.json();
    assert_eq!(listed["manifests"][0]["digest"], sha256(referrer.as_bytes()));
    let tags = stage.ask("GET", "/v2/tools/x/tags/list", b"").await.json();
    assert_eq!(tags["tags"], json!(["latest", "v1", "v2"]));
}

#[tokio::test]
async fn after_a_rebuild_nothing_is_collected_until_its_dry_run_was_confirmed() {
    let stage = Stage::new().await;
    stage.image("a", "v1").await;
    let root = lose(stage).await;
    // As the export leaves it out that a power failure came too early for.
    std::fs::write(root.path().join("index.json"), br#"{"manifests":[]}"#).unwrap();
    rebuild_now(&root).await.unwrap();
    let mut stage = Stage::again(root, |config| config.grace = Duration::ZERO).await;
    let stop = CancellationToken::new();
    for _ in 0..2 {
        let refused = stage.registry.collect(Mode::Sweep, &stop).await;
        assert!(matches!(refused, Err(Error::CollectionUnconfirmed)), "{refused:?}");
        assert!(stage.registry.confirm_collection(String::new()).await.is_err());
        stage = stage.restart_with(|config| config.grace = Duration::ZERO).await;
    }
    let dry = stage.collect(Mode::DryRun).await;
    assert_eq!(dry.removed.blobs, 3);
    let confirmation = dry.confirmation.unwrap();
    assert!(stage.registry.confirm_collection("another".to_owned()).await.is_err());
    stage.registry.confirm_collection(confirmation).await.unwrap();
    assert_eq!(stage.collect(Mode::Sweep).await.removed.blobs, 3);
    assert_eq!(stage.collect(Mode::DryRun).await.confirmation, None);
}

#[tokio::test]
async fn a_rebuild_names_what_is_lost_and_lacking_and_puts_away_what_is_damaged() {
    let stage = Stage::new().await;
    let (lost, lacking) = (stage.image("a", "v1").await, stage.image("a", "v2").await);
    stage.image("a", "v3").await;
    let (lost, lacking) = (sha256(lost.as_bytes()), sha256(lacking.as_bytes()));
    let layer = sha256(b"layer of v2");
    std::fs::remove_file(file(&stage, &lost)).unwrap();
    std::fs::write(file(&stage, &layer), b"layer of vX").unwrap();
    let root = lose(stage).await;
    let rebuilt = rebuild_now(&root).await.unwrap();
    let text = |digests: &[shoal_oci::Digest]| digests.iter().map(ToString::to_string).collect();
    let found: [Vec<String>; 3] =
        [text(&rebuilt.lost), text(&rebuilt.incomplete), text(&rebuilt.damaged)];
    assert_eq!(found, [vec![lost], vec![lacking], vec![layer.clone()]]);
    let stage = Stage::again(root, |_| {}).await;
    assert_eq!(stage.ask("HEAD", &format!("/v2/a/blobs/{layer}"), b"").await.status, 404);
    stage.blob("a", b"layer of v2").await;
    assert_eq!(stage.ask("HEAD", &format!("/v2/a/blobs/{layer}"), b"").await.status, 200);
    assert_eq!(stage.ask("HEAD", "/v2/a/manifests/v3", b"").await.status, 200);
}

#[tokio::test]
async fn a_rebuild_that_was_broken_off_is_done_again_before_anything_else() {
    let stage = Stage::new().await;
    let manifest = stage.image("a", "v1").await;
    let root = lose(stage).await;
    rebuild_now(&root).await.unwrap();
    // As a process leaves it that was killed before the end.
    std::fs::write(root.path().join("rebuilding"), b"").unwrap();
    let refused = open(&root);
    assert!(matches!(refused, Err(Error::RebuildUnfinished)), "{refused:?}");
    rebuild_now(&root).await.unwrap();
    let stage = Stage::again(root, |_| {}).await;
    assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
}

#[tokio::test]
async fn a_damaged_index_is_no_reason_to_rebuild_without_names() {
    let stage = Stage::new().await;
    stage.image("a", "v1").await;
    let root = lose(stage).await;
    std::fs::write(root.path().join("index.json"), b"{").unwrap();
    let refused = rebuild_now(&root).await;
    assert!(matches!(refused, Err(Error::BadIndex { .. })), "{refused:?}");
    assert!(!root.path().join("registry.db").exists(), "nothing was begun");
}
