//! What crosses the wire to BMCs and to the maintenance OS: Redfish requests, webhook reports,
//! task media and the reads of them.

use super::{Kind, Label, Metric, Start, Unit};
use crate::label::{OP, OTHER, VENDOR};

const REQUEST_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];

const POLL_SECONDS: &[f64] =
    &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 450.0, 600.0, 900.0, 1200.0];

/// The edge at 1 s is the objective.
const WEBHOOK_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const BUILD_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// From 64 KiB, the smallest image, past 10 MiB, the largest allowed one.
const MEDIUM_BYTES: &[f64] = &[
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    5_242_880.0,
    6_291_456.0,
    8_388_608.0,
    10_485_760.0,
    16_777_216.0,
    67_108_864.0,
];

const PROBE_RESULT: Label = Label::closed("result", &["ready", "problems", "unreachable"]);
const REPORT_STATUS: Label = Label::closed("status", &["success", "failed", "progress"]);
const AUTH_REASON: Label = Label::closed("reason", &["missing", "mismatch", "cert"]);
const REJECT_REASON: Label = Label::mapped(
    "reason",
    &["unexpected", "finished_attempt", "late_report", "no_job", "invalid", "rate_limited", OTHER],
    OTHER,
);
const BUILD_REASON: Label =
    Label::mapped("reason", &["disk_full", "tool", "input", "io", OTHER], OTHER);
const MEDIA_KIND: Label = Label::mapped("kind", &["task", "boot", "static", OTHER], OTHER);
const URL_REASON: Label =
    Label::closed("reason", &["expired", "signature", "malformed", "unknown_key", "not_found"]);

pub(super) const METRICS: &[Metric] = &[
    Metric::new(
        "redfish_request_duration_seconds",
        Kind::Histogram(REQUEST_SECONDS),
        Unit::Seconds,
        "One Redfish request, not the loop that repeats it.",
        "runbook 2.1",
    )
    .labels(&[OP, VENDOR])
    .start(Start::Listed(&[&["discover", "unknown"]])),
    Metric::new(
        "redfish_requests_total",
        Kind::Counter,
        Unit::Count,
        "Redfish requests by answer; a request without an answer has the reason as its code.",
        "runbook 2.1",
    )
    .labels(&[OP, Label::code(), VENDOR])
    .start(Start::Listed(&[&["discover", "200", "unknown"]])),
    Metric::new(
        "redfish_retries_total",
        Kind::Counter,
        Unit::Count,
        "Redfish requests sent again.",
        "runbook 2.1",
    )
    .labels(&[OP, VENDOR]),
    Metric::new(
        "redfish_poll_duration_seconds",
        Kind::Histogram(POLL_SECONDS),
        Unit::Seconds,
        "From a reset until the BMC, ready again, showed its effect.",
        "runbook 2.4 polling time",
    )
    .labels(&[VENDOR]),
    Metric::new(
        "redfish_poll_timeouts_total",
        Kind::Counter,
        Unit::Count,
        "Resets whose effect the BMC did not show in time.",
        "runbook 3 redfish_poll_timeout_count",
    )
    .labels(&[VENDOR]),
    Metric::new(
        "redfish_profile_selected_total",
        Kind::Counter,
        Unit::Count,
        "Looks at a BMC by the profile they chose.",
        "runbook 12 profile detection",
    )
    .labels(&[VENDOR, Label::configured("profile")])
    .start(Start::Listed(&[&["unknown", "generic"]])),
    Metric::new(
        "redfish_probes_total",
        Kind::Counter,
        Unit::Count,
        "Looks at BMCs for operators, by what an install would meet there.",
        "runbook 12 profile detection",
    )
    .labels(&[VENDOR, PROBE_RESULT]),
    Metric::new(
        "webhook_received_total",
        Kind::Counter,
        Unit::Count,
        "Accepted reports of the maintenance OS.",
        "runbook 2.1",
    )
    .labels(&[REPORT_STATUS]),
    Metric::new(
        "webhook_processing_duration_seconds",
        Kind::Histogram(WEBHOOK_SECONDS),
        Unit::Seconds,
        "From the first byte of a report's header to the durable commit.",
        "runbook 2.1, 4",
    ),
    Metric::new(
        "webhook_auth_failures_total",
        Kind::Counter,
        Unit::Count,
        "Reports without a token or with a wrong one, counted before any rate limit.",
        "runbook 2.1, 3",
    )
    .labels(&[AUTH_REASON]),
    Metric::new(
        "webhook_deduplicated_total",
        Kind::Counter,
        Unit::Count,
        "Reports that repeated an earlier delivery.",
        "runbook 2.4 dedupe rate",
    ),
    Metric::new(
        "webhook_rejected_total",
        Kind::Counter,
        Unit::Count,
        "Reports that changed nothing, by reason.",
        "runbook 2.4 webhooks",
    )
    .labels(&[REJECT_REASON]),
    Metric::new(
        "iso_build_duration_seconds",
        Kind::Histogram(BUILD_SECONDS),
        Unit::Seconds,
        "Building one task medium.",
        "runbook 2.1",
    ),
    Metric::new(
        "iso_size_bytes",
        Kind::Histogram(MEDIUM_BYTES),
        Unit::Bytes,
        "Size of built task media.",
        "runbook 2.1",
    ),
    Metric::new(
        "iso_build_failures_total",
        Kind::Counter,
        Unit::Count,
        "Task media that could not be built.",
        "runbook 3 iso_build_failures",
    )
    .labels(&[BUILD_REASON]),
    Metric::new(
        "media_requests_total",
        Kind::Counter,
        Unit::Count,
        "Answers of the media server; 206, 304 and 416 are ordinary here.",
        "runbook 2.1",
    )
    .labels(&[Label::code(), MEDIA_KIND])
    .start(Start::Listed(&[
        &["200", "task"],
        &["206", "task"],
        &["403", "task"],
        &["404", "task"],
        &["200", "boot"],
        &["206", "boot"],
        &["403", "boot"],
        &["404", "boot"],
    ])),
    Metric::new(
        "media_signed_url_validation_failures_total",
        Kind::Counter,
        Unit::Count,
        "Media URLs that were refused; the reason tells clock, key and missing file apart.",
        "runbook 3, 6.4",
    )
    .labels(&[URL_REASON]),
];
