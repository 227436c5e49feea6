//! Spans to a collector, as OTLP over HTTP with protobuf; off unless an endpoint is configured.
//! The exporter's HTTP client blocks, so it is built, used and dropped on plain threads: inside an
//! async runtime it would panic in one build profile and pass in the other.
//!
//! Spans from info up are exported. Frequent and boring ones (a health check, a scrape, one range
//! read of a medium) belong at debug.

mod context;
mod export;
mod past;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

pub use context::{follow, join, join_own, trace_id, traceparent};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use export::{Budget, Counted, Masked};
pub use past::{Past, Spans};

/// Finished spans that may wait for the collector.
const QUEUE_SPANS: usize = 4096;

/// Where spans go.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the collector, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/traces` is appended.
    pub endpoint: String,
    /// How long one export may take.
    pub timeout: Duration,
}

impl Config {
    /// Exports to `endpoint` with 10 s for each export.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), timeout: Duration::from_secs(10) }
    }
}

/// Why traces could not be set up. Nothing here talks to the collector: a dead one is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is no http or https URL.
    #[error("use trace endpoint {endpoint:?}: it must start with http:// or https://")]
    Endpoint {
        /// The endpoint as configured.
        endpoint: String,
    },
    /// The system's certificate store or the TLS settings cannot be used.
    #[error("set up TLS for the trace exporter")]
    Tls(#[source] rustls::Error),
    /// The HTTP client could not be built.
    #[error("build the trace exporter's HTTP client")]
    Client(#[source] reqwest::Error),
    /// The exporter could not be built.
    #[error("build the trace exporter")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The thread that builds the exporter could not be started, or it panicked.
    #[error("start the trace exporter's thread")]
    Thread(#[source] std::io::Error),
}

/// Who the spans come from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) service: &'static str,
    pub(crate) version: String,
    pub(crate) instance: String,
}

/// The running exporter.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    budget: Arc<Budget>,
}

/// What the end of the exporter cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Spans that the collector may not have.
    pub(crate) spans: usize,
}

impl Traces {
    /// What tells of spans that are over already.
    pub(crate) fn spans(&self) -> Spans {
        Spans::new(self.provider.tracer("shoal"))
    }

    /// Delivers what is queued and stops, for at most `limit`.
    pub(crate) fn shutdown(self, limit: Duration) -> Result<(), Lost> {
        let budget = Arc::clone(&self.budget);
        let (done, finished) = mpsc::channel();
        // The provider owns a blocking client, which must not be dropped on a runtime's thread.
        let spawned = thread::Builder::new().name("trace-shutdown".to_owned()).spawn(move || {
            let delivered = self.provider.shutdown_with_timeout(limit).is_ok();
            drop(self);
            // The caller may have stopped waiting.
            let _ = done.send(delivered);
        });
        if spawned.is_ok() && finished.recv_timeout(limit).unwrap_or(false) {
            return Ok(());
        }
        let spans = budget.waiting();
        export::dropped(spans);
        Err(Lost { spans })
    }
}

/// Builds the exporter and the layer that feeds it.
pub(crate) fn start<S>(
    config: &Config,
    origin: Origin,
) -> Result<(impl Layer<S> + Send + Sync + use<S>, Traces), Error>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let wanted = config.clone();
    let traces = thread::Builder::new()
        .name("trace-setup".to_owned())
        .spawn(move || provider(&wanted, origin))
        .map_err(Error::Thread)?
        .join()
        .unwrap_or_else(|_| Err(Error::Thread(std::io::Error::other("the thread panicked"))))?;
    let layer = tracing_opentelemetry::layer()
        .with_tracer(traces.provider.tracer("shoal"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(filter_fn(is_exported).with_max_level_hint(Level::INFO));
    Ok((layer, traces))
}

/// Spans that last as long as a job, for hours. They give log lines their fields; a span is
/// exported at its end, and a killed process would take these and orphan what is under them.
const LASTING: [&str; 1] = ["job"];

/// Spans from info up. Events stay in the log, and the exporter's own HTTP client is left out or
/// each export would cause the next one.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    const OWN: [&str; 5] = ["reqwest", "hyper", "h2", "rustls", "opentelemetry"];
    let root = metadata.target().split("::").next().unwrap_or_default();
    let own = OWN.iter().any(|own| root.starts_with(own));
    let short = !LASTING.contains(&metadata.name());
    metadata.is_span() && *metadata.level() <= Level::INFO && !own && short
}

fn provider(config: &Config, origin: Origin) -> Result<Traces, Error> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client(config)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
        .with_timeout(config.timeout)
        .build()
        .map_err(Error::Exporter)?;
    let budget = Arc::new(Budget::new(QUEUE_SPANS));
    let batch = BatchConfigBuilder::default().with_max_queue_size(QUEUE_SPANS).build();
    let processor = BatchSpanProcessor::builder(Masked::new(exporter, Arc::clone(&budget)))
        .with_batch_config(batch)
        .build();
    let resource = Resource::builder()
        .with_service_name(origin.service)
        .with_attributes([
            KeyValue::new("service.version", origin.version),
            KeyValue::new("service.instance.id", origin.instance),
        ])
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Counted::new(processor, Arc::clone(&budget)))
        .with_resource(resource)
        .build();
    Ok(Traces { provider, budget })
}

/// A client with its own TLS settings, since no provider may be installed in this process.
fn client(config: &Config) -> Result<reqwest::blocking::Client, Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?;
    let tls = if config.endpoint.starts_with("https://") {
        tls.with_platform_verifier().map_err(Error::Tls)?.with_no_client_auth()
    } else if config.endpoint.starts_with("http://") {
        // Nothing will be verified; a machine without a certificate store must still export.
        tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    } else {
        return Err(Error::Endpoint { endpoint: config.endpoint.clone() });
    };
    reqwest::blocking::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(config.timeout)
        .build()
        .map_err(Error::Client)
}

#[cfg(test)]
mod tests;
