//! What operators are told of a registry, and that it is the truth.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shoal_oci::auth::Open;
use shoal_oci::gc::{Counts, Mode, Scope};
use shoal_oci::registry::{Asked, Fault};
use shoal_oci::retention::{Fate, Keep, Rule};
use shoal_oci::{Config, Error, Repository};
use tokio_util::sync::CancellationToken;

use crate::stage::{IMAGE, INDEX, Stage, image, noise, sha256};

async fn graceless() -> Stage {
    Stage::with(|config| config.grace = Duration::ZERO, Arc::new(Open)).await
}

fn named(name: &str) -> Repository {
    name.parse().unwrap()
}

#[tokio::test]
async fn repositories_and_tags_are_told_with_what_they_hold() {
    let stage = Stage::new().await;
    let first = stage.image("tools/a", "v1").await;
    stage.image("tools/a", "v2").await;
    stage.image("os/b", "v1").await;
    let page = stage.registry.survey("tools/".to_owned(), String::new(), 10).await.unwrap();
    assert_eq!((page.items.len(), page.more), (1, false));
    let state = &page.items[0];
    assert_eq!((state.repository.as_str(), state.tags, state.manifests), ("tools/a", 2, 2));
    assert!(state.pushed_at.is_some() && state.pulled_at.is_none());
    let parts = first.len() + "{\"of\":\"v1\"}".len() + "layer of v1".len();
    assert_eq!(state.bytes, 2 * u64::try_from(parts).unwrap());
    let all = stage.registry.survey(String::new(), String::new(), 1).await.unwrap();
    assert_eq!((all.items[0].repository.as_str(), all.more), ("os/b", true));

    let tags = stage.registry.tag_states(&named("tools/a"), "v1".to_owned(), 10).await.unwrap();
    assert_eq!((tags.items.len(), tags.more), (1, false));
    let tag = &tags.items[0];
    assert_eq!((tag.tag.as_str(), tag.bytes), ("v2", u64::try_from(parts).unwrap()));
    let unknown = stage.registry.tag_states(&named("none"), String::new(), 1).await;
    assert!(matches!(unknown, Err(Error::RepositoryUnknown { .. })));

    assert_eq!(stage.ask("GET", "/v2/os/b/manifests/v1", b"").await.status, 200);
    stage.registry.close().await.unwrap();
    let stage = Stage::again(stage.end().await, |_| {}).await;
    assert!(stage.registry.repository(&named("os/b")).await.unwrap().pulled_at.is_some());
    assert!(stage.registry.repository(&named("tools/a")).await.unwrap().pulled_at.is_none());
}

#[tokio::test]
async fn usage_tells_what_is_shared_and_what_a_collection_would_free() {
    let stage = graceless().await;
    stage.image("a", "v1").await;
    let layer = sha256(b"layer of v1");
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    assert_eq!(stage.ask("POST", &mount, b"").await.status, 201);
    stage.blob("b", &noise(100_000)).await;
    let usage = stage.registry.usage(1).await.unwrap();
    assert_eq!((usage.top.len(), usage.repositories, usage.reclaimable_bytes), (1, 2, 100_000));
    let top = &usage.top[0];
    assert_eq!(top.state.repository.as_str(), "b");
    let told = (top.own_bytes, top.shared_bytes, top.reclaimable_bytes);
    assert_eq!(told, (100_000, 11, 100_000));
    assert!(usage.free_bytes > 0 && usage.disk_bytes >= usage.free_bytes);

    let mut config = Config::new(stage.root.path());
    config.grace = Duration::from_hours(1);
    stage.registry.reconfigure(&config);
    let young = stage.registry.usage(10).await.unwrap();
    assert_eq!((young.reclaimable_bytes, young.leased_bytes), (0, 100_000));
    config.grace = Duration::ZERO;
    stage.registry.reconfigure(&config);
    assert_eq!(stage.collect(Mode::Sweep).await.bytes, usage.reclaimable_bytes);
}

#[tokio::test]
async fn a_tree_shows_nested_indexes_referrers_and_what_is_missing() {
    let stage = Stage::new().await;
    let manifest = stage.image("a", "v1").await;
    let entry = json!({"mediaType": IMAGE, "digest": sha256(manifest.as_bytes()),
        "size": manifest.len(), "platform": {"os": "linux", "architecture": "arm64"}});
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
    stage.manifest("a", &sha256(inner.as_bytes()), &inner).await;
    let entry = json!({"mediaType": INDEX, "digest": sha256(inner.as_bytes()),
        "size": inner.len()});
    let outer = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
    stage.manifest("a", "all", &outer).await;
    let config = stage.blob("a", b"{}").await;
    let mut referrer = image(&config, &[]);
    referrer["subject"] =
        json!({"mediaType": INDEX, "digest": sha256(outer.as_bytes()), "size": 1});
    let referrer = referrer.to_string();
    stage.manifest("a", &sha256(referrer.as_bytes()), &referrer).await;

    let tree = stage.registry.tree(&named("a"), &"all".parse().unwrap()).await.unwrap();
    assert_eq!((tree.tags[0].as_str(), tree.incomplete), ("all", false));
    assert_eq!(tree.referrers[0].digest.to_string(), sha256(referrer.as_bytes()));
    let leaf = &tree.manifests[0].manifests[0];
    assert_eq!(leaf.platform.as_deref(), Some("linux/arm64"));
    assert_eq!(leaf.tags[0].as_str(), "v1");
    let roles: Vec<_> = leaf.contents.iter().map(|part| (part.role, part.present)).collect();
    assert_eq!(roles, [("config", true), ("layer", true)]);
    // Another repository has it still, which is of no use to who pulls from this one.
    let layer = sha256(b"layer of v1");
    stage.blob("b", b"layer of v1").await;
    assert_eq!(stage.ask("DELETE", &format!("/v2/a/blobs/{layer}"), b"").await.status, 202);
    let tree = stage.registry.tree(&named("a"), &"v1".parse().unwrap()).await.unwrap();
    let present: Vec<_> = tree.contents.iter().map(|part| part.present).collect();
    assert_eq!(present, [true, false]);
    let none = stage.registry.tree(&named("a"), &"none".parse().unwrap()).await;
    assert!(matches!(none, Err(Error::ManifestUnknown { .. })));
}

