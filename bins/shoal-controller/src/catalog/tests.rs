//! What BMCs are served, from a stored job to the last byte: with a real store, real media, and
//! the media server in front.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use shoal_core::{
    Command, JobId, MediaClass, MediaPlan, NewJob, Next, Plan, Power, Seen, Sight, Time, Verdict,
    Workflow,
};
use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};
use shoal_media::{Body, Form, Grant, MediaServer, SystemClock, find_file};
use shoal_store::{Created, Frozen, Lease, NewRecord, Server, TlsPolicy};

use super::*;
use crate::{
    addresses::Addresses,
    effects::Making,
    keys::{MediaKeys, ring},
    settings::{InForce, Settings, Sources},
    tls::Tls,
};

const NOW: Time = Time::from_millis(1_700_000_000_000);
const RESERVED: (u32, u32) = (4 << 20, 16 << 20);
const LOADER: (u32, u32) = (2 << 20, 64 << 10);
const ESXI: &[u8] = include_bytes!("../../../../schemas/examples/esxi.json");
const LINUX: &[u8] = include_bytes!("../../../../schemas/examples/linux.json");

/// A controller without its sockets, with one job whose machine waits for its boot.
struct Stage {
    shelf: Arc<Shelf>,
    server: MediaServer<Shelf>,
    store: Store,
    boot: BootMedia,
    job: JobId,
    directory: tempfile::TempDir,
}

/// A configuration whose boot medium lies in this directory.
fn settings(directory: &Path) -> Settings {
    let set = vec![
        format!("STORAGE_ROOT={}", directory.display()),
        format!("STATIC_DIR={}", directory.display()),
        "MAINTENANCE_ISO_URL=m.iso".to_owned(),
        "CONTROLLER_HTTP_ADDR=192.0.2.7:8443".to_owned(),
    ];
    Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings
}

/// A boot medium with a manifest, room for a task medium, and a mark in its loader.
fn maintenance(path: &Path, mark: u8) {
    let manifest = serde_json::json!({
        "version": "1", "targets": ["install-linux.target"],
        "reserved": {"offset": RESERVED.0, "length": RESERVED.1},
        "milestones": [
            {"milestone": "boot_image_read", "offset": LOADER.0, "length": LOADER.1},
        ],
    });
    let label = VolumeId::new("MAINT").unwrap();
    let image = Image::builder(label, SourceDateEpoch::new(0).unwrap())
        .data_gap(1 << 20)
        .max_bytes(64 << 20)
        .file(FileName::new("shoal.json").unwrap(), manifest.to_string())
        .file_not_before(
            LOADER.0,
            FileName::new("loader").unwrap(),
            vec![mark; usize::try_from(LOADER.1).unwrap()],
        )
        .file_not_before(
            RESERVED.0,
            FileName::new("room").unwrap(),
            shoal_iso::Content::Zeros(RESERVED.1),
        )
        .build()
        .unwrap();
    fs::write(path, image.bytes()).unwrap();
}

async fn boot_media(directory: &Path) -> BootMedia {
    BootMedia::open(&settings(directory).media, directory).await.unwrap()
}

fn media_plan(class: MediaClass) -> MediaPlan {
    MediaPlan {
        class,
        boot_slot: "CD1".to_owned(),
        task_slot: (class != MediaClass::SingleCombined).then(|| "CD2".to_owned()),
        spare_slots: Vec::new(),
        prefetches: false,
        settle: Duration::from_secs(5),
        notes: Vec::new(),
        carried_by: "{}".to_owned(),
    }
}

impl Stage {
    async fn new(workflow: Workflow, class: MediaClass) -> Self {
        let directory = tempfile::tempdir().unwrap();
        maintenance(&directory.path().join("m.iso"), b'1');
        let boot = boot_media(directory.path()).await;
        let store = Store::scratch().unwrap();
        let job = admitted(&store, workflow).await;
        let frozen = frozen(job, boot.digest(workflow), class, &store).await;
        store.freeze(job, 1, frozen).await.unwrap();
        let lease = store.adopt("c", NOW).await.unwrap().lease;
        store.claim(&lease, &shoal_store::Limits::default(), NOW).await.unwrap().unwrap();
        let (shelf, server) = serving(&store, &boot, directory.path()).await;
        let stage = Self { shelf, server, store, boot, job, directory };
        stage.drive(&lease, class).await;
        stage
    }

