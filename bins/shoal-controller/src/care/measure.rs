//! Figures that nobody tells us about when they change: certificates of others, the machine's clock,
//! what last changed, and the thresholds by which jobs are judged.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use shoal_core::Workflow;
use shoal_store::Store;
use shoal_telemetry::label;

use super::{ledger::seconds, synchronised};
use crate::{settings::InForce, tls::Tls};

/// Every so many beats the machine is asked about its clock, which costs a process.
const CLOCK_EVERY: u32 = 5;

/// The words for changes, and the kinds of events that are such.
const CHANGES: [(&str, &[&str]); 6] = [
    ("start", &["start"]),
    ("version", &["version"]),
    ("reload", &["reload"]),
    ("restore", &["restore"]),
    ("secret", &["secret_set", "secret_revoked", "reseal"]),
    ("certificate", &["certificate"]),
];

pub(super) struct Measure {
    store: Store,
    in_force: InForce,
    tls: Arc<Tls>,
    beats: AtomicU32,
}

impl Measure {
    pub(super) fn new(store: Store, in_force: InForce, tls: Arc<Tls>) -> Self {
        Self { store, in_force, tls, beats: AtomicU32::new(0) }
    }

    /// Looks at everything again; a figure that cannot be had stays as it was.
    pub(super) async fn beat(&self) {
        if self.beats.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLOCK_EVERY)
            && let Some(synchronised) = synchronised::ask().await
        {
            metrics::gauge!("host_clock_synchronized").set(f64::from(u8::from(synchronised)));
        }
        if let Err(error) = self.figures().await {
            tracing::error!(%error, "failed to look at the installation");
        }
    }

    /// What costs next to nothing.
    pub(super) async fn figures(&self) -> Result<(), shoal_store::Error> {
        self.thresholds();
        self.certificates().await?;
        let installed = self.store.chores().await?.installed;
        let last = self.store.last_changes().await?;
        for (change, kinds) in CHANGES {
            let at = kinds.iter().filter_map(|kind| last.get(*kind)).max().copied();
            let at = at.unwrap_or(installed);
            metrics::gauge!("installation_change_timestamp_seconds", "change" => change)
                .set(seconds(at));
        }
        Ok(())
    }

    fn thresholds(&self) {
        for (workflow, budgets) in &self.in_force.now().jobs.budgets {
            let target = match workflow {
                Workflow::Linux => "install-linux.target",
                Workflow::Windows => "install-windows.target",
                Workflow::Esxi => "install-esxi.target",
                Workflow::Firmware => "supermicro-update.target",
                Workflow::Maintenance => "other",
            };
            metrics::gauge!("job_stuck_threshold_seconds", "task_target" => target)
                .set(budgets.stuck.as_secs_f64());
        }
    }

    async fn certificates(&self) -> Result<(), shoal_store::Error> {
        for (cert, end) in self.tls.ends() {
            show(cert, end);
        }
        for (vendor, end) in self.store.bmc_certificate_ends().await? {
            let end = i64::try_from(end.as_secs()).unwrap_or(i64::MAX);
            show(of_bmc(&vendor), end);
        }
        Ok(())
    }
}

/// The label of a vendor's BMCs.
fn of_bmc(vendor: &str) -> &'static str {
    match label::vendor(vendor) {
        "dell" => "bmc_dell",
        "hpe" => "bmc_hpe",
        "lenovo" => "bmc_lenovo",
        "supermicro" => "bmc_supermicro",
        "ami" => "bmc_ami",
        "openbmc" => "bmc_openbmc",
        "nvidia" => "bmc_nvidia",
        "generic" => "bmc_generic",
        _ => "bmc_unknown",
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn show(cert: &'static str, end: i64) {
    metrics::gauge!("tls_certificate_not_after_timestamp_seconds", "cert" => cert).set(end as f64);
}
