//! What the tests share: stand-ins for dispatcher and reporter, a machine with everything around
//! it, and a client that speaks plain Redfish.

mod discs;
mod images;

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use shoal_redfish_mock::{
    Clock, Config, Event, HostConfig, HostScript, Mock, Moment, Persona,
    persona::{IfMatch, SlotFacts, Under},
};

pub(crate) use discs::{
    BOOT_IMAGE_BYTES, KERNEL_BYTES, MODULES_BYTES, RESERVED_BYTES, boot_medium, combined_medium,
    esxi_installer, esxi_stick, esxi_task, find, foreign_boot_medium, linux_task, task_medium,
};
pub(crate) use images::{ImageServer, Manner, certificate};

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const SERIAL: &str = "SN0001";

/// Stands in for the dispatcher: checks the machine, copies the files, starts the target.
const DISPATCHER: &str = r#"#!/bin/sh
set -eu
[ "$1" = run ]
shift
while [ $# -gt 0 ]; do
    case "$1" in
        --root) root=$2 ;;
        --medium) medium=$2 ;;
        --systemctl) systemctl=$2 ;;
        *) exit 64 ;;
    esac
    shift 2
done
mkdir -p "$root/run/provision"
grep -q "$(cat "$root/sys/class/dmi/id/product_serial")" "$medium/job.json" || exit 18
target=$(sed 's/.*"task_target":"\([^"]*\)".*/\1/' "$medium/recipe.json")
if [ ! -e "$root/etc/systemd/system/$target" ]; then
    echo '{"failed_step":"workflow.dispatcher"}' > "$root/run/provision/failure.json"
    exit 16
fi
cp "$medium/recipe.schema.json" "$medium/job.json" "$root/run/provision/"
"$systemctl" start --no-block "$target"
"#;

/// Stands in for the reporter: writes down what it was told.
const REPORTER: &str = r#"#!/bin/sh
set -eu
[ "$1" = report ] && [ "$2" = --root ]
root=$3
shift 3
echo "$*" >> "$root/../../reports"
"#;

pub(crate) fn program(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// A machine with everything around it.
pub(crate) struct Rig {
    pub(crate) mock: Mock,
    pub(crate) images: ImageServer,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) http: reqwest::Client,
    persona: Box<Persona>,
}

/// What a test wants to be special about a rig.
pub(crate) struct Wish {
    pub(crate) persona: Box<Persona>,
    pub(crate) clock: Clock,
    pub(crate) script: HostScript,
    pub(crate) dispatcher: &'static str,
    pub(crate) media_ca: Option<String>,
    pub(crate) installed: bool,
    pub(crate) listen: Ipv4Addr,
}

impl Wish {
    pub(crate) fn of(persona: &str) -> Self {
        Self {
            persona: Box::new(Persona::built_in(persona).unwrap()),
            clock: Clock::scaled(1000),
            script: HostScript::default(),
            dispatcher: DISPATCHER,
            media_ca: None,
            installed: false,
            listen: Ipv4Addr::LOCALHOST,
        }
    }

    pub(crate) async fn rig(self) -> Rig {
        let plain = self.persona.media.schemes.iter().any(|scheme| scheme == "http");
        let images = ImageServer::start((!plain).then(|| certificate().1)).await;
        self.rig_with(images).await
    }

    pub(crate) async fn rig_with(self, images: ImageServer) -> Rig {
        // Another test of this process may have been first; any provider of ours is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let mut host = HostConfig::new(dir.path().join("scratch"));
        host.dispatcher = Some(program(&dir.path().join("dispatcher"), self.dispatcher));
        host.reporter = Some(program(&dir.path().join("reporter"), REPORTER));
        host.script = self.script;
        host.installed = self.installed;
        let mut config = Config::new(*self.persona.clone(), SERIAL, host);
        config.clock = self.clock;
        config.listen = (self.listen, 0).into();
        config.media_ca = self.media_ca;
        let http = client();
        let mock = Mock::start(config).await.unwrap();
        Rig { mock, images, dir, http, persona: self.persona }
    }
}

