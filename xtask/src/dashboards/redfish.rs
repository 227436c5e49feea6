//! What is said to BMCs, how they answer, and how long they take to do what they were told.

use super::model::{Dashboard, Panel, Row, Unit};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "redfish",
        title: "Redfish",
        about: "What is said to BMCs, how they answer, and how long they take to do what they were told.",
        rows: vec![
            Row::new("Requests", requests()),
            Row::new("Failures", failures()),
            Row::new("After a reset", resets()),
            Row::new("Kinds of BMC", kinds()),
        ],
    }
}

fn requests() -> Vec<Panel> {
    vec![
        Panel::lines("Requests by operation", "What the controller does at BMCs.", Unit::PerSecond)
            .query("sum by (op) (rate(redfish_requests_total{$S}[$__rate_interval]))", "{{op}}"),
        Panel::lines("Requests by vendor", "At whose BMCs it does it.", Unit::PerSecond)
            .query("sum by (vendor) (rate(redfish_requests_total{$S}[$__rate_interval]))", "{{vendor}}"),
        Panel::lines("Request duration by operation", "P95 of one request, repeats not added up.", Unit::Seconds)
            .quantiles(
                &[("0.95", "{{op}}")],
                "sum by (le, op) (rate(redfish_request_duration_seconds_bucket{$S}[$__rate_interval]))",
            ),
        Panel::lines("Request duration by vendor", "P95 of one request, repeats not added up.", Unit::Seconds)
            .quantiles(
                &[("0.95", "{{vendor}}")],
                "sum by (le, vendor) (rate(redfish_request_duration_seconds_bucket{$S}[$__rate_interval]))",
            ),
    ]
}

fn failures() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Error rate by operation",
            "Share of requests without a useful answer in the last ten minutes; an expired session is none.",
            Unit::Share,
        )
        .query("redfish_request_error_rate", "{{op}}")
        .warn_above("ShoalRedfishErrorRateHigh", 0.05),
        Panel::lines("Retries", "Requests that were sent again.", Unit::PerSecond)
            .query("sum by (op, vendor) (rate(redfish_retries_total{$S}[$__rate_interval])) > 0", "{{op}} {{vendor}}"),
        Panel::lines(
            "Failure codes",
            "Answers that are no success, by status code, or by what came instead of an answer.",
            Unit::PerSecond,
        )
        .query(
            r#"sum by (code, vendor) (rate(redfish_requests_total{$S,code!~"2.."}[$__rate_interval]))"#,
            "{{code}} {{vendor}}",
        ),
    ]
}

fn resets() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Until a reset shows",
            "P50 and P95 from a reset until the BMC, ready again, shows its effect, over the time shown.",
            Unit::Seconds,
        )
        .quantiles(
            &[("0.5", "P50 {{vendor}}"), ("0.95", "P95 {{vendor}}")],
            "sum by (le, vendor) (increase(redfish_poll_duration_seconds_bucket{$S}[$__range]))",
        ),
        Panel::lines(
            "Resets that never showed",
            "Resets in the last half hour whose effect the BMC did not show in time.",
            Unit::Count,
        )
        .query("redfish_poll_timeout_count", "{{vendor}}")
        .warn_above("ShoalRedfishPollTimeouts", 0.0),
    ]
}

fn kinds() -> Vec<Panel> {
    vec![
        Panel::bars(
            "Profiles",
            "Which vendor profile was chosen, over the time shown.",
            Unit::Count,
        )
        .query(
            "sum by (vendor, profile) (increase(redfish_profile_selected_total{$S}[$__range]))",
            "{{vendor}} {{profile}}",
        ),
        Panel::bars(
            "Probes",
            "What operators' looks at BMCs found, over the time shown.",
            Unit::Count,
        )
        .query("sum by (result) (increase(redfish_probes_total{$S}[$__range]))", "{{result}}"),
    ]
}
