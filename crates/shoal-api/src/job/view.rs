//! Jobs as callers see them. The shapes are the API's own: what the engine stores may change from
//! release to release, these only grow.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{
    Budgets, Fault, InstallerEnd, Job, JobId, MediaClass, MediaPlan, OnFailure, Phase, Plan,
    ServerSerial, Status, StepKey, Time, Workflow,
};
use shoal_store::Record;

use super::{evidence::EvidenceView, waiting::Waiting};
use crate::{openapi::shape, timestamp::At};

/// A job that was accepted, as every call that starts or changes one answers.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobAccepted")]
pub(super) struct Accepted<'a> {
    #[schemars(with = "shape::JobId")]
    job_id: JobId,
    #[schemars(with = "shape::Status")]
    status: Status,
    #[schemars(with = "shape::ServerSerial")]
    server_serial: &'a ServerSerial,
    created_at: At,
}

impl<'a> Accepted<'a> {
    pub(super) fn of(job: &'a Job) -> Self {
        Self {
            job_id: job.id(),
            status: job.status(),
            server_serial: job.serial(),
            created_at: At(job.created_at()),
        }
    }
}

/// How both media get into the BMC.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MediaPlan")]
struct MediaView<'a> {
    #[schemars(with = "shape::MediaClass")]
    class: MediaClass,
    boot_slot: &'a str,
    task_slot: Option<&'a str>,
    prefetches: bool,
    notes: &'a [String],
}

impl<'a> MediaView<'a> {
    fn of(plan: &'a MediaPlan) -> Self {
        Self {
            class: plan.class,
            boot_slot: &plan.boot_slot,
            task_slot: plan.task_slot.as_deref(),
            prefetches: plan.prefetches,
            notes: &plan.notes,
        }
    }
}

/// A plan without its budgets, which stand beside it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
pub(super) struct PlanView<'a> {
    #[schemars(with = "shape::Workflow")]
    workflow: Workflow,
    task_target: &'a str,
    #[schemars(with = "shape::OnFailure")]
    on_failure: OnFailure,
    boot_evidence: bool,
    #[schemars(with = "shape::InstallerEnd")]
    installer_end: InstallerEnd,
    max_attempts: u32,
    boot_url: Option<&'a str>,
}

impl<'a> PlanView<'a> {
    pub(super) fn of(plan: &'a Plan, boot_url: Option<&'a str>) -> Self {
        Self {
            workflow: plan.workflow,
            task_target: &plan.task_target,
            on_failure: plan.on_failure,
            boot_evidence: plan.boot_evidence,
            installer_end: plan.installer_end,
            max_attempts: plan.max_attempts,
            boot_url,
        }
    }
}

/// One job in a list, and the head of one job alone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobSummary")]
pub(super) struct Summary<'a> {
    #[schemars(with = "shape::JobId")]
    job_id: JobId,
    #[schemars(with = "shape::ServerSerial")]
    server_serial: &'a ServerSerial,
    task_target: &'a str,
    #[schemars(with = "shape::Status")]
    status: Status,
    #[schemars(with = "shape::Phase")]
    phase: &'static str,
    #[schemars(with = "Option<shape::Outcome>")]
    outcome: Option<&'static str>,
    #[schemars(with = "Option<shape::Step>")]
    failed_step: Option<&'static str>,
    /// Completes "the job waits for ..."; null while it works or is complete.
    waiting_for: Option<String>,
    /// The same for programs.
    waiting_for_code: Option<&'static str>,
    attempt: u32,
    priority: i32,
    labels: &'a BTreeMap<String, String>,
    #[schemars(with = "Option<shape::JobId>")]
    retry_of: Option<JobId>,
    stuck: bool,
    created_at: At,
    updated_at: At,
    progressed_at: At,
    /// When patience ends; null where only a person or other jobs end the wait.
    deadline: Option<At>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(record: &'a Record, waiting: Option<Waiting>, now: Time) -> Self {
        let job = &record.job;
        let outcome = job.outcome();
        let until = waiting.as_ref().and_then(|waiting| waiting.until);
        let waiting_for_code = waiting.as_ref().map(|waiting| waiting.code);
        Self {
            job_id: job.id(),
            server_serial: job.serial(),
            task_target: &job.plan().task_target,
            status: job.status(),
            phase: job.phase().name(),
            outcome: outcome.map(|outcome| outcome.kind.as_str()),
            failed_step: outcome.and_then(|outcome| outcome.failed_step).map(StepKey::as_str),
            waiting_for_code,
            waiting_for: waiting.map(|waiting| waiting.text),
            attempt: job.attempt(),
            priority: record.priority,
            labels: &record.labels,
            retry_of: record.retry_of,
            stuck: job.is_stuck(now),
            created_at: At(job.created_at()),
            updated_at: At(record.updated_at),
            progressed_at: At(job.progressed_at()),
            deadline: job.deadline().or(until).map(At),
        }
    }
}

