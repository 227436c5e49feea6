//! The calls of operators on a registry with content, answered by the registry itself.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::Full;
use serde_json::json;
use shoal_api::{Declined, Order, Registrar, Run, RunState, RunTask, Slice, TagFate};
use shoal_engine::system_clock;
use shoal_oci::{
    Algorithm, Config, Digest, Registry,
    gc::Mode,
    registry::Incoming,
    retention::{Keep, Rule},
};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Keeper;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

struct Stage {
    keeper: Keeper,
    registry: Registry,
    stop: CancellationToken,
    tasks: TaskTracker,
    root: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut config = Config::new(root.path());
        config.grace = Duration::ZERO;
        config.limits.headroom_bytes = 0;
        config.policy.retention =
            vec![Rule { repositories: "tools/*".parse().unwrap(), keep: Keep::Last(1) }];
        let registry = tokio::task::spawn_blocking(|| Registry::open(config)).await.unwrap();
        let (registry, stop) = (registry.unwrap(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let keeper = Keeper::new(registry.clone(), system_clock(), (stop.clone(), tasks.clone()));
        Self { keeper, registry, stop, tasks, root }
    }

    /// Pushes an image whose layer is `content`; the layer's digest.
    async fn image(&self, name: &str, tag: &str, content: &[u8]) -> Digest {
        let repository = name.parse().unwrap();
        let digest = Digest::of(Algorithm::Sha256, content);
        let body = Full::new(Bytes::copy_from_slice(content));
        let incoming = Incoming { body, length: None, range: None };
        self.registry.put_blob(&repository, digest, incoming).await.unwrap();
        let part = json!({"mediaType": "a/b", "digest": digest, "size": content.len()});
        let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": part,
            "layers": [part]});
        let pushed = (Some(IMAGE), manifest.to_string().into_bytes());
        let reference = tag.parse().unwrap();
        self.registry.put_manifest(&repository, &reference, Vec::new(), pushed).await.unwrap();
        digest
    }

    /// Begins a collection of somebody else's, which every other one waits for, and keeps it from
    /// going on until the answer is dropped.
    async fn hold_collections(&self) -> std::sync::mpsc::Sender<()> {
        let content = b"nothing needs it".to_vec();
        let digest = Digest::of(Algorithm::Sha256, &content);
        let incoming =
            Incoming { body: Full::new(Bytes::from(content)), length: None, range: None };
        self.registry.put_blob(&"os/b".parse().unwrap(), digest, incoming).await.unwrap();
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let (release, released) = std::sync::mpsc::channel();
        let registry = self.registry.clone();
        self.tasks.spawn(async move {
            let watch = move |_| {
                let _ = begun.send(());
                // Ends when it is released, which nobody does by a word.
                let _: Result<(), _> = released.recv();
            };
            registry.collect_watched(Mode::Sweep, &CancellationToken::new(), watch).await
        });
        has_begun.recv().await.unwrap();
        release
    }

    async fn run(&self, task: RunTask, dry_run: bool) -> Run {
        let order = Order { task, dry_run, confirmation: None };
        self.ended(self.keeper.begin(order).await.unwrap()).await
    }

    async fn ended(&self, mut run: Run) -> Run {
        while run.state == RunState::Running {
            tokio::task::yield_now().await;
            run = self.keeper.run(run.id).await.unwrap();
        }
        run
    }
}

fn all() -> Slice {
    Slice { after: None, most: 100 }
}

