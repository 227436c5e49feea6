//! Disks that are really full or really read-only: each test runs itself again in a mount namespace
//! of its own, on a small file system in memory. A program of its own, since between fork and exec a
//! child shares the locks of registries that other tests have open.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what surrounds a test fails it like the test itself"
)]

#[path = "../surface/stage.rs"]
#[expect(dead_code, reason = "the tests of the surface need more of it")]
mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use shoal_oci::gc::Mode;
use shoal_oci::{Config, Registry};

use stage::{MIB, Stage, image, noise, sha256};

/// Says to a test that it is the one inside, and where its disks are.
const DISKS: &str = "SHOAL_OCI_TEST_DISKS";

/// Mounts what the tests need: a small disk, and one for a database that is to stay writable.
const MOUNT: &str = "mkdir \"$1/data\" \"$1/other\" && \
    mount -t tmpfs -o size=48m tmpfs \"$1/data\" && \
    mount -t tmpfs -o size=16m tmpfs \"$1/other\" && exec \"$2\" --exact \"$3\" --nocapture";

/// Runs the test `name` again with disks of its own. There it is told where they are; here it is told
/// nothing, after the one inside has passed.
fn disks(name: &str) -> Option<PathBuf> {
    if let Some(disks) = std::env::var_os(DISKS) {
        return Some(disks.into());
    }
    let disks = tempfile::tempdir().unwrap();
    let root = rustix::process::geteuid().is_root();
    let flags: &[&str] = if root { &["--mount"] } else { &["--mount", "--map-root-user"] };
    let status = Command::new("unshare")
        .args(flags)
        .args(["sh", "-c", MOUNT, "sh"])
        .arg(disks.path())
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(DISKS, disks.path())
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed, or this machine lets nobody mount: {status}");
    None
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(test);
}

/// A registry on the small disk.
async fn on_disk(disks: &Path) -> Stage {
    let root = tempfile::tempdir_in(disks.join("data")).unwrap();
    Stage::again(root, |_| {}).await
}

/// Leaves `left` bytes of the small disk free, until it is removed.
struct Ballast(PathBuf);

impl Ballast {
    fn leave(disks: &Path, left: u64) -> Self {
        let data = disks.join("data");
        let path = data.join("ballast");
        let found = rustix::fs::statvfs(&data).unwrap();
        let free = found.f_bavail * found.f_frsize;
        fs::write(&path, vec![1; usize::try_from(free.saturating_sub(left)).unwrap()]).unwrap();
        Self(path)
    }

    fn remove(self) {
        fs::remove_file(self.0).unwrap();
    }
}

fn assert_full(answer: &stage::Answer, case: &str) {
    assert_eq!((answer.status, &*answer.code()), (507, "STORAGE_FULL"), "{case}");
}

