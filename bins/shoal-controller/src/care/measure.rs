//! Figures that nobody tells us about when they change: certificates of others, the machine's clock,
//! what last changed, and the thresholds by which jobs are judged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use shoal_core::{Time, Workflow};
use shoal_store::Store;
use shoal_telemetry::label;

use super::{ledger::seconds, synchronised};
use crate::{effects::chain, settings::InForce, tls::Tls};

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
    /// Whether the machine said something of its clock when it was last asked.
    clock_known: AtomicBool,
    /// What is shown of the certificates of BMCs.
    of_bmcs: Mutex<BTreeMap<&'static str, f64>>,
}

impl Measure {
    pub(super) fn new(store: Store, in_force: InForce, tls: Arc<Tls>) -> Self {
        Self {
            store,
            in_force,
            tls,
            beats: AtomicU32::new(1),
            clock_known: AtomicBool::new(false),
            of_bmcs: Mutex::default(),
        }
    }

    /// Looks at everything again; a figure that cannot be had stays as it was.
    pub(super) async fn beat(&self) {
        if self.beats.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLOCK_EVERY) {
            self.clock().await;
        }
        if let Err(error) = self.figures().await {
            tracing::error!(error = chain(&error), "failed to look at the installation");
        }
    }

    /// Asks the machine about its clock; bounded.
    pub(super) async fn clock(&self) {
        let answer = synchronised::ask().await;
        let was_known = self.clock_known.swap(answer.is_some(), Ordering::Relaxed);
        match answer {
            Some(synchronised) => {
                metrics::gauge!("host_clock_synchronized").set(f64::from(u8::from(synchronised)));
            }
            None if was_known => {
                tracing::warn!(
                    "the machine does not tell any more whether its clock is synchronised"
                );
            }
            None => {}
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
        let ends = self.store.bmc_certificate_ends().await?;
        let mut shown = self.of_bmcs.lock().unwrap_or_else(PoisonError::into_inner);
        fold(&mut shown, ends);
        for (cert, end) in &*shown {
            metrics::gauge!("tls_certificate_not_after_timestamp_seconds", "cert" => *cert)
                .set(*end);
        }
        Ok(())
    }
}

/// The earliest end of each label. One that is no longer seen anywhere is no number, which no
/// comparison of an alert holds for: what was shown once cannot be taken back.
fn fold(shown: &mut BTreeMap<&'static str, f64>, ends: Vec<(String, Time)>) {
    for end in shown.values_mut() {
        *end = f64::NAN;
    }
    for (vendor, end) in ends {
        let known = shown.entry(of_bmc(&vendor)).or_insert(f64::NAN);
        *known = known.min(seconds(end));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_end_of_a_label_is_shown_and_none_when_its_bmcs_are_gone() {
        let at =
            |vendor: &str, seconds: u64| (vendor.to_owned(), Time::from_millis(seconds * 1000));
        let mut shown = BTreeMap::new();
        fold(&mut shown, vec![at("acme", 7), at("dell", 9), at("zebra", 8)]);
        assert_eq!(shown, BTreeMap::from([("bmc_dell", 9.0), ("bmc_unknown", 7.0)]));

        fold(&mut shown, vec![at("zebra", 8)]);
        assert_eq!(shown.get("bmc_unknown"), Some(&8.0));
        assert!(shown.get("bmc_dell").is_some_and(|end| end.is_nan()), "{shown:?}");
    }
}
