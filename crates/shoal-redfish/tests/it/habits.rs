//! What the test BMC does where others do otherwise: tags it wants, tasks it makes of inserts, slots that
//! take a PATCH, boots that are imported.

use serde_json::{Value, json};

use crate::model::{Call, Model, Reply, Slot, Tags, Task};

impl Model {
    /// The refusal of a change whose `If-Match` is not what this BMC wants.
    pub(crate) fn tag_refused(&self, if_match: Option<&str>) -> Option<Reply> {
        let current = self.etag();
        let strong = current.trim_start_matches("W/");
        let status = match (self.quirks.tags, if_match) {
            (Tags::Checked | Tags::Unwanted, None) | (Tags::Checked, Some("*")) => return None,
            (Tags::Required, None) => 428,
            (Tags::Checked | Tags::Required, Some(tag)) if tag == current => return None,
            (Tags::Strong, Some(tag)) if tag == strong => return None,
            _ => 412,
        };
        let id = if status == 428 { "PreconditionRequired" } else { "PreconditionFailed" };
        Some(Reply::error(status, id, &json!([])))
    }

    pub(crate) fn patch_slot(&mut self, path: &str, call: &Call<'_>) -> Reply {
        let id = path.rsplit('/').next().unwrap_or_default();
        let Some(slot) = self.slots.get(id) else {
            return Reply::error(404, "ResourceMissingAtURI", &json!([path]));
        };
        match call.if_match {
            Some(tag) if tag == slot_tag(slot) => {}
            Some(_) => return Reply::error(412, "PreconditionFailed", &json!([])),
            None => return Reply::error(428, "PreconditionRequired", &json!([])),
        }
        let id = id.to_owned();
        if call.body["Image"].is_null() {
            self.eject(&id, true)
        } else {
            self.insert(&id, &call.body)
        }
    }

    /// Dell's import of a configuration, of which only the first boot device is understood.
    pub(crate) fn import(&mut self, body: &Value) -> Reply {
        if self.quirks.jobs_running > 0 {
            self.quirks.jobs_running -= 1;
            let info = json!([{"MessageId": "IDRAC.2.1.RAC0679", "Message": "A job is running."}]);
            let body = json!({"error": {"@Message.ExtendedInfo": info}});
            return Reply::new(400, body);
        }
        let text = body["ImportBuffer"].as_str().unwrap_or_default();
        let value = |name: &str| {
            let start = text.split_once(&format!("<Attribute Name=\"ServerBoot.1#{name}\">"))?.1;
            Some(start.split_once("</Attribute>")?.0.to_owned())
        };
        let monitor = "/redfish/v1/TaskService/Tasks/JID_1".to_owned();
        let (Some(first), Some(once)) = (value("FirstBootDevice"), value("BootOnce")) else {
            self.tasks.insert(monitor.clone(), true);
            return Reply { headers: vec![("Location", monitor)], ..Reply::new(202, json!({})) };
        };
        self.first_device = (first, once == "Enabled");
        self.tasks.insert(monitor.clone(), false);
        Reply { headers: vec![("Location", monitor)], ..Reply::new(202, Value::Null) }
    }

    pub(crate) fn begin_task(&mut self, id: &str) -> Reply {
        let monitor = format!("/redfish/v1/TaskService/TaskMonitors/{id}");
        if self.quirks.task != Task::Vanished {
            self.tasks.insert(monitor.clone(), self.quirks.insert_task_fails);
        }
        let named = json!({"@odata.type": "#Task.v1_4_3.Task", "@odata.id": monitor});
        let (header, body) = match self.quirks.task {
            Task::Located | Task::Vanished | Task::Late | Task::Endless => {
                (Some(monitor), json!({}))
            }
            Task::LocatedElsewhere => (Some(format!("https://idrac-own-name{monitor}")), json!({})),
            Task::Named => (None, json!({"TaskMonitor": monitor})),
            Task::Embodied => (None, named),
            Task::Unnamed => (None, Value::Null),
        };
        let headers = header.map(|monitor| ("Location", monitor)).into_iter().collect();
        Reply { headers, ..Reply::new(202, body) }
    }

    /// Where the host starts from, which uses up what was meant for one boot.
    pub(crate) fn boots_from(&mut self) -> String {
        match (self.quirks.boot_by_import, &mut self.first_device) {
            (true, (first, true)) => std::mem::replace(first, "Normal".to_owned()),
            (true, (first, false)) => first.clone(),
            (false, _) => self.boot["Target"].clone(),
        }
    }
}

pub(crate) fn slot_tag(slot: &Slot) -> String {
    format!("\"{}\"", slot.image.as_ref().map_or(0, String::len))
}
