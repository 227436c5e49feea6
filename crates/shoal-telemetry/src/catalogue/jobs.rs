//! Jobs and the workers that carry them. Status names appear here and phase names never do:
//! dashboards outlive the phases of one release.

use super::{Kind, Label, Metric, Start, Unit};
use crate::label::{OUTCOME, STATUS, STATUSES, STEP, TASK_TARGET};

/// The edges hold the objectives: 20 min (cleanup), 90 and 150 min (installs), 110 min (ESXi).
const JOB_SECONDS: &[f64] = &[
    60.0, 300.0, 600.0, 1200.0, 1800.0, 2700.0, 3600.0, 5400.0, 6600.0, 7200.0, 9000.0, 10_800.0,
    14_400.0,
];

const PHASE_SECONDS: &[f64] = &[
    0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2700.0, 5400.0, 9000.0,
    14_400.0,
];

/// Every change of status a job can make; `none` is before its creation.
const LEGAL_EDGES: &[&[&str]] = &[
    &["none", "queued"],
    &["queued", "provisioning"],
    &["queued", "failed"],
    &["queued", "cancelled"],
    &["provisioning", "succeeded"],
    &["provisioning", "failed"],
    &["provisioning", "cancelled"],
    &["succeeded", "complete"],
    &["failed", "complete"],
    &["cancelled", "complete"],
];

const FROM: Label = Label::closed(
    "from",
    &["none", "queued", "provisioning", "succeeded", "failed", "cancelled", "complete"],
);
const TO: Label = Label::closed("to", STATUSES);

const PHASE: Label =
    Label::closed("phase", &["detect", "iso", "mount", "boot", "install", "wait", "cleanup"]);

/// Of each workflow those stretches that an objective speaks of; the others come as they pass.
const FIRST_PHASES: &[&[&str]] = &[
    &["install", "install-linux.target"],
    &["install", "install-windows.target"],
    &["install", "install-esxi.target"],
    &["cleanup", "install-linux.target"],
    &["cleanup", "install-windows.target"],
    &["cleanup", "install-esxi.target"],
];

const SLOT_STATE: Label = Label::closed("state", &["busy", "free"]);

pub(super) const METRICS: &[Metric] = &[
    Metric::new(
        "job_total",
        Kind::Counter,
        Unit::Count,
        "Jobs that entered a status; counted after the commit.",
        "runbook 2.1",
    )
    .labels(&[STATUS]),
    Metric::new(
        "job_duration_seconds",
        Kind::Histogram(JOB_SECONDS),
        Unit::Seconds,
        "From creation of a job to its outcome, cleanup excluded.",
        "runbook 2.1, 4",
    )
    .labels(&[OUTCOME, TASK_TARGET]),
    Metric::new(
        "job_transitions_total",
        Kind::Counter,
        Unit::Count,
        "Changes of status; the sum over from equals job_total for the same status.",
        "runbook 2.1",
    )
    .labels(&[FROM, TO])
    .start(Start::Listed(LEGAL_EDGES)),
    Metric::new(
        "jobs_current",
        Kind::Gauge,
        Unit::Count,
        "Jobs in a status now.",
        "runbook 2.4 jobs by status",
    )
    .labels(&[STATUS, TASK_TARGET]),
    Metric::new(
        "job_failures_total",
        Kind::Counter,
        Unit::Count,
        "Failed jobs by the step that failed.",
        "runbook 2.4 error taxonomy",
    )
    .labels(&[STEP, TASK_TARGET]),
    Metric::new(
        "jobs_provisioning_stuck",
        Kind::Gauge,
        Unit::Count,
        "Provisioning jobs without progress for longer than their threshold.",
        "runbook 3 job orchestration",
    )
    .labels(&[TASK_TARGET]),
    Metric::new(
        "job_stuck_threshold_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "Time without progress after which a job counts as stuck.",
        "runbook 3 job orchestration",
    )
    .labels(&[TASK_TARGET])
    .start(Start::Known),
    Metric::new(
        "job_oldest_age_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "Age of the oldest job in a status; 0 when there is none.",
        "runbook 6.6",
    )
    .labels(&[STATUS]),
    Metric::new(
        "provisioning_phase_duration_seconds",
        Kind::Histogram(PHASE_SECONDS),
        Unit::Seconds,
        "Time spent in one stretch of a job.",
        "runbook 4 ESXi install and cleanup",
    )
    .labels(&[PHASE, TASK_TARGET])
    .start(Start::Listed(FIRST_PHASES)),
    Metric::new(
        "worker_slots",
        Kind::Gauge,
        Unit::Count,
        "Places for jobs in a BMC-active phase.",
        "runbook 7.3",
    )
    .labels(&[SLOT_STATE]),
    Metric::new(
        "worker_picking",
        Kind::Gauge,
        Unit::Flag,
        "1 while queued jobs are picked, 0 while drained or held back.",
        "runbook 7.3, 8.4",
    ),
    Metric::new(
        "lease_steals_total",
        Kind::Counter,
        Unit::Count,
        "Leases taken from an owner that let them expire.",
        "runbook 6.7",
    ),
    Metric::new(
        "instance_lock_held",
        Kind::Gauge,
        Unit::Flag,
        "1 while this process holds the database's instance lock.",
        "runbook 6.1, 6.7",
    ),
];