fn names(directory: PathBuf) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// No file is left that no row knows, and every row has its file.
async fn assert_tidy(stage: &Stage) {
    let mut config = Config::new(stage.root.path());
    config.grace = Duration::ZERO;
    stage.registry.reconfigure(&config);
    stage.collect(Mode::Sweep).await;
    let rows = stage.registry.catalogue().totals().0;
    assert_eq!(stage.files().len() as u64, rows);
    for room in ["uploads", "trash"] {
        assert_eq!(names(stage.root.path().join(room)), [""; 0], "{room}");
    }
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_body_keeps_what_arrived() {
    let name = "a_disk_that_fills_in_the_middle_of_a_body_keeps_what_arrived";
    let Some(disks) = disks(name) else { return };
    run(async {
        let stage = on_disk(&disks).await;
        let manifest = stage.image("a", "v1").await;
        let ballast = Ballast::leave(&disks, 10 << 20);
        let content = noise(30 * MIB);
        let location = stage.start("a").await;
        let mut client = stage.client().await;
        // A length would have told that it does not fit.
        client.head("PATCH", &location, &[("Transfer-Encoding", "chunked")]).await;
        for part in content.chunks(MIB) {
            client.chunk(part).await;
        }
        client.chunk(b"").await;
        assert_full(&client.answer("PATCH").await, "in the middle");
        let state = stage.ask("GET", &location, b"").await;
        let received = stage.registry.uploads()[0].received;
        assert_eq!((state.status, state.header("range")), (204, &*format!("0-{}", received - 1)));
        assert!((8 << 20..=10 << 20).contains(&received), "{received}");
        assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
        assert_full(&stage.ask("PATCH", &location, b"more").await, "still");

        ballast.remove();
        let received = usize::try_from(received).unwrap();
        let range = format!("{received}-{}", content.len() - 1);
        let headers = [("Content-Range", &*range)];
        let rest = stage.ask_with("PATCH", &location, &headers, &content[received..]).await;
        assert_eq!(rest.status, 202);
        let digest = sha256(&content);
        let put = stage.ask("PUT", &format!("{location}?digest={digest}"), b"").await;
        assert_eq!(put.status, 201);
        assert!(stage.ask("GET", &format!("/v2/a/blobs/{digest}"), b"").await.body == content);
        assert_tidy(&stage).await;
    });
}

#[test]
fn a_disk_that_is_full_at_the_end_of_an_upload_costs_a_retry() {
    let name = "a_disk_that_is_full_at_the_end_of_an_upload_costs_a_retry";
    let Some(disks) = disks(name) else { return };
    run(async {
        let stage = on_disk(&disks).await;
        let config = stage.blob("a", b"{}").await;
        let manifest = image(&config, &[]).to_string();
        let (large, small) = (noise(5 * MIB), noise(2_000));
        let mut sessions = Vec::new();
        for content in [&large, &small] {
            let location = stage.start("a").await;
            assert_eq!(stage.ask("PATCH", &location, content).await.status, 202);
            sessions.push(format!("{location}?digest={}", sha256(content)));
        }
        let ballast = Ballast::leave(&disks, 0);
        for put in &sessions {
            assert_full(&stage.ask("PUT", put, b"").await, put);
        }
        let other = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"other"));
        assert_full(&stage.ask("POST", &other, b"other").await, "at once");
        assert_full(&stage.ask("POST", "/v2/a/blobs/uploads/", b"").await, "a session");
        assert_full(&stage.manifest("a", "v1", &manifest).await, "a manifest");
        assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.status, 404);

        ballast.remove();
        for (put, content) in sessions.iter().zip([&large, &small]) {
            let stored = stage.ask("PUT", put, b"").await;
            assert_eq!(stored.status, 201, "{}", stored.text());
            assert!(stage.ask("GET", stored.header("location"), b"").await.body == *content);
        }
        assert_eq!(stage.ask("POST", &other, b"other").await.status, 201);
        assert_eq!(stage.manifest("a", "v1", &manifest).await.status, 201);
        assert_tidy(&stage).await;
        assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
    });
}

#[test]
fn what_does_not_fit_is_refused_before_its_first_byte() {
    let name = "what_does_not_fit_is_refused_before_its_first_byte";
    let Some(disks) = disks(name) else { return };
    run(async {
        let stage = on_disk(&disks).await;
        let mut config = Config::new(stage.root.path());
        config.limits.headroom_bytes = 4 << 20;
        config.grace = Duration::ZERO;
        stage.registry.reconfigure(&config);
        let garbage = stage.blob("a", &noise(20 * MIB)).await;
        let digest = sha256(b"whatever");
        let location = stage.start("a").await;
        let length = (30 * MIB).to_string();
        let headers = [("Content-Length", &*length), ("Expect", "100-continue")];
        for (method, path) in [
            ("PATCH", location.clone()),
            ("PUT", format!("{location}?digest={digest}")),
            ("POST", format!("/v2/a/blobs/uploads/?digest={digest}")),
        ] {
            let mut client = stage.client().await;
            client.head(method, &path, &headers).await;
            // No byte of the body is ever sent.
            assert_full(&client.answer(method).await, method);
        }
        assert_eq!(stage.registry.uploads()[0].received, 0);
        // What is left free is what the collection works with.
        let ballast = Ballast::leave(&disks, 2 << 20);
        assert_full(&stage.ask("POST", "/v2/a/blobs/uploads/", b"").await, "a session");
        assert_eq!(stage.ask("DELETE", &location, b"").await.status, 204);
        let collected = stage.collect(Mode::Sweep).await;
        assert_eq!((collected.removed.blobs, collected.bytes), (1, 20 << 20));
        assert_eq!(stage.ask("HEAD", &format!("/v2/a/blobs/{garbage}"), b"").await.status, 404);
        assert_eq!(stage.ask("POST", "/v2/a/blobs/uploads/", b"").await.status, 202);
        ballast.remove();
    });
}

