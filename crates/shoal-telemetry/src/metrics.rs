//! The metric recorder: installs what the catalogue describes and renders the scrape. It samples
//! the process and the disks while rendering, so a scrape never shows an old figure as new.

mod guard;
mod host;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::catalogue::{self, Kind};

/// How often drained samples are folded into the histograms, so that memory stays flat between
/// scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What to sample beside the recorded metrics.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Directories whose file systems are reported by `disk_free_bytes` and its companions, each
    /// labelled with the path as written here.
    pub disks: Vec<PathBuf>,
}

/// Why the recorder could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A histogram of the catalogue has no buckets.
    #[error("register the buckets of {metric}")]
    Buckets {
        /// The histogram's name.
        metric: &'static str,
        /// What the exporter said.
        source: metrics_exporter_prometheus::BuildError,
    },
    /// Another recorder was installed before.
    #[error("install the metric recorder: one is installed already")]
    Installed,
    /// The upkeep thread could not be started.
    #[error("start the metric upkeep thread")]
    Thread(#[source] std::io::Error),
}

/// Reads the recorded metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    host: Arc<host::Host>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// The text exposition format 0.0.4, with fresh figures of the process and the disks.
    ///
    /// Reads `/proc` and asks each configured file system for its free space, so it belongs on a
    /// thread that may block.
    pub fn render(&self) -> String {
        self.host.sample();
        self.handle.render()
    }

    /// The content type of [`Metrics::render`].
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";
}

/// The thread that folds samples into histograms; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Upkeep {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread only folds numbers; if it panicked, the panic hook has reported it.
            drop(thread.join());
        }
    }
}

/// Installs the process-wide recorder, describes the catalogue and sets its initial zeros.
pub(crate) fn install(config: Config) -> Result<(Metrics, Upkeep), Error> {
    let (recorder, metrics) = build(config)?;
    ::metrics::set_global_recorder(recorder).map_err(|_| Error::Installed)?;
    let upkeep = spawn_upkeep(metrics.handle.clone())?;
    Ok((metrics, upkeep))
}

fn build(config: Config) -> Result<(guard::Guarded, Metrics), Error> {
    let mut builder = PrometheusBuilder::new();
    for metric in catalogue::all() {
        if let Kind::Histogram(edges) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), edges)
                .map_err(|source| Error::Buckets { metric: metric.name, source })?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    let guarded = guard::Guarded::new(recorder);
    guarded.initialise();
    let host = Arc::new(host::Host::new(config.disks));
    Ok((guarded, Metrics { handle, host }))
}

fn spawn_upkeep(handle: PrometheusHandle) -> Result<Upkeep, Error> {
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("metric-upkeep".to_owned())
        .spawn(move || {
            while stopped.recv_timeout(UPKEEP_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                handle.run_upkeep();
            }
        })
        .map_err(Error::Thread)?;
    Ok(Upkeep { stop: Some(stop), thread: Some(thread) })
}

#[cfg(test)]
mod tests;
