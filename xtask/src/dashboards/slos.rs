//! The objectives: what was promised, how much of the allowance is left, and how fast it is used up.

use super::model::{Dashboard, Panel, Row, Unit};

/// Shown as they are recorded, over all controllers.
const FAST: [(&str, &str); 2] = [
    ("slo:sli_error:ratio_rate1h / on (slo) (1 - slo:objective:ratio)", "1 h {{slo}}"),
    ("slo:sli_error:ratio_rate6h / on (slo) (1 - slo:objective:ratio)", "6 h {{slo}}"),
];
const SLOW: [(&str, &str); 2] = [
    ("slo:sli_error:ratio_rate1d / on (slo) (1 - slo:objective:ratio)", "1 d {{slo}}"),
    ("slo:sli_error:ratio_rate3d / on (slo) (1 - slo:objective:ratio)", "3 d {{slo}}"),
];

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "slos",
        title: "Objectives",
        about: "What was promised, how much of the allowance of 30 days is left, and how fast it is used up.",
        rows: vec![
            Row::new("Allowance", allowance()),
            Row::new("Jobs", jobs()),
            Row::new("Availability", availability()),
        ],
    }
}

fn allowance() -> Vec<Panel> {
    let burn = |title, about, windows: [(&str, &'static str); 2]| {
        let panel = Panel::lines(title, about, Unit::Times);
        windows.iter().fold(panel, |panel, (expr, legend)| panel.query(expr, legend))
    };
    vec![
        Panel::numbers(
            "Left of the allowance",
            "Share of the failures allowed in 30 days that is left; below zero the objective is missed.",
            Unit::Share,
        )
        .query("slo:error_budget_remaining:ratio", "{{slo}}"),
        Panel::lines("Failures over 30 days", "Share of what failed or came too late, of 30 days.", Unit::Share)
            .query("slo:sli_error:ratio_rate30d", "{{slo}}"),
        burn(
            "Burn rates of hours",
            "How many times faster than allowed the allowance was used up in the last hours: at 1 it lasts exactly 30 days.",
            FAST,
        ),
        burn(
            "Burn rates of days",
            "How many times faster than allowed the allowance was used up in the last days: at 1 it lasts exactly 30 days.",
            SLOW,
        ),
    ]
}

fn jobs() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Job success",
            "Share of jobs that succeeded, of all that ended by themselves in the time shown; the objective is 98 % of 30 days.",
            Unit::Share,
        )
        .query(
            r#"sum by (task_target) (increase(job_duration_seconds_count{$S,outcome="succeeded",task_target!="synthetic"}[$__range])) / (sum by (task_target) (increase(job_duration_seconds_count{$S,outcome=~"succeeded|failed",task_target!="synthetic"}[$__range])) > 0)"#,
            "{{task_target}}",
        ),
        Panel::lines(
            "P95 by workflow",
            "From creation to outcome of jobs that succeeded. Objectives: 90 min for Linux and ESXi, 150 min for Windows.",
            Unit::Seconds,
        )
        .quantiles(
            &[("0.95", "{{task_target}}")],
            r#"sum by (le, task_target) (increase(job_duration_seconds_bucket{$S,outcome="succeeded",task_target!="synthetic"}[$__range]))"#,
        ),
        Panel::lines(
            "P95 of ESXi cleanup",
            "Cleaning up after an ESXi install; the objective is 20 min.",
            Unit::Seconds,
        )
        .quantiles(
            &[("0.95", "cleanup")],
            r#"sum by (le) (increase(provisioning_phase_duration_seconds_bucket{$S,task_target="install-esxi.target",phase="cleanup"}[$__range]))"#,
        ),
    ]
}

fn availability() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Requests without a server error",
            "Share of answered requests to the API, looks at BMCs left out; the objective is 99.9 % of 30 days.",
            Unit::Share,
        )
        .query(
            r#"1 - (sum(rate(http_requests_total{$S,route=~"/api/v1/.*",route!~".*/probe|.*/examine",code=~"5.."}[$__rate_interval])) or vector(0)) / (sum(rate(http_requests_total{$S,route=~"/api/v1/.*",route!~".*/probe|.*/examine"}[$__rate_interval])) > 0)"#,
            "answered well",
        ),
        Panel::lines(
            "Scraped",
            "1 while Prometheus reads the controller's metrics; what the share beside it cannot see.",
            Unit::Flag,
        )
        .query("up{job=\"shoal\"}", "{{instance}}"),
        Panel::lines("Processing of reports", "P95 until a report is committed; the objective is a second.", Unit::Seconds)
            .quantiles(
                &[("0.95", "P95")],
                "sum by (le) (rate(webhook_processing_duration_seconds_bucket{$S}[$__rate_interval]))",
            ),
    ]
}
