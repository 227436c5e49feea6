//! What each phase means and what bounds it, in words for people.
//!
//! The page about job states and every screen that explains a phase take their words from here, so
//! that a phase is explained in one place and in one way.

use crate::phase::Phase;

impl Phase {
    /// What the phase means: one or two whole sentences.
    pub const fn meaning(&self) -> &'static str {
        match self {
            Self::Queued => {
                "The job waits for a free worker, and for the first boot of the system that the server's last job installed."
            }
            Self::Discover => {
                "The BMC is read: what it is, whether it belongs to the right machine, and how both media get into it. Nothing is changed."
            }
            Self::Build => {
                "The task medium of this attempt is built. Until it is done, the machine was not touched by this attempt."
            }
            Self::PowerOff => "The machine is switched off, and off is read back.",
            Self::ClearMedia => {
                "The slots are emptied, and so is every slot an earlier job left filled."
            }
            Self::InsertTask => {
                "The task medium goes into its slot. Left out where one slot carries both media."
            }
            Self::InsertBoot => "The boot medium goes into its slot.",
            Self::BootOnce => "The next boot, and only that, is set to the boot medium.",
            Self::PowerOn { .. } => {
                "The machine is switched on into the installer. The intent is stored before the command is sent; when the answer is lost, the machine is looked at until it is known to be on, or known to have stayed off."
            }
            Self::AwaitBoot { .. } => {
                "The machine is on. The job waits until its firmware reads the boot medium from us."
            }
            Self::AwaitReport { .. } => {
                "The maintenance OS runs. The job waits for its report and looks at the machine when it is quiet for long."
            }
            Self::AwaitFlash { .. } => {
                "The maintenance OS runs and may be writing firmware. The job waits for its report, and nothing cuts power."
            }
            Self::AwaitInstaller { .. } => {
                "An installer runs that reports nothing. The job watches it read its kickstart file and payload, restart the machine, and the machine stay on."
            }
            Self::Settle { .. } => {
                "The machine reported how its install ended. It gets a moment to finish writing before power is cut."
            }
            Self::CleanPower => "The machine is switched off at the end.",
            Self::CleanMedia => "The slots are emptied, and empty is read back.",
            Self::CleanOverride => "A one-time boot setting that is still armed is taken back.",
            Self::Deliver { .. } => {
                "The machine is switched on from its own disk. The intent is stored before the command is sent, as at the start."
            }
            Self::Held { .. } => {
                "The job waits for an operator to decide: go on, failed or succeeded. Power is left as it is; a machine that boots the installer again and again loses its media."
            }
            Self::Complete => {
                "Nothing is left to do. What cleanup could not finish is listed in the job's warnings."
            }
        }
    }

    /// What bounds the time a job spends in the phase, by the names of its budgets.
    pub const fn time_bound(&self) -> &'static str {
        match self {
            Self::Queued | Self::Held { .. } | Self::Complete => "none",
            Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::BootOnce => "`boot`, shared by all phases of preparing",
            Self::PowerOn { .. } => {
                "the rest of `boot`; once the command may have been sent, `poll`"
            }
            Self::AwaitBoot { .. } => "`boot`, counted anew from power-on",
            Self::AwaitReport { .. } | Self::AwaitFlash { .. } | Self::AwaitInstaller { .. } => {
                "`report`, counted from the observed boot; progress does not extend it"
            }
            Self::Settle { .. } => "`settle`",
            Self::CleanPower | Self::CleanMedia | Self::CleanOverride | Self::Deliver { .. } => {
                "`cleanup`, shared by all phases of cleaning up"
            }
        }
    }
}
