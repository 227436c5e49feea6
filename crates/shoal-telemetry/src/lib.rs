//! What the controller tells about itself: metrics, logs and traces.
//!
//! # Purpose
//!
//! One call, [`Telemetry::init`], installs the metric recorder, the log writer and, where an
//! endpoint is configured, the trace exporter. Everything that may be measured is listed in
//! [`catalogue`]; descriptions, histogram buckets, initial zeros and the reference page follow
//! from that list.
//!
//! # Scope
//!
//! Only binaries call this crate to install things. Libraries use the `metrics` and `tracing`
//! facades with literal names and never see this crate, except where they need a word from
//! [`label`].
//!
//! # Non-goals
//!
//! No HTTP listener (the admin listener asks [`Guard::metrics`] for the text), no log files and no
//! rotation (standard output belongs to the service manager), no metrics or logs over OTLP.
//!
//! # Invariants
//!
//! - A metric that is not in the catalogue, or comes with other labels than the catalogue says,
//!   is never exported; it is counted in `metrics_refused_total`.
//! - A label with a closed value set never shows another value: words from outside are mapped to a
//!   stand-in, a wrong word of our own is refused. Users cannot grow the number of series.
//! - Logging never blocks the caller. Lines that find the queue full are dropped and counted in
//!   `log_lines_dropped_total`.
//! - A field named like a secret, and the token segment of a media URL, is printed as `***` in
//!   logs and in exported spans.
//! - A field whose name has a dot is an attribute of its span and in no log line.
//! - A dead trace collector costs nothing but its spans, which are counted in
//!   `otel_spans_dropped_total`; shutdown is bounded.
//!
//! # Example
//!
//! ```no_run
//! use shoal_telemetry::{Config, Telemetry};
//!
//! let guard = Telemetry::init(Config::new("shoal-controller", "0.1.0"))?;
//! metrics::counter!("job_total", "status" => "queued").increment(1);
//! tracing::info!(job_id = "0198", server_serial = "ABC123", "job queued");
//! assert!(guard.metrics().render().contains("job_total{status=\"queued\"} 1"));
//! guard.shutdown(std::time::Duration::from_secs(3));
//! # Ok::<(), shoal_telemetry::Error>(())
//! ```
#![deny(missing_docs)]

pub mod catalogue;
pub mod label;
pub mod logs;
pub mod metrics;
mod panics;
mod redaction;
mod telemetry;
pub mod traces;

pub use telemetry::{Config, Error, Guard, Telemetry};
