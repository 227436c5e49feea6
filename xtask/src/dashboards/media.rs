//! Task media: how they are built, how they are read, and which addresses are refused.

use super::model::{Dashboard, Panel, Row, Unit};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "media-iso",
        title: "Media and ISO",
        about: "How task media are built, how media are read, and which addresses are refused.",
        rows: vec![Row::new("Task media", builds()), Row::new("Reads", reads())],
    }
}

fn builds() -> Vec<Panel> {
    vec![
        Panel::lines("Build time", "Building one task medium, over the time shown.", Unit::Seconds)
            .quantiles(
                &[("0.5", "P50"), ("0.95", "P95")],
                "sum by (le) (increase(iso_build_duration_seconds_bucket{$S}[$__range]))",
            ),
        Panel::heat("Sizes", "Sizes of the task media that were built.", Unit::Bytes)
            .query("sum by (le) (increase(iso_size_bytes_bucket{$S}[$__rate_interval]))", "{{le}}"),
        Panel::lines("Builds", "Task media built.", Unit::PerSecond)
            .query("sum(rate(iso_build_duration_seconds_count{$S}[$__rate_interval]))", "built"),
        Panel::lines(
            "Failed builds",
            "Task media that could not be built, by reason: a full disk, a tool, the job's input.",
            Unit::Count,
        )
        .query("iso_build_failures", "{{reason}}")
        .warn_above("ShoalIsoBuildFailures", 0.0),
    ]
}

fn reads() -> Vec<Panel> {
    vec![
        Panel::lines("Requests by code", "Answers of the media server; 206, 304 and 416 are ordinary here.", Unit::PerSecond)
            .query("sum by (code) (rate(media_requests_total{$S}[$__rate_interval]))", "{{code}}"),
        Panel::lines("Requests by kind", "Which media are read.", Unit::PerSecond)
            .query("sum by (kind) (rate(media_requests_total{$S}[$__rate_interval]))", "{{kind}}"),
        Panel::lines(
            "Refused addresses",
            "Media addresses that were refused in the last five minutes. Expired ones point to a clock, signatures to a key, the rest to a missing file.",
            Unit::Count,
        )
        .query("media_signed_url_validation_failures", "{{reason}}")
        .warn_above("ShoalSignedUrlFailures", 0.0),
    ]
}
