//! The documents of the host: the one part of the service whose content follows the simulation.

use std::time::Duration;

use serde_json::{Value, json};

use super::{View, put};
use crate::{
    board::HostPhase,
    persona::{SerialIn, Under},
    target::Target,
};

impl View<'_> {
    pub(super) fn system(&self) -> Value {
        let facts = &self.persona.system;
        let (sku, serial) = match facts.serial_in {
            SerialIn::Sku => (self.serial, facts.other_serial.as_str()),
            SerialIn::SerialNumber => (facts.other_serial.as_str(), self.serial),
        };
        let power = &self.persona.power;
        let lag = Duration::from_millis(power.lag_ms);
        let mut system = json!({
            "@odata.type": format!("#ComputerSystem.{}.ComputerSystem", facts.schema),
            "Id": facts.id, "Name": facts.name, "SystemType": "Physical",
            "Manufacturer": facts.manufacturer, "Model": facts.model,
            "BiosVersion": facts.bios_version,
            "SKU": sku, "SerialNumber": serial, "UUID": self.uuid,
            "PowerState": self.board.power_state(self.now, lag, power.transitional_states),
            "Status": {"Health": "OK", "State": "Enabled"},
            "Boot": self.boot(),
            "Actions": {"#ComputerSystem.Reset": self.reset_action()},
            "Links": {
                "Chassis": [self.link(Target::Chassis)],
                "ManagedBy": [self.link(Target::Manager)],
            },
        });
        if let Some(at) = self.board.last_reset {
            put(&mut system, "LastResetTime", json!(format!("{at:.0}")));
        }
        if self.lists_media(Under::System) {
            put(&mut system, "VirtualMedia", self.link(Target::Slots(Under::System)));
        }
        if facts.boot_progress {
            put(&mut system, "BootProgress", json!({"LastState": self.boot_progress()}));
        }
        if facts.post_state {
            put(&mut system, "Oem", json!({"Hpe": {"PostState": self.post_state()}}));
        }
        system
    }

    fn boot(&self) -> Value {
        let boot = &self.board.boot;
        let mut document = json!({
            "BootSourceOverrideEnabled": boot.enabled,
            "BootSourceOverrideTarget": boot.target,
            "BootSourceOverrideTarget@Redfish.AllowableValues": self.persona.boot.targets,
        });
        if let Some(mode) = &boot.mode {
            put(&mut document, "BootSourceOverrideMode", json!(mode));
        }
        document
    }

    fn reset_action(&self) -> Value {
        let target = Target::Reset.path(self.persona);
        let power = &self.persona.power;
        if power.action_info {
            let info = Target::ResetInfo.path(self.persona);
            json!({"target": target, "@Redfish.ActionInfo": info})
        } else {
            json!({"target": target, "ResetType@Redfish.AllowableValues": power.reset_types})
        }
    }

    pub(super) fn reset_info(&self) -> Value {
        json!({
            "@odata.type": "#ActionInfo.v1_1_2.ActionInfo",
            "Id": "ResetActionInfo", "Name": "Reset Action Info",
            "Parameters": [{
                "Name": "ResetType", "Required": true, "DataType": "String",
                "AllowableValues": self.persona.power.reset_types,
            }],
        })
    }

    fn boot_progress(&self) -> &'static str {
        match self.board.phase {
            HostPhase::Off => "None",
            HostPhase::Post | HostPhase::Hung => "SystemHardwareInitializationComplete",
            HostPhase::Booting | HostPhase::NoBootDevice => "OSBootStarted",
            HostPhase::MaintenanceOs | HostPhase::Installed => "OSRunning",
        }
    }

    fn post_state(&self) -> &'static str {
        match self.board.phase {
            HostPhase::Off => "PowerOff",
            HostPhase::Post | HostPhase::Hung => "InPost",
            HostPhase::Booting | HostPhase::NoBootDevice => "InPostDiscoveryComplete",
            HostPhase::MaintenanceOs | HostPhase::Installed => "FinishedPost",
        }
    }
}
