//! The documents of virtual media: what a slot says it is, can do and holds, and how insertions that
//! were answered early are going.

use serde_json::{Value, json};

use super::{View, put};
use crate::{
    medium::ImageUrl,
    persona::{EmptyImage, InsertAnswer, ShownImage, Under},
    target::Target,
};

impl View<'_> {
    pub(super) fn slot(&self, under: Under, index: usize) -> Option<Value> {
        let facts = self.persona.slots.get(index)?;
        let socket = self.board.sockets.get(index)?;
        let habits = &self.persona.media;
        let claims = socket.claims(self.now);
        let named = claims.or(socket.last.as_ref().filter(|_| habits.keeps_image));
        let nothing = match habits.empty_image {
            EmptyImage::Null => Value::Null,
            EmptyImage::Blank => json!(""),
        };
        let file = named.and_then(|url| url.as_str().rsplit('/').next());
        let mut slot = json!({
            "@odata.type": format!("#VirtualMedia.{}.VirtualMedia", habits.schema),
            "Id": facts.id, "Name": format!("{} {}", habits.name, facts.id),
            "Image": named.and_then(|url| self.shown_image(url)).map_or(nothing.clone(), Value::from),
            "ImageName": file.map_or(nothing, |name| json!(name)),
            "Inserted": claims.is_some(),
            "ConnectedVia": if claims.is_some() { "URI" } else { "NotConnected" },
            "WriteProtected": claims.is_none() || socket.write_protected,
        });
        if habits.tells_types {
            put(&mut slot, "MediaTypes", json!(facts.media_types));
        }
        if habits.streams_only {
            put(&mut slot, "TransferMethod", json!("Stream"));
        }
        if self.persona.slot_has_actions(index) {
            put(&mut slot, "Actions", self.slot_actions(under, index, claims.is_some()));
        }
        Some(slot)
    }

    /// The address of an image as slots show it.
    fn shown_image(&self, url: &ImageUrl) -> Option<String> {
        match self.persona.media.shows_image {
            ShownImage::Address => Some(url.as_str().to_owned()),
            ShownImage::AddressWithPort => {
                let parsed = url::Url::parse(url.as_str()).ok()?;
                let port = parsed.port_or_known_default()?;
                let host = parsed.host_str()?;
                Some(format!("{}://{host}:{port}{}", parsed.scheme(), parsed.path()))
            }
            ShownImage::Name => None,
        }
    }

    fn slot_actions(&self, under: Under, index: usize, inserted: bool) -> Value {
        let habits = &self.persona.media;
        let mut insert = json!({"target": Target::Insert(under, index).path(self.persona)});
        if habits.action_info {
            let info = Target::InsertInfo(under, index).path(self.persona);
            put(&mut insert, "@Redfish.ActionInfo", json!(info));
        }
        if !habits.lists_protocols.is_empty() {
            let listed = json!(habits.lists_protocols);
            put(&mut insert, "TransferProtocolType@Redfish.AllowableValues", listed);
        }
        let mut actions = json!({"#VirtualMedia.InsertMedia": insert});
        if inserted || !habits.eject_only_when_inserted {
            let eject = json!({"target": Target::Eject(under, index).path(self.persona)});
            put(&mut actions, "#VirtualMedia.EjectMedia", eject);
        }
        actions
    }

    pub(super) fn insert_info(&self) -> Value {
        let habits = &self.persona.media;
        let parameters: Vec<Value> = habits
            .accepts
            .iter()
            .map(|name| {
                let required = name == "Image" || habits.requires.contains(name);
                let flag = matches!(name.as_str(), "Inserted" | "WriteProtected");
                let kind = if flag { "Boolean" } else { "String" };
                json!({"Name": name, "Required": required, "DataType": kind})
            })
            .collect();
        json!({
            "@odata.type": "#ActionInfo.v1_1_2.ActionInfo",
            "Id": "InsertMediaActionInfo", "Name": "Insert Media Action Info",
            "Parameters": parameters,
        })
    }

    pub(super) fn task(&self, id: usize) -> Option<Value> {
        let work = self.works.get(id.checked_sub(1)?)?;
        let vanishes = self.persona.media.answer == InsertAnswer::Location;
        if vanishes && self.now >= work.done_at {
            return None;
        }
        let (state, status, message) = match (&work.failure, self.now < work.done_at) {
            (_, true) => ("Running", "OK", None),
            (None, false) => ("Completed", "OK", None),
            (Some(failure), false) => ("Exception", "Critical", Some(failure)),
        };
        let messages: Vec<Value> = message
            .iter()
            .map(|refusal| json!({"MessageId": refusal.id, "Message": refusal.text}))
            .collect();
        Some(json!({
            "@odata.type": "#Task.v1_4_3.Task",
            "Id": id.to_string(), "Name": work.name,
            "TaskState": state, "TaskStatus": status, "Messages": messages,
        }))
    }
}
