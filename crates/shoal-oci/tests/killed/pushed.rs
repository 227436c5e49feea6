//! A push that is killed at one of its steps.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::json;
use shoal_oci::gc::Mode;
use shoal_oci::registry::{ContentRange, Incoming};
use shoal_oci::upload::Step;
use shoal_oci::{Algorithm, Config, Digest, Registry, Repository, UploadId};
use tokio_util::sync::CancellationToken;

const CHILD: &str = "SHOAL_OCI_TEST_PUSH_ROOT";
const POINT: &str = "SHOAL_OCI_TEST_PUSH_POINT";

/// Bytes of a piece of a body.
const PIECE: usize = 65_521;

/// Content of more bytes is sent nearly at once.
const LONG: usize = 1 << 20;

/// How content is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A session that is flushed while it goes on.
    LongSession,
    /// A session whose content goes through the journal.
    ShortSession,
    /// A session that brings what another repository has.
    TwinSession,
    /// A single request.
    LongPost,
    ShortPost,
    ShortManifest,
    LongManifest,
}

use Step::{
    Begun, Checked, Durable, Ended, Flushed, Known, NameDurable, Named, Opened, Twinned, Written,
};
use Way::{
    LongManifest, LongPost, LongSession, ShortManifest, ShortPost, ShortSession, TwinSession,
};

/// Where a push is killed, and the how-manieth time it comes there.
const POINTS: [(Way, Step, u32); 54] = [
    (LongSession, Begun, 1),
    (LongSession, Opened, 1),
    (LongSession, Written, 1),
    (LongSession, Written, 2),
    (LongSession, Written, 3),
    // Up to where a block begins, and then past the page cache in whole slabs.
    (LongSession, Written, 66),
    (LongSession, Written, 68),
    (LongSession, Written, 72),
    (LongSession, Flushed, 1),
    (LongSession, Checked, 1),
    (LongSession, Durable, 1),
    (LongSession, Named, 1),
    (LongSession, NameDurable, 1),
    (LongSession, Known, 1),
    (LongSession, Ended, 1),
    (ShortSession, Begun, 1),
    (ShortSession, Opened, 1),
    (ShortSession, Written, 1),
    (ShortSession, Written, 3),
    (ShortSession, Checked, 1),
    (ShortSession, Named, 1),
    (ShortSession, Known, 1),
    (ShortSession, Ended, 1),
    (TwinSession, Checked, 1),
    (TwinSession, Durable, 1),
    (TwinSession, Twinned, 1),
    (TwinSession, Named, 1),
    (TwinSession, NameDurable, 1),
    (TwinSession, Known, 1),
    (TwinSession, Ended, 1),
    (LongPost, Opened, 1),
    (LongPost, Written, 1),
    (LongPost, Written, 68),
    (LongPost, Written, 72),
    (LongPost, Flushed, 1),
    (LongPost, Checked, 1),
    (LongPost, Durable, 1),
    (LongPost, Named, 1),
    (LongPost, NameDurable, 1),
    (LongPost, Known, 1),
    (LongPost, Ended, 1),
    (ShortPost, Opened, 1),
    (ShortPost, Written, 1),
    (ShortPost, Checked, 1),
    (ShortPost, Named, 1),
    (ShortPost, Known, 1),
    (ShortPost, Ended, 1),
    (ShortManifest, Written, 1),
    (ShortManifest, Named, 1),
    (ShortManifest, Known, 1),
    (LongManifest, Written, 1),
    (LongManifest, Durable, 1),
    (LongManifest, NameDurable, 1),
    (LongManifest, Known, 1),
];

fn repository() -> Repository {
    "a".parse().unwrap()
}

