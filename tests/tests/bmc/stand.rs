//! One simulated machine with its media beside it, and a client that knows its certificate.

use std::{fs, sync::Arc, time::Duration};

use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};
use shoal_redfish::{
    Bmc, Checkpoint, Credentials, Endpoint, Learned, Learning, MediaClass, Options, Plan,
    PlanRequest, Scheme, Secret, Tls, Urls, profile::Profiles,
};
use shoal_redfish_mock::{
    BootFrom, Clock, Config, Event, HostConfig, HostScript, Mock, Moment, Persona,
};
use shoal_tests::{BootMedium, PATIENCE, install_crypto};

use crate::images::Images;

const SERIAL: &str = "SN0001";

pub(crate) struct Stand {
    pub(crate) mock: Mock,
    pub(crate) images: Images,
    scheme: Scheme,
    _scratch: tempfile::TempDir,
}

impl Stand {
    /// Seconds of the machine in one of ours.
    pub(crate) const SPEED: u32 = 100;

    pub(crate) async fn of(persona: &str) -> Self {
        Self::with(persona, HostScript::default()).await
    }

    pub(crate) async fn with(persona: &str, script: HostScript) -> Self {
        Self::like(Persona::built_in(persona).unwrap(), script).await
    }

    /// A machine of any persona. Its images are served without TLS unless it wants no such thing.
    pub(crate) async fn like(persona: Persona, script: HostScript) -> Self {
        install_crypto();
        let scratch = tempfile::tempdir().unwrap();
        let plain = persona.media.schemes.iter().any(|scheme| scheme == "http");
        let scheme = if plain { Scheme::Http } else { Scheme::Https };
        let images = Images::start(scheme).await;
        let boot = BootMedium::make(&scratch.path().join("static")).unwrap();
        let (boot, task) = (fs::read(boot.path()).unwrap(), task_medium());
        let mut combined = boot.clone();
        combined[BootMedium::RESERVED_AT..][..task.len()].copy_from_slice(&task);
        images.put("boot.iso", boot);
        images.put("combined.iso", combined);
        for name in ["task.iso", "task.img"] {
            images.put(name, task.clone());
        }
        let mut host = HostConfig::new(scratch.path().join("host"));
        host.script = script;
        let mut config = Config::new(persona, SERIAL, host);
        config.clock = Clock::scaled(Self::SPEED);
        let mock = Mock::start(config).await.unwrap();
        Self { mock, images, scheme, _scratch: scratch }
    }

    /// A client that trusts the certificate which the BMC shows now.
    pub(crate) async fn connect(&self) -> Bmc {
        self.connect_with(Profiles::builtin()).await
    }

    pub(crate) async fn connect_with(&self, profiles: Arc<Profiles>) -> Bmc {
        Bmc::connect(self.endpoint("password"), Options { profiles, ..options() }).await.unwrap()
    }

    /// Goes on with a plan that was made earlier, and with what was learned since.
    pub(crate) fn resume(&self, plan: &Plan, learned: Learned) -> Bmc {
        let options = Options { learning: Learning::of([learned]), ..options() };
        Bmc::resume(&self.endpoint("password"), options, plan).unwrap()
    }

    pub(crate) fn endpoint(&self, password: &str) -> Endpoint {
        let pin = Tls::Pin(self.mock.cert_sha256().parse().unwrap());
        let account = Credentials::new("admin", Secret::new(password));
        Endpoint::new(&self.mock.url(), pin, account).unwrap()
    }

    /// Switches the host on by its own button, and waits until it has found nothing to boot.
    pub(crate) async fn switch_on(&self) {
        self.mock.press_power_button();
        self.wait(|event| *event == Event::Booted(BootFrom::Nothing)).await;
    }

    pub(crate) fn request(&self) -> PlanRequest {
        PlanRequest {
            boot_schemes: vec![self.scheme],
            task_schemes: vec![self.scheme],
            expected_serial: Some(SERIAL.to_owned()),
            ours: vec![format!("{}/", self.images.url("x.iso").origin())],
            ..PlanRequest::default()
        }
    }

    pub(crate) fn urls(&self, class: MediaClass) -> Urls {
        let (boot, task) = match class {
            MediaClass::TwoCd => ("boot.iso", Some("task.iso")),
            MediaClass::CdPlusUsb => ("boot.iso", Some("task.img")),
            MediaClass::SingleCombined => ("combined.iso", None),
        };
        Urls { boot: self.images.url(boot), task: task.map(|name| self.images.url(name)) }
    }

    /// Waits for an event after the first `known` ones.
    pub(crate) async fn wait_since(&self, known: u64, event: Event) {
        let wanted = |moment: &Moment| moment.seq > known && moment.event == event;
        self.mock.wait_for(PATIENCE, wanted).await.unwrap();
    }

    pub(crate) async fn wait(&self, wanted: impl Fn(&Event) -> bool) -> Moment {
        self.mock.wait_for(PATIENCE, |moment| wanted(&moment.event)).await.unwrap()
    }
}

/// Short pauses, since the machines' time runs fast.
pub(crate) fn options() -> Options {
    Options {
        backoff_first: Duration::from_millis(5),
        backoff_most: Duration::from_millis(100),
        poll_first: Duration::from_millis(5),
        poll_most: Duration::from_millis(20),
        retries: 20,
        ..Options::default()
    }
}

fn task_medium() -> Vec<u8> {
    let label = VolumeId::new("TASK_0123456789ABCDEF0123456789A").unwrap();
    let image = Image::builder(label, SourceDateEpoch::new(1_700_000_000).unwrap())
        .file(FileName::new("recipe.json").unwrap(), "{}")
        .build()
        .unwrap();
    image.into_bytes()
}

/// A caller that keeps no checkpoints.
#[expect(clippy::unnecessary_wraps, reason = "the shape is that of a function that stores")]
pub(crate) fn forget(_: &Checkpoint) -> std::io::Result<()> {
    Ok(())
}
