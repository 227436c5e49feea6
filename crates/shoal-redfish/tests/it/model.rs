//! What a BMC is behind its HTTP surface: power, slots, override, sessions, and the rules by which
//! two families differ. Written from the documents alone, with plain JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::tree::Tree;

/// An iDRAC9 6.x has two equal slots under the system, an iLO 5 a USB and a CD slot under the manager,
/// an XCC slots without actions, which take a PATCH with the tag they showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Idrac,
    Ilo,
    Xcc,
}

/// Which `If-Match` a change of the boot override must carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tags {
    /// None, or the current one.
    #[default]
    Checked,
    /// The current one without its mark of weakness, else 412.
    Strong,
    /// None at all, else 412.
    Unwanted,
    /// The current one, or 428 without.
    Required,
}

/// How an insert that is not done at once is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Task {
    /// A monitor in `Location`.
    #[default]
    Located,
    /// The same under a host name of the BMC's own.
    LocatedElsewhere,
    /// A monitor in the body.
    Named,
    /// The task itself as body, and nothing else.
    Embodied,
    /// Nothing to ask.
    Unnamed,
    /// A monitor that is not there.
    Vanished,
    /// A monitor that is there from the third look on.
    Late,
    /// A task that never ends.
    Endless,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) image: Option<String>,
    /// Reads that still show the old image after an eject.
    pub(crate) stale_reads: u32,
    pub(crate) old: Option<String>,
}

/// Deviations a test switches on.
#[expect(clippy::struct_excessive_bools, reason = "each deviation is independent of the others")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Quirks {
    pub(crate) no_sessions: bool,
    pub(crate) session_limit: bool,
    pub(crate) reject_logins: bool,
    pub(crate) reject_tokens: bool,
    pub(crate) stale_reads: u32,
    pub(crate) needs_protocol: bool,
    pub(crate) rejects_write_protected: bool,
    pub(crate) only_wildcard_etag: bool,
    pub(crate) tags: Tags,
    /// Actions without `If-Match` are answered 428.
    pub(crate) tagged_actions: bool,
    /// Changes of the override that the host's POST still refuses.
    pub(crate) in_post: u32,
    /// What the next reads show as the power state.
    pub(crate) power_shown: Vec<Value>,
    /// The system tells when it was last reset.
    pub(crate) tells_resets: bool,
    /// The reset types are told in a document of their own.
    pub(crate) action_info: bool,
    pub(crate) no_basic: bool,
    /// Sessions are located under a host name of the BMC's own.
    pub(crate) session_elsewhere: bool,
    /// `Cd` means the physical drive, and the virtual one is imported.
    pub(crate) boot_by_import: bool,
    /// Imports refused because another job runs.
    pub(crate) jobs_running: u32,
    pub(crate) task: Task,
    pub(crate) once_is_continuous: bool,
    pub(crate) cannot_disable_override: bool,
    pub(crate) power_on_conflicts: u32,
    pub(crate) no_expand: bool,
    pub(crate) async_inserts: bool,
    pub(crate) insert_task_fails: bool,
    pub(crate) odd_types: bool,
    pub(crate) boot_in_settings: bool,
    pub(crate) guarded_root: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) family: Family,
    pub(crate) power: &'static str,
    pub(crate) boot: BTreeMap<&'static str, String>,
    pub(crate) slots: BTreeMap<String, Slot>,
    pub(crate) tokens: Vec<String>,
    pub(crate) logins: u32,
    pub(crate) quirks: Quirks,
    /// Of the manager, where it is an iDRAC.
    pub(crate) firmware: &'static str,
    /// Power-ons that took effect.
    pub(crate) starts: u32,
    /// Images that were in when the host last started, with the override target.
    pub(crate) started_with: Vec<String>,
    pub(crate) tasks: BTreeMap<String, bool>,
    /// Resources that are shown instead of a family's; only reads and logins work then.
    pub(crate) tree: Option<Tree>,
    pub(crate) restarts: u32,
    /// Switches off, inserts and ejects that took effect.
    pub(crate) offs: u32,
    pub(crate) inserts: u32,
    pub(crate) ejects: u32,
    /// Looks at tasks so far.
    pub(crate) task_looks: u32,
    /// First boot device, and whether it is for one boot, where it is imported.
    pub(crate) first_device: (String, bool),
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn error(status: u16, id: &str, args: &Value) -> Self {
        let info =
            json!([{"MessageId": format!("Base.1.8.{id}"), "Message": id, "MessageArgs": args}]);
        Self::new(
            status,
            json!({"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": info}}),
        )
    }
}

pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) basic: bool,
    pub(crate) if_match: Option<&'a str>,
    pub(crate) body: Value,
    pub(crate) has_body: bool,
}