fn digest(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

fn config(root: &Path) -> Config {
    let mut config = Config::new(root);
    config.limits.headroom_bytes = 0;
    config.grace = Duration::ZERO;
    config
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl Way {
    fn is_session(self) -> bool {
        matches!(self, LongSession | ShortSession | TwinSession)
    }

    fn content(self) -> Vec<u8> {
        let length: usize = match self {
            // Long enough to be flushed before the end.
            LongSession | LongPost => 12 << 20,
            TwinSession => 100_000,
            ShortSession | ShortPost => 900,
            ShortManifest => return manifest(1),
            LongManifest => return manifest(50_000),
        };
        let words = (0..1000_usize).map(|n| n.wrapping_mul(2_654_435_761) >> 13);
        let mut content = words.flat_map(usize::to_le_bytes).collect::<Vec<u8>>();
        // Not a divisor of any length that is flushed or read at once.
        content.truncate(length.min(7_919));
        content.repeat(length / content.len())
    }

    /// Pushes, and tells the session's id as soon as it has one.
    async fn push(self, registry: &Registry) {
        let content = self.content();
        match self {
            LongSession | ShortSession | TwinSession => {
                if self == TwinSession {
                    post(registry, &"b".parse().unwrap(), &content).await;
                }
                let started = registry.start_upload(&repository(), Algorithm::Sha256, "test").await;
                let id = started.unwrap();
                say(&format!("id {id}"));
                resume(registry, id, &content).await;
            }
            LongPost | ShortPost => post(registry, &repository(), &content).await,
            ShortManifest | LongManifest => put_manifest(registry, content).await,
        }
    }
}

/// An image with a config and nothing else, of about this size.
fn manifest(size: usize) -> Vec<u8> {
    let config = json!({"mediaType": "a/b", "digest": digest(b"{}").to_string(), "size": 2});
    let notes = json!({"note": "x".repeat(size)});
    json!({"schemaVersion": 2, "config": config, "layers": [], "annotations": notes})
        .to_string()
        .into_bytes()
}

/// Content as it comes from a network: piece by piece, none of which ends where a block does.
struct Pieces(Bytes);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.0.len().min(PIECE);
        let piece = self.0.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
    }
}

async fn post(registry: &Registry, repository: &Repository, content: &[u8]) {
    let body = Pieces(Bytes::copy_from_slice(content));
    let incoming = Incoming { body, length: None, range: None };
    registry.put_blob(repository, digest(content), incoming).await.unwrap();
}

async fn put_manifest(registry: &Registry, content: Vec<u8>) {
    post(registry, &repository(), b"{}").await;
    let media_type = Some("application/vnd.oci.image.manifest.v1+json");
    let tag = "v1".parse().unwrap();
    let pushed = (media_type, content);
    registry.put_manifest(&repository(), &tag, Vec::new(), pushed).await.unwrap();
}

/// Goes on where the session is, in three parts, and ends it. Long content is nearly one part, so that
/// it is written past the page cache.
async fn resume(registry: &Registry, id: UploadId, content: &[u8]) {
    let part = if content.len() > LONG { content.len() - LONG } else { content.len() / 3 };
    let mut at = usize::try_from(registry.upload_offset(&repository(), id).unwrap()).unwrap();
    while at + part < content.len() {
        let range = ContentRange { first: at as u64, last: (at + part - 1) as u64 };
        let body = Pieces(Bytes::copy_from_slice(&content[at..at + part]));
        let incoming = Incoming { body, length: None, range: Some(range) };
        registry.append(&repository(), id, incoming).await.unwrap();
        at += part;
    }
    let body = Pieces(Bytes::copy_from_slice(&content[at..]));
    let incoming = Incoming { body, length: None, range: None };
    registry.finish_upload(&repository(), (id, digest(content)), incoming).await.unwrap();
}

