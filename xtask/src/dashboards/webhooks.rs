//! What the maintenance OS says, and what becomes of it.

use super::model::{Dashboard, Panel, Row, Unit};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "webhooks",
        title: "Webhooks",
        about: "What the maintenance OS reports, what is not believed, and how long an answer takes.",
        rows: vec![Row::new("Reports", reports()), Row::new("Processing", processing())],
    }
}

fn reports() -> Vec<Panel> {
    vec![
        Panel::lines("Accepted reports", "Success against failure, with reports of progress.", Unit::PerSecond)
            .query("sum by (status) (rate(webhook_received_total{$S}[$__rate_interval]))", "{{status}}"),
        Panel::lines(
            "Wrong or missing secrets",
            "Reports that proved nothing, by reason. One that repeats is a secret that differs.",
            Unit::PerSecond,
        )
        .query("sum by (reason) (rate(webhook_auth_failures_total{$S}[$__rate_interval]))", "{{reason}}")
        .page_above("ShoalWebhookAuthFailures", 0.0),
        Panel::lines("Reports that changed nothing", "By reason.", Unit::PerSecond)
            .query("sum by (reason) (rate(webhook_rejected_total{$S}[$__rate_interval]))", "{{reason}}"),
        Panel::lines(
            "Repeated reports",
            "Share of accepted reports that had been delivered before: answers that were lost on their way.",
            Unit::Share,
        )
        .query(
            "sum(increase(webhook_deduplicated_total{$S}[$__range])) / (sum(increase(webhook_received_total{$S}[$__range])) > 0)",
            "repeated",
        ),
    ]
}

fn processing() -> Vec<Panel> {
    vec![
        Panel::lines("Processing time", "From a report's first byte to the durable commit.", Unit::Seconds)
            .quantiles(
                &[("0.5", "P50"), ("0.95", "P95"), ("0.99", "P99")],
                "sum by (le) (rate(webhook_processing_duration_seconds_bucket{$S}[$__rate_interval]))",
            ),
        Panel::lines(
            "Processed within a second",
            "Share of reports that were committed within a second, over the time shown; the objective is 95 %.",
            Unit::Share,
        )
        .query(
            r#"sum(increase(webhook_processing_duration_seconds_bucket{$S,le=~"1([.]0)?"}[$__range])) / (sum(increase(webhook_processing_duration_seconds_count{$S}[$__range])) > 0)"#,
            "within 1 s",
        ),
        Panel::bars(
            "Accepted keys",
            "Keys of each secret that are accepted now; more than one while a rotation is open.",
            Unit::Count,
        )
        .query("max by (secret) (secret_accepted_keys{$S})", "{{secret}}"),
        Panel::lines(
            "Keys used",
            "Which key each secret was proven with. When the former one is used no more, its time can end.",
            Unit::PerSecond,
        )
        .query("sum by (secret, key) (rate(secret_key_used_total{$S}[$__rate_interval]))", "{{secret}} {{key}}"),
        Panel::numbers(
            "Former keys end in",
            "How long the former key of a secret is still accepted.",
            Unit::Seconds,
        )
        .query(
            "max by (secret) (secret_dual_accept_until_timestamp_seconds{$S}) - time() > 0",
            "{{secret}}",
        ),
    ]
}
