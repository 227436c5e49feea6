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
    media_url::MediaUrl,
    patience::Patience,
    plan::{Plan, Role},
    power::{pause_of, worth_waiting},
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
    /// `ForeignMedia` as above, `MediaRejected` when the BMC cannot fetch the image, `VerifyFailed`
    /// when it accepted the image and does not show it, `Unsupported` when the plan has no slot for
    /// this medium.
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
        let mut views = self.slots_seen(op, &slots, Look::Recent).await?;
        let all_there = |views: &[SlotView]| {
            targets.iter().zip(views).all(|(target, view)| view.holds(target.url))
        };
        if all_there(&views) {
            // Nothing would be changed, so an older look is no proof: a BMC that restarted meanwhile
            // has dropped its media.
            views = self.slots_seen(op, &slots, Look::Fresh).await?;
            if all_there(&views) {
                return Ok(());
            }
        }
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
        self.inner.wire.hide_media(target.url);
        let usual = plan.profile.media.payload;
        let mut learned = self.known().learned.payload;
        let mut ladder = Ladder::new(learned.unwrap_or(usual));
        let options = &self.inner.options;
        let mut patience =
            Patience::new(options.busy_timeout, options.poll_first, options.poll_most);
        let mut unsure_left = SENDS - 1;
        loop {
            let body = ladder.payload().body(target.url);
            let Err(error) = self.send_insert(plan, target, &body).await else {
                let won = Some(ladder.payload()).filter(|payload| *payload != usual);
                self.learn(|learned| learned.payload = won);
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
                self.sent_again(target.op, &error);
                continue;
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
                return Err(error);
            }
            // A slot that is said to be in use may be in use by what we want in it.
            if self.slot_seen(target.op, target.slot).await?.holds(target.url) {
                return Ok(());
            }
            self.sent_again(target.op, &error);
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

    pub(crate) async fn patch_slot(
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

    /// The time a slot is given to show what was accepted.
    pub(crate) fn settling(&self, plan: &Plan) -> Patience {
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
