//! What a simulated host will do, as data, so that a test or a demonstration states its story
//! in one value.

mod told;

use std::time::Duration;

pub use told::BadEnding;

/// A step of a workflow, run by the maintenance OS as a unit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Partitions the disk; from here on the former system is gone.
    Partition,
    /// Writes the root filesystem.
    ImageLinux,
    /// Makes Linux bootable.
    BootloaderLinux,
    /// Writes the first-boot configuration.
    ConfigDrive,
    /// Applies the Windows image.
    ImageWindows,
    /// Makes Windows bootable.
    BootloaderWindows,
    /// Flashes firmware.
    Firmware,
    /// The whole work of an installer that is not ours and reports nothing.
    Installer,
}

impl Step {
    /// The key of the step in reports, such as `workflow.image-linux`; `installer` is in none.
    pub fn key(self) -> &'static str {
        match self {
            Self::Partition => "workflow.partition",
            Self::ImageLinux => "workflow.image-linux",
            Self::BootloaderLinux => "workflow.bootloader-linux",
            Self::ConfigDrive => "workflow.config-drive",
            Self::ImageWindows => "workflow.image-windows",
            Self::BootloaderWindows => "workflow.bootloader-windows",
            Self::Firmware => "workflow.firmware",
            Self::Installer => "installer",
        }
    }

    /// The step of that key.
    pub fn from_key(key: &str) -> Option<Self> {
        [
            Self::Partition,
            Self::ImageLinux,
            Self::BootloaderLinux,
            Self::ConfigDrive,
            Self::ImageWindows,
            Self::BootloaderWindows,
            Self::Firmware,
            Self::Installer,
        ]
        .into_iter()
        .find(|step| step.key() == key)
    }

    /// The steps that a target runs, in order; empty for a target this host does not know.
    pub(crate) fn of_target(target: &str) -> &'static [Self] {
        match target {
            "install-linux.target" => {
                &[Self::Partition, Self::ImageLinux, Self::BootloaderLinux, Self::ConfigDrive]
            }
            "install-windows.target" => {
                &[Self::Partition, Self::ImageWindows, Self::BootloaderWindows]
            }
            "supermicro-update.target" => &[Self::Firmware],
            _ => &[],
        }
    }
}

/// How the story of a boot ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Every step is done and success is reported.
    #[default]
    Succeed,
    /// The step fails and the failure is reported.
    FailAt(Step),
    /// Every step is done and nothing is reported, ever.
    NeverReport,
    /// The reporter is run twice with success; one that remembers what it delivered posts once.
    ReportTwice,
    /// Success is reported this long after the last step.
    ReportLate(Duration),
    /// Success is reported before the first step, which is earlier than it can be true.
    ReportEarly,
    /// The host hangs in POST and reads no medium.
    HangBeforeBoot,
    /// The step never ends.
    HangAt(Step),
    /// The host switches itself off in the middle of the step.
    PowerOffAt(Step),
    /// Mains power fails in the middle of the step and returns after the given time, whereupon
    /// the host powers on by itself.
    LosePowerAt(Step, Duration),
    /// The host restarts itself in the middle of the step, as [`HostScript::restart`] says.
    RestartAt(Step),
    /// The BMC restarts in the middle of the step and is away for the given time; the step goes on.
    BmcRestartAt(Step, Duration),
    /// All is done, and a foreign installer then stays at its last screen whatever it was told.
    NeverRestart,
    /// All is done, and the host then switches itself off whatever it was told.
    PowerOffAtEnd,
}

impl Ending {
    /// The step in whose middle something happens.
    pub(crate) fn step(&self) -> Option<Step> {
        match self {
            Self::FailAt(step)
            | Self::HangAt(step)
            | Self::PowerOffAt(step)
            | Self::LosePowerAt(step, _)
            | Self::RestartAt(step)
            | Self::BmcRestartAt(step, _) => Some(*step),
            Self::Succeed
            | Self::NeverReport
            | Self::ReportTwice
            | Self::ReportLate(_)
            | Self::ReportEarly
            | Self::HangBeforeBoot
            | Self::NeverRestart
            | Self::PowerOffAtEnd => None,
        }
    }
}

/// What is seen of a host that restarts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// `PowerState` says `On` throughout. `BootProgress` begins anew and `LastResetTime` moves, where
    /// the persona has them.
    #[default]
    Warm,
    /// As warm, and neither of the two shows it.
    Unnoticed,
    /// The host is off for this long.
    Cold(Duration),
}

/// One host's story and its pace; all times are clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostScript {
    /// How it ends.
    pub ending: Ending,
    /// From power-on to the moment firmware looks for a boot medium.
    pub post: Duration,
    /// From the last read of the boot medium to a running maintenance OS.
    pub os_start: Duration,
    /// Length of each step.
    pub step: Duration,
    /// Percentages reported within each step, ascending.
    pub progress: Vec<u8>,
    /// From the boot of an installed system to its login prompt.
    pub installed_start: Duration,
    /// How long a foreign installer works, from its kickstart file to its end.
    pub install: Duration,
    /// What is seen of a restart.
    pub restart: Restart,
    /// Whether firmware leaves a one-time override in place: every boot is from the boot medium.
    pub keeps_override: bool,
    /// Whether firmware reads the descriptors of all media at every boot, also when it then boots the
    /// disk.
    pub rereads_media: bool,
    /// How long after going off, by whatever cause, the host comes on by itself.
    pub wakes_after: Option<Duration>,
}

impl Default for HostScript {
    /// Succeeds after 60 s of POST, 20 s of start, and 30 s for each step, or five minutes in a foreign
    /// installer that restarts warm.
    fn default() -> Self {
        Self {
            ending: Ending::Succeed,
            post: Duration::from_mins(1),
            os_start: Duration::from_secs(20),
            step: Duration::from_secs(30),
            progress: vec![50, 100],
            installed_start: Duration::from_secs(40),
            install: Duration::from_mins(5),
            restart: Restart::Warm,
            keeps_override: false,
            rereads_media: false,
            wakes_after: None,
        }
    }
}

impl HostScript {
    /// The usual pace with another ending.
    pub fn ending(ending: Ending) -> Self {
        Self { ending, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_every_target_has_a_key_that_leads_back() {
        for target in ["install-linux.target", "install-windows.target", "supermicro-update.target"]
        {
            let steps = Step::of_target(target);
            assert!(!steps.is_empty());
            for step in steps {
                assert_eq!(Step::from_key(step.key()), Some(*step));
            }
        }
        assert_eq!(Step::from_key("workflow.tea"), None);
    }
}
