//! What is done for the installation itself, and when it was last done well: backups, checks,
//! collections, keys, certificates. Times are stored, so that a start neither hides nor invents
//! neglect; what was never done counts from the installation.

use super::{Kind, Label, Metric, Start, Unit, counter, gauge};
use crate::label::DB;

const SECRET: Label =
    Label::closed("secret", &["media", "webhook_token", "registry_token", "fleet_webhook"]);
const KEY: Label = Label::closed("key", &["current", "previous"]);
const GC_KIND: Label = Label::closed("kind", &["tasks", "registry"]);
const CHANGE: Label =
    Label::closed("change", &["start", "version", "reload", "restore", "secret", "certificate"]);
/// Ours, what machines and clients trust, and the earliest end seen at the BMCs of each vendor.
const CERT: Label = Label::closed(
    "cert",
    &[
        "server",
        "ca",
        "webhook_client_ca",
        "bmc_dell",
        "bmc_hpe",
        "bmc_lenovo",
        "bmc_supermicro",
        "bmc_ami",
        "bmc_openbmc",
        "bmc_nvidia",
        "bmc_generic",
        "bmc_unknown",
    ],
);
const PEER: Label = Label::closed("peer", &["client", "bmc"]);

const BACKUP_SECONDS: &[f64] = &[0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

pub(super) const METRICS: &[Metric] = &[
    gauge(
        "backup_last_success_timestamp_seconds",
        Unit::Timestamp,
        "When the last good backup of the job database ended; the installation before the first.",
        "runbook 8.1",
    ),
    Metric::new(
        "backup_duration_seconds",
        Kind::Histogram(BACKUP_SECONDS),
        Unit::Seconds,
        "One backup, its check included.",
        "runbook 8.1",
    ),
    gauge(
        "backup_size_bytes",
        Unit::Bytes,
        "Size of the newest backup; 0 while there is none.",
        "runbook 8.1",
    ),
    counter(
        "backup_failures_total",
        Unit::Count,
        "Backups that failed; the ones before are kept then.",
        "runbook 8.1",
    ),
    gauge(
        "restore_test_last_success_timestamp_seconds",
        Unit::Timestamp,
        "When a backup was last restored for a trial and found whole; the installation before the \
         first.",
        "runbook 8.1, 9.2",
    ),
    counter(
        "restore_test_failures_total",
        Unit::Count,
        "Trial restores that failed.",
        "runbook 8.1, 9.2",
    ),
    gauge("db_integrity_ok", Unit::Flag, "1 if the last integrity check passed.", "runbook 6.7")
        .labels(&[DB]),
    gauge(
        "db_integrity_checked_timestamp_seconds",
        Unit::Timestamp,
        "When the last integrity check ended.",
        "runbook 6.7",
    )
    .labels(&[DB]),
    gauge(
        "gc_last_success_timestamp_seconds",
        Unit::Timestamp,
        "When a collection last ended well; the installation before the first. Without a registry \
         its kind is absent.",
        "runbook 8.2, 11",
    )
    .labels(&[GC_KIND]),
    counter(
        "gc_reclaimed_bytes_total",
        Unit::Bytes,
        "Bytes that collections gave back to the file system.",
        "runbook 8.2, 2.4",
    )
    .labels(&[GC_KIND]),
    counter("gc_failures_total", Unit::Count, "Collections that failed.", "runbook 8.2")
        .labels(&[GC_KIND]),
    gauge(
        "secret_rotated_timestamp_seconds",
        Unit::Timestamp,
        "When a secret was last replaced; the installation if never.",
        "runbook 8.3",
    )
    .labels(&[SECRET]),
    gauge(
        "secret_accepted_keys",
        Unit::Count,
        "Keys of a secret that are accepted, the current one included.",
        "runbook 8.3",
    )
    .labels(&[SECRET]),
    gauge(
        "secret_dual_accept_until_timestamp_seconds",
        Unit::Timestamp,
        "When the last former key of a secret ends; 0 while none is accepted.",
        "runbook 6.2, 8.3",
    )
    .labels(&[SECRET]),
    counter(
        "secret_key_used_total",
        Unit::Count,
        "What was proved by a key; former keys that are used no more can be revoked.",
        "runbook 6.2, 8.3",
    )
    .labels(&[SECRET, KEY]),
    gauge(
        "tls_certificate_not_after_timestamp_seconds",
        Unit::Timestamp,
        "When a certificate ends; of BMCs the earliest end that was seen at that vendor's, and no number once none is known any more.",
        "runbook 6.8, 8.3",
    )
    .labels(&[CERT]),
    counter(
        "tls_handshake_failures_total",
        Unit::Count,
        "Handshakes that failed, of clients with our listener and of ours with BMCs.",
        "runbook 6.8",
    )
    .labels(&[PEER]),
    gauge(
        "host_clock_synchronized",
        Unit::Flag,
        "1 while the kernel calls the machine's clock synchronised; absent where it cannot be asked, as in most containers.",
        "runbook 6.4",
    ),
    gauge(
        "installation_change_timestamp_seconds",
        Unit::Timestamp,
        "When something about the installation last changed; the installation if never.",
        "runbook 2.4 changes, 6.1",
    )
    .labels(&[CHANGE])
    .start(Start::Known),
];
