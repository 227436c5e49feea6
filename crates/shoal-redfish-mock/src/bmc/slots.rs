//! Writes to slots: a medium goes in only after it was opened over the network, and comes out
//! whether or not the host still reads it.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, header};
use serde_json::{Map, Value};

use super::{Ask, Bmc, Body};
use crate::{
    board::{Board, Socket, Work},
    journal::Effect,
    medium::{ImageUrl, Medium},
    persona::{InsertAnswer, Refusal},
    reply::Reply,
    target::Target,
    timeline::Event,
};

const GENERAL_ERROR: &str = "Base.1.12.GeneralError";

/// An insertion as it was asked for.
struct Insertion {
    url: ImageUrl,
    write_protected: bool,
    pretended: bool,
}

impl Bmc {
    pub(super) async fn insert_by_action(
        &self,
        slot: usize,
        ask: &Ask,
        seq: u64,
    ) -> Result<Reply, Reply> {
        let own = self.persona.slots.get(slot).and_then(|facts| facts.refuses);
        if let Some(status) = own {
            return Err(Reply::error(status, GENERAL_ERROR, "The slot takes no image.", &[]));
        }
        if !self.media_are_on(&self.board()) {
            return Err(Reply::error(400, GENERAL_ERROR, "The service is not running.", &[]));
        }
        let insertion = self.insertion(slot, ask)?;
        self.insert(slot, insertion, seq).await
    }

    pub(super) fn eject_by_action(&self, slot: usize, ask: &Ask, seq: u64) -> Result<Reply, Reply> {
        match &ask.body {
            Body::Json(_) | Body::Other if self.persona.media.eject_refuses_body => {
                return Err(Reply::malformed());
            }
            Body::Json(Value::Object(_)) => {}
            Body::Empty if !self.persona.media.eject_needs_object => {}
            Body::Empty => {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16();
                return Err(Reply::error(
                    status,
                    "Base.1.12.MalformedJSON",
                    "The action needs a JSON object.",
                    &[],
                ));
            }
            Body::Json(_) | Body::Other => return Err(Reply::malformed()),
        }
        self.eject(slot, seq)
    }

    /// `PATCH {Image}` inserts, `PATCH {Image: null}` ejects.
    pub(super) async fn patch_slot(
        &self,
        target: Target,
        slot: usize,
        ask: &Ask,
        seq: u64,
    ) -> Result<Reply, Reply> {
        let body = ask.object()?;
        self.check_precondition(target, ask)?;
        self.check_known(body)?;
        if !self.persona.slots.get(slot).is_some_and(|facts| facts.insertable) {
            return Err(Reply::not_writable("Image"));
        }
        match body.get("Image") {
            Some(Value::Null) => self.eject(slot, seq),
            Some(_) => self.insert(slot, self.insertion(slot, ask)?, seq).await,
            None => Err(Reply::missing("Image")),
        }
    }

    fn check_known(&self, body: &Map<String, Value>) -> Result<(), Reply> {
        let accepted = &self.persona.media.accepts;
        match body.keys().find(|name| !accepted.contains(name)) {
            Some(unknown) => Err(Reply::unknown_property(unknown)),
            None => Ok(()),
        }
    }

    fn insertion(&self, slot: usize, ask: &Ask) -> Result<Insertion, Reply> {
        let body = ask.object()?;
        self.check_known(body)?;
        let habits = &self.persona.media;
        if let Some(missing) = habits.requires.iter().find(|name| !body.contains_key(*name)) {
            return Err(Reply::missing(missing));
        }
        let url = body.get("Image").ok_or_else(|| Reply::missing("Image"))?;
        let url = url.as_str().ok_or_else(|| Reply::bad_value("Image"))?;
        let flag = |name: &str, unless_told: bool| match body.get(name) {
            None => Ok(unless_told),
            Some(value) => value.as_bool().ok_or_else(|| Reply::bad_value(name)),
        };
        if !flag("Inserted", true)? {
            return Err(Reply::bad_value("Inserted"));
        }
        self.check_transfer(body, url)?;
        let own = self.persona.slots.get(slot).map(|facts| facts.suffixes.as_slice());
        let ends = |ends: &[String]| ends.is_empty() || ends.iter().any(|end| url.ends_with(end));
        let usable = url.len() <= habits.max_url_bytes
            && habits.schemes.iter().any(|known| known == scheme(url))
            && !url.contains(|c| habits.forbidden_in_url.contains(c))
            && ends(&habits.suffixes)
            && ends(own.unwrap_or_default());
        if !usable {
            return Err(Reply::refused(&self.persona.refusals.url_refused));
        }
        Ok(Insertion {
            url: ImageUrl::new(url),
            write_protected: flag("WriteProtected", !habits.writable_unless_told)?,
            pretended: ask.pretends,
        })
    }