/// Status and body of an answer.
pub(crate) type Answer = (u16, Value);

impl Rig {
    pub(crate) async fn of(persona: &str) -> Self {
        Wish::of(persona).rig().await
    }

    pub(crate) fn system(&self) -> String {
        format!("/redfish/v1/Systems/{}", self.persona.system.id)
    }

    pub(crate) fn reset_path(&self) -> String {
        format!("{}/Actions/ComputerSystem.Reset", self.system())
    }

    /// Path of a slot in the first collection that lists it.
    pub(crate) fn slot(&self, id: &str) -> String {
        let facts = self.persona.slots.iter().find(|slot| slot.id == id).unwrap();
        let owner = match facts.under[0] {
            Under::System => self.system(),
            Under::Manager => format!("/redfish/v1/Managers/{}", self.persona.manager.id),
        };
        format!("{owner}/VirtualMedia/{id}")
    }

    /// The slots for boot and task medium; one and the same where only one medium fits.
    pub(crate) fn slots(&self) -> (&str, &str) {
        let pinned = &self.persona.boot.slots;
        let boots = |slot: &&SlotFacts| {
            slot.is_optical() && (pinned.is_empty() || pinned.contains(&slot.id))
        };
        let usable = || self.persona.slots.iter().filter(|slot| slot.insertable);
        let boot = usable().find(boots).unwrap();
        let device = |slot: &SlotFacts| slot.same_device_as.clone().unwrap_or(slot.id.clone());
        let other = usable().find(|slot| device(slot) != device(boot));
        let other = other.filter(|_| self.persona.media.max_at_once > 1);
        (&boot.id, &other.unwrap_or(boot).id)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, format!("{}{path}", self.mock.url()))
            .basic_auth("admin", Some("password"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request("GET", path)).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        answer(self.request(method, path).json(body)).await
    }

    pub(crate) async fn reset(&self, kind: &str) -> Answer {
        self.send("POST", &self.reset_path(), &json!({"ResetType": kind})).await
    }

    /// Powers on a host that may have been switched off too short a time ago.
    pub(crate) async fn power_on_when_it_may(&self) {
        let mut tries = 0;
        while self.reset("On").await.0 >= 300 {
            tries += 1;
            assert!(tries < 10_000, "the machine cannot be switched on");
        }
    }

    /// Inserts in the way the persona takes it.
    pub(crate) async fn insert(&self, slot: &str, url: &str) -> Answer {
        let media = &self.persona.media;
        let protocol = url.split("://").next().unwrap().to_uppercase();
        let known = [
            ("Image", json!(url)),
            ("Inserted", json!(true)),
            ("WriteProtected", json!(true)),
            ("TransferProtocolType", json!(protocol)),
        ];
        let wanted = |name: &str| {
            name != "TransferProtocolType" || media.requires.contains(&name.to_owned())
        };
        let body: serde_json::Map<String, Value> = known
            .into_iter()
            .filter(|(name, _)| media.accepts.contains(&(*name).to_owned()) && wanted(name))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        self.change_slot(slot, "InsertMedia", body.into()).await
    }

    pub(crate) async fn eject(&self, slot: &str) -> Answer {
        let body = if self.persona.media.actions { json!({}) } else { json!({"Image": null}) };
        self.change_slot(slot, "EjectMedia", body).await
    }

    async fn change_slot(&self, slot: &str, action: &str, body: Value) -> Answer {
        let path = self.slot(slot);
        if self.persona.media.actions {
            let action = format!("{path}/Actions/VirtualMedia.{action}");
            return self.send("POST", &action, &body).await;
        }
        self.patch_anyway(&path, &body).await
    }

