//! The machine under the controller: disks, process, database, what it keeps for the worst day, and
//! telemetry's own health.

use super::model::{DAY, Dashboard, GIB, HOUR, Panel, Row, Unit};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "storage-host",
        title: "Storage and host",
        about: "Disks, process and database of the controller, its backups, certificates and secrets.",
        rows: vec![
            Row::new("Disks", disks()),
            Row::new("Process", process()),
            Row::new("Database", database()),
            Row::new("Care", care()),
            Row::new("Telemetry", telemetry()),
        ],
    }
}

fn disks() -> Vec<Panel> {
    vec![
        Panel::lines("Free bytes", "What is left below each path of ours.", Unit::Bytes)
            .query("min by (path) (disk_free_bytes{$S})", "{{path}}"),
        Panel::lines("Free for task media", "What is left for task media.", Unit::Bytes)
            .query("task_iso_dir_free", "free")
            .warn_below("ShoalTaskDirLow", 5.0 * GIB)
            .page_below("ShoalTaskDirCritical", 2.0 * GIB),
        Panel::lines("Free share", "What is left, as a share of each file system.", Unit::Share)
            .query("min by (path) (disk_free_bytes{$S} / disk_size_bytes{$S})", "{{path}}"),
        Panel::lines(
            "Free in a day",
            "What will be left in a day if it goes on as in the last six hours; 0 is a disk that is full by then.",
            Unit::Bytes,
        )
        .query("clamp_min(min by (path) (predict_linear(disk_free_bytes{$S}[6h], 86400)), 0)", "{{path}}"),
        Panel::lines("Free inodes", "Files that can still be made.", Unit::Count)
            .query("min by (path) (disk_inodes_free{$S})", "{{path}}"),
    ]
}

fn process() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Processor",
            "Processors in use; the counter ticks in whole seconds.",
            Unit::Count,
        )
        .query(
            "sum by (instance) (rate(process_cpu_seconds_total{$S}[$__rate_interval]))",
            "{{instance}}",
        ),
        Panel::lines("Memory", "Resident memory.", Unit::Bytes)
            .query("sum by (instance) (process_resident_memory_bytes{$S})", "{{instance}}"),
        Panel::lines(
            "File descriptors",
            "Share of the descriptors the process may open.",
            Unit::Share,
        )
        .query("max by (instance) (process_open_fds{$S} / process_max_fds{$S})", "{{instance}}")
        .warn_above("ShoalFdsHigh", 0.8),
        Panel::lines(
            "Tasks and threads",
            "Tasks alive in the async runtime, and threads of the process.",
            Unit::Count,
        )
        .query("sum by (instance) (tokio_alive_tasks{$S})", "tasks {{instance}}")
        .query("sum by (instance) (process_threads{$S})", "threads {{instance}}"),
        Panel::numbers("Uptime", "How long the process runs.", Unit::Seconds)
            .query("time() - max by (instance) (process_start_time_seconds{$S})", "{{instance}}"),
        Panel::numbers("Panics", "Panics caught in the time shown.", Unit::Count)
            .query("sum by (instance) (increase(panics_total{$S}[$__range]))", "{{instance}}"),
    ]
}

fn database() -> Vec<Panel> {
    vec![
        Panel::lines("Commits", "P50 and P99 of one durable group commit.", Unit::Seconds).quantiles(
            &[("0.5", "P50 {{db}}"), ("0.99", "P99 {{db}}")],
            "sum by (le, db) (rate(sqlite_write_seconds_bucket{$S}[$__rate_interval]))",
        ),
        Panel::lines("Size", "The database file and its write-ahead log.", Unit::Bytes)
            .query("sum by (db) (sqlite_db_bytes{$S})", "{{db}}")
            .query("sum by (db) (sqlite_wal_bytes{$S})", "{{db}} log"),
        Panel::lines("Found locked", "Statements that found the database locked by somebody else.", Unit::PerSecond)
            .query("sum by (db) (rate(sqlite_busy_total{$S}[$__rate_interval]))", "{{db}}"),
        Panel::numbers("Intact", "Whether the last check of each database passed.", Unit::Flag)
            .query("min by (db) (db_integrity_ok{$S})", "{{db}}"),
        Panel::numbers("Last check", "How long ago each database was last checked.", Unit::Seconds)
            .query("time() - min by (db) (db_integrity_checked_timestamp_seconds{$S})", "{{db}}"),
        Panel::numbers("Instance lock", "Whether the process holds the database's lock, and leases it took from others that let them expire.", Unit::Count)
            .query("min by (instance) (instance_lock_held{$S})", "lock {{instance}}")
            .query("sum by (instance) (increase(lease_steals_total{$S}[$__range]))", "leases taken {{instance}}"),
    ]
}

