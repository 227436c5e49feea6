//! How a kind of BMC changes power, and what it shows of that.

use serde::Deserialize;

/// Where the values of `ResetType` are told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ResetTypesIn {
    /// In the action's `@Redfish.AllowableValues`.
    Inline,
    /// In a document of their own, which `@Redfish.ActionInfo` names.
    ActionInfo,
    /// In both.
    Both,
}

/// What a `PowerState` says that lags behind the power.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum WhileChanging {
    /// What it said before.
    #[default]
    Former,
    /// `PoweringOn` or `PoweringOff`.
    Transition,
    /// JSON `null`.
    Null,
}

/// How power changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerHabits {
    /// Values taken for `ResetType`.
    pub reset_types: Vec<String>,
    /// Where they are told.
    pub reset_types_in: ResetTypesIn,
    /// How long `PowerState` lags behind the power, in milliseconds of clock time.
    pub lag_ms: u64,
    /// What it says meanwhile.
    #[serde(default)]
    pub while_changing: WhileChanging,
    /// How long an operating system takes to follow a graceful request, in milliseconds.
    pub graceful_ms: u64,
    /// How long after going off `On` is refused, in milliseconds.
    pub no_on_after_off_ms: u64,
    /// Whether `LastResetTime` moves when the host restarts without losing power.
    pub notices_restart: bool,
}
