//! The media steps, and filling slots so that the end state is what counts: look, change only what
//! differs, and look again until the BMC shows the result, because success codes of inserts mean
//! little.

use std::time::Duration;

use serde_json::Value;

use crate::{
    bmc::Bmc,
    call::Change,
    error::Error,
    insertion::Ladder,
    kind::Kind,
    learned::EtagForm,
    media_url::MediaUrl,
    ownership::Own,
    patience::Patience,
    plan::{Plan, Role},
    power::{pause_of, worth_waiting},
    profile::Profile,
    recent::Look,
    slot::{InsertBy, SlotRef, SlotView},
    transcript::Op,
    wire::Method,
};

/// How often one insert or eject is sent; every repetition follows a look that found no effect.
pub(crate) const SENDS: u32 = 3;

impl Bmc {
    /// Empties the plan's slots and returns when they were seen empty. Idempotent.
    ///
    /// # Errors
    /// `ForeignMedia` when a slot holds an image which is not ours and the plan does not say eject.
    pub async fn ensure_ejected(&self, plan: &Plan) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.empty_all(plan).await)
    }

    async fn empty_all(&self, plan: &Plan) -> Result<(), Error> {
        let mut slots = plan.slots();
        let own = Own::default();
        slots.extend(self.spares_in_use(plan, &own).await?);
        self.empty(plan, &slots, &own).await
    }

    /// Empties the given slots of the plan's BMC, such as those an earlier plan used.
    ///
    /// # Errors
    /// As [`Bmc::ensure_ejected`].
    pub async fn ensure_slots_ejected(&self, plan: &Plan, slots: &[SlotRef]) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        let slots: Vec<&SlotRef> = slots.iter().collect();
        self.told(self.empty(plan, &slots, &Own::default()).await)
    }

    /// Puts an image into the slot of a medium and returns when it was seen there. Idempotent: the
    /// same address in the slot already is the goal. An older image of ours is ejected first. Where
    /// the slot refuses any image, the plan's next spare slot takes it. Answers the slot it is in.
    ///
    /// # Errors
    /// `ForeignMedia` as above, `MediaRejected` when the BMC cannot fetch the image, `VerifyFailed`
    /// when it accepted the image and does not show it, `Unsupported` when the plan has no slot for
    /// this medium.
    pub async fn ensure_inserted(
        &self,
        plan: &Plan,
        role: Role,
        url: &MediaUrl,
    ) -> Result<SlotRef, Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.put(plan, role, url).await)
    }

    async fn put(&self, plan: &Plan, role: Role, url: &MediaUrl) -> Result<SlotRef, Error> {
        let targets = self.fill(plan, &[(role, url)], &Own::default(), &mut |_, _| Ok(())).await?;
        let slot = targets.first().map(|target| target.slot.clone());
        slot.ok_or_else(|| Error::new(Kind::Unsupported { what: "a medium".to_owned() }))
    }

    /// Inserts in the given order and verifies all at the end; answers where each medium is then.
    /// Whoever keeps count of slots is told before one is filled.
    pub(crate) async fn fill<'a>(
        &self,
        plan: &'a Plan,
        wanted: &[(Role, &'a MediaUrl)],
        own: &Own<'_>,
        note: Note<'_>,
    ) -> Result<Vec<Target<'a>>, Error> {
        let mut targets = Vec::new();
        for (role, url) in wanted {
            let slot = plan.slot(*role).ok_or_else(|| {
                Error::new(Kind::Unsupported { what: "a task medium of its own".to_owned() })
            })?;
            targets.push(Target { role: *role, slot, url, woke: false });
        }
        let slots: Vec<&SlotRef> = targets.iter().map(|target| target.slot).collect();
        let Some(op) = targets.last().map(Target::op) else { return Ok(targets) };
        let mut views = self.slots_seen(op, &slots, Look::Recent).await?;
        let all_there = |views: &[SlotView]| {
            targets.iter().zip(views).all(|(target, view)| view.holds(target.url))
        };
        if all_there(&views) {
            // Nothing would be changed, so an older look is no proof: a BMC that restarted meanwhile
            // has dropped its media.
            views = self.slots_seen(op, &slots, Look::Fresh).await?;
            if all_there(&views) {
                return Ok(targets);
            }
        }
        let occupied = targets
            .iter()
            .zip(&views)
            .filter(|(target, view)| !view.holds(target.url) && !view.is_empty());
        let occupied: Vec<&SlotRef> = occupied.map(|(target, _)| target.slot).collect();
        let origins = targets.iter().map(|target| target.url.origin());
        self.empty(plan, &occupied, &own.also_from(origins)).await?;
        let off = plan.media_switch.as_ref().is_some_and(|switch| switch.on == Some(false));
        let mut woke = off && self.wake_media(plan).await;
        for (target, view) in targets.iter_mut().zip(&views) {
            if !view.holds(target.url) {
                target.woke = std::mem::take(&mut woke);
                note(target.slot, target.url)?;
                self.place(plan, target, note).await?;
            }
        }
        self.await_shown(plan, &targets).await?;
        Ok(targets)
    }

    async fn await_shown(&self, plan: &Plan, targets: &[Target<'_>]) -> Result<(), Error> {
        let slots: Vec<&SlotRef> = targets.iter().map(|target| target.slot).collect();
        let Some(last) = targets.last() else { return Ok(()) };
        let mut patience = self.settling(&plan.profile);
        loop {
            let views = self.slots_seen(last.op(), &slots, Look::Fresh).await?;
            let lacking = targets.iter().zip(&views).find(|(target, view)| !view.shows(target.url));
            let Some((target, view)) = lacking else { return Ok(()) };
            if !patience.pause(None).await {
                let kind =
                    Kind::VerifyFailed { expected: target.url.to_string(), seen: view.state() };
                return Err(Error::new(kind).at("GET", &target.slot.path));
            }
        }
    }

    pub(crate) async fn insert(&self, plan: &Plan, target: &Target<'_>) -> Result<(), Error> {
        self.inner.wire.hide_media(target.url);
        let usual = plan.profile.media.payload;
        let mut learned = self.known().learned.payload;
        let mut ladder = Ladder::new(learned.unwrap_or(usual));
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.busy_timeout, options.poll_first, options.poll_most);
        let mut unsure_left = SENDS - 1;
        let mut lost = false;
        loop {
            let body = ladder.payload().body(target.url);
            let Err(error) = self.send_insert(plan, target, &body).await else {
                let won = Some(ladder.payload()).filter(|payload| *payload != usual);
                self.learn(|learned| learned.payload = won);
                return Ok(());
            };
            if error.may_have_taken_effect() {
                lost = true;
                if self.comes_to_hold(plan, target).await? {
                    return Ok(());
                }
                if unsure_left == 0 {
                    return Err(error);
                }
                unsure_left -= 1;
                self.sent_again(target.op(), &error);
                continue;
            }
            // What was taken for lost may be why the repetition is refused.
            if lost && self.slot_seen(target.op(), target.slot).await?.holds(target.url) {
                return Ok(());
            }
            if *error.kind() == Kind::Rejected && learned.take().is_some() {
                // What worked once is refused without a reason: begin as if nothing were known.
                self.learn(|learned| learned.payload = None);
                ladder = Ladder::new(usual);
                continue;
            }
            if ladder.step(error.kind()) {
                continue;
            }
            let waits = worth_waiting(&error) || *error.kind() == Kind::MediaBusy;
            if !waits || !patience.pause(pause_of(&error)).await {
                // After a lost answer a refusal does not say that the slot is empty, or for others.
                return Err(error.unsure(lost));
            }
            // A slot that is said to be in use may be in use by what we want in it.
            if self.slot_seen(target.op(), target.slot).await?.holds(target.url) {
                return Ok(());
            }
            self.sent_again(target.op(), &error);
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
                let change = Change {
                    op: target.op(),
                    method: Method::Post,
                    path,
                    body: Some(body),
                    timeout,
                };
                self.change(&change, None).await.map(drop)
            }
            InsertBy::Patch => self.patch_slot(plan, target.op(), target.slot, body).await,
        }
    }

    pub(crate) async fn patch_slot(
        &self,
        plan: &Plan,
        op: Op,
        slot: &SlotRef,
        body: &Value,
    ) -> Result<(), Error> {
        let etag = self.seen(op, &slot.path, Look::Recent).await?.etag;
        let mut forms = plan.profile.boot.etag.clone();
        if etag.is_none() && forms.contains(&EtagForm::Any) {
            // Expanded reads carry no tag, and any is nearly always good enough.
            forms.insert(0, EtagForm::Any);
        }
        let change = Change {
            op,
            method: Method::Patch,
            path: &slot.path,
            body: Some(body),
            timeout: self.inner.options.media_timeout,
        };
        self.patch(&change, etag.as_deref(), &forms).await.map(drop)
    }

    /// After a lost answer: the BMC may still be fetching the image.
    async fn comes_to_hold(&self, plan: &Plan, target: &Target<'_>) -> Result<bool, Error> {
        let mut patience = self.settling(&plan.profile);
        loop {
            if self.slot_seen(target.op(), target.slot).await?.shows(target.url) {
                return Ok(true);
            }
            if !patience.pause(None).await {
                return Ok(false);
            }
        }
    }

    /// The time a slot is given to show what was accepted.
    pub(crate) fn settling(&self, profile: &Profile) -> Patience {
        let options = &self.inner.options;
        let limit = Duration::from_secs(profile.media.settle_seconds);
        Patience::new(limit, options.poll_first.min(Duration::from_secs(1)), options.poll_most)
    }
}

/// Told of the slot and the image before one is put into the other; an error stops the insert.
pub(crate) type Note<'a> = &'a mut (dyn FnMut(&SlotRef, &MediaUrl) -> Result<(), Error> + Send);

/// A medium and the slot it goes into.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) role: Role,
    pub(crate) slot: &'a SlotRef,
    pub(crate) url: &'a MediaUrl,
    /// Remote media were switched on for it.
    pub(crate) woke: bool,
}

impl Target<'_> {
    pub(crate) fn op(&self) -> Op {
        match self.role {
            Role::Boot => Op::MountMaintenance,
            Role::Task => Op::MountTask,
        }
    }
}
