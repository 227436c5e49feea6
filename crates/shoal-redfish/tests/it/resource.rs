//! What the test BMC shows when it is read, in the shapes of its two families.

use serde_json::{Value, json};

use crate::{
    habits::slot_tag,
    model::{Family, Model, Reply, Task},
};

impl Model {
    pub(crate) fn root(&self) -> Value {
        let vendor = match self.family {
            Family::Idrac => "Dell",
            Family::Ilo => "HPE",
            Family::Xcc => "Lenovo",
        };
        let mut root = json!({"@odata.id": "/redfish/v1/", "Vendor": vendor, "Systems": {"@odata.id": "/redfish/v1/Systems"}});
        if !self.quirks.no_sessions {
            root["Links"] =
                json!({"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}});
        }
        root["ProtocolFeaturesSupported"] =
            json!({"ExpandQuery": {"NoLinks": true, "ExpandAll": self.family == Family::Idrac}});
        root
    }

    pub(crate) fn get(&mut self, path: &str, query: &str) -> Reply {
        let expand = query.starts_with("$expand");
        if expand && self.quirks.no_expand {
            return Reply::error(501, "QueryNotSupported", &json!([]));
        }
        let media = self.media();
        let body = if path == "/redfish/v1/Systems" {
            let member =
                if expand { self.system_body() } else { json!({"@odata.id": self.system()}) };
            json!({"Members": [null, member]})
        } else if path == self.system() {
            self.system_body()
        } else if path == self.settings() && self.quirks.boot_in_settings {
            json!({"Boot": {"BootOrder": []}})
        } else if path == self.manager() {
            self.manager_body()
        } else if path == media {
            let ids: Vec<String> = self.slots.keys().rev().cloned().collect();
            let members: Vec<Value> = ids
                .iter()
                .map(|id| {
                    if expand {
                        self.slot_body(id)
                    } else {
                        json!({"@odata.id": format!("{media}/{id}")})
                    }
                })
                .collect();
            json!({"Members": members})
        } else if let Some(id) =
            path.strip_prefix(&format!("{media}/")).filter(|id| self.slots.contains_key(*id))
        {
            let id = id.to_owned();
            let tag = (self.family == Family::Xcc).then(|| ("ETag", slot_tag(&self.slots[&id])));
            let allow = ("Allow", "GET, HEAD, PATCH".to_owned());
            let headers = tag.into_iter().chain([allow]).collect();
            return Reply { headers, ..Reply::new(200, self.slot_body(&id)) };
        } else if let Some(failed) = self.tasks.get(path).copied() {
            self.task_looks += 1;
            let state = match (self.quirks.task, self.task_looks) {
                (Task::Late, ..3) => {
                    return Reply::error(404, "ResourceMissingAtURI", &json!([path]));
                }
                (Task::Endless, _) => "Running",
                _ if failed => "Exception",
                _ => "Completed",
            };
            json!({"TaskState": state, "Messages": [{"MessageId": "Base.1.8.SourceDoesNotExist"}]})
        } else if path == format!("{}/ResetActionInfo", self.system()) {
            json!({"Parameters": [{"Name": "ResetType", "AllowableValues": ["ForceOff", "ForceOn"]}]})
        } else if path == format!("{}/Attributes", self.manager()) && self.quirks.boot_by_import {
            let once = if self.first_device.1 { "Enabled" } else { "Disabled" };
            json!({"Attributes": {"ServerBoot.1.BootOnce": once, "ServerBoot.1.FirstBootDevice": self.first_device.0}})
        } else {
            return Reply::error(404, "ResourceMissingAtURI", &json!([path]));
        };
        let etag = (path == self.system()).then(|| ("ETag", self.etag()));
        Reply { headers: etag.into_iter().collect(), ..Reply::new(200, body) }
    }

    pub(crate) fn etag(&self) -> String {
        format!("W/\"{}-{}\"", self.power, self.boot["Target"])
    }

    fn system_body(&mut self) -> Value {
        let id = self.system();
        let shown = &mut self.quirks.power_shown;
        let power = if shown.is_empty() { json!(self.power) } else { shown.remove(0) };
        let mut body = json!({
            "@odata.id": id, "PowerState": power, "Manufacturer": "Contoso", "SerialNumber": "BOARD77", "SKU": "TAG4242",
            "UUID": "4C4C4544-0035-3410-8050-C6C04F314733",
            "Boot": {
                "BootSourceOverrideEnabled": self.boot["Enabled"], "BootSourceOverrideTarget": self.boot["Target"],
                "BootSourceOverrideMode": self.boot["Mode"],
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Cd", "Hdd", "Pxe"],
            },
            "Links": {"ManagedBy": [{"@odata.id": self.manager()}]},
            "Actions": {"#ComputerSystem.Reset": {
                "target": format!("{id}/Actions/ComputerSystem.Reset"),
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"],
            }},
        });
        if self.family == Family::Idrac {
            body["VirtualMedia"] = json!({"@odata.id": self.media()});
        }
        if self.quirks.tells_resets {
            body["LastResetTime"] = json!(format!("2026-01-01T00:00:0{}Z", self.restarts));
        }
        if self.quirks.action_info {
            let info = format!("{id}/ResetActionInfo");
            let action = &mut body["Actions"]["#ComputerSystem.Reset"];
            *action = json!({"target": action["target"], "@Redfish.ActionInfo": info});
        }
        if self.quirks.boot_in_settings {
            let link = json!({"@odata.id": self.settings()});
            body["@Redfish.Settings"] = json!({"SettingsObject": link});
        }
        if self.quirks.odd_types {
            body["Model"] = json!(["a list"]);
            body["BootProgress"] = json!("a text");
        }
        body
    }

    fn manager_body(&self) -> Value {
        let target =
            format!("{}/Actions/Oem/EID_674_Manager.ImportSystemConfiguration", self.manager());
        let offered = if self.quirks.boot_by_import { "Import" } else { "Export" };
        let import =
            format!("#OemManager.v1_0_0.OemManager#OemManager.{offered}SystemConfiguration");
        match self.family {
            Family::Idrac => json!({"Model": "15G Monolithic", "FirmwareVersion": self.firmware,
                "Actions": {"Oem": {import: {"target": target}}},
                "VirtualMedia": {"@odata.id": "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia"}}),
            Family::Xcc => {
                json!({"Model": "Lenovo XClarity Controller", "FirmwareVersion": "TGBT42S 2.83 2023-07-05",
                    "VirtualMedia": {"@odata.id": self.media()}})
            }
            Family::Ilo => {
                json!({"Model": "iLO 5", "FirmwareVersion": "iLO 5 v2.72", "VirtualMedia": {"@odata.id": self.media()}})
            }
        }
    }

    fn slot_body(&mut self, id: &str) -> Value {
        let path = format!("{}/{id}", self.media());
        let types = match (self.family, id) {
            (Family::Idrac | Family::Xcc, _) => json!(["CD", "DVD", "USBStick"]),
            (Family::Ilo, "1") => json!(["Floppy", "USBStick"]),
            (Family::Ilo, _) => json!(["CD", "DVD"]),
        };
        let slot = self.slots.get_mut(id).expect("the caller has checked the id");
        let mut image = slot.image.clone();
        if image.is_none() && slot.stale_reads > 0 {
            slot.stale_reads -= 1;
            image.clone_from(&slot.old);
        }
        let mut body = json!({
            "@odata.id": path, "Id": id, "MediaTypes": types, "Inserted": image.is_some(),
            "Image": image.clone().unwrap_or_default(), "ConnectedVia": if image.is_some() { "URI" } else { "NotConnected" },
            "Actions": {
                "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
                "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")},
            },
        });
        if self.family == Family::Xcc {
            body["Actions"] = Value::Null;
            body["@odata.etag"] = json!(slot_tag(&self.slots[id]));
        }
        body
    }
}
