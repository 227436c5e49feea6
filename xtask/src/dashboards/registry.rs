//! The embedded registry: room, transfers, latency, and what its collections remove.

use super::model::{DAY, Dashboard, Panel, Row, Unit};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "registry",
        title: "Registry",
        about: "Room and content of the embedded registry, its transfers, and its garbage collections.",
        rows: vec![
            Row::new("Storage", storage()),
            Row::new("Transfers", transfers()),
            Row::new("Latency", latency()),
            Row::new("Garbage", garbage()),
        ],
    }
}

fn storage() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Used and free",
            "Bytes in blobs, and what is left of the registry's file system.",
            Unit::Bytes,
        )
        .query("sum(registry_storage_bytes{$S})", "used")
        .query(r#"min(disk_free_bytes{$S,path=~".+/oci"})"#, "free"),
        Panel::lines("Free share", "What is left of the registry's file system.", Unit::Share)
            .query("registry_free_space", "free")
            .warn_below("ShoalRegistryDiskLow", 0.2)
            .page_below("ShoalRegistryDiskCritical", 0.1),
        Panel::lines("Blobs", "Blobs stored.", Unit::Count)
            .query("sum(registry_blob_count{$S})", "blobs"),
    ]
}

fn transfers() -> Vec<Panel> {
    vec![
        Panel::lines("Bytes", "Received and sent.", Unit::BytesPerSecond)
            .query("sum(rate(registry_upload_bytes_total{$S}[$__rate_interval]))", "received")
            .query("sum(rate(registry_download_bytes_total{$S}[$__rate_interval]))", "sent"),
        Panel::lines(
            "Uploads",
            "Uploads in progress, and sessions that are open, idle ones included.",
            Unit::Count,
        )
        .query("sum(registry_inflight_uploads{$S})", "in progress")
        .query("sum(registry_upload_sessions{$S})", "open sessions"),
        Panel::lines("Ended uploads", "By how they ended.", Unit::PerSecond).query(
            "sum by (result) (rate(registry_uploads_total{$S}[$__rate_interval]))",
            "{{result}}",
        ),
        Panel::lines(
            "Failed uploads",
            "Share of uploads that ended with an error of ours in the last ten minutes.",
            Unit::Share,
        )
        .query("registry_upload_error_rate", "failed")
        .warn_above("ShoalRegistryUploadErrors", 0.02),
    ]
}

fn latency() -> Vec<Panel> {
    vec![
        Panel::lines("Requests", "P95 until the first byte of the answer, by route.", Unit::Seconds).quantiles(
            &[("0.95", "{{route}}")],
            "sum by (le, route) (rate(registry_request_duration_seconds_bucket{$S}[$__rate_interval]))",
        ),
        Panel::lines("Reading blobs", "P95 of sending a whole blob, by class of size, over the time shown.", Unit::Seconds)
            .quantiles(
                &[("0.95", "{{size_class}}")],
                "sum by (le, size_class) (increase(registry_blob_read_seconds_bucket{$S}[$__range]))",
            ),
        Panel::lines("Flushes", "P95 of one flush of an upload to disk.", Unit::Seconds).quantiles(
            &[("0.95", "flush")],
            "sum by (le) (rate(registry_fsync_seconds_bucket{$S}[$__rate_interval]))",
        ),
    ]
}

fn garbage() -> Vec<Panel> {
    vec![
        Panel::numbers(
            "Last collections",
            "How long ago each kind of collection last succeeded.",
            Unit::Seconds,
        )
        .query("time() - min by (kind) (gc_last_success_timestamp_seconds{$S})", "{{kind}}")
        .warn_above("ShoalGcStale", 8.0 * DAY),
        Panel::bars(
            "Reclaimed",
            "Bytes that collections gave back in the time shown.",
            Unit::Bytes,
        )
        .query("sum by (kind) (increase(gc_reclaimed_bytes_total{$S}[$__range]))", "{{kind}}"),
        Panel::bars(
            "Removed",
            "What the registry's collections removed in the time shown.",
            Unit::Count,
        )
        .query("sum by (what) (increase(registry_gc_removed_total{$S}[$__range]))", "{{what}}"),
        Panel::bars(
            "Failed collections",
            "Collections that failed in the time shown.",
            Unit::Count,
        )
        .query("sum by (kind) (increase(gc_failures_total{$S}[$__range]))", "{{kind}}"),
        Panel::bars(
            "Collections",
            "Collections of the registry by how they ended, in the time shown.",
            Unit::Count,
        )
        .query("sum by (outcome) (increase(registry_gc_runs_total{$S}[$__range]))", "{{outcome}}"),
        Panel::lines(
            "Length of collections",
            "P95 of one collection of the registry, over the time shown.",
            Unit::Seconds,
        )
        .quantiles(
            &[("0.95", "collection")],
            "sum by (le) (increase(registry_gc_seconds_bucket{$S}[$__range]))",
        ),
        Panel::bars("Damaged blobs", "Blobs found damaged or gone in the time shown.", Unit::Count)
            .query(
                "sum by (instance) (increase(registry_damaged_blobs_total{$S}[$__range]))",
                "{{instance}}",
            ),
    ]
}
