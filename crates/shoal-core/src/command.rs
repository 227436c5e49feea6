//! What the engine wants done. Performed by the runner through one port.

use serde::{Deserialize, Serialize};

use crate::step::StepKey;

/// One thing to do for a job.
///
/// All but [`Command::PowerOn`] are *ensure* commands: doing them twice equals doing them once, so a
/// crash or a lost answer is mended by doing them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Ensure: read what the BMC is and has, verify the machine's identity, make the media plan.
    ReadBmc,
    /// Ensure: build the task medium of the current attempt.
    BuildMedium,
    /// Ensure: the machine is off. Done means off was read back.
    EnsureOff {
        /// Before the install, or at the end.
        cleaning: Cleaning,
    },
    /// Ensure: every planned slot (and every slot an earlier job left) is empty, read back.
    EnsureEjected {
        /// Before the install, or at the end.
        cleaning: Cleaning,
    },
    /// Ensure: the task medium is in its slot, read back.
    EnsureTaskInserted,
    /// Ensure: the boot medium is in its slot, read back.
    EnsureBootInserted,
    /// Ensure: the next boot, and only that, is from the boot medium; read back.
    EnsureBootOnce,
    /// Ensure: no one-time boot is armed, read back.
    EnsureOverrideOff {
        /// While the install runs, or at the end.
        cleaning: Cleaning,
    },
    /// Ensure: look at the machine; changes nothing.
    Look,
    /// **Fenced**: switch the machine on. Done means on was read back.
    PowerOn {
        /// Into the installer, or into the installed system.
        purpose: Purpose,
    },
}

/// Whether a command prepares the install or cleans up after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cleaning {
    /// Before an outcome.
    Before,
    /// After an outcome.
    After,
}

/// What a machine is switched on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To boot the boot medium.
    Install,
    /// To boot what was installed.
    Deliver,
}

impl Command {
    /// Whether the command's intent must be stored before it is performed.
    pub const fn is_fenced(self) -> bool {
        matches!(self, Self::PowerOn { .. })
    }

    /// The step a fault of this command is blamed on.
    pub const fn step(self) -> StepKey {
        match self {
            Self::ReadBmc => StepKey::RedfishDiscover,
            Self::BuildMedium => StepKey::IsoBuild,
            Self::EnsureOff { cleaning: Cleaning::Before }
            | Self::PowerOn { purpose: Purpose::Install } => StepKey::RedfishReset,
            Self::EnsureEjected { cleaning: Cleaning::Before } | Self::EnsureBootInserted => {
                StepKey::RedfishMountMaintenance
            }
            Self::EnsureTaskInserted => StepKey::RedfishMountTask,
            Self::EnsureBootOnce | Self::EnsureOverrideOff { cleaning: Cleaning::Before } => {
                StepKey::RedfishBootOverride
            }
            Self::Look => StepKey::RedfishPoll,
            Self::EnsureEjected { cleaning: Cleaning::After } => StepKey::CleanupUnmount,
            Self::EnsureOff { cleaning: Cleaning::After }
            | Self::EnsureOverrideOff { cleaning: Cleaning::After }
            | Self::PowerOn { purpose: Purpose::Deliver } => StepKey::CleanupReset,
        }
    }

    /// The command's name in stored events and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadBmc => "read_bmc",
            Self::BuildMedium => "build_medium",
            Self::EnsureOff { .. } => "ensure_off",
            Self::EnsureEjected { .. } => "ensure_ejected",
            Self::EnsureTaskInserted => "ensure_task_inserted",
            Self::EnsureBootInserted => "ensure_boot_inserted",
            Self::EnsureBootOnce => "ensure_boot_once",
            Self::EnsureOverrideOff { .. } => "ensure_override_off",
            Self::Look => "look",
            Self::PowerOn { .. } => "power_on",
        }
    }
}
