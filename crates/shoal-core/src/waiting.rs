//! What a job waits for, in words an operator understands.

use std::fmt;

use crate::{phase::Hold, time::Time};

/// The named condition a job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitingFor {
    /// A free worker.
    Worker,
    /// The first boot of the system an earlier job installed.
    FirstBoot {
        /// Until when power must not be cut.
        until: Time,
    },
    /// A better moment for a command that failed.
    Retry {
        /// What failed, and why.
        because: String,
    },
    /// The BMC to say whether the machine is on.
    PowerState,
    /// The machine's firmware to read the boot medium.
    Boot,
    /// The maintenance OS to report.
    Report,
    /// The maintenance OS to report on firmware it may be writing.
    Flash,
    /// The installer to read its kickstart file and payload.
    InstallerReads,
    /// The installed machine to restart.
    InstallerRestart,
    /// The restarted machine to stay on.
    InstallerStable,
    /// The machine to finish writing before it is switched off.
    Settle,
    /// An operator's decision.
    Decision(Hold),
    /// The boot setting to be cleared while the machine installs.
    OverrideOff,
}

impl WaitingFor {
    /// The word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::FirstBoot { .. } => "first_boot",
            Self::Retry { .. } => "retry",
            Self::PowerState => "power_state",
            Self::Boot => "boot",
            Self::Report => "report",
            Self::Flash => "flash",
            Self::InstallerReads => "installer_reads",
            Self::InstallerRestart => "installer_restart",
            Self::InstallerStable => "installer_stable",
            Self::Settle => "settle",
            Self::Decision(_) => "decision",
            Self::OverrideOff => "override_off",
        }
    }
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker => f.write_str("a free worker"),
            Self::FirstBoot { .. } => {
                f.write_str("the first boot of the system installed by the server's last job")
            }
            Self::Retry { because } => write!(f, "another try: {because}"),
            Self::PowerState => f.write_str("the BMC to say whether the machine is on"),
            Self::Boot => f.write_str("the machine's firmware to read the boot medium"),
            Self::Report => f.write_str("the maintenance OS to report"),
            Self::Flash => f.write_str(
                "the maintenance OS to report on the firmware update (power is not cut)",
            ),
            Self::InstallerReads => {
                f.write_str("the installer to read its kickstart file and payload")
            }
            Self::InstallerRestart => f.write_str("the installer to restart the machine"),
            Self::InstallerStable => f.write_str("the restarted machine to stay on"),
            Self::Settle => f.write_str("the machine to finish writing before it is switched off"),
            Self::OverrideOff => f.write_str("the BMC to disarm the one-time boot"),
            Self::Decision(hold) => write!(f, "an operator's decision: {}", explain(*hold)),
        }
    }
}

fn explain(hold: Hold) -> &'static str {
    match hold {
        Hold::OperatorNeeded => "the last error needs a person",
        Hold::ReinstallLoop => "the machine booted the installer a second time",
        Hold::FlashUnsure => "firmware may be half written, so power was not touched",
        Hold::InstallerUnsure => "the installer read everything, but no restart was seen",
        Hold::StopDuringFlash => "somebody asked to end the job while firmware may be written",
    }
}