fn care() -> Vec<Panel> {
    vec![
        Panel::numbers("Last backup", "How long ago the last backup succeeded.", Unit::Seconds)
            .query("time() - min(backup_last_success_timestamp_seconds{$S})", "backup")
            .warn_above("ShoalBackupStale", 26.0 * HOUR),
        Panel::numbers(
            "Last restore test",
            "How long ago a backup was last restored for a trial and found whole.",
            Unit::Seconds,
        )
        .query("time() - min(restore_test_last_success_timestamp_seconds{$S})", "restore test")
        .warn_above("ShoalRestoreTestStale", 8.0 * DAY),
        Panel::numbers("Backup size", "Size of the last backup.", Unit::Bytes)
            .query("max(backup_size_bytes{$S})", "size"),
        Panel::bars(
            "Failed care",
            "Backups and their tests that failed in the time shown.",
            Unit::Count,
        )
        .query("sum(increase(backup_failures_total{$S}[$__range]))", "backups")
        .query("sum(increase(restore_test_failures_total{$S}[$__range]))", "restore tests"),
        Panel::lines("Length of backups", "P95 of one backup, over the time shown.", Unit::Seconds)
            .quantiles(
                &[("0.95", "backup")],
                "sum by (le) (increase(backup_duration_seconds_bucket{$S}[$__range]))",
            ),
        Panel::numbers("Certificates", "How long each of our certificates is still valid.", Unit::Seconds)
            .query(
                r#"min by (cert) (tls_certificate_not_after_timestamp_seconds{$S,cert!~"bmc_.+"}) - time()"#,
                "{{cert}}",
            )
            .warn_below("ShoalCertExpiring", 14.0 * DAY)
            .page_below("ShoalCertExpiringSoon", 2.0 * DAY),
        Panel::numbers(
            "Certificates of BMCs",
            "How long the first certificate of each vendor's BMCs is still valid.",
            Unit::Seconds,
        )
        .query(
            r#"min by (cert) (tls_certificate_not_after_timestamp_seconds{$S,cert=~"bmc_.+"}) - time()"#,
            "{{cert}}",
        )
        .warn_below("ShoalCertExpiring", 14.0 * DAY),
        Panel::numbers("Secrets", "How long ago each secret was replaced.", Unit::Seconds)
            .query("time() - min by (secret) (secret_rotated_timestamp_seconds{$S})", "{{secret}}")
            .warn_above("ShoalSecretRotationDue", 90.0 * DAY),
        Panel::numbers("Clock", "Whether the host's clock is synchronised.", Unit::Flag)
            .query("min by (instance) (host_clock_synchronized{$S})", "{{instance}}"),
        Panel::bars(
            "Failed TLS handshakes",
            "By who was at the other end, in the time shown.",
            Unit::Count,
        )
        .query("sum by (peer) (increase(tls_handshake_failures_total{$S}[$__range]))", "{{peer}}"),
    ]
}

fn telemetry() -> Vec<Panel> {
    vec![
        Panel::numbers("Lost", "Log lines and spans that were dropped, and measurements that were refused, in the time shown.", Unit::Count)
            .query("sum(increase(log_lines_dropped_total{$S}[$__range]))", "log lines")
            .query("sum(increase(otel_spans_dropped_total{$S}[$__range]))", "spans")
            .query("sum(increase(metrics_refused_total{$S}[$__range]))", "measurements")
            .warn_above("ShoalTelemetryDropped", 0.0),
        Panel::numbers("Build", "Which build each controller runs.", Unit::Count)
            .query("count by (version, revision) (shoal_build_info{$S})", "{{version}} {{revision}}"),
    ]
}
