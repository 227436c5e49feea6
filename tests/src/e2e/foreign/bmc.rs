//! One simulated BMC with nobody of ours around it.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use shoal_redfish_mock::{Clock, Config, HostConfig, Mock, Persona, Secret};

pub(super) const USER: &str = "admin";
pub(super) const PASSWORD: &str = "Correct.Horse.7";

/// Starts a machine of that kind: off, its disk empty.
pub(super) async fn start(persona: &str, directory: &Path, clock: Clock) -> Result<Mock> {
    fs::create_dir_all(directory).context("make the machine's directory")?;
    let host = HostConfig::new(directory.join("host"));
    let mut config = Config::new(Persona::built_in(persona)?, "SN0001", host);
    USER.clone_into(&mut config.user);
    config.password = Secret::new(PASSWORD);
    config.clock = clock;
    Mock::start(config).await.with_context(|| format!("start a machine of kind {persona}"))
}
