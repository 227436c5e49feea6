//! What a surface is put on in tests: a planner, one medium, and requests for jobs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use shoal_api::{
    Changed, Installation, JobRequest, Pending, Planned, Planner, Reload, ReloadRefusal, Reloaded,
    Warning,
};
use shoal_core::{MediaPlan, OnFailure, Plan};
use shoal_media::{
    Catalog, Content, Digest, Form, Grant, Key, KeyId, Keyring, Kind, LedgerDown, MediaServer,
    Medium, Milestone, Milestones, ObjectId, OpenError, Opened, ReadSpan, SystemClock,
};
use shoal_recipe::{Code, Problem};

use crate::harness::SERIAL;

/// Resolves like the product does by default; two labels make it refuse or break, and so does what
/// it is told.
#[derive(Clone, Default)]
pub(crate) struct TestPlanner {
    pub(crate) refuse: Arc<AtomicBool>,
}

impl Planner for TestPlanner {
    fn plan(&self, request: &JobRequest) -> Result<Planned, Vec<Problem>> {
        assert!(!request.labels.contains_key("panic"), "a planner that breaks");
        if request.labels.contains_key("refuse") || self.refuse.load(Ordering::SeqCst) {
            let message = "no boot medium offers this target".to_owned();
            let path = "/recipe/task_target".to_owned();
            return Err(vec![Problem { path, code: Code::UnsupportedValue, message }]);
        }
        let recipe = &request.recipe.recipe;
        let mut plan = Plan::for_workflow(recipe.workflow(), recipe.task_target.as_str());
        plan.on_failure = request.on_failure;
        plan.boot_evidence = request.maintenance_iso_url.is_none();
        Ok(Planned {
            plan,
            boot_url: request.maintenance_iso_url.as_ref().map(|url| url.as_str().to_owned()),
            warnings: request.recipe.lints.iter().map(Warning::from).collect(),
        })
    }
}

/// A process that accepts what it is told, and refuses to reload without force.
pub(crate) struct TestInstallation {
    pub(crate) fleet_secret: bool,
}

impl Installation for TestInstallation {
    fn accepts_fleet_secret(&self) -> bool {
        self.fleet_secret
    }

    fn dual_accept(&self) -> Duration {
        Duration::from_hours(1)
    }

    fn keys_changed(&self) -> Pending<'_, Result<(), shoal_store::Error>> {
        Box::pin(async { Ok(()) })
    }

    fn reload(&self, wanted: Reload) -> Pending<'_, Result<Reloaded, ReloadRefusal>> {
        Box::pin(async move {
            if !wanted.force {
                return Err(ReloadRefusal::of("TLS_CERT_FILE", "nobody would trust it"));
            }
            let changed = Changed {
                key: "LOG_LEVEL".to_owned(),
                from: "info".to_owned(),
                to: "debug".to_owned(),
                source: "file /etc/shoal/shoal.toml".to_owned(),
            };
            let changed = vec![changed];
            Ok(Reloaded { changed, warnings: Vec::new(), config_sha256: "ab".repeat(32) })
        })
    }
}

struct OneMedium;

impl Catalog for OneMedium {
    async fn open(&self, object: ObjectId, _: Kind) -> Result<Opened, OpenError> {
        let medium = Medium::new(Content::memory("task".into()), Digest::of(b"task"), vec![]);
        Ok(Opened { medium: medium.unwrap(), already: Milestones::default(), together: object })
    }

    async fn commit_milestone(&self, _: ObjectId, _: Milestone) -> Result<(), LedgerDown> {
        Ok(())
    }

    fn observe(&self, _: ObjectId, _: ReadSpan) {}
}

pub(crate) fn media() -> Arc<MediaServer<impl Catalog>> {
    let key = Key::new(KeyId::new(1).unwrap(), vec![7; 32]).unwrap();
    let keyring = Keyring::new(key, vec![]).unwrap();
    Arc::new(MediaServer::new(Arc::new(OneMedium), keyring, SystemClock::default()))
}

pub(crate) fn media_path() -> String {
    let key = Key::new(KeyId::new(1).unwrap(), vec![7; 32]).unwrap();
    let grant = Grant {
        object: ObjectId([1; 16]),
        kind: Kind::Task,
        form: Form::Iso,
        expires_at: u32::MAX,
    };
    Keyring::new(key, vec![]).unwrap().sign(&grant).as_str().to_owned()
}

pub(crate) fn media_plan() -> MediaPlan {
    let plan = json!({
        "class": "two_cd", "boot_slot": "CD1", "task_slot": "CD2",
        "prefetches": false, "settle_ms": 10_000
    });
    serde_json::from_value(plan).unwrap()
}

/// A request for a Linux install.
pub(crate) fn linux() -> Value {
    json!({
        "server_serial": SERIAL,
        "recipe": {
            "task_target": "install-linux.target",
            "target_disk": "/dev/nvme0n1",
            "oci_url": "registry.example/os-images/debian:13",
            "partition_layout": [
                {"size": "512M", "type_guid": "ef00", "format": "vfat"},
                {"size": "100%", "type_guid": "8304", "format": "ext4", "label": "root"}
            ],
            "user_data": "#cloud-config\npassword: canary-of-user-data\n"
        }
    })
}

/// A request whose workflow is a firmware update.
pub(crate) fn firmware() -> Value {
    json!({
        "server_serial": SERIAL,
        "recipe": {
            "task_target": "supermicro-update.target",
            "firmware_url": "https://files.example/bios.bin",
            "firmware_sha256": "ab".repeat(32)
        },
        "on_failure": OnFailure::Leave
    })
}

/// A request whose installer reports nothing.
pub(crate) fn esxi() -> Value {
    json!({
        "server_serial": SERIAL,
        "recipe": {"task_target": "install-esxi.target", "ks_cfg": "vmaccepteula\nreboot\n"}
    })
}
