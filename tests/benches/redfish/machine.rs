//! One simulated machine and the client's view of it.

use std::time::Duration;

use anyhow::Result;
use shoal_redfish::{
    Bmc, Checkpoint, Credentials, Endpoint, MediaClass, Options, PlanRequest, Scheme, Secret, Tls,
    Urls,
};
use shoal_redfish_mock::{Clock, Config, HostConfig, Mock, Persona};
use tempfile::TempDir;

use crate::images::Images;

/// Seconds of the machine in one of ours: what is measured is not how long a host takes to switch.
const SPEED: u32 = 1000;
/// No BMC looks into an image that nobody boots.
const IMAGE_BYTES: usize = 64 << 10;

pub(crate) struct Machine {
    pub(crate) mock: Mock,
    _scratch: TempDir,
}

impl Machine {
    pub(crate) async fn start(persona: &str, serial: &str) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let host = HostConfig::new(scratch.path().join("host"));
        let mut config = Config::new(Persona::built_in(persona)?, serial, host);
        config.clock = Clock::scaled(SPEED);
        Ok(Self { mock: Mock::start(config).await?, _scratch: scratch })
    }

    /// Where the machine's BMC is, as seen from `url`, known by its certificate.
    pub(crate) fn endpoint(&self, url: &str) -> Result<Endpoint> {
        let pin = Tls::Pin(self.mock.cert_sha256().parse()?);
        Ok(Endpoint::new(url, pin, Credentials::new("admin", Secret::new("password")))?)
    }
}

pub(crate) async fn images() -> Images {
    let images = Images::start(Scheme::Http).await;
    for name in ["boot.iso", "task.iso", "task.img"] {
        images.put(name, vec![0; IMAGE_BYTES]);
    }
    images
}

/// A whole life: found, switched off, both media in, booted once, switched on, and all taken back.
pub(crate) async fn life(endpoint: Endpoint, images: &Images) -> Result<u64> {
    let options = Options {
        poll_first: Duration::from_millis(5),
        poll_most: Duration::from_millis(50),
        ..Options::default()
    };
    let bmc = Bmc::connect(endpoint, options).await?;
    let request = PlanRequest {
        boot_schemes: vec![Scheme::Http],
        task_schemes: vec![Scheme::Http],
        ..PlanRequest::default()
    };
    let plan = bmc.discover().await?.plan(&request)?;
    let task = if plan.media.class == MediaClass::TwoCd { "task.iso" } else { "task.img" };
    let urls = Urls { boot: images.url("boot.iso"), task: Some(images.url(task)) };
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls, &mut checkpoint, &mut |_| Ok(())).await?;
    bmc.revert(&plan, &mut checkpoint, &mut |_| Ok(())).await?;
    bmc.close().await?;
    Ok(bmc.requests().total)
}