    /// Whether an insertion names the protocol and the method that this BMC would use.
    fn check_transfer(&self, body: &Map<String, Value>, url: &str) -> Result<(), Reply> {
        let habits = &self.persona.media;
        let named = |name: &str| body.get(name).and_then(Value::as_str);
        let protocol = named("TransferProtocolType");
        let agrees = protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case(scheme(url)));
        if habits.protocol_must_agree && !agrees {
            return Err(Reply::bad_value("TransferProtocolType"));
        }
        if habits.streams_only && named("TransferMethod").is_some_and(|method| method != "Stream") {
            return Err(Reply::bad_value("TransferMethod"));
        }
        Ok(())
    }

    async fn insert(&self, slot: usize, insertion: Insertion, seq: u64) -> Result<Reply, Reply> {
        self.check_room(&self.board(), slot).map_err(Reply::refused)?;
        let habits = &self.persona.media;
        let done_at = self.clock.now() + Duration::from_millis(habits.shows_after_ms);
        let done = if insertion.pretended {
            self.pretend(slot, insertion);
            Ok(())
        } else {
            self.open_into(slot, insertion, seq).await
        };
        match habits.answer {
            InsertAnswer::AtOnce => match done {
                Ok(()) => Ok(Reply::accepted(&self.persona.success)),
                Err(refusal) => Err(Reply::refused(refusal)),
            },
            InsertAnswer::Accepted => Ok(Reply::empty(StatusCode::ACCEPTED)),
            InsertAnswer::Task => {
                let task = self.begin_work("Insert Media", done_at, done.err().cloned());
                let document = self.document(task).ok_or_else(Reply::not_found)?;
                Ok(Reply::json(StatusCode::ACCEPTED, &document)
                    .with(header::LOCATION, task.path(&self.persona)))
            }
            InsertAnswer::Location => {
                let task = self.begin_work("Insert Media", done_at, done.err().cloned());
                let location = task.path(&self.persona);
                Ok(Reply::empty(StatusCode::ACCEPTED).with(header::LOCATION, location))
            }
        }
    }

    /// Notes something that is answered now and done later.
    pub(super) fn begin_work(
        &self,
        name: &'static str,
        done_at: Duration,
        failure: Option<Refusal>,
    ) -> Target {
        let mut works = self.works();
        works.push(Work { name, done_at, failure });
        Target::Task(works.len())
    }

    /// Lets a slot claim an image that nobody opened and that the host will not find.
    fn pretend(&self, slot: usize, insertion: Insertion) {
        if let Some(socket) = self.board().sockets.get_mut(slot) {
            socket.pretended = Some(insertion.url);
            socket.write_protected = insertion.write_protected;
        }
    }

    async fn open_into(&self, slot: usize, insertion: Insertion, seq: u64) -> Result<(), &Refusal> {
        let id = self.slot_id(slot);
        let opened = Medium::open(
            &self.media,
            &insertion.url,
            &self.persona.media,
            self.media_patience,
            &self.host.scratch.join(format!("prefetch-{id}")),
        )
        .await;
        let refusals = &self.persona.refusals;
        let medium = opened.map_err(|error| {
            let why = error.chain();
            self.timeline.push(self.clock.now(), Event::ReadFailed { slot: id.clone(), why });
            if error.is_not_found() {
                &refusals.media_not_found
            } else {
                &refusals.media_unreachable
            }
        })?;
        let mut board = self.board();
        // Another request may have been faster while the medium was opened.
        self.check_room(&board, slot)?;
        let Some(socket) = board.sockets.get_mut(slot) else { return Ok(()) };
        let now = self.clock.now();
        self.timeline.push(
            now,
            Event::MediumOpened {
                slot: id.clone(),
                bytes: medium.len(),
                whole: self.persona.media.prefetch,
            },
        );
        socket.medium = Some(Arc::new(medium));
        socket.shows_from = now + Duration::from_millis(self.persona.media.shows_after_ms);
        socket.write_protected = insertion.write_protected;
        socket.stale = None;
        self.journal.changed(seq, Effect::Insert { slot: id });
        Ok(())
    }

    /// Refuses when the slot, its device, or the BMC as a whole can take no further medium.
    fn check_room(&self, board: &Board, slot: usize) -> Result<(), &Refusal> {
        let device = self.persona.device(slot);
        let held = || {
            let sockets = board.sockets.iter().enumerate();
            let full = |socket: &Socket| socket.medium.is_some() || socket.pretended.is_some();
            sockets.filter(move |(_, socket)| full(socket)).map(|(index, _)| index)
        };
        let taken = held().any(|index| self.persona.device(index) == device);
        if taken || held().count() >= self.persona.media.max_at_once {
            return Err(&self.persona.refusals.media_occupied);
        }
        Ok(())
    }

    fn eject(&self, slot: usize, seq: u64) -> Result<Reply, Reply> {
        let mut board = self.board();
        let socket = board.sockets.get_mut(slot).ok_or_else(Reply::not_found)?;
        let held = socket.medium.is_some();
        let Some(url) = socket.empty() else {
            return Err(Reply::refused(&self.persona.refusals.media_empty));
        };
        let linger = Duration::from_millis(self.persona.media.stale_inserted_ms);
        socket.stale = Some((url, self.clock.now() + linger));
        if held {
            self.journal.changed(seq, Effect::Eject { slot: self.slot_id(slot) });
        }
        Ok(Reply::accepted(&self.persona.success))
    }

    pub(crate) fn slot_id(&self, slot: usize) -> String {
        self.persona.slots.get(slot).map(|facts| facts.id.clone()).unwrap_or_default()
    }
}

fn scheme(url: &str) -> &str {
    url.split("://").next().unwrap_or_default()
}
