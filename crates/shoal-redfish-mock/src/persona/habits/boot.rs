//! How a kind of BMC takes a boot override: where it lives, what a change must and must not say, and
//! what firmware makes of it.

use serde::Deserialize;

use super::Refusal;

/// A settings resource below the system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsHabits {
    /// Last path segment.
    pub id: String,
    /// Whether the system names it in `@Redfish.Settings`.
    pub linked: bool,
    /// What the system answers to an override that belongs into the settings. Without it the
    /// settings hold the boot order only, and the system takes the override.
    pub elsewhere: Option<Refusal>,
    /// Whether the settings alone list the allowable values; they take the override as well then.
    #[serde(default)]
    pub lists_values: bool,
}

/// How a boot override is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootHabits {
    /// `BootSourceOverrideTarget@Redfish.AllowableValues`.
    pub targets: Vec<String>,
    /// Those of them by which firmware boots from a virtual CD; others mean other drives.
    pub cd_targets: Vec<String>,
    /// Values taken for `BootSourceOverrideEnabled`.
    pub enabled: Vec<String>,
    /// Whether those are listed in `@Redfish.AllowableValues`.
    pub lists_enabled: bool,
    /// Values taken for `BootSourceOverrideMode`; empty means that the property is absent.
    pub modes: Vec<String>,
    /// The mode that is set when a change does not name one; without it the mode stays.
    pub mode_unless_named: Option<String>,
    /// Properties of `Boot` that every change must name.
    pub required: Vec<String>,
    /// A settings resource below the system, where there is one.
    pub settings: Option<SettingsHabits>,
    /// Whether the override cannot be changed while the host is in POST.
    pub refused_in_post: bool,
    /// Slots that firmware can boot from, in order; empty means every optical slot.
    pub slots: Vec<String>,
    /// Whether a change that names a value which is set already is refused.
    #[serde(default)]
    pub refuses_unchanged: bool,
    /// The import of a configuration that boots a virtual CD once, where there is one.
    pub import: Option<ImportHabits>,
}

/// A vendor's own action of the manager that imports a piece of configuration as a job: on BMCs whose
/// override target means other drives, the only way to boot a virtual CD.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportHabits {
    /// Name of the action among those of the manager's `Oem`.
    pub name: String,
    /// Last path segment of the action, such as `EID_674_Manager.ImportSystemConfiguration`.
    pub action: String,
    /// How long the job runs, in milliseconds of clock time.
    pub job_ms: u64,
}
