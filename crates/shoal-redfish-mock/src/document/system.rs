//! The documents of the host: the one part of the service whose content follows the simulation.

use std::time::Duration;

use serde_json::{Value, json};

use super::{View, put};
use crate::{
    board::{HostPhase, VIRTUAL_CD},
    persona::{ResetTypesIn, SerialIn, Under},
    target::Target,
};

impl View<'_> {
    pub(super) fn system(&self) -> Value {
        let facts = &self.persona.system;
        let (sku, serial) = match facts.serial_in {
            SerialIn::Sku => (self.serial, facts.other_serial.as_str()),
            SerialIn::SerialNumber => (facts.other_serial.as_str(), self.serial),
            SerialIn::Chassis => ("", ""),
        };
        let power = &self.persona.power;
        let lag = Duration::from_millis(power.lag_ms);
        let mut system = json!({
            "@odata.type": format!("#ComputerSystem.{}.ComputerSystem", facts.schema),
            "Id": facts.id, "Name": facts.name, "SystemType": "Physical",
            "Manufacturer": facts.manufacturer, "Model": facts.model,
            "BiosVersion": facts.bios_version,
            "SKU": sku, "SerialNumber": serial, "UUID": self.uuid,
            "PowerState": self.board.power_state(self.now, lag, power.while_changing),
            "Status": {"Health": "OK", "State": "Enabled"},
            "Boot": self.boot(),
            "Actions": {"#ComputerSystem.Reset": self.reset_action()},
            "Links": {"Chassis": [self.link(Target::Chassis)]},
        });
        if !self.persona.oddities.no_manager_link
            && let Some(links) = system.get_mut("Links")
        {
            put(links, "ManagedBy", json!([self.link(Target::Manager)]));
        }
        if facts.serial_in == SerialIn::Chassis {
            for name in ["SKU", "SerialNumber", "UUID"] {
                put(&mut system, name, Value::Null);
            }
        }
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

    /// The override as the system shows it.
    fn boot(&self) -> Value {
        let elsewhere =
            self.persona.boot.settings.as_ref().is_some_and(|settings| settings.lists_values);
        let mut document = self.boot_with_values();
        if let Some(fields) = document.as_object_mut().filter(|_| elsewhere) {
            fields.retain(|name, _| !name.contains("@Redfish.AllowableValues"));
        }
        document
    }

    fn boot_with_values(&self) -> Value {
        let boot = &self.board.boot;
        let target = if boot.target == VIRTUAL_CD { "Cd" } else { boot.target.as_str() };
        let mut document = json!({
            "BootSourceOverrideEnabled": boot.enabled,
            "BootSourceOverrideTarget": target,
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
        let boot = if settings.elsewhere.is_some() || settings.lists_values {
            self.boot_with_values()
        } else {
            json!({"BootOrder": ["Boot0003", "Boot0002"]})
        };
        Some(json!({
            "@odata.type": format!("#ComputerSystem.{}.ComputerSystem", self.persona.system.schema),
            "Id": settings.id, "Name": format!("{} {}", self.persona.system.name, settings.id),
            "Boot": boot,
        }))
    }

    /// What the manager shows of an override that was imported.
    pub(super) fn attributes(&self) -> Value {
        let boot = &self.board.boot;
        let (device, once) = match (boot.target.as_str(), boot.enabled.as_str()) {
            (VIRTUAL_CD, "Once") => (VIRTUAL_CD, "Enabled"),
            (VIRTUAL_CD, _) => (VIRTUAL_CD, "Disabled"),
            _ => ("Normal", "Disabled"),
        };
        json!({
            "@odata.type": "#DellAttributes.v1_0_0.DellAttributes",
            "Id": "iDRACAttributes", "Name": "Attributes",
            "Attributes": {
                "ServerBoot.1.BootOnce": once,
                "ServerBoot.1.FirstBootDevice": device,
            },
        })
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