    /// Answers the job's commands until its machine is on.
    async fn drive(&self, lease: &Lease, class: MediaClass) {
        for _ in 0..32 {
            let record = self.store.job(self.job).await.unwrap().unwrap();
            let seq = record.job.seq();
            let Next::Do(command) = record.job.next(NOW) else { return };
            let seen = match command {
                Command::ReadBmc => Seen::Bmc { media: media_plan(class) },
                Command::BuildMedium => {
                    let built = self.shelf.mediums.find(&record, 1).await.unwrap();
                    Seen::Medium { bytes: built.bytes, sha256: built.sha256 }
                }
                Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
                _ => Seen::Nothing,
            };
            if command.is_fenced() {
                let intended = Event::Intended { seq };
                self.store.record(self.job, intended, NOW, Some(lease.clone())).await.unwrap();
            }
            let verdict = Verdict::Done { seen };
            let answered = Event::Answered { seq, command, verdict };
            self.store.record(self.job, answered, NOW, Some(lease.clone())).await.unwrap();
        }
        panic!("the job never came to wait");
    }

    fn path(&self, kind: MediaKind, form: Form) -> String {
        let kind = match kind {
            MediaKind::Boot => Kind::Boot,
            MediaKind::Task => Kind::Task,
        };
        let object = object_of(self.job, kind);
        let grant = Grant { object, kind, form, expires_at: u32::MAX };
        self.server.keyring().sign(&grant).as_str().to_owned()
    }

    async fn get(&self, path: &str, range: Option<(u64, u64)>) -> Response<Body> {
        let mut request = Request::get(path);
        if let Some((offset, len)) = range {
            request = request.header("range", format!("bytes={offset}-{}", offset + len - 1));
        }
        self.server.respond(&request.body(()).unwrap().into_parts().0).await
    }

    async fn bytes(&self, path: &str, range: Option<(u64, u64)>) -> Bytes {
        self.get(path, range).await.into_body().collect().await.unwrap().to_bytes()
    }

    async fn milestones(&self) -> Vec<&'static str> {
        let record = self.store.job(self.job).await.unwrap().unwrap();
        record.job.evidence().milestones.keys().map(|seen| seen.as_str()).collect()
    }

    async fn task_medium(&self) -> PathBuf {
        let record = self.store.job(self.job).await.unwrap().unwrap();
        self.shelf.mediums.find(&record, 1).await.unwrap().path
    }
}

fn object_of(job: JobId, kind: Kind) -> ObjectId {
    match kind {
        Kind::Boot => boot_object(job, 1),
        Kind::Task => ObjectId([9; 16]),
    }
}

async fn serving(
    store: &Store,
    boot: &BootMedia,
    directory: &Path,
) -> (Arc<Shelf>, MediaServer<Shelf>) {
    let clock = shoal_engine::system_clock();
    let making = Making {
        directory: directory.join("tasks"),
        addresses: Addresses {
            public: None,
            media_https: None,
            media_http: None,
            api: ([127, 0, 0, 1], 1).into(),
            plain: None,
        },
        keys: MediaKeys::load(store, &clock).await.unwrap(),
        tls: Arc::new(Tls::open(&settings(directory), SystemTime::now()).unwrap()),
        boot: boot.clone(),
        in_force: InForce::new(settings(directory)),
    };
    let mediums = Arc::new(Mediums::new(store.clone(), making, clock.clone()));
    let shelf = Arc::new(Shelf::new(store.clone(), mediums, boot.clone(), clock.clone()));
    let keyring = ring(store, &clock).await.unwrap();
    let server = MediaServer::new(shelf.clone(), keyring, SystemClock::default());
    (shelf, server)
}