fn say(line: &str) {
    // The harness has begun a line with the name of this test.
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// In the child: pushes, and stands still at the step it is told.
pub(crate) fn push_if_child() -> bool {
    let Some(root) = std::env::var_os(CHILD) else { return false };
    let point: usize = std::env::var(POINT).unwrap().parse().unwrap();
    let (way, wanted, times) = POINTS[point];
    // What comes before the push itself passes the same steps.
    let before = match (way, wanted) {
        (TwinSession, Twinned | Begun) => 0,
        (TwinSession | ShortManifest | LongManifest, _) => 1,
        _ => 0,
    };
    let passed = match (way, wanted) {
        // The config of a manifest is small, and is not flushed.
        (ShortManifest | LongManifest, Durable | NameDurable) => 0,
        _ => before,
    };
    let left = AtomicU32::new(times + passed);
    let watch = move |step| {
        if step == wanted && left.fetch_sub(1, Ordering::AcqRel) == 1 {
            say("here");
            loop {
                std::thread::park();
            }
        }
    };
    let registry = Registry::open_watched(config(&PathBuf::from(root)), watch).unwrap();
    runtime().block_on(way.push(&registry));
    panic!("the push ended before {wanted:?} number {times} of {way:?}");
}

/// Kills a push at each of its steps, and goes on with it afterwards, or gives it up.
pub(crate) fn kill_at_each_step(test: &str) {
    for (point, (way, step, times)) in POINTS.iter().enumerate() {
        let case = format!("{way:?} {step:?} {times}");
        let root = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, root.path())
            .env(POINT, point.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut id, mut reached) = (None, false);
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
            if let Some(told) = line.strip_prefix("id ") {
                id = Some(told.parse().unwrap());
            }
            if line == "here" {
                reached = true;
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(reached, "{case} is never reached");
        // Both endings, on the same remains.
        let other = copy(root.path());
        let registry = Registry::open(config(other.path())).unwrap();
        runtime().block_on(give_up(registry, other.path(), (*way, &case)));
        let registry = Registry::open(config(root.path())).unwrap();
        runtime().block_on(go_on(registry, root.path(), (*way, id, &case)));
    }
}

/// The same files under the same names, hard links and all.
fn copy(root: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-a").arg(root.join(".")).arg(copy.path()).status();
    assert!(status.unwrap().success());
    copy
}

/// The client comes again: it goes on with its session, or pushes anew.
async fn go_on(registry: Registry, root: &Path, (way, id, case): (Way, Option<UploadId>, &str)) {
    let content = way.content();
    let known = is_known(&registry, way, case).await;
    match id.filter(|_| way.is_session()) {
        Some(id) if registry.upload_offset(&repository(), id).is_ok() => {
            assert!(!known, "{case}: a session outlived its end");
            resume(&registry, id, &content).await;
        }
        Some(_) => assert!(known, "{case}: a session that was answered is gone"),
        None => way.push_again(&registry).await,
    }
    assert!(is_known(&registry, way, case).await, "{case}");
    if way.is_session() && id.is_none() {
        // Its row was written, but nobody was told: it goes when it is old enough.
        assert_eq!(registry.uploads().len(), 1, "{case}");
        expire_all(&registry, root).await;
    }
    assert_tidy(&registry, root, case).await;
}

/// The client never comes again.
async fn give_up(registry: Registry, root: &Path, (way, case): (Way, &str)) {
    let known = is_known(&registry, way, case).await;
    expire_all(&registry, root).await;
    registry.collect(Mode::Sweep, &CancellationToken::new()).await.unwrap();
    let files = names(&root.join("blobs/sha256"));
    let rows = registry.catalogue().totals().0;
    assert_eq!(rows, files.len() as u64, "{case}: {files:?}");
    // A blob that no manifest needs is garbage; a manifest and its config are not.
    let manifest = matches!(way, ShortManifest | LongManifest);
    assert_eq!(files.len(), if known && manifest { 2 } else { 0 }, "{case}: {files:?}");
    assert_tidy(&registry, root, case).await;
}

async fn expire_all(registry: &Registry, root: &Path) {
    let mut impatient = config(root);
    impatient.limits.upload_age = Duration::ZERO;
    registry.reconfigure(&impatient);
    registry.expire_uploads().await.unwrap();
}

impl Way {
    async fn push_again(self, registry: &Registry) {
        match self {
            ShortManifest | LongManifest => put_manifest(registry, self.content()).await,
            _ => post(registry, &repository(), &self.content()).await,
        }
    }
}

/// Whether the content is there, and never another one.
async fn is_known(registry: &Registry, way: Way, case: &str) -> bool {
    let content = way.content();
    let found = match way {
        ShortManifest | LongManifest => {
            let by_tag = registry.manifest(&repository(), &"v1".parse().unwrap()).await;
            by_tag.map(|(found, _)| found)
        }
        _ => registry.blob(&repository(), digest(&content)).await,
    };
    let Ok(found) = found else { return false };
    let mut file: &std::fs::File = &found.file;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    assert!(bytes == content, "{case}: wrong content");
    true
}

/// Nothing is left that nobody owns, and nothing is damaged.
async fn assert_tidy(registry: &Registry, root: &Path, case: &str) {
    for room in ["uploads", "trash", "quarantine"] {
        assert_eq!(names(&root.join(room)), [""; 0], "{case}: {room}");
    }
    assert_eq!(registry.uploads(), [], "{case}");
    let checked = registry.check(&CancellationToken::new()).await.unwrap();
    assert_eq!((checked.damaged, checked.healed), (vec![], vec![]), "{case}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
