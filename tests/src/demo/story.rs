//! How a machine's install is to end, and what makes it end so.

use std::time::Duration;

use anyhow::{Result, bail};
use shoal_redfish_mock::{Action, EffectKind, Ending, HostScript, Rule, Step, When};
use shoal_tests::{Config, Job, Machine, Workflow};

/// What is to happen to one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// Everything works.
    Succeeds,
    /// A step fails in the maintenance OS, which says so.
    FailsAt(Step),
    /// The maintenance OS never reports.
    FallsSilent,
    /// The BMC refuses a medium for good: the task medium is inserted first, the boot medium next.
    RefusesMedium(u32),
}

/// Steps in the maintenance OS.
const STEPS: [Step; 7] = [
    Step::Partition,
    Step::ImageLinux,
    Step::BootloaderLinux,
    Step::ConfigDrive,
    Step::ImageWindows,
    Step::BootloaderWindows,
    Step::Firmware,
];
const SILENT: &str = "webhook.wait";
const MEDIA: [&str; 2] = ["redfish.mount.task", "redfish.mount.maintenance"];

impl Story {
    /// The story of a job that fails at the step with that key.
    pub(crate) fn failing_at(key: &str) -> Result<Self> {
        if let Some(step) = STEPS.into_iter().find(|step| step.key() == key) {
            return Ok(Self::FailsAt(step));
        }
        match (key, MEDIA.iter().position(|it| *it == key)) {
            (SILENT, _) => Ok(Self::FallsSilent),
            (_, Some(0)) => Ok(Self::RefusesMedium(1)),
            (_, Some(_)) => Ok(Self::RefusesMedium(2)),
            (_, None) => {
                let known: Vec<&str> =
                    STEPS.map(Step::key).into_iter().chain([SILENT]).chain(MEDIA).collect();
                bail!("it can fail at {}", known.join(", "))
            }
        }
    }

    /// The step it fails at.
    pub(crate) fn failed_step(&self) -> Option<&'static str> {
        match self {
            Self::Succeeds => None,
            Self::FailsAt(step) => Some(step.key()),
            Self::FallsSilent => Some(SILENT),
            Self::RefusesMedium(1) => MEDIA.first().copied(),
            Self::RefusesMedium(_) => MEDIA.last().copied(),
        }
    }

    /// Whether it can happen in a job of this workflow.
    pub(crate) fn fits(&self, workflow: Workflow) -> bool {
        match self {
            Self::FailsAt(Step::ImageWindows | Step::BootloaderWindows) => {
                workflow == Workflow::Windows
            }
            Self::FailsAt(Step::Firmware) => workflow == Workflow::Firmware,
            Self::FailsAt(_) => workflow == Workflow::Linux,
            Self::Succeeds | Self::FallsSilent | Self::RefusesMedium(_) => true,
        }
    }

    /// Whether a job ended as told.
    pub(crate) fn is_told_by(&self, job: &Job) -> bool {
        let step = job.failed_step.as_deref();
        match self.failed_step() {
            None => job.succeeded() && job.warnings.is_empty(),
            expected @ Some(_) => job.ended_as("failed") && step == expected,
        }
    }

    /// Budgets without which the end would take hours.
    pub(crate) fn budgets(&self, config: Config) -> Config {
        match self {
            Self::FallsSilent => config.budget("stuck", 10).budget("report", 15),
            Self::Succeeds | Self::FailsAt(_) | Self::RefusesMedium(_) => config,
        }
    }

    /// What the host does.
    pub(crate) fn script(&self) -> HostScript {
        let ending = match self {
            Self::FailsAt(step) => Ending::FailAt(*step),
            Self::FallsSilent => Ending::NeverReport,
            Self::Succeeds | Self::RefusesMedium(_) => Ending::Succeed,
        };
        HostScript {
            progress: vec![25, 50, 75, 100],
            post: Duration::from_secs(40),
            install: Duration::from_mins(1),
            ..HostScript::ending(ending)
        }
    }

    /// What the BMC does.
    pub(crate) fn prepare(&self, machine: &Machine) {
        let Self::RefusesMedium(nth) = self else { return };
        let refusal = Action::Status {
            code: 400,
            message_id: "Base.1.8.ActionNotSupported".to_owned(),
            retry_after: None,
        };
        let rule = Rule {
            when: When::Intends(EffectKind::Insert),
            skip: nth - 1,
            times: u32::MAX,
            action: refusal,
        };
        machine.mock().faults().add(rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_that_can_be_asked_for_is_the_one_that_fails() {
        for key in STEPS.map(Step::key).into_iter().chain([SILENT]).chain(MEDIA) {
            assert_eq!(Story::failing_at(key).unwrap().failed_step(), Some(key));
        }
        assert!(Story::failing_at("workflow.tea").is_err());
    }
}