impl Model {
    pub(crate) fn new(family: Family) -> Self {
        let slots = ["1", "2"].map(|id| (id.to_owned(), Slot::default()));
        Self {
            family,
            power: "On",
            boot: BTreeMap::from([
                ("Enabled", "Disabled".to_owned()),
                ("Target", "None".to_owned()),
                ("Mode", "UEFI".to_owned()),
            ]),
            slots: BTreeMap::from(slots),
            tokens: Vec::new(),
            logins: 0,
            quirks: Quirks::default(),
            firmware: "6.10.30.00",
            starts: 0,
            started_with: Vec::new(),
            tasks: BTreeMap::new(),
            tree: None,
            restarts: 0,
            offs: 0,
            inserts: 0,
            ejects: 0,
            task_looks: 0,
            first_device: ("Normal".to_owned(), false),
        }
    }

    pub(crate) fn system(&self) -> &'static str {
        match self.family {
            Family::Idrac => "/redfish/v1/Systems/System.Embedded.1",
            Family::Ilo | Family::Xcc => "/redfish/v1/Systems/1",
        }
    }

    pub(crate) fn settings(&self) -> String {
        format!("{}/Settings", self.system())
    }

    pub(crate) fn manager(&self) -> &'static str {
        match self.family {
            Family::Idrac => "/redfish/v1/Managers/iDRAC.Embedded.1",
            Family::Ilo | Family::Xcc => "/redfish/v1/Managers/1",
        }
    }

    pub(crate) fn media(&self) -> String {
        match self.family {
            Family::Idrac => format!("{}/VirtualMedia", self.system()),
            Family::Ilo | Family::Xcc => format!("{}/VirtualMedia", self.manager()),
        }
    }

    pub(crate) fn image(&self, slot: &str) -> Option<&str> {
        self.slots[slot].image.as_deref()
    }

    pub(crate) fn answer(&mut self, call: &Call<'_>) -> Reply {
        let path = call.path.trim_end_matches('/');
        if path == "/redfish/v1" && (call.basic || !self.quirks.guarded_root) {
            return match &self.tree {
                Some(tree) => tree.answer(path, ""),
                None => Reply::new(200, self.root()),
            };
        }
        if path == "/redfish/v1/SessionService/Sessions" && call.method == "POST" {
            return self.login(&call.body);
        }
        let known = call.token.is_some_and(|token| self.tokens.iter().any(|open| open == token));
        if (!known && !call.basic)
            || self.quirks.reject_tokens
            || (call.basic && (self.quirks.reject_logins || self.quirks.no_basic))
        {
            return Reply::error(401, "NoValidSession", &json!([]));
        }
        match call.method {
            "GET" => match &self.tree {
                Some(tree) => tree.answer(path, call.query),
                None => self.get(path, call.query),
            },
            "DELETE" => {
                let id = path.rsplit('/').next().unwrap_or_default();
                self.tokens.retain(|token| *token != format!("token-{id}"));
                Reply::new(204, Value::Null)
            }
            "PATCH" if path == self.system() && self.quirks.boot_in_settings => {
                Reply::error(400, "PropertyNotWritable", &json!(["Boot"]))
            }
            "PATCH" if self.quirks.in_post > 0 => {
                self.quirks.in_post -= 1;
                Reply::error(400, "UnableToModifyDuringSystemPOST", &json!([]))
            }
            "PATCH" if path == self.system() || path == self.settings() => self.patch_boot(call),
            "PATCH" if self.family == Family::Xcc => self.patch_slot(path, call),
            "POST" if self.quirks.tagged_actions && call.if_match != Some("*") => {
                Reply::error(428, "PreconditionRequired", &json!([]))
            }
            "POST" => self.post(path, call),
            _ => Reply::error(405, "OperationNotAllowed", &json!([])),
        }
    }

    fn login(&mut self, body: &Value) -> Reply {
        self.logins += 1;
        if self.quirks.session_limit {
            return Reply::error(503, "SessionLimitExceeded", &json!([]));
        }
        if self.quirks.reject_logins || body["Password"] != "correct horse" {
            return Reply::error(401, "NoValidSession", &json!([]));
        }
        let token = format!("token-{}", self.logins);
        self.tokens.push(token.clone());
        let host = if self.quirks.session_elsewhere { "https://idrac-own-name" } else { "" };
        let location = format!("{host}/redfish/v1/SessionService/Sessions/{}", self.logins);
        Reply {
            headers: vec![("X-Auth-Token", token), ("Location", location)],
            ..Reply::new(201, json!({}))
        }
    }

    fn patch_boot(&mut self, call: &Call<'_>) -> Reply {
        match call.if_match {
            Some("*") if self.quirks.tags == Tags::Checked => {}
            _ if self.quirks.only_wildcard_etag => {
                return Reply::error(412, "PreconditionFailed", &json!([]));
            }
            if_match => {
                if let Some(refusal) = self.tag_refused(if_match) {
                    return refusal;
                }
            }
        }
        let boot = &call.body["Boot"];
        let value =
            |key: &str| boot[format!("BootSourceOverride{key}")].as_str().map(str::to_owned);
        if self.quirks.cannot_disable_override && value("Target").as_deref() == Some("None") {
            return Reply::error(
                400,
                "PropertyValueNotInList",
                &json!(["None", "BootSourceOverrideTarget"]),
            );
        }
        for key in ["Enabled", "Target", "Mode"] {
            let Some(mut new) = value(key) else { continue };
            let fixed = (self.quirks.once_is_continuous && new == "Once")
                || (self.quirks.cannot_disable_override && new == "Disabled");
            if fixed && key == "Enabled" {
                "Continuous".clone_into(&mut new);
            }
            self.boot.insert(key, new);
        }
        Reply::new(200, json!({}))
    }

    fn post(&mut self, path: &str, call: &Call<'_>) -> Reply {
        if path == format!("{}/Actions/ComputerSystem.Reset", self.system()) {
            return self.reset(call.body["ResetType"].as_str().unwrap_or_default());
        }
        if path.ends_with("ImportSystemConfiguration") && self.quirks.boot_by_import {
            return self.import(&call.body);
        }
        let media = self.media();
        let action = path
            .strip_prefix(&format!("{media}/"))
            .and_then(|rest| rest.split_once("/Actions/VirtualMedia."));
        match action {
            Some((id, "InsertMedia")) if self.slots.contains_key(id) => self.insert(id, &call.body),
            Some((id, "EjectMedia")) if self.slots.contains_key(id) => {
                self.eject(id, call.has_body)
            }
            _ => Reply::error(404, "ResourceMissingAtURI", &json!([path])),
        }
    }

    fn reset(&mut self, kind: &str) -> Reply {
        match (kind, self.power) {
            ("On", "Off") if self.quirks.power_on_conflicts > 0 => {
                self.quirks.power_on_conflicts -= 1;
                Reply::error(409, "ActionParameterValueConflict", &json!(["ResetType", "On"]))
            }
            ("On" | "ForceOn", "Off") => {
                self.power = "On";
                self.starts += 1;
                let target = self.boots_from();
                let images = self.slots.values().filter_map(|slot| slot.image.clone());
                self.started_with = images.chain([target]).collect();
                if self.boot["Enabled"] == "Once" {
                    self.boot.insert("Enabled", "Disabled".to_owned());
                    self.boot.insert("Target", "None".to_owned());
                }
                Reply::new(204, Value::Null)
            }
            ("ForceRestart", "On") => {
                self.restarts += 1;
                Reply::new(204, Value::Null)
            }
            ("ForceOff", "On") => {
                self.power = "Off";
                self.offs += 1;
                Reply::new(204, Value::Null)
            }
            _ => Reply::error(409, "ActionParameterValueConflict", &json!(["ResetType", kind])),
        }
    }

    pub(crate) fn insert(&mut self, id: &str, body: &Value) -> Reply {
        if self.quirks.needs_protocol && body.get("TransferProtocolType").is_none() {
            return Reply::error(
                400,
                "ActionParameterMissing",
                &json!(["InsertMedia", "TransferProtocolType"]),
            );
        }
        if self.quirks.rejects_write_protected && body.get("WriteProtected").is_some() {
            return Reply::error(
                400,
                "ActionParameterUnknown",
                &json!(["InsertMedia", "WriteProtected"]),
            );
        }
        let slot = self.slots.get_mut(id).expect("the caller has checked the id");
        if slot.image.is_some() {
            return Reply::error(500, "GeneralError", &json!([]));
        }
        if self.quirks.async_inserts {
            if !self.quirks.insert_task_fails {
                slot.image = body["Image"].as_str().map(str::to_owned);
            }
            return self.begin_task(id);
        }
        slot.image = body["Image"].as_str().map(str::to_owned);
        self.inserts += 1;
        Reply::new(204, Value::Null)
    }

    pub(crate) fn eject(&mut self, id: &str, has_body: bool) -> Reply {
        if self.family == Family::Ilo && !has_body {
            return Reply::error(415, "MalformedJSON", &json!([]));
        }
        let stale_reads = self.quirks.stale_reads;
        let slot = self.slots.get_mut(id).expect("the caller has checked the id");
        if slot.image.is_none() {
            return Reply::error(400, "NoOperation", &json!([]));
        }
        *slot = Slot { old: slot.image.take(), image: None, stale_reads };
        self.ejects += 1;
        Reply::new(204, Value::Null)
    }
}
