//! The JSON documents a BMC serves, written from its persona and state at the moment of asking.

mod account;
mod media;
mod oddities;
mod system;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    Persona,
    account::{Accounts, ROLES},
    board::{Board, Work},
    persona::Under,
    target::{ENABLE_MEDIA, Target},
};

pub(crate) use account::account;

/// Everything a document is made of.
pub(crate) struct View<'a> {
    pub(crate) persona: &'a Persona,
    pub(crate) serial: &'a str,
    pub(crate) uuid: &'a str,
    pub(crate) accounts: &'a Accounts,
    pub(crate) board: &'a Board,
    /// Numbers of sessions, and of their accounts.
    pub(crate) sessions: &'a BTreeMap<u64, u64>,
    pub(crate) works: &'a [Work],
    pub(crate) now: Duration,
}

/// The CSDL document; it names the schemas in use and includes none of them.
pub(crate) const METADATA: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">",
    "<edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/ServiceRoot_v1.xml\">",
    "<edmx:Include Namespace=\"ServiceRoot\"/></edmx:Reference>",
    "<edmx:DataServices>",
    "<Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">",
    "<EntityContainer Name=\"Service\" Extends=\"ServiceRoot.v1_0_0.ServiceContainer\"/>",
    "</Schema></edmx:DataServices></edmx:Edmx>"
);

