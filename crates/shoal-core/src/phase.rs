//! Where a job is, and the status users see.

use serde::{Deserialize, Serialize};
use shoal_recipe::Workflow;

use crate::{event::Sight, time::Time};

/// The fine-grained position of a job. The data in a phase is what its decisions need.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for a worker.
    Queued,
    /// Reading the BMC and planning media.
    Discover,
    /// Building the attempt's task medium. Nothing of the machine was touched yet.
    Build,
    /// Switching the machine off.
    PowerOff,
    /// Emptying the slots.
    ClearMedia,
    /// Inserting the task medium.
    InsertTask,
    /// Inserting the boot medium.
    InsertBoot,
    /// Arming the one-time boot.
    BootOnce,
    /// Switching the machine on into the installer.
    PowerOn {
        /// Set from the moment the command may have been sent.
        intent: Option<Intent>,
    },
    /// On; waiting until the boot medium is read.
    AwaitBoot {
        /// What was seen while waiting.
        watch: Watch,
    },
    /// Booted; waiting for the machine's report.
    AwaitReport {
        /// What was seen while waiting.
        watch: Watch,
    },
    /// Booted; firmware may be flashed; waiting for the report. Power must not be cut.
    AwaitFlash {
        /// What was seen while waiting.
        watch: Watch,
    },
    /// Booted; a foreign installer runs that reports nothing.
    AwaitInstaller {
        /// What was seen while waiting.
        watch: Watch,
        /// When the machine was seen to restart after reading everything.
        restarted: Option<Time>,
        /// Since when it has been on after that.
        on_since: Option<Time>,
    },
    /// An outcome exists; the machine may finish writing.
    Settle {
        /// Until when.
        until: Time,
    },
    /// Switching the machine off.
    CleanPower,
    /// Emptying the slots.
    CleanMedia,
    /// Disarming the one-time boot.
    CleanOverride,
    /// Switching the machine on into its own disk.
    Deliver {
        /// Set from the moment the command may have been sent.
        intent: Option<Intent>,
    },
    /// Waiting for an operator's decision.
    Held {
        /// Why.
        reason: Hold,
        /// Where a retry goes on, if no power-on was asked for in this attempt.
        back_to: Option<Box<Phase>>,
        /// Whether both media must still be taken out while waiting.
        eject: bool,
    },
    /// Nothing left to do.
    Complete,
}

/// A stored intent to switch a machine on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// When it was stored.
    pub at: Time,
    /// Since when every look has shown the machine off.
    pub off_since: Option<Time>,
}

/// What is remembered while waiting for a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Watch {
    /// The last look.
    pub looked_at: Option<Time>,
    /// Since when every look has shown the machine off.
    pub off_since: Option<Time>,
    /// Whether the one-time boot was disarmed after the boot (no reinstall loops).
    pub override_off: bool,
    /// What the first look showed; a later difference proves a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Sight>,
}

/// Why a job waits for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Only a person can mend what the BMC or the store refuses.
    OperatorNeeded,
    /// The boot image was read a second time in one attempt.
    ReinstallLoop,
    /// Nobody knows whether firmware is being written.
    FlashUnsure,
    /// The installer read everything, and no restart was seen.
    InstallerUnsure,
    /// Somebody wants to end a job whose machine may be writing firmware.
    StopDuringFlash,
}

impl Hold {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::OperatorNeeded,
        Self::ReinstallLoop,
        Self::FlashUnsure,
        Self::InstallerUnsure,
        Self::StopDuringFlash,
    ];

    /// The word used in the API, SQL and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OperatorNeeded => "operator_needed",
            Self::ReinstallLoop => "reinstall_loop",
            Self::FlashUnsure => "flash_unsure",
            Self::InstallerUnsure => "installer_unsure",
            Self::StopDuringFlash => "stop_during_flash",
        }
    }
}

/// The projection of a job that users, metrics and filters see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not yet taken by a worker.
    Queued,
    /// Under way, no outcome.
    Provisioning,
    /// Outcome succeeded; being cleaned up.
    Succeeded,
    /// Outcome failed; being cleaned up.
    Failed,
    /// Outcome cancelled; being cleaned up.
    Cancelled,
    /// Nothing left to do.
    Complete,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Provisioning,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Complete,
    ];

    /// The word used in the API, SQL, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Provisioning => "provisioning",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Complete => "complete",
        }
    }
}

