//! The HTTP surface, the database, the process with its disks, and telemetry's own health.

use super::{Kind, Label, Metric, SECONDS_OF_COMMIT, SECONDS_OF_HTTP, Start, Unit, counter, gauge};
use crate::label::{DB, ROUTE};

const PATH: Label = Label::configured("path");
const SURFACE: Label = Label::closed("surface", &["api", "registry", "ui"]);
const REFUSED: Label = Label::closed("reason", &["undeclared", "kind", "labels"]);

pub(super) const METRICS: &[Metric] = &[
    counter(
        "http_requests_total",
        Unit::Count,
        "Answered HTTP requests; the route is a template, other when none matched.",
        "runbook 2.1, 3",
    )
    .labels(&[ROUTE, Label::code()])
    .start(Start::Listed(&[&["other", "404"]])),
    Metric::new(
        "http_request_duration_seconds",
        Kind::Histogram(SECONDS_OF_HTTP),
        Unit::Seconds,
        "Answering HTTP requests, media and registry transfers excluded.",
        "runbook 2.1",
    )
    .labels(&[ROUTE, Label::code()])
    .start(Start::Listed(&[&["other", "404"]])),
    counter(
        "login_auth_failures_total",
        Unit::Count,
        "Requests with wrong credentials.",
        "runbook 3 security",
    )
    .labels(&[SURFACE]),
    counter(
        "sqlite_busy_total",
        Unit::Count,
        "Statements that found the database locked by somebody else.",
        "runbook 6.1, 6.7",
    )
    .labels(&[DB]),
    Metric::new(
        "sqlite_write_seconds",
        Kind::Histogram(SECONDS_OF_COMMIT),
        Unit::Seconds,
        "One durable group commit.",
        "runbook 6.7",
    )
    .labels(&[DB]),
    gauge("sqlite_wal_bytes", Unit::Bytes, "Size of the write-ahead log.", "runbook 6.7")
        .labels(&[DB]),
    gauge("sqlite_db_bytes", Unit::Bytes, "Size of the database file.", "runbook 6.7")
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
