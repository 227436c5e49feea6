//! The first page: whether jobs move, whether requests are answered, and what fails most.

use super::model::{Dashboard, Panel, Row, Unit};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "overview",
        title: "Overview",
        about: "Whether jobs move, whether requests are answered, and what fails most.",
        rows: vec![
            Row::new("Now", now()),
            Row::new("Jobs", jobs()),
            Row::new("Failures", failures()),
            Row::new("Requests", requests()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::numbers("Active jobs", "Jobs that are queued or being provisioned.", Unit::Count)
            .query(r#"sum(jobs_current{$S,status=~"queued|provisioning"})"#, "active"),
        Panel::numbers(
            "Success rate",
            "Jobs that succeeded, of all that ended by themselves in the time shown. Cancelled jobs and drills are left out.",
            Unit::Share,
        )
        .query(
            r#"sum(increase(job_duration_seconds_count{$S,outcome="succeeded",task_target!="synthetic"}[$__range])) / (sum(increase(job_duration_seconds_count{$S,outcome=~"succeeded|failed",task_target!="synthetic"}[$__range])) > 0)"#,
            "succeeded",
        ),
        Panel::numbers(
            "Stuck jobs",
            "Provisioning jobs without progress for longer than their workflow allows.",
            Unit::Count,
        )
        .query("sum by (task_target) (jobs_provisioning_stuck{$S})", "{{task_target}}")
        .page_above("ShoalJobsStuck", 0.0),
    ]
}

fn jobs() -> Vec<Panel> {
    vec![
        Panel::stacked("Jobs by status", "Jobs in each status. Complete ones are kept as history and left out.", Unit::Count)
            .query(r#"sum by (status) (jobs_current{$S,status!="complete"})"#, "{{status}}"),
        Panel::lines(
            "Job durations",
            "From creation to outcome, over the whole time shown, since a fleet has few jobs in five minutes.",
            Unit::Seconds,
        )
        .quantiles(
            &[("0.5", "P50 {{task_target}}"), ("0.9", "P90 {{task_target}}"), ("0.99", "P99 {{task_target}}")],
            r#"sum by (le, task_target) (increase(job_duration_seconds_bucket{$S,outcome="succeeded"}[$__range]))"#,
        ),
        Panel::lines("Changes of status", "How many jobs enter each status a second.", Unit::PerSecond)
            .query("sum by (to) (rate(job_transitions_total{$S}[$__rate_interval]))", "{{to}}"),
        Panel::bars("Outcomes", "How jobs ended in the time shown.", Unit::Count).query(
            r#"sum by (status) (increase(job_total{$S,status=~"succeeded|failed|cancelled"}[$__range]))"#,
            "{{status}}",
        ),
        Panel::bars(
            "Patience",
            "Without progress for this long a job counts as stuck, by workflow.",
            Unit::Seconds,
        )
        .query("max by (task_target) (job_stuck_threshold_seconds{$S})", "{{task_target}}"),
        Panel::lines(
            "Oldest job",
            "Age of the oldest job that is not over. A queue that grows older has no worker free for it.",
            Unit::Seconds,
        )
        .query(r#"max by (status) (job_oldest_age_seconds{$S,status=~"queued|provisioning"})"#, "{{status}}"),
        Panel::lines("Workers", "Places for jobs that work on a BMC.", Unit::Count)
            .query("sum by (state) (worker_slots{$S})", "{{state}}"),
        Panel::lines(
            "Jobs are picked",
            "1 while queued jobs are picked; 0 while drained or held back by a full disk or slow commits.",
            Unit::Flag,
        )
        .query("min by (instance) (worker_picking{$S})", "{{instance}}"),
    ]
}

fn failures() -> Vec<Panel> {
    vec![
        Panel::bars("Steps that fail most", "The ten steps that failed most jobs in the time shown.", Unit::Count)
            .query("topk(10, sum by (failed_step) (increase(job_failures_total{$S}[$__range])) > 0)", "{{failed_step}}"),
        Panel::lines(
            "Failed jobs",
            "Share of jobs that failed in the last half hour, by workflow. The alert also wants five jobs.",
            Unit::Share,
        )
        .query("job_failed_rate", "{{task_target}}")
        .warn_above("ShoalJobFailedRateHigh", 0.1),
        Panel::lines(
            "Duration of stretches",
            "Where a job's time goes: P95 of each stretch over the time shown.",
            Unit::Seconds,
        )
        .quantiles(
            &[("0.95", "{{phase}}")],
            "sum by (le, phase) (increase(provisioning_phase_duration_seconds_bucket{$S}[$__range]))",
        ),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        Panel::lines("Requests", "Answered requests by class of status code.", Unit::PerSecond).query(
            r#"sum by (class) (label_replace(rate(http_requests_total{$S}[$__rate_interval]), "class", "${1}xx", "code", "(.).."))"#,
            "{{class}}",
        ),
        Panel::lines("5xx by route", "Requests that were answered with a server error.", Unit::PerSecond).query(
            r#"sum by (route) (rate(http_requests_total{$S,code=~"5.."}[$__rate_interval]))"#,
            "{{route}}",
        ),
        Panel::lines(
            "5xx share by route",
            "Share of requests that were answered with a server error. The alert also wants three of them in five minutes.",
            Unit::Share,
        )
        .query("http_5xx_rate", "{{route}}")
        .page_above("ShoalHttp5xxHigh", 0.01),
        Panel::lines("Slowest routes", "P95 of the five slowest routes; transfers of media and blobs are left out.", Unit::Seconds)
            .query(
                "topk(5, histogram_quantile(0.95, sum by (le, route) (rate(http_request_duration_seconds_bucket{$S}[$__rate_interval]))) > 0)",
                "{{route}}",
            ),
        Panel::lines("Failed logins", "Requests with wrong credentials a minute, by where they came in.", Unit::Count)
            .query("login_auth_fail_rate", "{{surface}}")
            .warn_above("ShoalLoginFailures", 5.0),
    ]
}