impl View<'_> {
    /// The document of a readable target; `None` for one that is not there now.
    pub(crate) fn document(&self, target: Target) -> Option<Value> {
        let document = match target {
            Target::Versions => return Some(json!({"v1": "/redfish/v1/"})),
            Target::OData => return Some(self.odata()),
            Target::Root => self.root(),
            Target::SessionService => self.session_service(),
            Target::Sessions => {
                let members = self.sessions.keys().map(|id| Target::Session(*id));
                self.collection("SessionCollection", "Sessions", members)
            }
            Target::Session(id) => self.session(id)?,
            Target::AccountService => json!({
                "@odata.type": "#AccountService.v1_7_0.AccountService",
                "Id": "AccountService", "Name": "Account Service", "ServiceEnabled": true,
                "Accounts": self.link(Target::Accounts), "Roles": self.link(Target::Roles),
            }),
            Target::Accounts => {
                let members = self.accounts.ids().map(Target::Account);
                self.collection("ManagerAccountCollection", "Accounts", members)
            }
            Target::Account(id) => {
                return Some(account(self.persona, id, self.accounts.get(id)?));
            }
            Target::Roles => {
                self.collection("RoleCollection", "Roles", (0..ROLES.len()).map(Target::Role))
            }
            Target::Role(index) => account::role(index)?,
            Target::Systems => {
                let other =
                    self.persona.oddities.other_system.as_ref().map(|_| Target::OtherSystem);
                let members = other.into_iter().chain([Target::System]);
                self.collection("ComputerSystemCollection", "Systems", members)
            }
            Target::OtherSystem => self.other_system()?,
            Target::System => self.system(),
            Target::Settings => self.settings()?,
            Target::ResetInfo => self.reset_info(),
            Target::Managers => {
                let oddities = &self.persona.oddities;
                let other = oddities.other_manager.as_ref().map(|_| Target::OtherManager);
                let members = other.into_iter().chain([Target::Manager]);
                self.collection("ManagerCollection", "Managers", members)
            }
            Target::OtherManager => self.other_manager()?,
            Target::Attributes => self.attributes(),
            Target::Manager => self.manager(),
            Target::ChassisAll => {
                self.collection("ChassisCollection", "Chassis", [Target::Chassis])
            }
            Target::Chassis => self.chassis(),
            Target::Slots(under) => {
                let slots = self.persona.slots.iter().enumerate();
                let off = self.persona.media.delivered_off.as_ref();
                let hidden = off.is_some_and(|off| off.hides_slots) && !self.media_are_on();
                let listed = slots.filter(|(_, slot)| !hidden && slot.under.contains(&under));
                let members = listed.map(|(index, _)| Target::Slot(under, index));
                self.collection("VirtualMediaCollection", "Virtual Media", members)
            }
            Target::Slot(under, index) => self.slot(under, index)?,
            Target::InsertInfo(..) => self.insert_info(),
            Target::TaskService => json!({
                "@odata.type": "#TaskService.v1_1_5.TaskService",
                "Id": "TaskService", "Name": "Task Service", "ServiceEnabled": true,
                "Tasks": self.link(Target::Tasks),
            }),
            Target::Tasks => {
                let there = (1..=self.works.len()).filter(|id| self.task(*id).is_some());
                let members = there.map(Target::Task);
                self.collection("TaskCollection", "Tasks", members)
            }
            Target::Task(id) => self.task(id)?,
            Target::Metadata
            | Target::Reset
            | Target::Insert(..)
            | Target::Eject(..)
            | Target::Import
            | Target::EnableMedia => return None,
        };
        Some(identified(self.persona, target, document))
    }

    fn link(&self, target: Target) -> Value {
        json!({"@odata.id": target.path(self.persona)})
    }

    fn collection(
        &self,
        schema: &str,
        name: &str,
        members: impl IntoIterator<Item = Target>,
    ) -> Value {
        let members = members.into_iter().map(|target| self.link(target));
        let odd = self.persona.oddities.null_members.then_some(Value::Null);
        let members: Vec<Value> = odd.into_iter().chain(members).collect();
        json!({
            "@odata.type": format!("#{schema}.{schema}"),
            "Name": format!("{name} Collection"),
            "Members@odata.count": members.len(),
            "Members": members,
        })
    }

    fn odata(&self) -> Value {
        let entry = |name: &str, target: Target| json!({"name": name, "kind": "Singleton", "url": target.path(self.persona)});
        json!({
            "@odata.context": "/redfish/v1/$metadata",
            "value": [
                {"name": "Service", "kind": "Singleton", "url": "/redfish/v1/"},
                entry("Systems", Target::Systems),
                entry("Managers", Target::Managers),
                entry("Chassis", Target::ChassisAll),
                entry("AccountService", Target::AccountService),
            ],
        })
    }

    fn root(&self) -> Value {
        let facts = &self.persona.root;
        let expand = |form: &str| facts.expand.iter().any(|known| known == form);
        let mut root = json!({
            "@odata.type": format!("#ServiceRoot.{}.ServiceRoot", facts.schema),
            "Id": "RootService", "Name": "Root Service",
            "RedfishVersion": facts.redfish_version,
            "UUID": self.uuid,
            "Systems": self.link(Target::Systems),
            "Managers": self.link(Target::Managers),
            "Chassis": self.link(Target::ChassisAll),
            "AccountService": self.link(Target::AccountService),
            "ProtocolFeaturesSupported": {
                "ExpandQuery": {
                    "ExpandAll": expand("*"), "NoLinks": expand("."), "Links": expand("~"),
                    "Levels": !facts.expand.is_empty(), "MaxLevels": 1,
                },
                "FilterQuery": false, "OnlyMemberQuery": false, "SelectQuery": false,
            },
            "Links": {},
        });
        if let Some(vendor) = &facts.vendor {
            put(&mut root, "Vendor", json!(vendor));
        }
        if let Some(product) = &facts.product {
            put(&mut root, "Product", json!(product));
        }
        if let Some(oem) = &facts.oem {
            put(&mut root, "Oem", json!({oem.as_str(): {}}));
        }
        if self.persona.has_tasks() {
            put(&mut root, "Tasks", self.link(Target::TaskService));
        }
        if self.persona.sessions.supported {
            put(&mut root, "SessionService", self.link(Target::SessionService));
            put(&mut root, "Links", json!({"Sessions": self.link(Target::Sessions)}));
        }
        if let Some(fields) = root.as_object_mut().filter(|_| self.persona.oddities.no_root_links) {
            fields.remove("Systems");
            fields.remove("Managers");
        }
        root
    }

    fn session_service(&self) -> Value {
        json!({
            "@odata.type": "#SessionService.v1_1_8.SessionService",
            "Id": "SessionService", "Name": "Session Service", "ServiceEnabled": true,
            "SessionTimeout": self.persona.sessions.advertised_seconds,
            "Sessions": self.link(Target::Sessions),
        })
    }

    fn session(&self, id: u64) -> Option<Value> {
        let account = self.accounts.get(*self.sessions.get(&id)?)?;
        Some(json!({
            "@odata.type": "#Session.v1_3_0.Session",
            "Id": id.to_string(), "Name": "User Session", "UserName": account.user,
        }))
    }

    fn manager(&self) -> Value {
        let facts = &self.persona.manager;
        let mut manager = json!({
            "@odata.type": format!("#Manager.{}.Manager", facts.schema),
            "Id": facts.id, "Name": facts.name, "ManagerType": "BMC", "Model": facts.model,
            "FirmwareVersion": facts.firmware, "UUID": self.uuid, "PowerState": "On",
            "ServiceEntryPointUUID": self.uuid,
            "Status": {"Health": "OK", "State": "Enabled"},
            "Links": {
                "ManagerForServers": [self.link(Target::System)],
                "ManagerForChassis": [self.link(Target::Chassis)],
            },
        });
        if facts.date_time {
            let ahead = jiff::SignedDuration::from_secs(facts.clock_ahead_seconds);
            let now = jiff::Timestamp::now();
            let time = now.checked_add(ahead).unwrap_or(now);
            put(&mut manager, "DateTime", json!(format!("{time:.0}")));
            put(&mut manager, "DateTimeLocalOffset", json!("+00:00"));
        }
        if let Some(import) = &self.persona.boot.import {
            let action = json!({"target": Target::Import.path(self.persona)});
            put(&mut manager, "Actions", json!({"Oem": {import.name.as_str(): action}}));
        }
        if self.persona.media.delivered_off.is_some() {
            let action = json!({"target": Target::EnableMedia.path(self.persona)});
            let name = format!("#{ENABLE_MEDIA}");
            put(&mut manager, "Actions", json!({"Oem": {name: action}}));
            let state = if self.media_are_on() { "Enabled" } else { "Disabled" };
            put(&mut manager, "Oem", json!({"Ami": {"VirtualMedia": {"RMediaStatus": state}}}));
        }
        if self.lists_media(Under::Manager) {
            put(&mut manager, "VirtualMedia", self.link(Target::Slots(Under::Manager)));
        }
        manager
    }

    fn media_are_on(&self) -> bool {
        self.board.media_on.is_some_and(|from| self.now >= from)
    }

    fn chassis(&self) -> Value {
        json!({
            "@odata.type": "#Chassis.v1_15_0.Chassis",
            "Id": self.persona.chassis.id, "Name": self.persona.chassis.name,
            "ChassisType": "RackMount", "Manufacturer": self.persona.system.manufacturer,
            "Model": self.persona.system.model, "SerialNumber": self.serial,
            "Status": {"Health": "OK", "State": "Enabled"},
            "Links": {
                "ComputerSystems": [self.link(Target::System)],
                "ManagedBy": [self.link(Target::Manager)],
            },
        })
    }

    fn lists_media(&self, under: Under) -> bool {
        self.persona.slots.iter().any(|slot| slot.under.contains(&under))
    }
}

/// Adds what every resource carries.
fn identified(persona: &Persona, target: Target, document: Value) -> Value {
    let mut fields = Map::new();
    let kind = document.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    let schema = kind.trim_start_matches('#').split('.').next().unwrap_or_default();
    let context = json!(format!("/redfish/v1/$metadata#{schema}.{schema}"));
    fields.insert("@odata.context".to_owned(), context);
    fields.insert("@odata.id".to_owned(), json!(target.path(persona)));
    if let Value::Object(own) = document {
        fields.extend(own);
    }
    if persona.oddities.mistyped {
        fields.values_mut().for_each(oddities::mistype);
    }
    Value::Object(fields)
}

fn put(document: &mut Value, name: &str, value: Value) {
    if let Some(fields) = document.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
