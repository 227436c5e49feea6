//! The HTTP surface, the registry, the database, the process with its disks, and telemetry's own
//! health.

use super::{Kind, Label, Metric, Start, Unit};
use crate::label::OTHER;

const HTTP_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const COMMIT_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

const ROUTE: Label = Label::configured("route");
const SECRET: Label =
    Label::closed("secret", &["media", "webhook_token", "registry_token", "fleet_webhook"]);
const PATH: Label = Label::configured("path");
/// The two database files a controller owns.
const DB: Label = Label::mapped("db", &["jobs", "registry", OTHER], OTHER);
const SURFACE: Label = Label::closed("surface", &["api", "registry", "ui"]);
const GC_OUTCOME: Label = Label::closed("outcome", &["done", "failed"]);
const GC_WHAT: Label = Label::closed("what", &["tag", "manifest", "link", "blob", "file"]);
/// A collection reads the whole catalogue and unlinks files of any size.
const GC_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];
const REFUSED: Label = Label::closed("reason", &["undeclared", "kind", "labels"]);

const fn gauge(name: &'static str, unit: Unit, help: &'static str, source: &'static str) -> Metric {
    Metric::new(name, Kind::Gauge, unit, help, source).start(Start::FirstUse)
}

const fn counter(
    name: &'static str,
    unit: Unit,
    help: &'static str,
    source: &'static str,
) -> Metric {
    Metric::new(name, Kind::Counter, unit, help, source)
}

