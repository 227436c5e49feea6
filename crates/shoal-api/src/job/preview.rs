//! What a request would become, for a dry run.

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{Budgets, JobId, ServerSerial, Time};
use shoal_store::ServerRecord;

use super::view::PlanView;
use crate::{
    openapi::shape,
    planner::{JobRequest, Planned, Warning},
    prober::{Finding, Forecast, MediaForecast},
    timestamp::At,
};

/// What a request would become.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DryRun")]
pub(super) struct Preview<'a> {
    dry_run: bool,
    #[schemars(with = "shape::ServerSerial")]
    server_serial: &'a ServerSerial,
    plan: PlanView<'a>,
    #[schemars(with = "shape::TimeBudgets")]
    budgets: &'a Budgets,
    /// As far as the BMC was looked at.
    media_plan: Option<&'a MediaForecast>,
    /// When that was; none if it never was.
    probed_at: Option<At>,
    probe_age_seconds: Option<u64>,
    /// Why the job would fail, as far as can be told.
    problems: &'a [Finding],
    notes: Vec<String>,
    warnings: &'a [Warning],
}

/// What was found about the machine of a request.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) server: &'a ServerRecord,
    pub(super) active: Option<JobId>,
    pub(super) forecast: &'a Forecast,
    pub(super) now: Time,
}

impl<'a> Preview<'a> {
    pub(super) fn of(request: &'a JobRequest, planned: &'a Planned, found: Found<'a>) -> Self {
        let mut notes = found.forecast.notes.clone();
        if let Some(reason) = &found.server.server.quarantine {
            notes.push(format!("the server takes no jobs: {reason}"));
        }
        if let Some(job) = found.active {
            notes.push(format!("the server has the unfinished job {job}"));
        }
        let probed_at = found.forecast.probed_at;
        Self {
            dry_run: true,
            server_serial: &request.serial,
            plan: PlanView::of(&planned.plan, planned.boot_url.as_deref()),
            budgets: &planned.plan.budgets,
            media_plan: found.forecast.media_plan.as_ref(),
            probed_at: probed_at.map(At),
            probe_age_seconds: probed_at.map(|at| found.now.since(at).as_secs()),
            problems: &found.forecast.problems,
            notes,
            warnings: &planned.warnings,
        }
    }
}
