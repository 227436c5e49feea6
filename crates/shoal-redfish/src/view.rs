//! Systems as provisioning sees them: power, identity, boot override and reset action, each optional
//! and each with the notes of what had to be ignored.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::Node;

/// A power state. Transitions are states of their own; anything else is `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Running.
    On,
    /// Off.
    Off,
    /// On its way up.
    TurningOn,
    /// On its way down.
    TurningOff,
    /// Not told, or a state such as `Paused`.
    Unknown,
}

impl Power {
    fn read(text: Option<&str>) -> Self {
        match text {
            Some("On") => Self::On,
            Some("Off") => Self::Off,
            Some("PoweringOn") => Self::TurningOn,
            Some("PoweringOff") => Self::TurningOff,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::TurningOn => "turning on",
            Self::TurningOff => "turning off",
            Self::Unknown => "an unknown power state",
        }
    }
}

/// What tells one machine from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `SerialNumber`; on Dell this is the board's.
    pub serial: Option<String>,
    /// `SKU`; on Dell this is the service tag.
    pub sku: Option<String>,
    /// `UUID`, lower case.
    pub uuid: Option<String>,
}

impl Identity {
    /// The first field in which both are known and differ, as (expected, seen).
    pub(crate) fn conflict<'a>(&'a self, seen: &'a Self) -> Option<(&'a str, &'a str)> {
        let pairs =
            [(&self.serial, &seen.serial), (&self.sku, &seen.sku), (&self.uuid, &seen.uuid)];
        pairs.into_iter().find_map(|pair| match pair {
            (Some(expected), Some(seen)) if !expected.eq_ignore_ascii_case(seen) => {
                Some((expected.as_str(), seen.as_str()))
            }
            _ => None,
        })
    }
}

/// The parts of a `ComputerSystem` that provisioning reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SystemView {
    pub(crate) power: Power,
    pub(crate) identity: Identity,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) boot_progress: Option<String>,
    pub(crate) last_reset_time: Option<String>,
    pub(crate) boot: Option<BootView>,
    pub(crate) reset: Option<ResetView>,
    pub(crate) virtual_media: Option<String>,
    pub(crate) managed_by: Vec<String>,
    pub(crate) chassis: Vec<String>,
    pub(crate) settings: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// The boot override of a system or of its settings resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootView {
    /// `Once`, `Continuous` or `Disabled`.
    pub enabled: Option<String>,
    /// Such as `Cd` or `None`.
    pub target: Option<String>,
    /// `UEFI` or `Legacy`.
    pub mode: Option<String>,
    /// Targets the BMC offers, when it says so.
    pub targets: Option<Vec<String>>,
    /// Modes the BMC offers, when it says so.
    pub modes: Option<Vec<String>>,
}

/// The reset action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ResetView {
    pub(crate) target: String,
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) action_info: Option<String>,
}

impl SystemView {
    pub(crate) fn read(value: &Value, path: &str) -> Self {
        let notes = RefCell::default();
        let node = Node::new(value, path, &notes);
        let links = node.node("Links");
        let links_to = |key: &str| links.as_ref().map(|links| links.links(key)).unwrap_or_default();
        let progress = node.node("BootProgress").and_then(|progress| progress.owned("LastState"));
        // iLO 5 has no BootProgress; its own word for it moves the same way.
        let hpe = || node.node("Oem")?.node("Hpe")?.owned("PostState");
        let settings =
            node.node("@Redfish.Settings").and_then(|settings| settings.link("SettingsObject"));
        let reset = node
            .node("Actions")
            .and_then(|actions| actions.node("#ComputerSystem.Reset"))
            .and_then(|action| ResetView::read(&action));
        let view = Self {
            power: Power::read(node.text("PowerState")),
            identity: identity(&node),
            manufacturer: node.owned("Manufacturer"),
            model: node.owned("Model"),
            boot_progress: progress.or_else(hpe),
            last_reset_time: node.owned("LastResetTime"),
            boot: node.node("Boot").and_then(|boot| BootView::read(&boot)),
            reset,
            virtual_media: node.link("VirtualMedia"),
            managed_by: links_to("ManagedBy"),
            chassis: links_to("Chassis"),
            settings,
            notes: Vec::new(),
        };
        Self { notes: notes.into_inner(), ..view }
    }

