//! Filling and emptying slots so that the end state is what counts: each step looks, changes only
//! what differs, and looks again until the BMC shows the result, because success codes of inserts
//! and ejects mean little. An image that is not ours is left alone unless the plan says otherwise.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    bmc::{Bmc, Purpose},
    call::Change,
    discover::is_whole_slot,
    error::{Error, Kind},
    insertion::Ladder,
    learned::EjectForm,
    media_url::MediaUrl,
    patience::Patience,
    plan::{ForeignMedia, Plan, Role},
    power::{pause_of, worth_waiting},
    recent::{Look, Seen},
    slot::{InsertBy, SlotRef, SlotView},
    transcript::Op,
    wire::Method,
};

/// How often one insert or eject is sent; every repetition follows a look that found no effect.
const SENDS: u32 = 3;

impl Bmc {
    /// Empties the plan's slots and returns when they were seen empty. Idempotent.
    ///
    /// # Errors
    /// `ForeignMedia` when a slot holds an image which is not ours and the plan does not say eject.
    pub async fn ensure_ejected(&self, plan: &Plan) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.empty(plan, &plan.slots(), &[]).await
    }

    /// Empties the given slots of the plan's BMC, such as those an earlier plan used.
    ///
    /// # Errors
    /// As [`Bmc::ensure_ejected`].
    pub async fn ensure_slots_ejected(&self, plan: &Plan, slots: &[SlotRef]) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.empty(plan, &slots.iter().collect::<Vec<_>>(), &[]).await
    }

    /// Puts an image into the slot of a medium and returns when it was seen there. Idempotent: the
    /// same address in the slot already is the goal. An older image of ours is ejected first.
    ///
    /// # Errors
    /// `ForeignMedia` as above; `MediaRejected` when the BMC cannot fetch the image; `NoSlot` kinds
    /// never, since the plan has settled that, except `Unsupported` when the plan has no slot for it.
    pub async fn ensure_inserted(
        &self,
        plan: &Plan,
        role: Role,
        url: &MediaUrl,
    ) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.fill(plan, &[(role, url)]).await
    }

    /// Inserts in the given order and verifies all at the end.
    pub(crate) async fn fill(
        &self,
        plan: &Plan,
        wanted: &[(Role, &MediaUrl)],
    ) -> Result<(), Error> {
        let mut targets = Vec::new();
        for (role, url) in wanted {
            let slot = plan.slot(*role).ok_or_else(|| {
                Error::new(Kind::Unsupported { what: "a task medium of its own".to_owned() })
            })?;
            targets.push(Target { op: op_of(*role), slot, url });
        }
        let slots: Vec<&SlotRef> = targets.iter().map(|target| target.slot).collect();
        let Some(op) = targets.last().map(|target| target.op) else { return Ok(()) };
        let views = self.slots_seen(op, &slots, Look::Recent).await?;
        let missing: Vec<&Target<'_>> = targets
            .iter()
            .zip(&views)
            .filter(|(target, view)| !view.holds(target.url))
            .map(|(target, _)| target)
            .collect();
        let occupied = targets
            .iter()
            .zip(&views)
            .filter(|(target, view)| !view.holds(target.url) && !view.is_empty());
        let occupied: Vec<&SlotRef> = occupied.map(|(target, _)| target.slot).collect();
        let origins: Vec<&str> = targets.iter().map(|target| target.url.origin()).collect();
        self.empty(plan, &occupied, &origins).await?;
        for target in missing {
            self.insert(plan, target).await?;
        }
        self.await_shown(plan, &targets).await
    }

    async fn await_shown(&self, plan: &Plan, targets: &[Target<'_>]) -> Result<(), Error> {
        let slots: Vec<&SlotRef> = targets.iter().map(|target| target.slot).collect();
        let Some(last) = targets.last() else { return Ok(()) };
        let mut patience = self.settling(plan);
        loop {
            let views = self.slots_seen(last.op, &slots, Look::Fresh).await?;
            let lacking = targets.iter().zip(&views).find(|(target, view)| !view.shows(target.url));
            let Some((target, view)) = lacking else { return Ok(()) };
            if !patience.pause(None).await {
                let kind =
                    Kind::VerifyFailed { expected: target.url.to_string(), seen: view.state() };
                return Err(Error::new(kind).at("GET", &target.slot.path));
            }
        }
    }

    async fn insert(&self, plan: &Plan, target: &Target<'_>) -> Result<(), Error> {
        let learned = self.known().learned.payload;
        let mut ladder = Ladder::new(learned.unwrap_or(plan.profile.media.payload));
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.busy_timeout, options.poll_first, options.poll_most);
        let mut unsure_left = SENDS - 1;
        loop {
            let body = ladder.payload().body(target.url);
            let Err(error) = self.send_insert(plan, target, &body).await else {
                if ladder.payload() != plan.profile.media.payload {
                    self.known().learned.payload = Some(ladder.payload());
                }
                return Ok(());
            };
            if error.may_have_taken_effect() {
                if self.comes_to_hold(plan, target).await? {
                    return Ok(());
                }
                if unsure_left == 0 {
                    return Err(error);
                }
                unsure_left -= 1;
                continue;
            }
            if ladder.step(error.kind()) {
                continue;
            }
            let waits = worth_waiting(&error) || *error.kind() == Kind::MediaBusy;
            if !waits || !patience.pause(pause_of(&error)).await {
                return Err(error);
            }
            // A slot that is said to be in use may be in use by what we want in it.
            if self.slot_seen(target.op, target.slot).await?.holds(target.url) {
                return Ok(());
            }
        }
    }

    async fn send_insert(
        &self,
        plan: &Plan,
        target: &Target<'_>,
        body: &Value,
    ) -> Result<(), Error> {
        let timeout = self.inner.options.media_timeout;
        match &target.slot.insert {
            InsertBy::Action(path) => {
                let change =
                    Change { op: target.op, method: Method::Post, path, body: Some(body), timeout };
                self.change(&change, None).await.map(drop)
            }
            InsertBy::Patch => self.patch_slot(plan, target.op, target.slot, body).await,
        }
    }

    async fn patch_slot(
        &self,
        plan: &Plan,
        op: Op,
        slot: &SlotRef,
        body: &Value,
    ) -> Result<(), Error> {
        let etag = self.seen(op, &slot.path, Look::Recent).await?.etag;
        let change = Change {
            op,
            method: Method::Patch,
            path: &slot.path,
            body: Some(body),
            timeout: self.inner.options.media_timeout,
        };
        self.patch(&change, etag.as_deref(), &plan.profile.boot.etag).await.map(drop)
    }

    /// After a lost answer: the BMC may still be fetching the image.
    async fn comes_to_hold(&self, plan: &Plan, target: &Target<'_>) -> Result<bool, Error> {
        let mut patience = self.settling(plan);
        loop {
            if self.slot_seen(target.op, target.slot).await?.shows(target.url) {
                return Ok(true);
            }
            if !patience.pause(None).await {
                return Ok(false);
            }
        }
    }

    pub(crate) async fn empty(
        &self,
        plan: &Plan,
        slots: &[&SlotRef],
        origins: &[&str],
    ) -> Result<(), Error> {
        let op = Op::CleanupUnmount;
        if slots.is_empty() {
            return Ok(());
        }
        let mut views = self.slots_seen(op, slots, Look::Recent).await?;
        if views.iter().all(SlotView::is_empty) {
            views = self.slots_seen(op, slots, Look::Fresh).await?;
        }
        if views.iter().all(SlotView::is_empty) {
            return Ok(());
        }
        for view in views.iter().filter(|view| !view.is_empty()) {
            check_owner(plan, view, origins)?;
        }
        let mut patience = self.settling(plan);
        // A slot is ejected once; again only when that ejection failed or its answer was lost.
        let mut due: Vec<u32> = vec![SENDS; slots.len()];
        let mut failure = None;
        loop {
            for ((slot, view), due) in slots.iter().zip(&views).zip(&mut due) {
                if view.is_empty() || *due == 0 {
                    continue;
                }
                match self.eject(plan, slot, view).await {
                    Ok(()) => *due = 0,
                    Err(error) if worth_waiting(&error) => {
                        *due -= 1;
                        failure = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            views = self.slots_seen(op, slots, Look::Fresh).await?;
            let Some(full) = views.iter().find(|view| !view.is_empty()) else { return Ok(()) };
            // Some BMCs show the old image for a while after they have accepted the eject.
            if !patience.pause(None).await {
                let kind =
                    Kind::VerifyFailed { expected: "an empty slot".to_owned(), seen: full.state() };
                return Err(failure.unwrap_or_else(|| Error::new(kind).at("GET", &full.path)));
            }
        }
    }

    /// Tries the forms of an eject until one is accepted or the slot is empty.
    async fn eject(&self, plan: &Plan, slot: &SlotRef, view: &SlotView) -> Result<(), Error> {
        let learned = self.known().learned.eject;
        let forms: Vec<EjectForm> =
            learned.into_iter().chain(plan.profile.media.eject.iter().copied()).collect();
        let target = eject_target(slot, view);
        let mut tried = Vec::new();
        let mut refusal = None;
        for form in forms {
            if tried.contains(&form) {
                continue;
            }
            tried.push(form);
            let Some(result) = self.send_eject(plan, slot, target.as_deref(), form).await else {
                continue;
            };
            match result {
                Ok(()) => {
                    if refusal.is_some() {
                        self.known().learned.eject = Some(form);
                    }
                    return Ok(());
                }
                Err(error) if worth_waiting(&error) || *error.kind() == Kind::Auth => {
                    return Err(error);
                }
                Err(error) => refusal = Some(error),
            }
            // Ejecting an empty slot is an error on many BMCs, and the slot may be empty by now.
            if self.slot_seen(Op::CleanupUnmount, slot).await?.is_empty() {
                return Ok(());
            }
        }
        Err(refusal.unwrap_or_else(|| {
            Error::new(Kind::Unsupported { what: "an eject".to_owned() }).at("POST", &slot.path)
        }))
    }

    /// `None` when the form does not apply to this slot.
    async fn send_eject(
        &self,
        plan: &Plan,
        slot: &SlotRef,
        target: Option<&str>,
        form: EjectForm,
    ) -> Option<Result<(), Error>> {
        let op = Op::CleanupUnmount;
        let body = match form {
            EjectForm::EmptyObject => Some(json!({})),
            EjectForm::NoBody => None,
            EjectForm::PatchInserted => {
                return Some(
                    self.patch_slot(plan, op, slot, &json!({"Image": null, "Inserted": false}))
                        .await,
                );
            }
            EjectForm::PatchImage => {
                return Some(self.patch_slot(plan, op, slot, &json!({"Image": null})).await);
            }
        };
        let timeout = self.inner.options.media_timeout;
        let change =
            Change { op, method: Method::Post, path: target?, body: body.as_ref(), timeout };
        Some(self.change(&change, None).await.map(drop))
    }

    /// The slots' states, in order: with one request where the BMC expands its collection.
    async fn slots_seen(
        &self,
        op: Op,
        slots: &[&SlotRef],
        look: Look,
    ) -> Result<Vec<SlotView>, Error> {
        let op = if self.purpose == Purpose::Cleanup { Op::CleanupUnmount } else { op };
        let all_recent = {
            let mut known = self.known();
            if look == Look::Fresh {
                for slot in slots {
                    known.recent.remove(&slot.path);
                }
            }
            slots.iter().all(|slot| known.recent.find(&slot.path).is_some())
        };
        if !all_recent && slots.len() > 1 {
            self.expand_slots(op, slots).await?;
        }
        let mut views = Vec::new();
        for slot in slots {
            let seen = self.seen(op, &slot.path, Look::Recent).await?;
            views.push(SlotView::read(&seen, &slot.path));
        }
        Ok(views)
    }

    async fn slot_seen(&self, op: Op, slot: &SlotRef) -> Result<SlotView, Error> {
        let seen = self.seen(op, &slot.path, Look::Fresh).await?;
        Ok(SlotView::read(&seen, &slot.path))
    }

    /// Reads the slots' collection expanded, so that the reads that follow find them.
    async fn expand_slots(&self, op: Op, slots: &[&SlotRef]) -> Result<(), Error> {
        let query = {
            let known = self.known();
            known.access.expand.clone().filter(|_| !known.learned.no_expand)
        };
        let same = slots
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.collection == other.collection));
        let (Some(query), Some(first), true) = (query, slots.first(), same) else { return Ok(()) };
        let body = match self.get(op, &format!("{}?{query}", first.collection)).await {
            Ok(answer) => answer.body,
            Err(error) if error.kind().says_no_such_read() => {
                self.known().learned.no_expand = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let members =
            body.get("Members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut known = self.known();
        for member in members.iter().filter(|member| is_whole_slot(member)) {
            let id = member
                .get("@odata.id")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .trim_end_matches('/');
            if slots.iter().any(|slot| slot.path == id) {
                known.recent.put(id, Seen::now(member.clone(), None, None));
            }
        }
        Ok(())
    }

    fn settling(&self, plan: &Plan) -> Patience {
        let options = &self.inner.options;
        let limit = Duration::from_secs(plan.profile.media.settle_seconds);
        Patience::new(limit, options.poll_first.min(Duration::from_secs(1)), options.poll_most)
    }
}

struct Target<'a> {
    op: Op,
    slot: &'a SlotRef,
    url: &'a MediaUrl,
}

fn op_of(role: Role) -> Op {
    match role {
        Role::Boot => Op::MountMaintenance,
        Role::Task => Op::MountTask,
    }
}

/// An image is ours when its address starts as the plan says ours do, or comes from where we are
/// about to insert from.
fn check_owner(plan: &Plan, view: &SlotView, origins: &[&str]) -> Result<(), Error> {
    let image = view.image.as_deref().unwrap_or_default();
    let same_origin =
        |origin: &&str| image.strip_prefix(*origin).is_some_and(|rest| rest.starts_with('/'));
    let ours = plan.ours.iter().any(|prefix| image.starts_with(prefix.as_str()))
        || origins.iter().any(same_origin);
    if ours || plan.foreign_media == ForeignMedia::Eject {
        return Ok(());
    }
    Err(Error::new(Kind::ForeignMedia { slot: view.path.clone(), image: view.image_shown() }))
}

/// The eject action may be advertised only while an image is in, or not at all beside the insert.
fn eject_target(slot: &SlotRef, view: &SlotView) -> Option<String> {
    let advertised = view.eject.clone().or_else(|| slot.eject.clone());
    advertised.or_else(|| match &slot.insert {
        InsertBy::Action(insert) => Some(insert.replace("InsertMedia", "EjectMedia")),
        InsertBy::Patch => None,
    })
}