#[tokio::test]
async fn what_is_told_of_retention_is_what_a_run_removes() {
    let stage = Stage::new().await;
    stage.image("tools/a", "v1", &vec![1; 100_000]).await;
    stage.image("tools/a", "v2", &vec![2; 100_000]).await;
    let page = Slice { after: None, most: 1 };
    let told = stage.keeper.retention(None, page).await.unwrap();
    assert_eq!((told.tags[0].fate, told.next.as_deref()), (TagFate::Goes, Some("tools/a:v1")));
    let rest = Slice { after: told.next, most: 1 };
    let rest = stage.keeper.retention(Some("tools/a".to_owned()), rest).await.unwrap();
    assert_eq!((rest.tags[0].fate, rest.next), (TagFate::Kept, None));
    let bad = Slice { after: Some("nowhere".to_owned()), most: 1 };
    assert_eq!(stage.keeper.retention(None, bad).await.unwrap_err(), Declined::BadCursor);

    let dry = stage.run(RunTask::Gc, true).await.collected.unwrap();
    let swept = stage.run(RunTask::Gc, false).await;
    assert_eq!((swept.state, swept.error.as_deref()), (RunState::Done, None));
    let swept = swept.collected.unwrap();
    assert_eq!((swept.removed, swept.bytes), (dry.removed, dry.bytes));
    assert_eq!((swept.removed.tags, swept.removed.manifests, swept.removed.blobs), (1, 1, 2));
    let tags = stage.keeper.tags("tools/a".to_owned(), all()).await.unwrap();
    let tags: Vec<_> = tags.entries.iter().map(|it| it.tag.as_str()).collect();
    assert_eq!(tags, ["v2"]);
    assert_eq!(stage.keeper.runs().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_check_tells_whom_damage_hurts() {
    let stage = Stage::new().await;
    let layer = stage.image("os/b", "v1", &vec![7; 100_000]).await;
    std::fs::remove_file(stage.root.path().join("blobs/sha256").join(layer.hex())).unwrap();
    let run = stage.run(RunTask::Check, false).await;
    let checked = run.checked.unwrap();
    assert_eq!((run.state, checked.blobs, checked.damaged.len()), (RunState::Done, 2, 1));
    let damage = &checked.damaged[0];
    assert_eq!((&*damage.fault, damage.digest.clone()), ("missing", layer.to_string()));
    assert_eq!((&*damage.tags[0].repository, &*damage.tags[0].tag), ("os/b", "v1"));
}

#[tokio::test]
async fn one_run_at_a_time_and_none_that_may_not_be() {
    let stage = Stage::new().await;
    let order = |task| Order { task, dry_run: false, confirmation: None };
    let release = stage.hold_collections().await;
    let first = stage.keeper.begin(order(RunTask::Gc)).await.unwrap();
    let second = stage.keeper.begin(order(RunTask::Check)).await;
    assert_eq!(second, Err(Declined::Busy { id: first.id.clone() }));
    stage.keeper.stop(first.id.clone()).await.unwrap();
    drop(release);
    let first = stage.ended(first).await;
    assert_ne!(first.state, RunState::Failed);

    let mut config = Config::new(stage.root.path());
    config.policy.read_only = true;
    stage.registry.reconfigure(&config);
    for task in [RunTask::Gc, RunTask::Retention] {
        assert_eq!(stage.keeper.begin(order(task)).await, Err(Declined::ReadOnly));
    }
    let unknown = stage.keeper.run("1-1".to_owned()).await;
    assert_eq!(unknown, Err(Declined::NoRun));
    stage.stop.cancel();
    stage.tasks.close();
    stage.tasks.wait().await;
}

#[tokio::test]
async fn a_run_begins_although_who_asked_is_gone_before_the_answer() {
    let stage = Stage::new().await;
    let order = Order { task: RunTask::Gc, dry_run: false, confirmation: None };
    tokio::select! {
        biased;
        _ = stage.keeper.begin(order) => panic!("it has to ask the registry first"),
        () = std::future::ready(()) => {}
    }
    stage.tasks.close();
    stage.tasks.wait().await;
    let runs = stage.keeper.runs().await.unwrap();
    assert_eq!((runs.len(), runs[0].state), (1, RunState::Done));
}

#[tokio::test]
async fn names_that_are_none_are_names_of_nothing() {
    let stage = Stage::new().await;
    stage.image("os/b", "v1", b"x").await;
    let name = |text: &str| text.to_owned();
    for (repository, reference, expected) in [
        ("../etc", "v1", Declined::NoRepository),
        ("os/c", "v1", Declined::NoManifest),
        ("os/b", "..", Declined::NoManifest),
        ("os/b", "v2", Declined::NoManifest),
    ] {
        let answer = stage.keeper.manifest(name(repository), name(reference)).await;
        assert_eq!(answer.unwrap_err(), expected, "{repository} {reference}");
    }
    let found = stage.keeper.manifest(name("os/b"), name("v1")).await.unwrap();
    assert_eq!((found.tags, found.contents.len()), (vec![name("v1")], 2));
    assert_eq!(stage.keeper.remove_upload(name("x")).await, Err(Declined::NoUpload));
    let listed = stage.keeper.repositories(name("os/"), all()).await.unwrap();
    assert_eq!((listed.entries.len(), listed.entries[0].tags), (1, 1));
}