#[tokio::test]
async fn uploads_are_told_with_their_owner_and_can_be_given_up_for_others() {
    let stage = Stage::new().await;
    let location = stage.start("a").await;
    stage.ask("PATCH", &location, b"bytes").await;
    let uploads = stage.registry.inspect_uploads().await.unwrap();
    let [upload] = &*uploads else { panic!("{uploads:?}") };
    assert_eq!(
        (upload.repository.as_str(), &*upload.owner, upload.received),
        ("a", "anonymous", 5)
    );
    assert!(upload.started_at.is_some() && location.ends_with(&upload.id));
    let id = upload.id.parse().unwrap();
    assert_eq!(stage.registry.remove_upload(id).await.unwrap(), named("a"));
    assert_eq!(stage.ask("GET", &location, b"").await.status, 404);
    assert!(matches!(stage.registry.remove_upload(id).await, Err(Error::UploadUnknown { .. })));
}

#[tokio::test]
async fn retention_alone_removes_tags_and_manifests_and_frees_nothing() {
    let stage = graceless().await;
    for tag in ["v1", "v2", "v3"] {
        stage.image("tools/a", tag).await;
    }
    let mut config = Config::new(stage.root.path());
    config.grace = Duration::ZERO;
    config.policy.retention =
        vec![Rule { repositories: "tools/*".parse().unwrap(), keep: Keep::Last(1) }];
    stage.registry.reconfigure(&config);
    let told = stage.registry.verdicts(Asked { most: 2, ..Asked::default() }).await.unwrap();
    let fates: Vec<_> = told.tags.iter().map(|it| (it.tag.as_str(), it.fate)).collect();
    assert_eq!((fates, told.more), (vec![("v1", Fate::Goes), ("v2", Fate::Goes)], true));
    let last = told.tags.last().unwrap();
    let after = Some((last.repository.clone(), last.tag.clone()));
    let rest = Asked { repository: Some(named("tools/a")), after, most: 9 };
    let rest = stage.registry.verdicts(rest).await.unwrap();
    assert_eq!((rest.tags.len(), rest.tags[0].fate, rest.tags[0].place), (1, Fate::Kept, Some(1)));

    let files = stage.files();
    let order = (Mode::Sweep, Scope::Retention);
    let removed =
        stage.registry.collect_followed(order, &CancellationToken::new(), |_| {}).await.unwrap();
    assert_eq!(removed.removed, Counts { tags: 2, manifests: 2, ..Counts::default() });
    assert_eq!(stage.files(), files);
    assert_eq!(stage.collect(Mode::Sweep).await.removed.blobs, 6);
}

#[tokio::test]
async fn repositories_that_hold_nothing_are_forgotten_by_a_sweep() {
    let stage = graceless().await;
    stage.blob("gone", b"small").await;
    stage.blob("coming", b"small").await;
    stage.image("kept", "v1").await;
    let session = stage.start("coming").await;
    stage.collect(Mode::Sweep).await;
    let names = async || {
        let page = stage.registry.survey(String::new(), String::new(), 10).await.unwrap();
        page.items.into_iter().map(|it| it.repository.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["coming", "kept"]);
    stage.ask("DELETE", &session, b"").await;
    stage.collect(Mode::Sweep).await;
    assert_eq!(names().await, ["kept"]);
    stage.image("gone", "v1").await;
    assert_eq!(names().await, ["gone", "kept"]);
}

#[tokio::test]
async fn a_check_names_the_tags_that_are_hurt_and_heals_what_the_journal_holds() {
    let stage = Stage::new().await;
    let layer = stage.blob("a", &noise(100_000)).await;
    let config = stage.blob("a", b"{}").await;
    let manifest = image(&config, &[&layer]).to_string();
    let digest = sha256(manifest.as_bytes());
    stage.manifest("a", &digest, &manifest).await;
    let entry = json!({"mediaType": IMAGE, "digest": digest, "size": manifest.len()});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
    stage.manifest("a", "all", &index).await;
    let file = |digest: &str| stage.root.path().join("blobs").join(digest.replace(':', "/"));
    std::fs::remove_file(file(&layer)).unwrap();
    std::fs::write(file(&config), b"[]").unwrap();

    let stop = CancellationToken::new();
    let (told, hear) = std::sync::mpsc::channel();
    let watch = move |checked: &shoal_oci::registry::Checked| told.send(checked.blobs).unwrap();
    let checked = stage.registry.check_watched(&stop, watch).await.unwrap();
    assert_eq!(hear.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    let [damage] = &*checked.damaged else { panic!("{checked:?}") };
    assert_eq!((damage.digest.to_string(), damage.fault), (layer, Fault::Missing));
    let tags: Vec<_> = damage.tags.iter().map(|it| it.tag.as_str()).collect();
    assert_eq!(tags, ["all"]);
    let [healed] = &*checked.healed else { panic!("{checked:?}") };
    assert_eq!((healed.digest.to_string(), healed.fault), (config.clone(), Fault::Content));
    let path = format!("/v2/a/blobs/{config}");
    assert_eq!(stage.ask("GET", &path, b"").await.body, b"{}");
}
