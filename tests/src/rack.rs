//! A rack of mock machines: each with its own certificate, password and directory, all on a clock
//! that runs faster than ours.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use shoal_redfish_mock::{Clock, Config, HostConfig, HostScript, Mock, Persona, Secret};

use crate::{Machine, PATIENCE, Programs, machine::USER};

/// Longest run of a program on a machine, which may wait for whatever a test waits for.
const CHILD: Duration = Duration::from_mins(15);

/// Makes machines whose BMCs trust the controller's authority and whose hosts run the real
/// dispatcher and reporter.
#[derive(Debug)]
pub struct Rack {
    programs: Programs,
    directory: PathBuf,
    media_ca: String,
    speed: u32,
}

impl Rack {
    /// A rack below `directory` whose BMCs check media servers against `media_ca`. Its clocks run
    /// twenty times as fast as ours.
    pub fn new(programs: &Programs, directory: impl Into<PathBuf>, media_ca: String) -> Self {
        Self { programs: programs.clone(), directory: directory.into(), media_ca, speed: 20 }
    }

    /// With another program that machines report with.
    #[must_use]
    pub fn reporter(mut self, program: PathBuf) -> Self {
        self.programs.reporter = program;
        self
    }

    /// With another speed of the machines' clocks.
    #[must_use]
    pub fn speed(mut self, factor: u32) -> Self {
        self.speed = factor;
        self
    }

    /// Starts a machine of a built-in persona, off and with an empty disk.
    pub async fn add(&self, persona: &str, serial: &str, script: HostScript) -> Result<Machine> {
        self.add_like(Persona::built_in(persona)?, serial, script).await
    }

    /// The same of any persona.
    pub async fn add_like(
        &self,
        persona: Persona,
        serial: &str,
        script: HostScript,
    ) -> Result<Machine> {
        let mut host = HostConfig::new(self.directory.join(serial));
        host.dispatcher = Some(self.programs.dispatcher.clone());
        host.reporter = Some(self.programs.reporter.clone());
        host.child_limit = CHILD;
        host.script = script;
        let password = password()?;
        let name = persona.name.clone();
        let mut config = Config::new(persona, serial, host);
        USER.clone_into(&mut config.user);
        config.password = Secret::new(password.clone());
        config.clock = Clock::scaled(self.speed);
        config.media_ca = Some(self.media_ca.clone());
        // A controller that was killed may take its time to come back.
        config.media_patience = PATIENCE;
        let mock = Mock::start(config).await;
        let mock = mock.with_context(|| format!("start the mock machine {serial}"))?;
        Ok(Machine::new(mock, serial, &name, password))
    }
}

fn password() -> Result<String> {
    let mut bytes = [0; 12];
    SystemRandom::new().fill(&mut bytes).ok().context("draw a password")?;
    Ok(HEXLOWER.encode(&bytes))
}
