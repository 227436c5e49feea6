//! How long each wait may take, per workflow.
//!
//! Figures are the product's defaults; operators change them in the configuration, and each job
//! keeps the budgets it was created with.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shoal_recipe::Workflow;

use crate::time::millis;

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// The time budgets of one job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Budgets {
    /// From being claimed until both media are in and the machine is about to be switched on;
    /// then once more from power-on until the boot medium is read.
    #[serde(rename = "boot_ms", with = "millis")]
    pub boot: Duration,
    /// From the power-on intent until the BMC says what became of it.
    #[serde(rename = "poll_ms", with = "millis")]
    pub poll: Duration,
    /// From the observed boot until the machine must have reported. Progress does not extend it.
    #[serde(rename = "report_ms", with = "millis")]
    pub report: Duration,
    /// Without progress for this long a job counts as stuck (an alert, not a failure).
    #[serde(rename = "stuck_ms", with = "millis")]
    pub stuck: Duration,
    /// From the outcome until cleanup gives up and says what it left.
    #[serde(rename = "cleanup_ms", with = "millis")]
    pub cleanup: Duration,
    /// From being claimed until an outcome, whatever else happens (`JOB_STUCK_TIMEOUT`).
    #[serde(rename = "provisioning_ms", with = "millis")]
    pub provisioning: Duration,
    /// After a report: left to the machine to finish writing before power is cut.
    #[serde(rename = "settle_ms", with = "millis")]
    pub settle: Duration,
    /// How long Off must be seen before it is believed that a machine went off.
    #[serde(rename = "off_confirm_ms", with = "millis")]
    pub off_confirm: Duration,
    /// How long a restarted machine must stay on to count as installed (ESXi).
    #[serde(rename = "stable_on_ms", with = "millis")]
    pub stable_on: Duration,
    /// Quiet time (no media read, no progress) before the BMC is asked how the machine is.
    #[serde(rename = "quiet_ms", with = "millis")]
    pub quiet: Duration,
    /// Between two looks at the BMC while waiting.
    #[serde(rename = "look_ms", with = "millis")]
    pub look: Duration,
    /// After delivery no later job may cut power for this long (the first boot finishes installing).
    #[serde(rename = "first_boot_grace_ms", with = "millis")]
    pub first_boot_grace: Duration,
    /// No deadline fires for this long after the controller was away: reports could not arrive.
    #[serde(rename = "resume_grace_ms", with = "millis")]
    pub resume_grace: Duration,
}

/// Budgets that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "stuck threshold ({stuck:?}) must be below the report deadline ({report:?}), and that at most JOB_STUCK_TIMEOUT ({provisioning:?})"
)]
pub struct InconsistentBudgets {
    /// The stuck threshold.
    pub stuck: Duration,
    /// The report deadline.
    pub report: Duration,
    /// The bound on all of provisioning.
    pub provisioning: Duration,
}

impl Budgets {
    /// The product's defaults for a workflow.
    pub const fn for_workflow(workflow: Workflow) -> Self {
        let (stuck, report, cleanup, first_boot_grace) = match workflow {
            Workflow::Linux => (120, 150, 10, 0),
            Workflow::Windows => (120, 210, 20, 30),
            Workflow::Esxi => (90, 120, 20, 3),
            Workflow::Firmware | Workflow::Maintenance => (20, 30, 10, 0),
        };
        Self {
            boot: minutes(20),
            poll: minutes(15),
            report: minutes(report),
            stuck: minutes(stuck),
            cleanup: minutes(cleanup),
            provisioning: minutes(240),
            settle: Duration::from_secs(10),
            off_confirm: minutes(1),
            stable_on: Duration::from_secs(90),
            quiet: minutes(5),
            look: minutes(1),
            first_boot_grace: minutes(first_boot_grace),
            resume_grace: minutes(5),
        }
    }

    /// Checks `stuck < report <= provisioning`, without which an alert could never fire.
    pub fn check(&self) -> Result<(), InconsistentBudgets> {
        if self.stuck < self.report && self.report <= self.provisioning {
            return Ok(());
        }
        Err(InconsistentBudgets {
            stuck: self.stuck,
            report: self.report,
            provisioning: self.provisioning,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_consistent() {
        for workflow in [
            Workflow::Linux,
            Workflow::Windows,
            Workflow::Esxi,
            Workflow::Firmware,
            Workflow::Maintenance,
        ] {
            Budgets::for_workflow(workflow).check().unwrap();
        }
    }
}