impl Phase {
    /// The phase's name in the API, SQL, docs and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Discover => "discover",
            Self::Build => "build",
            Self::PowerOff => "power_off",
            Self::ClearMedia => "clear_media",
            Self::InsertTask => "insert_task",
            Self::InsertBoot => "insert_boot",
            Self::BootOnce => "boot_once",
            Self::PowerOn { .. } => "power_on",
            Self::AwaitBoot { .. } => "await_boot",
            Self::AwaitReport { .. } => "await_report",
            Self::AwaitFlash { .. } => "await_flash",
            Self::AwaitInstaller { .. } => "await_installer",
            Self::Settle { .. } => "settle",
            Self::CleanPower => "clean_power",
            Self::CleanMedia => "clean_media",
            Self::CleanOverride => "clean_override",
            Self::Deliver { .. } => "deliver",
            Self::Held { .. } => "held",
            Self::Complete => "complete",
        }
    }

    /// Whether a worker is needed: the job talks to its BMC, rather than waiting for its machine.
    pub const fn is_bmc_active(&self) -> bool {
        match self {
            Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::BootOnce
            | Self::PowerOn { .. }
            | Self::AwaitBoot { .. }
            | Self::CleanPower
            | Self::CleanMedia
            | Self::CleanOverride
            | Self::Deliver { .. } => true,
            Self::Queued
            | Self::AwaitReport { .. }
            | Self::AwaitFlash { .. }
            | Self::AwaitInstaller { .. }
            | Self::Settle { .. }
            | Self::Held { .. }
            | Self::Complete => false,
        }
    }

    /// Whether no power-on was asked for in the current attempt yet.
    pub(crate) const fn is_before_intent(&self) -> bool {
        match self {
            Self::Queued
            | Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::BootOnce
            | Self::PowerOn { intent: None }
            | Self::Held { back_to: Some(_), .. } => true,
            Self::PowerOn { intent: Some(_) }
            | Self::AwaitBoot { .. }
            | Self::AwaitReport { .. }
            | Self::AwaitFlash { .. }
            | Self::AwaitInstaller { .. }
            | Self::Settle { .. }
            | Self::CleanPower
            | Self::CleanMedia
            | Self::CleanOverride
            | Self::Deliver { .. }
            | Self::Held { back_to: None, .. }
            | Self::Complete => false,
        }
    }

    /// Whether the one-time boot may be armed and no power-on was asked for yet.
    pub(crate) fn is_armed(&self) -> bool {
        match self {
            Self::BootOnce | Self::PowerOn { intent: None } => true,
            Self::Held { back_to, .. } => back_to.as_deref().is_some_and(Self::is_armed),
            Self::Queued
            | Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::PowerOn { intent: Some(_) }
            | Self::AwaitBoot { .. }
            | Self::AwaitReport { .. }
            | Self::AwaitFlash { .. }
            | Self::AwaitInstaller { .. }
            | Self::Settle { .. }
            | Self::CleanPower
            | Self::CleanMedia
            | Self::CleanOverride
            | Self::Deliver { .. }
            | Self::Complete => false,
        }
    }

    /// The phase in which a booted machine of this workflow is waited for.
    pub(crate) fn await_outcome(workflow: Workflow, watch: Watch) -> Self {
        match workflow {
            Workflow::Linux | Workflow::Windows | Workflow::Maintenance => {
                Self::AwaitReport { watch }
            }
            Workflow::Firmware => Self::AwaitFlash { watch },
            Workflow::Esxi => Self::AwaitInstaller { watch, restarted: None, on_since: None },
        }
    }

    /// Moves every point in time in the phase, after the clock was stepped.
    pub(crate) fn stepped(&mut self, delta: i64) {
        let shift = |at: &mut Option<Time>| *at = at.map(|time| time.stepped(delta));
        let shift_intent = |intent: &mut Option<Intent>| {
            if let Some(intent) = intent {
                intent.at = intent.at.stepped(delta);
                intent.off_since = intent.off_since.map(|time| time.stepped(delta));
            }
        };
        let shift_watch = |watch: &mut Watch| {
            shift(&mut watch.looked_at);
            shift(&mut watch.off_since);
        };
        match self {
            Self::PowerOn { intent } | Self::Deliver { intent } => shift_intent(intent),
            Self::AwaitBoot { watch }
            | Self::AwaitReport { watch }
            | Self::AwaitFlash { watch } => {
                shift_watch(watch);
            }
            Self::AwaitInstaller { watch, restarted, on_since } => {
                shift_watch(watch);
                shift(restarted);
                shift(on_since);
            }
            Self::Settle { until } => *until = until.stepped(delta),
            Self::Held { back_to, .. } => {
                if let Some(phase) = back_to {
                    phase.stepped(delta);
                }
            }
            Self::Queued
            | Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::BootOnce
            | Self::CleanPower
            | Self::CleanMedia
            | Self::CleanOverride
            | Self::Complete => {}
        }
    }

    /// Forgets stretches of time during which nobody watched.
    pub(crate) fn unwatched(&mut self) {
        match self {
            Self::PowerOn { intent: Some(intent) } | Self::Deliver { intent: Some(intent) } => {
                intent.off_since = None;
            }
            Self::AwaitBoot { watch }
            | Self::AwaitReport { watch }
            | Self::AwaitFlash { watch } => {
                watch.off_since = None;
            }
            Self::AwaitInstaller { watch, on_since, .. } => {
                watch.off_since = None;
                *on_since = None;
            }
            Self::PowerOn { intent: None }
            | Self::Deliver { intent: None }
            | Self::Queued
            | Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::BootOnce
            | Self::Settle { .. }
            | Self::CleanPower
            | Self::CleanMedia
            | Self::CleanOverride
            | Self::Held { .. }
            | Self::Complete => {}
        }
    }
}
