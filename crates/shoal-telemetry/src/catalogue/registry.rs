//! The embedded registry, apart from its database and its disk, which are told like every other.

use super::{Kind, Label, Metric, SECONDS_OF_COMMIT, SECONDS_OF_HTTP, Start, Unit, counter, gauge};
use crate::label::ROUTE;

const UPLOAD_RESULT: Label = Label::closed("result", &["ok", "error", "client_abort"]);
/// Up to 1 MiB, 64 MiB, 1 GiB, and above.
const SIZE_CLASS: Label = Label::closed("size_class", &["small", "medium", "large", "huge"]);
const GC_OUTCOME: Label = Label::closed("outcome", &["done", "failed", "stopped"]);
const GC_WHAT: Label = Label::closed("what", &["tag", "manifest", "link", "blob", "file"]);

/// A collection reads the whole catalogue and unlinks files of any size.
const GC_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];

/// From a manifest in memory to 20 GiB over a slow link.
const READ_SECONDS: &[f64] =
    &[0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

pub(super) const METRICS: &[Metric] = &[
    gauge(
        "registry_up",
        Unit::Flag,
        "1 while the registry is served, 0 while it is switched off or cannot be used.",
        "runbook 5.1 registry offline",
    )
    .start(Start::Zero),
    counter(
        "registry_upload_bytes_total",
        Unit::Bytes,
        "Bytes received by the registry.",
        "runbook 2.1",
    ),
    counter(
        "registry_download_bytes_total",
        Unit::Bytes,
        "Bytes sent by the registry.",
        "runbook 2.1",
    ),
    gauge("registry_inflight_uploads", Unit::Count, "Uploads in progress.", "runbook 2.1")
        .start(Start::Zero),
    gauge("registry_blob_count", Unit::Count, "Blobs stored; 0 while it is off.", "runbook 2.1")
        .start(Start::Zero),
    gauge(
        "registry_storage_bytes",
        Unit::Bytes,
        "Bytes stored in blobs; 0 while it is off.",
        "runbook 2.1",
    )
    .start(Start::Zero),
    counter(
        "registry_uploads_total",
        Unit::Count,
        "Uploads of blobs and manifests that ended; one that its client gave up is no error.",
        "runbook 3 registry_upload_error_rate",
    )
    .labels(&[UPLOAD_RESULT]),
    Metric::new(
        "registry_blob_read_seconds",
        Kind::Histogram(READ_SECONDS),
        Unit::Seconds,
        "Sending one blob to its last byte; classes end at 1 MiB, 64 MiB and 1 GiB.",
        "runbook 2.4 large blob latency",
    )
    .labels(&[SIZE_CLASS]),
    gauge(
        "registry_upload_sessions",
        Unit::Count,
        "Upload sessions open, idle ones included.",
        "registry",
    )
    .start(Start::Zero),
    counter(
        "registry_damaged_blobs_total",
        Unit::Count,
        "Blobs whose file was found damaged or gone and was put away.",
        "registry",
    ),
    Metric::new(
        "registry_fsync_seconds",
        Kind::Histogram(SECONDS_OF_COMMIT),
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
        Kind::Histogram(SECONDS_OF_HTTP),
        Unit::Seconds,
        "Answering registry requests until the first byte of the answer.",
        "runbook 2.1",
    )
    .labels(&[ROUTE, Label::code()])
    .start(Start::Listed(&[&["other", "404"]])),
];
