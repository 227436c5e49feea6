//! The closed label sets, and the functions which map what users and BMCs say onto them. They
//! exist because a recipe's target and a BMC's manufacturer are strings from outside, and a label
//! taken from outside lets a stranger decide how many series a scrape has.

use crate::catalogue::Label;

/// Job statuses, in the order a job passes through them.
pub const STATUSES: &[&str] =
    &["queued", "provisioning", "succeeded", "failed", "cancelled", "complete"];

/// How a job ended.
pub const OUTCOMES: &[&str] = &["succeeded", "failed", "cancelled"];

/// Recipe targets with a workflow of their own; `synthetic` marks drills, `other` the rest.
pub const TASK_TARGETS: &[&str] = &[
    "install-linux.target",
    "install-windows.target",
    "install-esxi.target",
    "supermicro-update.target",
    "synthetic",
    OTHER,
];

/// BMC vendors with a profile, `generic` for one that follows the standard, `unknown` before
/// the first look.
pub const VENDORS: &[&str] =
    &["dell", "hpe", "lenovo", "supermicro", "ami", "openbmc", "nvidia", "generic", "unknown"];

/// Redfish operations.
pub const OPS: &[&str] = &[
    "discover",
    "mount.maintenance",
    "mount.task",
    "boot-override",
    "reset",
    "poll",
    "cleanup.unmount",
    "cleanup.reset",
    "session",
    OTHER,
];

/// The step taxonomy: every value `failed_step` can have.
pub const STEPS: &[&str] = &[
    "validation.schema",
    "validation.server",
    "conflict.active_job",
    "iso.build",
    "iso.serve",
    "redfish.discover",
    "redfish.plan",
    "redfish.mount.maintenance",
    "redfish.mount.task",
    "redfish.boot-override",
    "redfish.reset",
    "redfish.poll",
    "workflow.dispatcher",
    "workflow.partition",
    "workflow.image-linux",
    "workflow.bootloader-linux",
    "workflow.config-drive",
    "workflow.image-windows",
    "workflow.bootloader-windows",
    "workflow.firmware",
    "webhook.wait",
    "cleanup.unmount",
    "cleanup.reset",
    OTHER,
];

/// The stand-in for a value outside a closed set.
pub const OTHER: &str = "other";

/// The two database files a controller owns.
pub(crate) const DB: Label = Label::mapped("db", &["jobs", "registry", OTHER], OTHER);
/// A template out of the code, never a path.
pub(crate) const ROUTE: Label = Label::configured("route");
pub(crate) const STATUS: Label = Label::closed("status", STATUSES);
pub(crate) const OUTCOME: Label = Label::closed("outcome", OUTCOMES);
pub(crate) const TASK_TARGET: Label = Label::mapped("task_target", TASK_TARGETS, OTHER);
pub(crate) const VENDOR: Label = Label::mapped("vendor", VENDORS, "unknown");
pub(crate) const OP: Label = Label::mapped("op", OPS, OTHER);
pub(crate) const STEP: Label = Label::mapped("failed_step", STEPS, OTHER);

/// The label value of a recipe's `task_target`; [`OTHER`] when it has no workflow of its own.
///
/// ```
/// use shoal_telemetry::label;
/// assert_eq!(label::task_target("install-esxi.target"), "install-esxi.target");
/// assert_eq!(label::task_target("x{y=\"z\"}"), "other");
/// ```
pub fn task_target(given: &str) -> &'static str {
    within(TASK_TARGETS, given).unwrap_or(OTHER)
}

/// The label value of a profile's vendor key; `unknown` when there is no such vendor.
pub fn vendor(given: &str) -> &'static str {
    within(VENDORS, given).unwrap_or("unknown")
}

/// The label value of a step key; [`OTHER`] when it is not in the taxonomy.
pub fn failed_step(given: &str) -> &'static str {
    within(STEPS, given).unwrap_or(OTHER)
}

fn within(set: &'static [&'static str], given: &str) -> Option<&'static str> {
    set.iter().copied().find(|value| *value == given)
}
