//! `serve`: settings, telemetry, runtime, and then the serving part. The order is the point: what
//! must exist before the runtime is made before it and ended after it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use shoal_telemetry::{Guard, Telemetry, traces};

use super::{Configuration, Failure};
use crate::{
    Exit, ServeOptions,
    listen::{Activated, InvalidActivation},
    settings::{Loaded, Settings},
};

/// How long spans and log lines may take to leave, each, once everything has ended.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How long blocking work that nobody waits for any more may hold up the end.
const LEFTOVERS: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    configuration: Configuration,
    /// Write this file once everything listens.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(
        self,
        activated: Result<Activated, InvalidActivation>,
    ) -> Result<(), Failure> {
        let origin = self.configuration.origin();
        let loaded = self.configuration.load()?;
        let activated = activated.map_err(|error| Failure::new(Exit::Configuration, error))?;
        // Several libraries ask for the process's provider; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let instance = format!("{}-{}", host_name(), std::process::id());
        let guard = telemetry(&loaded.settings, &instance)?;
        for key in &loaded.ignored {
            tracing::warn!(key, "ignored a key: this release does not have what it configures");
        }
        let options = ServeOptions {
            ready_file: self.ready_file,
            activated,
            metrics: guard.metrics(),
            levels: guard.levels(),
            spans: guard.spans(),
            origin,
            instance,
        };
        let ended = served(loaded, options);
        if let Err(Failure { error, .. }) = &ended {
            tracing::error!(error = format!("{error:#}"), "the controller ended");
        }
        guard.shutdown(LAST_WORDS);
        ended
    }
}

fn served(loaded: Loaded, options: ServeOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(crate::serve::run(loaded, options));
    runtime.shutdown_timeout(LEFTOVERS);
    ended.map_err(|error| Failure { exit: Exit::of(&error), error })
}

fn telemetry(settings: &Settings, instance: &str) -> Result<Guard, Failure> {
    let mut config = shoal_telemetry::Config::new("shoal-controller", env!("CARGO_PKG_VERSION"));
    let wanted = &settings.telemetry;
    let level = wanted.log_level.parse();
    config.logs.level = level.map_err(|error| Failure::new(Exit::Configuration, error))?;
    config.logs.format = wanted.log_format;
    config.traces = wanted.otlp_endpoint.clone().map(traces::Config::new);
    instance.clone_into(&mut config.instance);
    let storage = &settings.storage;
    config.disks = vec![storage.root.clone(), storage.task_iso_dir.clone()];
    config.disks.extend(settings.registry.enabled.then(|| settings.registry.config.root.clone()));
    Telemetry::init(config).map_err(|error| Failure::new(Exit::Internal, error))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "shoal".to_owned() } else { name.to_owned() }
}