/// All that is known about one job besides its recipe and its history.
#[derive(Serialize, JsonSchema)]
pub(super) struct Full<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    /// Why an operator is asked, while one is.
    #[schemars(with = "Option<shape::Hold>")]
    held: Option<&'static str>,
    message: Option<&'a str>,
    /// The failed unit as the machine named it.
    failed_unit: Option<&'a str>,
    finished_at: Option<At>,
    completed_at: Option<At>,
    #[schemars(with = "Vec<shape::JobWarning>")]
    warnings: Vec<&'static str>,
    fault: Option<FaultView<'a>>,
    stopping: bool,
    evidence: EvidenceView,
    progress: ProgressView<'a>,
    plan: PlanView<'a>,
    #[schemars(with = "shape::TimeBudgets")]
    budgets: &'a Budgets,
    media_plan: Option<MediaView<'a>>,
    medium: Option<MediumView<'a>>,
    #[schemars(with = "shape::JobId")]
    lineage: JobId,
    /// The unfinished job whose place it takes, while it waits for that.
    #[schemars(with = "Option<shape::JobId>")]
    after_job: Option<JobId>,
    trace_id: Option<&'a str>,
    version: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
struct FaultView<'a> {
    summary: &'a str,
    detail: Option<&'a str>,
    #[schemars(with = "Option<shape::Step>")]
    step: Option<&'static str>,
    /// Failed tries of the current command in a row.
    tries: u32,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Progress")]
struct ProgressView<'a> {
    step: Option<&'a str>,
    percent: Option<u8>,
    bytes: Option<u64>,
    at: Option<At>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TaskMedium")]
struct MediumView<'a> {
    bytes: u64,
    sha256: &'a str,
}

impl<'a> Full<'a> {
    pub(super) fn of(record: &'a Record, waiting: Option<Waiting>, now: Time) -> Self {
        let job = &record.job;
        let outcome = job.outcome();
        Self {
            summary: Summary::of(record, waiting, now),
            held: held(job.phase()),
            message: outcome.map(|outcome| outcome.message.as_str()),
            failed_unit: outcome.and_then(|outcome| outcome.unit.as_deref()),
            finished_at: outcome.map(|outcome| At(outcome.at)),
            completed_at: job.completed_at().map(At),
            warnings: job.warnings().iter().map(|warning| warning.as_str()).collect(),
            fault: job.fault().map(|fault| FaultView::of(fault, job.tries())),
            stopping: job.is_stopping(),
            evidence: EvidenceView::of(job),
            progress: ProgressView::of(job),
            plan: PlanView::of(job.plan(), record.boot_url.as_deref()),
            budgets: &job.plan().budgets,
            media_plan: job.media().map(MediaView::of),
            medium: job.medium().map(|(bytes, sha256)| MediumView { bytes, sha256 }),
            lineage: record.lineage,
            after_job: record.after_job.filter(|_| job.status() == Status::Queued),
            trace_id: record.trace_id(),
            version: record.version,
        }
    }
}

impl<'a> FaultView<'a> {
    fn of(fault: &'a Fault, tries: u32) -> Self {
        Self {
            summary: &fault.summary,
            detail: fault.detail.as_deref(),
            step: fault.step.map(StepKey::as_str),
            tries,
        }
    }
}

impl<'a> ProgressView<'a> {
    fn of(job: &'a Job) -> Self {
        let progress = job.progress();
        Self {
            step: progress.activity.step.as_deref(),
            percent: progress.activity.percent,
            bytes: progress.activity.bytes,
            at: progress.at.map(At),
        }
    }
}

fn held(phase: &Phase) -> Option<&'static str> {
    if let Phase::Held { reason, .. } = phase { Some(reason.as_str()) } else { None }
}
