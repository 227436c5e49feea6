//! Reads: documents with their tags and links, expanded collections, and the check of a tag that
//! comes back with a write.

use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{Ask, Bmc};
use crate::{
    document::{METADATA, View},
    persona::{EtagForm, EtagHabits, IfMatch},
    reply::Reply,
    target::Target,
};

impl Bmc {
    pub(super) fn document(&self, target: Target) -> Option<Value> {
        let now = self.clock.now();
        let sessions = self.sessions().all(&self.persona.sessions, now);
        let shown = self.shown();
        let accounts = self.accounts();
        let works = self.works();
        let board = self.board();
        let view = View {
            persona: &self.persona,
            serial: &shown.serial,
            uuid: &shown.uuid,
            accounts: &accounts,
            board: &board,
            sessions: &sessions,
            works: &works,
            now,
        };
        view.document(target)
    }

    pub(super) fn read(&self, target: Target, ask: &Ask) -> Result<Reply, Reply> {
        let allow = target.allow(&self.persona);
        if target == Target::Metadata {
            return Ok(Reply::text("application/xml", METADATA).with(header::ALLOW, allow));
        }
        let mut document = self.document(target).ok_or_else(Reply::not_found)?;
        self.expand(&mut document, &ask.query)?;
        let etag = self.tag(target, &mut document);
        let mut reply = Reply::json(StatusCode::OK, &document).with(header::ALLOW, allow);
        if let Some(kind) = document.get("@odata.type").and_then(Value::as_str) {
            // `#Name.v1_2_3.Name` is described by the schema `Name.v1_2_3`.
            let schema = kind.trim_start_matches('#').rsplit_once('.').map_or("", |(name, _)| name);
            let link =
                format!("<http://redfish.dmtf.org/schemas/v1/{schema}.json>; rel=describedby");
            reply = reply.with(header::LINK, link);
        }
        Ok(match etag {
            Some(etag) => reply.with(header::ETAG, etag),
            None => reply,
        })
    }

    /// Writes the document's entity tag into it.
    fn tag(&self, target: Target, document: &mut Value) -> Option<String> {
        let etag = self.etag(target, document)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("@odata.etag".to_owned(), json!(etag));
        }
        Some(etag)
    }

    /// Replaces a collection's links by their documents when the query asks for it.
    fn expand(&self, document: &mut Value, query: &str) -> Result<(), Reply> {
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if name != "$expand" {
                // Unknown parameters that begin with a dollar sign must not be ignored.
                if name.starts_with('$') {
                    return Err(Reply::error(
                        501,
                        "Base.1.12.QueryNotSupported",
                        "Not served.",
                        &[],
                    ));
                }
                continue;
            }
            let form = value.split('(').next().unwrap_or_default();
            if !self.persona.root.expand.iter().any(|known| known == form) {
                return Err(Reply::error(501, "Base.1.12.QueryNotSupported", "Not served.", &[]));
            }
            if let Some(members) = document.get_mut("Members").and_then(Value::as_array_mut) {
                for member in members {
                    let path = member.get("@odata.id").and_then(Value::as_str).unwrap_or_default();
                    let target = Target::find(&self.persona, path);
                    let full = target.and_then(|target| Some((target, self.document(target)?)));
                    if let Some((target, mut full)) = full {
                        self.tag(target, &mut full);
                        for omitted in &self.persona.root.expand_omits {
                            full.as_object_mut().map(|fields| fields.remove(omitted));
                        }
                        *member = full;
                    }
                }
            }
        }
        Ok(())
    }

    /// The entity tag of a document: a digest of everything that does not change by itself.
    ///
    /// Accounts have one on every BMC; documents outside the Redfish tree have none.
    fn etag(&self, target: Target, document: &Value) -> Option<String> {
        let form = match target {
            Target::Versions | Target::OData => EtagForm::None,
            Target::Account(_) if self.persona.etags.form == EtagForm::None => EtagForm::Weak,
            _ => self.persona.etags.form,
        };
        let mut steady = document.clone();
        if let Some(fields) = steady.as_object_mut() {
            fields.remove("DateTime");
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, steady.to_string().as_bytes());
        let tag = data_encoding::HEXUPPER.encode(digest.as_ref().get(..4).unwrap_or_default());
        match form {
            EtagForm::None => None,
            EtagForm::Weak => Some(format!("W/\"{tag}\"")),
            EtagForm::Strong => Some(format!("\"{tag}\"")),
            EtagForm::Quoted => Some(format!("W/'{tag}'")),
        }
    }

    /// Checks `If-Match` before a PATCH.
    pub(super) fn check_precondition(&self, target: Target, ask: &Ask) -> Result<(), Reply> {
        self.check_tag(target, ask, || self.document(target))
    }

    /// The same of a target whose document the caller has.
    ///
    /// Accounts are guarded by their tags on every BMC.
    pub(super) fn check_tag(
        &self,
        target: Target,
        ask: &Ask,
        document: impl FnOnce() -> Option<Value>,
    ) -> Result<(), Reply> {
        let guarded = EtagHabits {
            form: self.persona.etags.form,
            if_match: IfMatch::Checked,
            wildcard: true,
            own: true,
            strong_form: false,
            refused_on_actions: false,
        };
        let account = matches!(target, Target::Account(_));
        let habits = if account { &guarded } else { &self.persona.etags };
        let offered = ask.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
        let (Some(offered), true) = (offered, habits.if_match != IfMatch::Ignored) else {
            let missing = offered.is_none() && habits.if_match == IfMatch::Required;
            return if missing {
                Err(Reply::precondition(StatusCode::PRECONDITION_REQUIRED))
            } else {
                Ok(())
            };
        };
        let tag = document().and_then(|document| self.etag(target, &document));
        let tag = tag.unwrap_or_default();
        let holds = match offered {
            _ if habits.if_match == IfMatch::Refused => false,
            "*" => habits.wildcard,
            own if own == tag => habits.own,
            other => habits.strong_form && Some(other) == tag.strip_prefix("W/"),
        };
        if holds { Ok(()) } else { Err(Reply::precondition(StatusCode::PRECONDITION_FAILED)) }
    }
}
