//! `mock-bmc`: a simulated BMC with a machine behind it, so that a first look at this product needs
//! no hardware.

use std::{fs, io::Write, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use shoal_redfish_mock::{
    Clock, Config, Ending, HostConfig, HostScript, Mock, Persona, Restart, Secret,
};

use super::Failure;
use crate::{Exit, signal::Stop};

#[derive(Debug, Args)]
pub(super) struct MockBmc {
    /// Kind of BMC: the name of a built-in persona, or a TOML file.
    #[arg(long, default_value = "ilo5")]
    persona: String,
    /// A habit in which it differs from that persona, as a line of TOML such as `power.lag_ms = 5000`;
    /// can be given more than once.
    #[arg(long, value_name = "TOML")]
    habit: Vec<String>,
    /// Serial number of the machine.
    #[arg(long, default_value = "MOCK-1")]
    serial: String,
    /// Address to listen on; port 0 lets the kernel choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Name of the one account.
    #[arg(long, default_value = "admin")]
    user: String,
    /// File with its password; it is "password" unless given.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Certificates that media servers are checked against; all are accepted unless given.
    #[arg(long, value_name = "FILE")]
    media_ca: Option<PathBuf>,
    /// Directory for the machine's files.
    #[arg(long, value_name = "DIRECTORY")]
    scratch: PathBuf,
    /// The dispatcher that the machine runs from its task medium.
    #[arg(long, value_name = "PROGRAM")]
    dispatcher: Option<PathBuf>,
    /// The program with which the machine reports.
    #[arg(long, value_name = "PROGRAM")]
    reporter: Option<PathBuf>,
    /// How many of the machine's seconds pass in one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    speed: u32,
    #[command(flatten)]
    story: Story,
}

/// What the machine will do.
#[derive(Debug, Args)]
struct Story {
    /// How an install ends: succeed, fail-at:STEP, never-report, report-twice, report-late:SECONDS,
    /// report-early, hang-before-boot, hang-at:STEP, power-off-at:STEP, lose-power-at:STEP:SECONDS,
    /// restart-at:STEP, bmc-restart-at:STEP:SECONDS, never-restart or power-off-at-end. A step is a key
    /// such as workflow.image-linux, or "installer" for an installer that is not ours.
    #[arg(long, default_value = "succeed")]
    ending: Ending,
    /// What is seen of a restart: warm, unnoticed or cold:SECONDS.
    #[arg(long, default_value = "warm")]
    restart: Restart,
    /// Firmware does not use up a boot override: every boot is from the boot medium.
    #[arg(long)]
    keeps_override: bool,
    /// Firmware reads the beginning of every medium at every boot.
    #[arg(long)]
    rereads_media: bool,
    /// The machine comes on by itself this many seconds after it went off.
    #[arg(long, value_name = "SECONDS")]
    wakes_after: Option<u64>,
    /// The BMC downloads a whole medium before it answers an insertion.
    #[arg(long)]
    prefetch: bool,
}

impl Story {
    fn script(&self) -> HostScript {
        HostScript {
            ending: self.ending.clone(),
            restart: self.restart,
            keeps_override: self.keeps_override,
            rereads_media: self.rereads_media,
            wakes_after: self.wakes_after.map(Duration::from_secs),
            ..HostScript::default()
        }
    }
}

impl MockBmc {
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), Failure> {
        let config = self.config().map_err(|error| Failure { exit: Exit::Configuration, error })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            // A signal counts from the moment the address is known.
            let stop = Stop::listen().map_err(internal)?;
            let mock = Mock::start(config).await;
            let mock = mock.map_err(|error| Failure::new(Exit::Unavailable, error))?;
            writeln!(out, "{}", mock.url())?;
            writeln!(out, "certificate SHA-256 {}", mock.cert_sha256())?;
            out.flush()?;
            stop.requested().await;
            mock.shutdown().await;
            Ok(())
        })
    }

    fn persona(&self) -> anyhow::Result<Persona> {
        let text = match Persona::built_in(&self.persona) {
            Ok(persona) => format!("like = \"{}\"\n", persona.name),
            Err(_) => fs::read_to_string(&self.persona).with_context(|| {
                let names: Vec<&str> = Persona::names().collect();
                format!("{:?} is neither a file nor one of {}", self.persona, names.join(", "))
            })?,
        };
        let habits = self.habit.join("\n");
        Persona::with_habits(&text, &habits).context("a persona with these habits cannot be")
    }

    fn config(self) -> anyhow::Result<Config> {
        let mut persona = self.persona()?;
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
        };
        persona.media.prefetch |= self.story.prefetch;
        let mut host = HostConfig::new(self.scratch);
        host.script = self.story.script();
        host.dispatcher = self.dispatcher;
        host.reporter = self.reporter;
        let mut config = Config::new(persona, self.serial, host);
        config.listen = self.listen;
        config.user = self.user;
        config.clock = Clock::scaled(self.speed);
        config.media_ca = self.media_ca.as_ref().map(read).transpose()?;
        if let Some(path) = &self.password_file {
            config.password = Secret::new(read(path)?.trim_end_matches(['\n', '\r']));
        }
        Ok(config)
    }
}

fn internal(error: anyhow::Error) -> Failure {
    Failure { exit: Exit::Internal, error }
}