#[test]
fn an_upload_can_be_given_up_on_a_disk_without_a_free_byte() {
    let name = "an_upload_can_be_given_up_on_a_disk_without_a_free_byte";
    let Some(disks) = disks(name) else { return };
    run(async {
        let stage = on_disk(&disks).await;
        let locations = [stage.start("a").await, stage.start("a").await];
        for location in &locations {
            assert_eq!(stage.ask("PATCH", location, &noise(5 * MIB)).await.status, 202);
        }
        let _ballast = Ballast::leave(&disks, 0);
        assert_eq!(stage.ask("DELETE", &locations[0], b"").await.status, 204);
        let mut config = Config::new(stage.root.path());
        config.limits.upload_age = Duration::ZERO;
        stage.registry.reconfigure(&config);
        assert_eq!(stage.registry.expire_uploads().await.unwrap(), 1);
        assert_eq!(names(stage.root.path().join("uploads")), [""; 0]);
    });
}

fn remount(disks: &Path, option: &str) {
    let mut mount = Command::new("mount");
    mount.arg("-o").arg(format!("remount,{option}")).arg(disks.join("data"));
    assert!(mount.status().unwrap().success(), "remount {option}");
}

#[test]
fn a_disk_that_turns_read_only_is_read_and_says_so_to_who_writes() {
    let name = "a_disk_that_turns_read_only_is_read_and_says_so_to_who_writes";
    let Some(disks) = disks(name) else { return };
    run(async {
        // A file that is open for writing keeps its disk writable, and a database always is.
        let root = tempfile::tempdir_in(disks.join("data")).unwrap();
        for name in ["registry.db", "registry.db.lock"] {
            let other = disks.join("other").join(name);
            fs::write(&other, b"").unwrap();
            std::os::unix::fs::symlink(other, root.path().join(name)).unwrap();
        }
        let stage = Stage::again(root, |_| {}).await;
        let manifest = stage.image("a", "v1").await;
        let config = stage.blob("a", b"{}").await;
        let location = stage.start("a").await;
        remount(&disks, "ro");
        let other = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"other"));
        let put = format!("{location}?digest={}", sha256(b"late"));
        for (method, path) in [("PATCH", &location), ("PUT", &put), ("POST", &other)] {
            let refused = stage.ask(method, path, b"late").await;
            assert_eq!((refused.status, &*refused.code()), (503, "STORAGE_READ_ONLY"), "{method}");
            assert_eq!(refused.header("retry-after"), "1");
            assert!(!refused.text().contains("data"), "{}", refused.text());
        }
        let refused = stage.manifest("a", "v2", &image(&config, &[]).to_string()).await;
        assert_eq!((refused.status, &*refused.code()), (503, "STORAGE_READ_ONLY"));
        assert_eq!(stage.ask("GET", "/v2/a/manifests/v1", b"").await.text(), manifest);
        let layer = format!("/v2/a/blobs/{}", sha256(b"layer of v1"));
        assert_eq!(stage.ask("GET", &layer, b"").await.text(), "layer of v1");
        stage.registry.chores().await;
        remount(&disks, "rw");
        assert_eq!(stage.ask("PUT", &put, b"late").await.status, 201);
        assert_eq!(stage.ask("POST", &other, b"other").await.status, 201);
        assert_tidy(&stage).await;
    });
}

#[test]
fn a_disk_that_is_read_only_from_the_start_is_an_error_that_names_it() {
    let name = "a_disk_that_is_read_only_from_the_start_is_an_error_that_names_it";
    let Some(disks) = disks(name) else { return };
    let root = disks.join("data/registry");
    drop(Registry::open(Config::new(&root)).unwrap());
    remount(&disks, "ro");
    let error = Registry::open(Config::new(&root)).unwrap_err();
    let text = format!("{error}: {:?}", std::error::Error::source(&error));
    assert!(text.contains("data/registry"), "{text}");
    remount(&disks, "rw");
    drop(Registry::open(Config::new(&root)).unwrap());
}
