//! Some listed slots refuse every image, because they belong to a console or only look like slots, and
//! nothing but the refusal tells. A plan therefore names spare slots, and each of them is tried once.

use crate::{
    bmc::Bmc,
    error::Error,
    kind::Kind,
    media::{Note, Target},
    node::last_segment,
    ownership::Own,
    plan::{ForeignMedia, Plan, Role},
    recent::Look,
    slot::{SlotRef, SlotView},
    transcript::Op,
};

impl Plan {
    /// Slots that may take a medium whose own slot refuses it.
    fn spares(&self, role: Role) -> impl Iterator<Item = &SlotRef> {
        // Firmware that boots from one slot only does not boot from another.
        let fixed = role == Role::Boot && self.profile.media.boot_slot.is_some();
        let kind = self.slot(role).filter(|_| !fixed).map(|slot| slot.kind);
        self.media.spare_slots.iter().filter(move |spare| Some(spare.kind) == kind)
    }
}

impl Bmc {
    /// Inserts into the target's slot, or into a spare one where that refuses; the target then names
    /// the spare. After a failure both are as they were found, unless an answer was lost.
    pub(crate) async fn place<'a>(
        &self,
        plan: &'a Plan,
        target: &mut Target<'a>,
        note: Note<'_>,
    ) -> Result<(), Error> {
        let skipped =
            self.is_known_to_refuse(target.slot) && plan.spares(target.role).next().is_some();
        let mut refusal = None;
        if !skipped {
            refusal = self.refusal_of(plan, target).await?;
            if refusal.is_none() {
                return Ok(());
            }
        }
        for spare in plan.spares(target.role) {
            let other = Target { slot: spare, ..*target };
            match self.use_spare(plan, &other, note).await {
                Ok(true) => {
                    tracing::warn!(
                        refused = target.slot.path,
                        used = spare.path,
                        "a virtual media slot refused the image, and another one took it"
                    );
                    let id = last_segment(&target.slot.path).to_owned();
                    self.learn(|learned| _ = learned.refusing.insert(id));
                    *target = other;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) if refuses_slot(&error) => refusal = refusal.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if skipped {
            // The slot that once refused is the last hope.
            refusal = self.refusal_of(plan, target).await?;
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Inserts into the planned slot; answers why that takes no image, which then is empty.
    async fn refusal_of(
        &self,
        plan: &Plan,
        target: &mut Target<'_>,
    ) -> Result<Option<Error>, Error> {
        let mut inserted = self.insert(plan, target).await;
        if inserted.as_ref().is_err_and(may_be_off) && self.wake_media(plan).await {
            target.woke = true;
            inserted = self.insert(plan, target).await;
        }
        let Err(error) = inserted else {
            self.takes_images(target.slot);
            return Ok(None);
        };
        if !refuses_slot(&error) {
            return Err(error);
        }
        let view = self.slot_seen(target.op(), target.slot).await?;
        if view.holds(target.url) {
            // It refused and did it all the same.
            return Ok(None);
        }
        if !self.is_emptied(plan, target, &view).await {
            return Err(error);
        }
        Ok(Some(error))
    }

    /// True when the image is in the spare slot; false when that holds something else.
    async fn use_spare(
        &self,
        plan: &Plan,
        target: &Target<'_>,
        note: Note<'_>,
    ) -> Result<bool, Error> {
        let view = self.slot_seen(target.op(), target.slot).await?;
        if view.holds(target.url) {
            return Ok(true);
        }
        if !view.is_empty() {
            return Ok(false);
        }
        note(target.slot, target.url)?;
        let Err(error) = self.insert(plan, target).await else { return Ok(true) };
        if !error.may_have_taken_effect() {
            let view = self.slot_seen(target.op(), target.slot).await?;
            self.is_emptied(plan, target, &view).await;
        }
        Err(error)
    }

    /// Whether a slot is empty after a refusal; what half went in is taken out.
    async fn is_emptied(&self, plan: &Plan, target: &Target<'_>, view: &SlotView) -> bool {
        let own = Own::default();
        let own = own.also_from(std::iter::once(target.url.origin()));
        view.is_empty() || self.empty(plan, &[target.slot], &own).await.is_ok()
    }

    /// Spare slots that hold what is ours, or nobody's by its looks, or may be ejected by the plan's
    /// word.
    pub(crate) async fn spares_in_use<'a>(
        &self,
        plan: &'a Plan,
        own: &Own<'_>,
    ) -> Result<Vec<&'a SlotRef>, Error> {
        let spares = &plan.media.spare_slots;
        if spares.is_empty() {
            return Ok(Vec::new());
        }
        // Together with the slots that are looked at next, where the BMC expands them.
        let all: Vec<&SlotRef> = spares.iter().chain(plan.slots()).collect();
        let views = self.slots_seen(Op::CleanupUnmount, &all, Look::Recent).await?;
        let nameless = |view: &SlotView| view.image.is_none() && view.image_name.is_none();
        let used = |view: &SlotView| {
            let ours = own.owns(plan, view) || plan.foreign_media == ForeignMedia::Eject;
            !view.is_empty() && (ours || nameless(view))
        };
        Ok(spares
            .iter()
            .zip(&views)
            .filter(|(_, view)| used(view))
            .map(|(spare, _)| spare)
            .collect())
    }

    fn is_known_to_refuse(&self, slot: &SlotRef) -> bool {
        self.known().learned.refusing.contains(last_segment(&slot.path))
    }

    fn takes_images(&self, slot: &SlotRef) {
        self.learn(|learned| _ = learned.refusing.remove(last_segment(&slot.path)));
    }
}

/// It was answered, and as slots answer whose remote media are off.
fn may_be_off(error: &Error) -> bool {
    refuses_slot(error) || (!error.may_have_taken_effect() && *error.kind() == Kind::MediaDisabled)
}

/// The request is not for this slot, as opposed to not with this image, or not now.
fn refuses_slot(error: &Error) -> bool {
    !error.may_have_taken_effect()
        && matches!(error.status(), Some(400 | 404 | 405 | 501))
        && matches!(error.kind(), Kind::Rejected | Kind::NotFound | Kind::Unsupported { .. })
}