pub(super) const METRICS: &[Metric] = &[
    counter(
        "http_requests_total",
        Unit::Count,
        "Answered HTTP requests; the route is a template, other when none matched.",
        "runbook 2.1, 3",
    )
    .labels(&[ROUTE, Label::code()])
    .start(Start::FirstUse),
    Metric::new(
        "http_request_duration_seconds",
        Kind::Histogram(HTTP_SECONDS),
        Unit::Seconds,
        "Answering HTTP requests, media and registry transfers excluded.",
        "runbook 2.1",
    )
    .labels(&[ROUTE, Label::code()])
    .start(Start::FirstUse),
    counter(
        "login_auth_failures_total",
        Unit::Count,
        "Requests with wrong credentials.",
        "runbook 3 security",
    )
    .labels(&[SURFACE]),
    counter(
        "registry_upload_bytes_total",
        Unit::Bytes,
        "Bytes received by the registry.",
        "runbook 2.1",
    )
    .start(Start::FirstUse),
    counter(
        "registry_download_bytes_total",
        Unit::Bytes,
        "Bytes sent by the registry.",
        "runbook 2.1",
    )
    .start(Start::FirstUse),
    gauge("registry_inflight_uploads", Unit::Count, "Uploads in progress.", "runbook 2.1"),
    gauge("registry_blob_count", Unit::Count, "Blobs stored.", "runbook 2.1"),
    gauge("registry_storage_bytes", Unit::Bytes, "Bytes stored in blobs.", "runbook 2.1"),
    gauge(
        "registry_upload_sessions",
        Unit::Count,
        "Upload sessions open, idle ones included.",
        "registry",
    ),
    counter(
        "registry_damaged_blobs_total",
        Unit::Count,
        "Blobs whose file was found damaged or gone and was put away.",
        "registry",
    ),
    Metric::new(
        "registry_fsync_seconds",
        Kind::Histogram(COMMIT_SECONDS),
        Unit::Seconds,
        "One flush of an upload to disk.",
        "registry",
    ),
    counter("registry_gc_runs_total", Unit::Count, "Garbage collections that ended.", "registry")
        .labels(&[GC_OUTCOME]),
    Metric::new(
        "registry_gc_seconds",
        Kind::Histogram(GC_SECONDS),
        Unit::Seconds,
        "One garbage collection of the registry.",
        "registry",
    ),
    counter(
        "registry_gc_removed_total",
        Unit::Count,
        "What garbage collections removed; a link is a repository's knowledge of a blob.",
        "registry",
    )
    .labels(&[GC_WHAT]),
    counter(
        "registry_gc_removed_bytes_total",
        Unit::Bytes,
        "Bytes of blobs and files that garbage collections removed.",
        "registry",
    ),
    Metric::new(
        "registry_request_duration_seconds",
        Kind::Histogram(HTTP_SECONDS),
        Unit::Seconds,
        "Answering registry requests until the first byte of the answer.",
        "runbook 2.1",
    )
    .labels(&[ROUTE, Label::code()])
    .start(Start::FirstUse),
    counter(
        "sqlite_busy_total",
        Unit::Count,
        "Statements that found the database locked by somebody else.",
        "runbook 6.1, 6.7",
    )
    .labels(&[DB]),
    Metric::new(
        "sqlite_write_seconds",
        Kind::Histogram(COMMIT_SECONDS),
        Unit::Seconds,
        "One durable group commit.",
        "runbook 6.7",
    )
    .labels(&[DB]),
    gauge("sqlite_wal_bytes", Unit::Bytes, "Size of the write-ahead log.", "runbook 6.7")
        .labels(&[DB]),
    gauge("sqlite_db_bytes", Unit::Bytes, "Size of the database file.", "runbook 6.7")
        .labels(&[DB]),
    gauge("db_integrity_ok", Unit::Flag, "1 if the last integrity check passed.", "runbook 6.7")
        .labels(&[DB]),
    gauge(
        "db_integrity_checked_timestamp_seconds",
        Unit::Timestamp,
        "When the last integrity check ended.",
        "runbook 6.7",
    )
    .labels(&[DB]),
    counter(
        "process_cpu_seconds_total",
        Unit::Seconds,
        "User and system processor time, in whole seconds.",
        "runbook 2.1",
    ),
    gauge("process_resident_memory_bytes", Unit::Bytes, "Resident memory.", "runbook 2.1"),
    gauge("process_virtual_memory_bytes", Unit::Bytes, "Virtual memory.", "runbook 2.1"),
    gauge(
        "process_virtual_memory_max_bytes",
        Unit::Bytes,
        "Most virtual memory the process may have.",
        "runbook 2.1",
    ),
    gauge("process_open_fds", Unit::Count, "Open file descriptors.", "runbook 2.1"),
    gauge(
        "process_max_fds",
        Unit::Count,
        "Most file descriptors the process may open.",
        "runbook 6.1",
    ),
    gauge(
        "process_start_time_seconds",
        Unit::Timestamp,
        "When the process started.",
        "runbook 2.4 changes",
    ),
    gauge("process_threads", Unit::Count, "Threads of the process.", "runbook 2.1"),
    gauge("open_fds", Unit::Count, "The runbook's name for process_open_fds.", "runbook 2.1"),
    gauge(
        "tokio_alive_tasks",
        Unit::Count,
        "Tasks alive in the async runtime; what the runbook calls goroutines.",
        "runbook 2.1",
    ),
    gauge(
        "disk_free_bytes",
        Unit::Bytes,
        "Bytes an unprivileged process can still write below a path.",
        "runbook 2.1, 3",
    )
    .labels(&[PATH]),
    gauge("disk_size_bytes", Unit::Bytes, "Size of the file system below a path.", "runbook 3")
        .labels(&[PATH]),
    gauge("disk_inodes_free", Unit::Count, "Files that can still be made.", "runbook 6.1")
        .labels(&[PATH]),
    gauge("shoal_build_info", Unit::Flag, "Always 1; the labels tell the build.", "runbook 8.4")
        .labels(&[Label::configured("version"), Label::configured("revision")]),
    gauge(
        "tls_certificate_not_after_timestamp_seconds",
        Unit::Timestamp,
        "When a certificate ends.",
        "runbook 6.8, 8.3",
    )
    .labels(&[Label::closed("cert", &["server"])])
    .start(Start::FirstUse),
    gauge(
        "secret_rotated_timestamp_seconds",
        Unit::Timestamp,
        "When a secret was last replaced.",
        "runbook 8.3",
    )
    .labels(&[SECRET])
    .start(Start::FirstUse),
    gauge(
        "secret_accepted_keys",
        Unit::Count,
        "Keys of a secret that are accepted, the current one included.",
        "runbook 8.3",
    )
    .labels(&[SECRET])
    .start(Start::FirstUse),
    counter("panics_total", Unit::Count, "Panics caught by the panic hook.", "runbook 6.1"),
    counter(
        "log_lines_dropped_total",
        Unit::Count,
        "Log lines that found the queue full.",
        "runbook 2.2",
    ),
    counter(
        "otel_spans_dropped_total",
        Unit::Count,
        "Spans that found the queue full or could not be delivered.",
        "runbook 2.3",
    ),
    counter(
        "metrics_refused_total",
        Unit::Count,
        "Measurements whose name, type or labels are not in the catalogue.",
        "runbook 2.1",
    )
    .labels(&[REFUSED]),
];
