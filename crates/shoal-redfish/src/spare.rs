//! Some listed slots refuse every image, because they belong to a console or only look like slots, and
//! nothing but the refusal tells. A plan therefore names spare slots, and each of them is tried once.

use crate::{
    bmc::Bmc,
    error::Error,
    kind::Kind,
    media::{Note, Target},
    ownership::Own,
    plan::{Plan, Role},
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
        let mut refusal = None;
        if !self.is_known_to_refuse(target.slot) || plan.spares(target.role).next().is_none() {
            let mut inserted = self.insert(plan, target).await;
            if inserted.as_ref().is_err_and(is_refusal) && self.wake_media(plan).await {
                inserted = self.insert(plan, target).await;
            }
            let Err(error) = inserted else {
                self.takes_images(target.slot);
                return Ok(());
            };
            if !refuses_slot(&error) {
                return Err(error);
            }
            let view = self.slot_seen(target.op(), target.slot).await?;
            if view.holds(target.url) {
                // It refused and did it all the same.
                return Ok(());
            }
            if !self.is_emptied(plan, target, &view).await {
                return Err(error);
            }
            refusal = Some(error);
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
                    let id = id_of(target.slot).to_owned();
                    self.learn(|learned| _ = learned.refusing.insert(id));
                    *target = other;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) if refuses_slot(&error) => refusal = refusal.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            // The slot that once refused is the last hope.
            None => self.insert(plan, target).await,
        }
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

    /// Spare slots that hold an image of ours.
    pub(crate) async fn spares_in_use<'a>(
        &self,
        plan: &'a Plan,
    ) -> Result<Vec<&'a SlotRef>, Error> {
        let spares = &plan.media.spare_slots;
        if spares.is_empty() {
            return Ok(Vec::new());
        }
        // Together with the slots that are looked at next, where the BMC expands them.
        let all: Vec<&SlotRef> = spares.iter().chain(plan.slots()).collect();
        let views = self.slots_seen(Op::CleanupUnmount, &all, Look::Recent).await?;
        let own = Own::default();
        let used = |view: &SlotView| !view.is_empty() && own.owns(plan, view);
        Ok(spares
            .iter()
            .zip(&views)
            .filter(|(_, view)| used(view))
            .map(|(spare, _)| spare)
            .collect())
    }

    fn is_known_to_refuse(&self, slot: &SlotRef) -> bool {
        self.known().learned.refusing.contains(id_of(slot))
    }

    fn takes_images(&self, slot: &SlotRef) {
        self.learn(|learned| _ = learned.refusing.remove(id_of(slot)));
    }
}

fn id_of(slot: &SlotRef) -> &str {
    slot.path.rsplit('/').next().unwrap_or_default()
}

/// It was answered, and by more than that the image itself is at fault.
fn is_refusal(error: &Error) -> bool {
    refuses_slot(error) || *error.kind() == Kind::MediaDisabled
}

/// The request is not for this slot, as opposed to not with this image, or not now.
fn refuses_slot(error: &Error) -> bool {
    !error.may_have_taken_effect()
        && matches!(error.status(), Some(400 | 404 | 405 | 501))
        && matches!(error.kind(), Kind::Rejected | Kind::NotFound | Kind::Unsupported { .. })
}
