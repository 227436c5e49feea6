//! What was resolved from a recipe when the job was created, and from the BMC when it was looked at.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shoal_recipe::{TaskTarget, Workflow};

use crate::{budget::Budgets, time::millis};

/// What the engine needs to know of a recipe. Stored when the job is created, never re-interpreted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// Which of the workflows the target belongs to.
    pub workflow: Workflow,
    /// The recipe's `task_target`, as written.
    pub task_target: String,
    /// What to do with the machine when the job fails.
    pub on_failure: OnFailure,
    /// Whether reads of the boot medium pass through us and prove something.
    /// False for a boot medium at an outside address.
    pub boot_evidence: bool,
    /// How an ESXi installation ends, from its kickstart file.
    pub installer_end: InstallerEnd,
    /// How long each wait may take.
    pub budgets: Budgets,
    /// How many installs may be started before the job fails.
    pub max_attempts: u32,
}

impl Plan {
    /// A plan with the product's defaults.
    pub fn for_workflow(workflow: Workflow, task_target: impl Into<String>) -> Self {
        Self {
            workflow,
            task_target: task_target.into(),
            on_failure: OnFailure::Off,
            boot_evidence: true,
            installer_end: InstallerEnd::Restart,
            budgets: Budgets::for_workflow(workflow),
            max_attempts: 3,
        }
    }
}

/// The word for a `task_target` in metrics: targets are the users' words, label sets stay closed.
pub fn target_label(target: &str) -> &'static str {
    target.parse::<TaskTarget>().map_or("other", |target| target.label())
}

/// What becomes of a machine whose job failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It stays off: a half-written disk is not booted.
    #[default]
    Off,
    /// It is switched on again from its own disk.
    Reset,
    /// Its power is not touched.
    Leave,
}

/// How a machine leaves a foreign installer that reports nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallerEnd {
    /// It restarts into the installed system.
    #[default]
    Restart,
    /// It switches itself off.
    PowerOff,
}

/// How both media get into one BMC; made when the BMC is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MediaPlan {
    /// The shape of the plan.
    pub class: MediaClass,
    /// Name of the slot for the boot medium.
    pub boot_slot: String,
    /// Name of the slot for the task medium; none where one slot must carry both.
    pub task_slot: Option<String>,
    /// Names of slots that may take a medium whose own slot refuses it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare_slots: Vec<String>,
    /// The BMC fetches media whole when they are inserted, so that what we served proves nothing.
    pub prefetches: bool,
    /// How long this BMC's power state may lag behind a change.
    #[serde(rename = "settle_ms", with = "millis")]
    pub settle: Duration,
    /// What the operator should know about the choice.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How the layer that talks to the BMC carries this out; opaque to the engine.
    #[serde(default)]
    pub carried_by: String,
}

/// The shapes of a [`MediaPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaClass {
    /// Two slots that take CDs.
    TwoCd,
    /// The task medium goes in as a USB stick.
    CdPlusUsb,
    /// One slot; the task bytes are laid over the boot medium while it is served.
    SingleCombined,
}