    /// It can be reset and its boot can be redirected; baseboards listed as systems cannot.
    pub(crate) fn can_be_provisioned(&self) -> bool {
        self.reset.is_some() && (self.boot.is_some() || self.settings.is_some())
    }
}

impl BootView {
    /// `None` when the object has no override at all.
    pub(crate) fn read(boot: &Node<'_>) -> Option<Self> {
        let view = Self {
            enabled: boot.owned("BootSourceOverrideEnabled"),
            target: boot.owned("BootSourceOverrideTarget"),
            mode: boot.owned("BootSourceOverrideMode"),
            targets: boot.texts("BootSourceOverrideTarget@Redfish.AllowableValues"),
            modes: boot.texts("BootSourceOverrideMode@Redfish.AllowableValues"),
        };
        (view.enabled.is_some() || view.target.is_some() || view.targets.is_some()).then_some(view)
    }

    /// True when the next boot is not redirected.
    pub(crate) fn is_clear(&self) -> bool {
        self.enabled.as_deref() == Some("Disabled")
            || matches!(self.target.as_deref(), None | Some("None"))
    }
}

impl ResetView {
    fn read(action: &Node<'_>) -> Option<Self> {
        Some(Self {
            target: action.text("target").filter(|target| target.starts_with('/'))?.to_owned(),
            allowed: action
                .texts("ResetType@Redfish.AllowableValues")
                .filter(|allowed| !allowed.is_empty()),
            action_info: action.owned("@Redfish.ActionInfo"),
        })
    }
}

/// Reads the values an `ActionInfo` resource allows for one parameter.
pub(crate) fn allowed_by_action_info(info: &Value, parameter: &str) -> Option<Vec<String>> {
    let notes = RefCell::default();
    let node = Node::new(info, "ActionInfo", &notes);
    let parameters = node.nodes("Parameters");
    let found = parameters.iter().find(|node| node.text("Name") == Some(parameter))?;
    found.texts("AllowableValues")
}

pub(crate) fn identity(node: &Node<'_>) -> Identity {
    Identity {
        serial: node.text("SerialNumber").filter(|text| is_meant(text)).map(str::to_owned),
        sku: node.text("SKU").filter(|text| is_meant(text)).map(str::to_owned),
        uuid: node.text("UUID").filter(|text| is_meant(text)).map(str::to_ascii_lowercase),
    }
}

/// Boards leave the factory with placeholders in these fields.
fn is_meant(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let placeholder = ["to be filled", "default string", "not specified", "n/a", "none", "unknown"];
    !placeholder.iter().any(|word| lower.starts_with(word))
        && !text.chars().all(|c| matches!(c, '0' | '-' | ' ' | 'f' | 'F'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_property_of_the_wrong_type_is_absent_and_noted() {
        let view = SystemView::read(
            &json!({"PowerState": 1, "Boot": [], "Model": "X", "Links": {"ManagedBy": {}}}),
            "/s",
        );
        assert_eq!(
            (view.power, view.boot, view.model.as_deref()),
            (Power::Unknown, None, Some("X"))
        );
        assert_eq!(
            view.notes,
            [
                "/s: PowerState is not a text",
                "/s: Boot is not an object",
                "/s/Links: ManagedBy is not a list"
            ]
        );
    }

    #[test]
    fn placeholders_identify_nothing() {
        let body = json!({"SerialNumber": "  ", "SKU": "To be filled by O.E.M.", "UUID": "00000000-0000-0000-0000-000000000000"});
        assert_eq!(SystemView::read(&body, "/s").identity, Identity::default());
    }

    #[test]
    fn identities_conflict_only_where_both_are_known() {
        let one = Identity { serial: Some("A1".into()), sku: None, uuid: Some("x".into()) };
        let same = Identity { serial: Some("a1".into()), sku: Some("S".into()), uuid: None };
        assert_eq!(one.conflict(&same), None);
        let other = Identity { serial: Some("B2".into()), ..Identity::default() };
        assert_eq!(one.conflict(&other), Some(("A1", "B2")));
    }

    #[test]
    fn a_missing_boot_object_and_a_null_one_are_the_same() {
        assert_eq!(SystemView::read(&json!({"Boot": null}), "/s").boot, None);
        assert_eq!(SystemView::read(&json!({"Boot": {"BootOrder": []}}), "/s").boot, None);
    }
}