async fn admitted(store: &Store, workflow: Workflow) -> JobId {
    let id = JobId::from_u128(0x0190_a5d2_7e1c_7cc3_8000_0000_0000_0001);
    let server = Server::new(
        "S".parse().unwrap(),
        "https://192.0.2.1",
        TlsPolicy::Ca { pem: String::new() },
    );
    store.put_server(server, None, "ada", NOW).await.unwrap();
    let (target, recipe) = match workflow {
        Workflow::Esxi => ("install-esxi.target", ESXI),
        _ => ("install-linux.target", LINUX),
    };
    let job = NewJob {
        id,
        serial: "S".parse().unwrap(),
        plan: Plan::for_workflow(workflow, target),
        created_at: NOW,
        hands_off_until: None,
    };
    let created = store.create(NewRecord::new(job, recipe.to_vec(), "ada")).await.unwrap();
    assert!(matches!(created, Created::New(_)));
    id
}

async fn frozen(
    job: JobId,
    boot_medium: Option<String>,
    class: MediaClass,
    store: &Store,
) -> Frozen {
    let mut objects = vec![(MediaKind::Boot, object_of(job, Kind::Boot).0)];
    if class != MediaClass::SingleCombined {
        objects.push((MediaKind::Task, object_of(job, Kind::Task).0));
    }
    let keys = store.keys(shoal_store::KeyPurpose::WebhookToken).await.unwrap();
    Frozen {
        boot_url: "https://c.example/media/b/x/boot.iso".to_owned(),
        task_url: None,
        webhook_url: "https://c.example/hook".to_owned(),
        registry_url: None,
        ca_pem: String::new(),
        traceparent: None,
        media_key: 1,
        token_key: keys.current.id,
        registry_key: None,
        registry_login: None,
        expires_at: NOW,
        report_until: NOW,
        objects,
        identities: Vec::new(),
        boot_medium,
    }
}

#[tokio::test]
async fn one_slot_gets_the_boot_medium_with_the_task_medium_in_its_reserved_place() {
    let stage = Stage::new(Workflow::Linux, MediaClass::SingleCombined).await;
    let path = stage.path(MediaKind::Boot, Form::Iso);
    let boot = fs::read(stage.directory.path().join("m.iso")).unwrap();
    let task = fs::read(stage.task_medium().await).unwrap();

    let response = stage.get(&path, None).await;
    assert_eq!(response.headers()["content-length"], boot.len().to_string());
    let etag = response.headers()["etag"].clone();
    let plain = stage.boot.own(Workflow::Linux).unwrap();
    assert_ne!(&etag, plain.etag(), "the tag is of both media");
    let served = response.into_body().collect().await.unwrap().to_bytes();
    let at = usize::try_from(RESERVED.0).unwrap();
    let mut expected = boot;
    expected[at..at + task.len()].copy_from_slice(&task);
    assert!(served == expected, "other bytes than boot medium and task medium");
    assert!(task.len() > 1 << 20);

    // Another controller of the same installation, or this one after a restart: the same bytes.
    let (_, restarted) = serving(&stage.store, &stage.boot, stage.directory.path()).await;
    let request = Request::head(&path).body(()).unwrap().into_parts().0;
    assert_eq!(restarted.respond(&request).await.headers()["etag"], etag);
}

#[tokio::test]
async fn milestones_of_both_media_hold_where_one_carries_the_other() {
    let stage = Stage::new(Workflow::Linux, MediaClass::SingleCombined).await;
    let path = stage.path(MediaKind::Boot, Form::Iso);
    let task = Content::file(File::open(stage.task_medium().await).unwrap()).unwrap();
    let recipe = find_file(&task, "recipe.json").unwrap().unwrap();

    stage.bytes(&path, Some((32_768, 2048))).await;
    assert_eq!(stage.milestones().await, ["opened"]);
    stage.bytes(&path, Some((LOADER.0.into(), 512))).await;
    assert_eq!(stage.milestones().await, ["opened", "boot_image_read"]);
    // The task medium's own descriptors, as a reader that looks for its label reads them.
    stage.bytes(&path, Some((u64::from(RESERVED.0) + 32_768, 2048))).await;
    assert_eq!(stage.milestones().await, ["opened", "boot_image_read"]);
    let read = stage.bytes(&path, Some((u64::from(RESERVED.0) + recipe.offset(), 64))).await;
    assert!(read.starts_with(b"{"));
    assert_eq!(stage.milestones().await, ["opened", "boot_image_read", "task_read"]);
}

