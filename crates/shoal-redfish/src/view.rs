//! Systems as provisioning sees them: power, identity, boot override and reset action, each optional
//! and each with the notes of what had to be ignored.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{identity::Identity, node::Node, redact::short_url};

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
    /// It is a host, as far as it says: neither a DPU nor a board without firmware settings.
    pub(crate) looks_like_host: bool,
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
    /// What somebody has set for a boot over HTTP, shortened to origin and file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_uri: Option<String>,
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
            identity: Identity::read(&node),
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
            looks_like_host: node.text("SystemType") != Some("DPU") && node.link("Bios").is_some(),
            notes: Vec::new(),
        };
        Self { notes: notes.into_inner(), ..view }
    }

    /// It can be reset and its boot can be redirected; baseboards listed as systems cannot.
    pub(crate) fn can_be_provisioned(&self) -> bool {
        self.reset.is_some() && (self.boot.is_some() || self.settings.is_some())
    }

    /// How much speaks for this one among several systems of a BMC.
    pub(crate) fn likelihood(&self) -> u8 {
        if !self.can_be_provisioned() {
            return 0;
        }
        let targets = self.boot.as_ref().and_then(|boot| boot.targets.as_ref());
        let boots_cds = targets.is_none_or(|targets| {
            targets.iter().any(|target| matches!(target.as_str(), "Cd" | "UsbCd"))
        });
        1 + 2 * u8::from(boots_cds) + u8::from(self.looks_like_host)
    }
}

impl BootView {
    /// `None` when the object has no override at all.
    pub(crate) fn read(boot: &Node<'_>) -> Option<Self> {
        let view = Self {
            enabled: boot.owned("BootSourceOverrideEnabled"),
            target: boot.owned("BootSourceOverrideTarget"),
            mode: boot.owned("BootSourceOverrideMode"),
            // Before Redfish had annotations there was a property of its own (iLO 4).
            targets: boot
                .texts("BootSourceOverrideTarget@Redfish.AllowableValues")
                .or_else(|| boot.texts("BootSourceOverrideSupported")),
            modes: boot.texts("BootSourceOverrideMode@Redfish.AllowableValues"),
            http_uri: boot.text("HttpBootUri").map(short_url),
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
            target: action.path_at("target")?,
            allowed: action
                .texts("ResetType@Redfish.AllowableValues")
                .filter(|allowed| !allowed.is_empty()),
            action_info: action.path_at("@Redfish.ActionInfo"),
        })
    }
}

/// Reads the values an `ActionInfo` resource allows for one parameter.
pub(crate) fn allowed_by_action_info(info: &Value, parameter: &str) -> Option<Vec<String>> {
    let found = parameters(info).into_iter().find(|known| known.name == parameter)?;
    found.allowed
}

/// A parameter of an action, as an `ActionInfo` resource describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) allowed: Option<Vec<String>>,
}

/// The parameters an `ActionInfo` resource lists.
pub(crate) fn parameters(info: &Value) -> Vec<Parameter> {
    let notes = RefCell::default();
    let node = Node::new(info, "ActionInfo", &notes);
    let listed = node.nodes("Parameters").into_iter().filter_map(|parameter| {
        Some(Parameter {
            name: parameter.owned("Name")?,
            required: parameter.flag("Required") == Some(true),
            allowed: parameter.texts("AllowableValues").filter(|allowed| !allowed.is_empty()),
        })
    });
    listed.collect()
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
    fn a_host_is_more_likely_meant_than_a_dpu_or_a_baseboard() {
        let reset = json!({"#ComputerSystem.Reset": {"target": "/s/Actions/Reset"}});
        let boot = json!({"BootSourceOverrideTarget": "None", "BootSourceOverrideTarget@Redfish.AllowableValues": ["Pxe", "Cd"]});
        let bios = json!({"@odata.id": "/s/Bios"});
        let host = json!({"Boot": boot, "Actions": reset, "Bios": bios});
        let dpu = json!({"Boot": boot, "Actions": reset, "Bios": bios, "SystemType": "DPU"});
        let no_cd = json!({"Boot": {"BootSourceOverrideSupported": ["Pxe"], "BootSourceOverrideTarget": "None"}, "Actions": reset, "Bios": bios});
        let baseboard = json!({"Boot": {}, "Actions": reset});
        let ranked =
            [host, dpu, no_cd, baseboard].map(|body| SystemView::read(&body, "/s").likelihood());
        assert!(ranked.is_sorted_by(|one, next| one > next), "{ranked:?}");
        assert_eq!(ranked[3], 0);
    }

    #[test]
    fn a_missing_boot_object_and_a_null_one_are_the_same() {
        assert_eq!(SystemView::read(&json!({"Boot": null}), "/s").boot, None);
        assert_eq!(SystemView::read(&json!({"Boot": {"BootOrder": []}}), "/s").boot, None);
    }
}
