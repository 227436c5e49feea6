//! Documents that are there to be stumbled over: members beside the machine and its BMC, and values of
//! the wrong type.

use serde_json::{Value, json};

use super::View;
use crate::target::Target;

impl View<'_> {
    /// A board of accelerators that is listed as a system, or another machine behind the same BMC.
    pub(super) fn other_system(&self) -> Option<Value> {
        let id = self.persona.oddities.other_system.as_ref()?;
        let mut system = json!({
            "@odata.type": format!("#ComputerSystem.{}.ComputerSystem", self.persona.system.schema),
            "Id": id, "Name": id, "SystemType": "Physical",
            "Status": {"Health": "OK", "State": "Enabled"},
        });
        let at = Target::OtherSystem.path(self.persona);
        let machine = json!({
            "SerialNumber": id, "PowerState": "Off",
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None",
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Cd"],
            },
            "Actions": {"#ComputerSystem.Reset": {
                "target": format!("{at}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
            }},
        });
        if let (true, Some(fields), Value::Object(machine)) =
            (self.persona.oddities.other_boots, system.as_object_mut(), machine)
        {
            fields.extend(machine);
        }
        Some(system)
    }

    /// The controller of such a board.
    pub(super) fn other_manager(&self) -> Option<Value> {
        let id = self.persona.oddities.other_manager.as_ref()?;
        Some(json!({
            "@odata.type": format!("#Manager.{}.Manager", self.persona.manager.schema),
            "Id": id, "Name": id, "ManagerType": "BMC",
            "Status": {"Health": "OK", "State": "Enabled"},
        }))
    }
}

/// Turns numbers into text, and lists into their first word.
pub(super) fn mistype(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::from(number.to_string()),
        Value::Array(items) => {
            if let Some(first @ Value::String(_)) = items.first_mut() {
                *value = first.take();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => {}
    }
}
