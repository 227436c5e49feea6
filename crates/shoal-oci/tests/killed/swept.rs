//! A collection that is killed at one of its steps.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use shoal_oci::gc::{Mode, Step};
use shoal_oci::registry::Incoming;
use shoal_oci::retention::{Keep, Rule};
use shoal_oci::{Algorithm, Config, Digest, Pattern, Registry};
use tokio_util::sync::CancellationToken;

const CHILD: &str = "SHOAL_OCI_TEST_SWEEP_ROOT";
const STEP: &str = "SHOAL_OCI_TEST_SWEEP_STEP";

/// Where a collection is killed, and the how-manieth time it comes there.
const POINTS: [(Step, u32); 7] = [
    (Step::Chosen, 1),
    (Step::Committed, 1),
    (Step::Chosen, 2),
    (Step::Committed, 2),
    (Step::PutAway, 1),
    (Step::PutAway, 3),
    (Step::Freed, 1),
];

fn digest(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

fn open(root: &Path) -> Registry {
    let mut config = Config::new(root);
    config.limits.headroom_bytes = 0;
    config.grace = Duration::ZERO;
    config.policy.retention = vec![Rule { repositories: Pattern::All, keep: Keep::Last(1) }];
    Registry::open(config).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Small content and some that is too large for the journal.
fn garbage() -> [Vec<u8>; 4] {
    [b"one".to_vec(), b"two".to_vec(), vec![3; 50_000], vec![4; 70_000]]
}

async fn put(registry: &Registry, content: &[u8]) {
    let body = http_body_util::Full::new(bytes::Bytes::copy_from_slice(content));
    let incoming = Incoming { body, length: None, range: None };
    registry.put_blob(&"a".parse().unwrap(), digest(content), incoming).await.unwrap();
}

async fn tag(registry: &Registry, tag: &str) -> Vec<u8> {
    let config = format!("config of {tag}").into_bytes();
    put(registry, &config).await;
    let descriptor = json!({"mediaType": "a/b", "digest": digest(&config), "size": config.len()});
    let manifest = json!({"schemaVersion": 2, "config": descriptor, "layers": []}).to_string();
    let media_type = Some("application/vnd.oci.image.manifest.v1+json");
    let (name, tag) = ("a".parse().unwrap(), tag.parse().unwrap());
    let content = (media_type, manifest.clone().into_bytes());
    registry.put_manifest(&name, &tag, Vec::new(), content).await.unwrap();
    manifest.into_bytes()
}

/// In the child: fills a registry, collects, and stands still at the step it is told.
pub(crate) fn sweep_if_child() -> bool {
    let Some(root) = std::env::var_os(CHILD) else { return false };
    let point: usize = std::env::var(STEP).unwrap().parse().unwrap();
    let (wanted, times) = POINTS[point];
    let registry = open(&PathBuf::from(root));
    runtime().block_on(async {
        tag(&registry, "old").await;
        tag(&registry, "new").await;
        for content in garbage() {
            put(&registry, &content).await;
        }
        let left = AtomicU32::new(times);
        let watch = move |step| {
            if step == wanted && left.fetch_sub(1, Ordering::AcqRel) == 1 {
                std::io::stdout().write_all(b"\nhere\n").unwrap();
                loop {
                    std::thread::park();
                }
            }
        };
        let stop = CancellationToken::new();
        registry.collect_watched(Mode::Sweep, &stop, watch).await.unwrap();
    });
    panic!("the collection ended before step {wanted:?} number {times}");
}

/// Kills a collection at each of its steps, and has the next one do the rest.
pub(crate) fn kill_at_each_step(test: &str) {
    for (point, (step, times)) in POINTS.iter().enumerate() {
        let root = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, root.path())
            .env(STEP, point.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reached = lines.any(|line| line.unwrap() == "here");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(reached, "{step:?} {times}");
        let registry = open(root.path());
        let trash = root.path().join("trash");
        assert_eq!(std::fs::read_dir(&trash).unwrap().count(), 0, "{step:?} {times}");
        runtime().block_on(heal(&registry, root.path()));
    }
}

async fn heal(registry: &Registry, root: &Path) {
    let stop = CancellationToken::new();
    registry.collect(Mode::Sweep, &stop).await.unwrap();
    let manifest =
        registry.manifest(&"a".parse().unwrap(), &"new".parse().unwrap()).await.unwrap().0;
    let config = digest(b"config of new");
    assert_eq!(registry.blob(&"a".parse().unwrap(), config).await.unwrap().size, 13);
    assert!(registry.manifest(&"a".parse().unwrap(), &"old".parse().unwrap()).await.is_err());
    let mut expected = [manifest.digest.hex(), config.hex()];
    expected.sort();
    let mut files: Vec<_> = std::fs::read_dir(root.join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, expected, "nothing is lost and nothing is left");
    assert_eq!(registry.catalogue().totals().0, 2);
    assert_eq!(registry.collect(Mode::Sweep, &stop).await.unwrap().removed.total(), 0);
    // What was swept can be brought again.
    for content in garbage() {
        put(registry, &content).await;
        let found = registry.blob(&"a".parse().unwrap(), digest(&content)).await.unwrap();
        assert_eq!(found.size, u64::try_from(content.len()).unwrap());
    }
}
