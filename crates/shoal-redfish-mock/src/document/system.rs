//! The documents of the host: the one part of the service whose content follows the simulation.

use std::time::Duration;

use serde_json::{Value, json};

use super::{View, put};
use crate::{
    board::HostPhase,
    persona::{ResetTypesIn, SerialIn, Under},
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
        if let Some(at) = self.board.last_reset.filter(|_| facts.last_reset_time) {
            put(&mut system, "LastResetTime", json!(format!("{at:.0}")));
        }
        let own = self.lists_media(Under::System).then_some(Under::System);
        if let Some(under) = own.or(facts.media_at) {
            put(&mut system, "VirtualMedia", self.link(Target::Slots(under)));
        }
        if self.persona.boot.settings.as_ref().is_some_and(|settings| settings.linked) {
            let settings = json!({
                "@odata.type": "#Settings.v1_3_0.Settings",
                "SettingsObject": self.link(Target::Settings),
            });
            put(&mut system, "@Redfish.Settings", settings);
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
        if self.persona.boot.lists_enabled {
            let listed = json!(self.persona.boot.enabled);
            put(&mut document, "BootSourceOverrideEnabled@Redfish.AllowableValues", listed);
        }
        document
    }

    /// The settings show the override where they take it, and else the boot order alone.
    pub(super) fn settings(&self) -> Option<Value> {
        let settings = self.persona.boot.settings.as_ref()?;
        let boot = match &settings.elsewhere {
            Some(_) => self.boot(),
            None => json!({"BootOrder": ["Boot0003", "Boot0002"]}),
        };
        Some(json!({
            "@odata.type": format!("#ComputerSystem.{}.ComputerSystem", self.persona.system.schema),
            "Id": settings.id, "Name": format!("{} {}", self.persona.system.name, settings.id),
            "Boot": boot,
        }))
    }

    fn reset_action(&self) -> Value {
        let power = &self.persona.power;
        let mut action = json!({"target": Target::Reset.path(self.persona)});
        if power.reset_types_in != ResetTypesIn::Inline {
            let info = Target::ResetInfo.path(self.persona);
            put(&mut action, "@Redfish.ActionInfo", json!(info));
        }
        if power.reset_types_in != ResetTypesIn::ActionInfo {
            put(&mut action, "ResetType@Redfish.AllowableValues", json!(power.reset_types));
        }
        action
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
        match self.board.shown_phase() {
            HostPhase::Off => "None",
            HostPhase::Post | HostPhase::Hung => "SystemHardwareInitializationComplete",
            HostPhase::Booting | HostPhase::NoBootDevice => "OSBootStarted",
            HostPhase::MaintenanceOs | HostPhase::Installer | HostPhase::Installed => "OSRunning",
        }
    }

    fn post_state(&self) -> &'static str {
        match self.board.shown_phase() {
            HostPhase::Off => "PowerOff",
            HostPhase::Post | HostPhase::Hung => "InPost",
            HostPhase::Booting | HostPhase::NoBootDevice => "InPostDiscoveryComplete",
            HostPhase::MaintenanceOs | HostPhase::Installer | HostPhase::Installed => {
                "FinishedPost"
            }
        }
    }
}
