//! A machine as nothing but resources, for shapes that no family of ours has. It starts as one plain
//! host with a CD and a stick under its manager; a test changes what its shape is about.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};

use crate::{bmc::TestBmc, model::Family, model::Reply};

pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/1";
pub(crate) const MANAGER: &str = "/redfish/v1/Managers/1";
pub(crate) const MEDIA: &str = "/redfish/v1/Managers/1/VirtualMedia";

/// What becomes of `$expand`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expand {
    /// It works.
    Honest,
    /// The query is ignored.
    Ignored,
    /// Members come without this property.
    Drops(&'static str),
    /// The last member is missing.
    Loses,
}

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    resources: BTreeMap<String, Value>,
    pub(crate) allow: BTreeMap<String, String>,
    pub(crate) expand: Expand,
}

pub(crate) fn link(path: &str) -> Value {
    json!({"@odata.id": path})
}

/// A slot that takes images by its action.
pub(crate) fn slot(path: &str, types: &[&str]) -> Value {
    json!({
        "@odata.id": path, "Id": path.rsplit('/').next(), "MediaTypes": types, "Inserted": false,
        "Image": null, "ConnectedVia": "NotConnected",
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
            "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")},
        },
    })
}

/// A host that can be reset and made to boot a CD.
pub(crate) fn host(path: &str, serial: &str) -> Value {
    json!({
        "@odata.id": path, "PowerState": "On", "SerialNumber": serial, "Bios": link(&format!("{path}/Bios")),
        "Boot": {
            "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None",
            "BootSourceOverrideMode": "UEFI",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd", "Hdd"],
        },
        "Links": {"ManagedBy": [link(MANAGER)]},
        "Actions": {"#ComputerSystem.Reset": {
            "target": format!("{path}/Actions/ComputerSystem.Reset"),
            "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
        }},
    })
}

impl Tree {
    pub(crate) fn plain() -> Self {
        let root = json!({
            "@odata.id": "/redfish/v1/", "Vendor": "Contoso",
            "Systems": link("/redfish/v1/Systems"), "Managers": link("/redfish/v1/Managers"),
            "Links": {"Sessions": link("/redfish/v1/SessionService/Sessions")},
            "ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": true}},
        });
        let manager = json!({"@odata.id": MANAGER, "Model": "Joo Janta", "FirmwareVersion": "1.2.3",
            "VirtualMedia": link(MEDIA)});
        let mut tree = Self {
            resources: BTreeMap::from([("/redfish/v1".to_owned(), root)]),
            allow: BTreeMap::new(),
            expand: Expand::Honest,
        };
        tree.list("/redfish/v1/Systems", &[host(SYSTEM, "SN0001")]);
        tree.list("/redfish/v1/Managers", &[manager]);
        let (cd, usb) = (format!("{MEDIA}/CD1"), format!("{MEDIA}/USB1"));
        tree.list(MEDIA, &[slot(&cd, &["CD", "DVD"]), slot(&usb, &["USBStick"])]);
        tree
    }

    /// The tree that a fixture's files make.
    pub(crate) fn of(files: &[(PathBuf, String)]) -> Self {
        let mut tree =
            Self { resources: BTreeMap::new(), allow: BTreeMap::new(), expand: Expand::Honest };
        for (file, text) in files {
            let path = format!("/{}", file.parent().unwrap().display());
            let body: Value = serde_json::from_str(text).unwrap();
            if file.ends_with("index.json") {
                tree.resources.insert(path, body);
            } else {
                tree.allow.insert(path, body["GET"]["Allow"].as_str().unwrap().to_owned());
            }
        }
        tree
    }

    /// A collection with its members, instead of what was there.
    pub(crate) fn list(&mut self, path: &str, members: &[Value]) {
        let links: Vec<Value> = members.iter().map(|member| member["@odata.id"].clone()).collect();
        let links: Vec<Value> = links.into_iter().map(|id| json!({"@odata.id": id})).collect();
        self.put(
            path,
            json!({"@odata.id": path, "Members": links, "Members@odata.count": links.len()}),
        );
        for member in members {
            let path = member["@odata.id"].as_str().unwrap().to_owned();
            self.put(&path, member.clone());
        }
    }

    pub(crate) fn put(&mut self, path: &str, body: Value) {
        self.resources.insert(path.to_owned(), body);
    }

    pub(crate) fn at(&mut self, path: &str) -> &mut Value {
        self.resources.get_mut(path).unwrap()
    }

    /// Takes a property away.
    pub(crate) fn strip(&mut self, path: &str, key: &str) -> Value {
        self.at(path).as_object_mut().unwrap().remove(key).unwrap()
    }

    pub(crate) async fn serve(self) -> TestBmc {
        let server = TestBmc::start(Family::Ilo).await;
        server.with(|model| model.tree = Some(self));
        server
    }

    fn find(&self, path: &str) -> Option<&Value> {
        let same = |known: &str| known.trim_end_matches('/').eq_ignore_ascii_case(path);
        self.resources.iter().find(|(known, _)| same(known)).map(|(_, body)| body)
    }

    pub(crate) fn answer(&self, path: &str, query: &str) -> Reply {
        let Some(body) = self.find(path) else {
            return Reply::error(404, "ResourceMissingAtURI", &json!([path]));
        };
        let mut body = body.clone();
        if query.starts_with("$expand") {
            self.expand(&mut body);
        }
        let allow = self.allow.get(path).map(|allow| ("Allow", allow.clone()));
        Reply { headers: allow.into_iter().collect(), ..Reply::new(200, body) }
    }

    fn expand(&self, body: &mut Value) {
        let Some(members) = body.get_mut("Members").and_then(Value::as_array_mut) else { return };
        let dropped = match self.expand {
            Expand::Ignored => return,
            Expand::Loses => {
                members.pop();
                ""
            }
            Expand::Drops(key) => key,
            Expand::Honest => "",
        };
        for member in members {
            let path = member.get("@odata.id").and_then(Value::as_str).unwrap_or_default();
            if let Some(whole) = self.find(path) {
                *member = whole.clone();
                member.as_object_mut().unwrap().remove(dropped);
            }
        }
    }
}