#[tokio::test]
async fn a_task_medium_written_into_while_it_is_served_is_served_as_it_was_built() {
    for (class, kind) in
        [(MediaClass::TwoCd, MediaKind::Task), (MediaClass::SingleCombined, MediaKind::Boot)]
    {
        let stage = Stage::new(Workflow::Linux, class).await;
        let path = stage.path(kind, Form::Iso);
        let served = stage.bytes(&path, None).await;
        let file = stage.task_medium().await;
        let built = fs::read(&file).unwrap();

        let mut damaged = built.clone();
        damaged[32_768..36_864].fill(0xA5);
        fs::write(&file, &damaged).unwrap();
        assert!(stage.bytes(&path, None).await == served, "{class:?}: other bytes were served");
        assert!(fs::read(&file).unwrap() == built, "{class:?}: it was not built again");
    }
}

#[tokio::test]
async fn an_attempt_is_never_served_another_boot_medium_than_it_began_with() {
    let stage = Stage::new(Workflow::Linux, MediaClass::TwoCd).await;
    let path = stage.path(MediaKind::Boot, Form::Iso);
    assert_eq!(stage.bytes(&path, Some((LOADER.0.into(), 2))).await, &b"11"[..]);

    maintenance(&stage.directory.path().join("m.iso"), b'2');
    let replaced = boot_media(stage.directory.path()).await;
    let (_, server) = serving(&stage.store, &replaced, stage.directory.path()).await;
    let request = Request::get(&path).body(()).unwrap().into_parts().0;
    assert_eq!(server.respond(&request).await.status(), StatusCode::SERVICE_UNAVAILABLE);

    maintenance(&stage.directory.path().join("m.iso"), b'1');
    let back = boot_media(stage.directory.path()).await;
    let (_, server) = serving(&stage.store, &back, stage.directory.path()).await;
    assert_eq!(server.respond(&request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn esxi_finds_its_kickstart_file_on_a_disc_and_on_a_stick() {
    let recipe: serde_json::Value = serde_json::from_slice(ESXI).unwrap();
    let kickstart = recipe["ks_cfg"].as_str().unwrap().as_bytes();
    for (class, form) in [(MediaClass::TwoCd, Form::Iso), (MediaClass::CdPlusUsb, Form::Img)] {
        let stage = Stage::new(Workflow::Esxi, class).await;
        let path = stage.path(MediaKind::Task, form);
        let image = Content::memory(stage.bytes(&path, Some((0, 6 << 20))).await);
        let place = match form {
            Form::Iso => find_file(&image, "KS.CFG").unwrap(),
            Form::Img => shoal_media::find_fat_file(&image, "KS.CFG"),
        };
        let place = place.unwrap();
        let fresh = Stage::new(Workflow::Esxi, class).await;
        let path = fresh.path(MediaKind::Task, form);
        fresh.bytes(&path, Some((0, 2 << 20))).await;
        assert_eq!(fresh.milestones().await, [""; 0], "{class:?}: directories alone");
        let read = fresh.bytes(&path, Some((place.offset(), place.len()))).await;
        assert_eq!(read, kickstart);
        assert_eq!(fresh.milestones().await, ["task_read"], "{class:?}");
    }
}

#[tokio::test]
async fn what_was_read_is_told_after_the_next_write() {
    let stage = Stage::new(Workflow::Linux, MediaClass::TwoCd).await;
    let path = stage.path(MediaKind::Boot, Form::Iso);
    stage.bytes(&path, Some((0, 4096))).await;
    stage.bytes(&path, Some((4096, 4096))).await;
    stage.bytes(&path, Some((LOADER.0.into(), 10))).await;
    assert_eq!(stage.store.reads(stage.job, 1).await.unwrap(), []);

    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    stage.shelf.reads().follow(stage.store.clone(), stop).await;
    let reads = stage.store.reads(stage.job, 1).await.unwrap();
    let [(MediaKind::Boot, boot)] = &reads[..] else { panic!("{reads:?}") };
    assert_eq!(boot.ranges().collect::<Vec<_>>(), [(0, 8192), (LOADER.0.into(), 10)]);
    assert_eq!(boot.bytes(), 8202);
}
