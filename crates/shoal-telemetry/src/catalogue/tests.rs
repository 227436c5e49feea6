//! The catalogue's own rules, and the reference page that must match it.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;

#[test]
fn names_are_unique_and_end_in_their_unit() {
    let mut seen = BTreeSet::new();
    for metric in all() {
        assert!(seen.insert(metric.name), "{} is listed twice", metric.name);
        let counter = matches!(metric.kind, Kind::Counter);
        assert_eq!(metric.name.ends_with("_total"), counter, "{}", metric.name);
        let base = metric.name.trim_end_matches("_total");
        match metric.unit {
            Unit::Seconds => assert!(base.ends_with("_seconds"), "{base}"),
            Unit::Bytes => assert!(base.ends_with("_bytes"), "{base}"),
            Unit::Timestamp => assert!(
                base.ends_with("_timestamp_seconds") || base == "process_start_time_seconds"
            ),
            Unit::Count | Unit::Flag => assert!(!base.ends_with("_seconds"), "{base}"),
        }
        assert!(metric.help.ends_with('.') && !metric.source.is_empty(), "{}", metric.name);
    }
}

#[test]
fn every_metric_the_runbook_must_have_is_listed() {
    let required = [
        ("job_total", "status"),
        ("job_duration_seconds", "outcome,task_target"),
        ("job_transitions_total", "from,to"),
        ("redfish_request_duration_seconds", "op,vendor"),
        ("redfish_requests_total", "op,code,vendor"),
        ("redfish_retries_total", "op,vendor"),
        ("webhook_received_total", "status"),
        ("webhook_processing_duration_seconds", ""),
        ("webhook_auth_failures_total", "reason"),
        ("iso_build_duration_seconds", ""),
        ("iso_size_bytes", ""),
        ("media_requests_total", "code,kind"),
        ("registry_upload_bytes_total", ""),
        ("registry_download_bytes_total", ""),
        ("registry_inflight_uploads", ""),
        ("registry_blob_count", ""),
        ("registry_storage_bytes", ""),
        ("registry_request_duration_seconds", "route,code"),
        ("process_cpu_seconds_total", ""),
        ("process_resident_memory_bytes", ""),
        ("disk_free_bytes", "path"),
        ("open_fds", ""),
        ("http_requests_total", "route,code"),
        ("http_request_duration_seconds", "route,code"),
    ];
    assert_listed(&required);
}

#[test]
fn every_metric_that_alerts_panels_and_procedures_need_is_listed() {
    let needed = [
        ("jobs_current", "status,task_target"),
        ("job_failures_total", "failed_step,task_target"),
        ("jobs_provisioning_stuck", "task_target"),
        ("job_stuck_threshold_seconds", "task_target"),
        ("job_oldest_age_seconds", "status"),
        ("provisioning_phase_duration_seconds", "phase,task_target"),
        ("redfish_poll_duration_seconds", "vendor"),
        ("redfish_poll_timeouts_total", "vendor"),
        ("redfish_profile_selected_total", "vendor,profile"),
        ("webhook_deduplicated_total", ""),
        ("webhook_rejected_total", "reason"),
        ("media_signed_url_validation_failures_total", "reason"),
        ("iso_build_failures_total", "reason"),
        ("registry_up", ""),
        ("registry_uploads_total", "result"),
        ("registry_blob_read_seconds", "size_class"),
        ("login_auth_failures_total", "surface"),
        ("disk_size_bytes", "path"),
        ("disk_inodes_free", "path"),
        ("sqlite_busy_total", "db"),
        ("sqlite_write_seconds", "db"),
        ("sqlite_wal_bytes", "db"),
        ("sqlite_db_bytes", "db"),
        ("db_integrity_ok", "db"),
        ("db_integrity_checked_timestamp_seconds", "db"),
        ("backup_last_success_timestamp_seconds", ""),
        ("backup_duration_seconds", ""),
        ("backup_size_bytes", ""),
        ("backup_failures_total", ""),
        ("restore_test_last_success_timestamp_seconds", ""),
        ("gc_last_success_timestamp_seconds", "kind"),
        ("gc_reclaimed_bytes_total", "kind"),
        ("gc_failures_total", "kind"),
        ("secret_rotated_timestamp_seconds", "secret"),
        ("secret_accepted_keys", "secret"),
        ("secret_dual_accept_until_timestamp_seconds", "secret"),
        ("secret_key_used_total", "secret,key"),
        ("tls_certificate_not_after_timestamp_seconds", "cert"),
        ("tls_handshake_failures_total", "peer"),
        ("host_clock_synchronized", ""),
        ("shoal_build_info", "version,revision"),
        ("worker_slots", "state"),
        ("worker_picking", ""),
        ("lease_steals_total", ""),
        ("instance_lock_held", ""),
        ("panics_total", ""),
        ("process_open_fds", ""),
        ("process_max_fds", ""),
        ("tokio_alive_tasks", ""),
        ("otel_spans_dropped_total", ""),
        ("log_lines_dropped_total", ""),
    ];
    assert_listed(&needed);
}

#[test]
fn buckets_ascend_and_hold_the_objectives_edges() {
    for metric in all() {
        if let Kind::Histogram(edges) = metric.kind {
            assert!(edges.is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
    }
    let edges = |name: &str| match find(name).unwrap().kind {
        Kind::Histogram(edges) => edges,
        Kind::Counter | Kind::Gauge => panic!("{name} is no histogram"),
    };
    for edge in [1200.0, 5400.0, 6600.0, 9000.0] {
        assert!(edges("job_duration_seconds").contains(&edge), "{edge}");
    }
    assert!(edges("webhook_processing_duration_seconds").contains(&1.0));
}

#[test]
fn stand_ins_are_members_of_their_set_and_series_have_one_value_per_label() {
    for metric in all() {
        for label in metric.labels {
            if let Values::Closed { values, otherwise: Some(otherwise) } = label.values {
                assert!(values.contains(&otherwise), "{} {}", metric.name, label.name);
            }
        }
        for series in metric.initial_series() {
            assert_eq!(series.len(), metric.labels.len(), "{}", metric.name);
            for (label, value) in metric.labels.iter().zip(&series) {
                assert_eq!(label.bound(value), Some(*value), "{} {}", metric.name, label.name);
            }
        }
        if matches!(metric.start, Start::Zero) {
            assert!(!metric.initial_series().is_empty(), "{} cannot start at zero", metric.name);
        }
    }
}

#[test]
fn a_status_code_or_a_transport_reason_is_a_code_and_nothing_else_is() {
    let code = Label::code();
    for kept in ["200", "503", "timeout", "tls"] {
        assert_eq!(code.bound(kept), Some(kept));
    }
    for hostile in ["", "20", "2000", "999", "2x0", "/etc/passwd"] {
        assert_eq!(code.bound(hostile), Some("other"), "{hostile}");
    }
}

fn assert_listed(wanted: &[(&str, &str)]) {
    for (name, labels) in wanted {
        let metric = find(name).unwrap_or_else(|| panic!("{name} is missing"));
        let names: Vec<_> = metric.labels.iter().map(|label| label.name).collect();
        assert_eq!(names.join(","), *labels, "{name}");
    }
}

#[test]
fn the_reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    let page = reference();
    if std::env::var_os("SHOAL_GENERATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == page,
        "docs/reference/metrics.md is not what the catalogue says: run `cargo xtask generate`"
    );
}