    /// Changes a resource whatever its tag is.
    pub(crate) async fn patch_anyway(&self, path: &str, body: &Value) -> Answer {
        let request = self.request("PATCH", path);
        let request = if self.persona.etags.if_match == IfMatch::Required {
            request.header("if-match", "*")
        } else {
            request
        };
        answer(request.json(body)).await
    }

    /// Where the override is set.
    pub(crate) fn boot_path(&self) -> String {
        match &self.persona.boot.settings {
            Some(settings) if settings.elsewhere.is_some() => {
                format!("{}/{}", self.system(), settings.id)
            }
            _ => self.system(),
        }
    }

    pub(crate) async fn boot_once(&self, target: &str) -> Answer {
        let boot = json!({"Boot": {
            "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": target,
            "BootSourceOverrideMode": "UEFI",
        }});
        self.patch_anyway(&self.boot_path(), &boot).await
    }

    /// The target by which the persona boots a virtual CD.
    pub(crate) fn cd(&self) -> String {
        self.persona.boot.cd_targets.first().map_or("VCD-DVD".to_owned(), String::clone)
    }

    /// Boots the virtual CD once, in the way the persona takes it.
    pub(crate) async fn boot_cd_once(&self) -> Answer {
        let Some(import) = &self.persona.boot.import else {
            return self.boot_once(&self.cd()).await;
        };
        let action = &import.action;
        let path = format!("/redfish/v1/Managers/{}/Actions/Oem/{action}", self.persona.manager.id);
        let attribute = |name, value| format!("<Attribute Name=\"{name}\">{value}</Attribute>");
        let buffer = format!(
            "<SystemConfiguration><Component FQDD=\"iDRAC.Embedded.1\">{}{}</Component></SystemConfiguration>",
            attribute("ServerBoot.1#BootOnce", "Enabled"),
            attribute("ServerBoot.1#FirstBootDevice", "VCD-DVD"),
        );
        let body = json!({"ShareParameters": {"Target": "ALL"}, "ImportBuffer": buffer});
        self.send("POST", &path, &body).await
    }

    /// Puts the media in, sets the override and powers on. Where there is one slot, the task medium
    /// lies inside the boot medium.
    pub(crate) async fn install(&self) {
        if self.slots().0 == self.slots().1 {
            let boot = self.images.put("boot.iso", combined_medium());
            assert!(self.insert(self.slots().0, &boot).await.0 < 300);
            assert!(self.boot_cd_once().await.0 < 300);
            assert!(self.reset("On").await.0 < 300);
            return;
        }
        let boot = self.images.put("boot.iso", boot_medium());
        let task = self.images.put("task.iso", linux_task());
        self.install_from(&boot, &task).await;
    }

    pub(crate) async fn install_from(&self, boot: &str, task: &str) {
        let (boot_slot, task_slot) = self.slots();
        for (slot, url) in [(task_slot, task), (boot_slot, boot)] {
            let (status, body) = self.insert(slot, url).await;
            assert!(status < 300, "{status} {body}");
        }
        let (status, body) = self.boot_cd_once().await;
        assert!(status < 300, "{status} {body}");
        assert!(self.reset("On").await.0 < 300);
    }

    pub(crate) async fn wait(&self, wanted: impl Fn(&Event) -> bool) -> Moment {
        self.mock.wait_for(PATIENCE, |moment| wanted(&moment.event)).await.unwrap()
    }

    pub(crate) async fn wait_reported(&self, wanted: &str) {
        self.wait(|event| matches!(event, Event::Reported { status, .. } if *status == wanted))
            .await;
    }

    /// What the reporter was told, line by line.
    pub(crate) fn reports(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("scratch/reports")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A client without connections, which trusts every BMC.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .tls_info(true)
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// The message id of an error answer.
pub(crate) fn message_id(body: &Value) -> &str {
    body["error"]["@Message.ExtendedInfo"][0]["MessageId"].as_str().unwrap_or_default()
}
