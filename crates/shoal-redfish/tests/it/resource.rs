//! What the test BMC shows when it is read, in the shapes of its two families.

use serde_json::{Value, json};

use crate::model::{Family, Model, Reply};

impl Model {
    pub(crate) fn root(&self) -> Value {
        let vendor = if self.family == Family::Idrac { "Dell" } else { "HPE" };
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
            self.slot_body(&id)
        } else if let Some(failed) = self.tasks.get(path) {
            let state = if *failed { "Exception" } else { "Completed" };
            json!({"TaskState": state, "Messages": [{"MessageId": "Base.1.8.SourceDoesNotExist"}]})
        } else {
            return Reply::error(404, "ResourceMissingAtURI", &json!([path]));
        };
        let etag = (path == self.system()).then(|| ("ETag", self.etag()));
        Reply { headers: etag.into_iter().collect(), ..Reply::new(200, body) }
    }

    pub(crate) fn etag(&self) -> String {
        format!("W/\"{}-{}\"", self.power, self.boot["Target"])
    }

    fn system_body(&self) -> Value {
        let id = self.system();
        let mut body = json!({
            "@odata.id": id, "PowerState": self.power, "Manufacturer": "Contoso", "SerialNumber": "BOARD77", "SKU": "TAG4242",
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
        match self.family {
            Family::Idrac => json!({"Model": "15G Monolithic", "FirmwareVersion": self.firmware,
                "VirtualMedia": {"@odata.id": "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia"}}),
            Family::Ilo => {
                json!({"Model": "iLO 5", "FirmwareVersion": "iLO 5 v2.72", "VirtualMedia": {"@odata.id": self.media()}})
            }
        }
    }

    fn slot_body(&mut self, id: &str) -> Value {
        let path = format!("{}/{id}", self.media());
        let types = match (self.family, id) {
            (Family::Idrac, _) => json!(["CD", "DVD", "USBStick"]),
            (Family::Ilo, "1") => json!(["Floppy", "USBStick"]),
            (Family::Ilo, _) => json!(["CD", "DVD"]),
        };
        let slot = self.slots.get_mut(id).expect("the caller has checked the id");
        let mut image = slot.image.clone();
        if image.is_none() && slot.stale_reads > 0 {
            slot.stale_reads -= 1;
            image.clone_from(&slot.old);
        }
        json!({
            "@odata.id": path, "Id": id, "MediaTypes": types, "Inserted": image.is_some(),
            "Image": image.clone().unwrap_or_default(), "ConnectedVia": if image.is_some() { "URI" } else { "NotConnected" },
            "Actions": {
                "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
                "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")},
            },
        })
    }
}
