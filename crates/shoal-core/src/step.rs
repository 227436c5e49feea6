//! The step taxonomy: one enum, from which every string form of a step comes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};

/// A string that is no step of the taxonomy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown step {0:?}")]
pub struct UnknownStep(pub String);

macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Where in a job something happens or failed; `failed_step` in the API and in metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum StepKey { $($(#[$doc])* $variant,)* }

        impl StepKey {
            /// Every step, in the order in which a job meets them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The step's only text form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

steps! {
    /// The recipe breaks a rule.
    ValidationSchema = "validation.schema",
    /// The server is unknown or takes no jobs.
    ValidationServer = "validation.server",
    /// The server has an unfinished job.
    ConflictActiveJob = "conflict.active_job",
    /// Building the task medium.
    IsoBuild = "iso.build",
    /// Serving the task medium.
    IsoServe = "iso.serve",
    /// Reading what the BMC is and has.
    RedfishDiscover = "redfish.discover",
    /// Choosing slots and boot strategy.
    RedfishPlan = "redfish.plan",
    /// Getting the boot medium in (and old media out).
    RedfishMountMaintenance = "redfish.mount.maintenance",
    /// Getting the task medium in.
    RedfishMountTask = "redfish.mount.task",
    /// One-time boot from the boot medium.
    RedfishBootOverride = "redfish.boot-override",
    /// Power off and on before the install.
    RedfishReset = "redfish.reset",
    /// Watching the BMC until the machine runs.
    RedfishPoll = "redfish.poll",
    /// The dispatcher in the maintenance OS.
    WorkflowDispatcher = "workflow.dispatcher",
    /// Partitioning the disk.
    WorkflowPartition = "workflow.partition",
    /// Writing a Linux root filesystem.
    WorkflowImageLinux = "workflow.image-linux",
    /// Installing a Linux boot loader.
    WorkflowBootloaderLinux = "workflow.bootloader-linux",
    /// Writing the config drive.
    WorkflowConfigDrive = "workflow.config-drive",
    /// Applying a Windows image.
    WorkflowImageWindows = "workflow.image-windows",
    /// Installing the Windows boot loader.
    WorkflowBootloaderWindows = "workflow.bootloader-windows",
    /// Flashing firmware.
    WorkflowFirmware = "workflow.firmware",
    /// Waiting for the maintenance OS to report.
    WebhookWait = "webhook.wait",
    /// Ejecting both media at the end.
    CleanupUnmount = "cleanup.unmount",
    /// Power and boot settings at the end.
    CleanupReset = "cleanup.reset",
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StepKey {
    type Err = UnknownStep;

    fn from_str(text: &str) -> Result<Self, UnknownStep> {
        Self::ALL
            .iter()
            .copied()
            .find(|step| step.as_str() == text)
            .ok_or_else(|| UnknownStep(text.to_owned()))
    }
}

impl Serialize for StepKey {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StepKey {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(de::Error::custom)
    }
}
