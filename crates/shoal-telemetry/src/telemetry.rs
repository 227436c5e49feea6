//! The one call binaries make, and the guard that ends what it began. It exists so that the order
//! (recorder, then log writer, then exporter, all before the async runtime) is written once.

use std::{path::PathBuf, time::Duration};

use metrics::gauge;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    logs::{self, Level, Log},
    metrics::{self as recorder, Metrics, Upkeep},
    panics,
    traces::{self, Origin, Spans, Traces},
};

/// How long dropping a [`Guard`] may take when [`Guard::shutdown`] was not called.
const DROP_LIMIT: Duration = Duration::from_secs(2);

/// What to install.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The program's name, `service.name` in traces.
    pub service: &'static str,
    /// Its version, a label of `shoal_build_info`.
    pub version: String,
    /// The source revision it was built from, `unknown` when the build did not say.
    pub revision: String,
    /// This process among several, `service.instance.id` in traces.
    pub instance: String,
    /// Log lines.
    pub logs: logs::Config,
    /// Spans; none are exported unless this is set.
    pub traces: Option<traces::Config>,
    /// Directories whose free space is measured.
    pub disks: Vec<PathBuf>,
}

impl Config {
    /// Info to standard output, no traces, no disks.
    pub fn new(service: &'static str, version: impl Into<String>) -> Self {
        Self {
            service,
            version: version.into(),
            revision: "unknown".to_owned(),
            instance: std::process::id().to_string(),
            logs: logs::Config::default(),
            traces: None,
            disks: Vec::new(),
        }
    }
}

/// Why telemetry could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The metric recorder.
    #[error("set up metrics")]
    Metrics(#[from] recorder::Error),
    /// The log writer.
    #[error("set up logs")]
    Logs(#[from] logs::Error),
    /// The trace exporter.
    #[error("set up traces")]
    Traces(#[from] traces::Error),
    /// Another subscriber was installed before.
    #[error("install the log subscriber: one is installed already")]
    Installed,
}

/// Entry point of this crate.
#[derive(Debug, Clone, Copy)]
pub struct Telemetry;

impl Telemetry {
    /// Installs the recorder, the subscriber and the panic hook for the whole process.
    ///
    /// Call it once, first in `main`, before an async runtime exists; it does not need one and it
    /// does not reach for the network.
    pub fn init(config: Config) -> Result<Guard, Error> {
        let (metrics, upkeep) = recorder::install(recorder::Config { disks: config.disks })?;
        let (log_layer, log) = logs::start(&config.logs)?;
        let origin = Origin {
            service: config.service,
            version: config.version.clone(),
            instance: config.instance,
        };
        let (trace_layer, traces) = match &config.traces {
            Some(wanted) => {
                let (layer, traces) = traces::start(wanted, origin)?;
                (Some(layer), Some(traces))
            }
            None => (None, None),
        };
        tracing_subscriber::registry()
            .with(trace_layer)
            .with(log_layer.with_filter(log.verbosity.clone()))
            .try_init()
            .map_err(|_| Error::Installed)?;
        panics::install();
        gauge!("shoal_build_info", "version" => config.version, "revision" => config.revision)
            .set(1.0);
        Ok(Guard { metrics, log, ending: Some(Ending { traces, _upkeep: upkeep }) })
    }
}

/// Keeps telemetry running; ends it when dropped.
#[derive(Debug)]
#[must_use = "dropping the guard ends logging"]
pub struct Guard {
    metrics: Metrics,
    log: Log,
    ending: Option<Ending>,
}

#[derive(Debug)]
struct Ending {
    traces: Option<Traces>,
    _upkeep: Upkeep,
}

impl Guard {
    /// What the admin listener renders at `/metrics`.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Changes what is logged from now on.
    pub fn set_level(&self, level: Level) {
        self.log.verbosity.set(level);
    }

    /// What changes the level for those who do not hold the guard.
    pub fn levels(&self) -> logs::Levels {
        logs::Levels(self.log.verbosity.clone())
    }

    /// What tells of spans that are over already; it tells nobody when spans are not exported.
    pub fn spans(&self) -> Spans {
        let traces = self.ending.as_ref().and_then(|ending| ending.traces.as_ref());
        traces.map(Traces::spans).unwrap_or_default()
    }

    /// Delivers spans, then writes the remaining log lines; each may take `limit`. The last thing
    /// a program does: whatever is logged afterwards is lost and counted.
    pub fn shutdown(mut self, limit: Duration) {
        self.end(limit);
    }

    fn end(&mut self, limit: Duration) {
        let Some(ending) = self.ending.take() else { return };
        if let Some(traces) = ending.traces
            && let Err(lost) = traces.shutdown(limit)
        {
            tracing::warn!(
                spans = lost.spans,
                "spans were lost: the trace collector did not take them in time"
            );
        }
        // When the stream is stuck there is nobody to tell; the remaining lines are lost.
        self.log.close(limit);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(DROP_LIMIT);
    }
}
