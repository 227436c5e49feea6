//! Emptying slots. BMCs differ in the form of the request, refuse it for empty slots, and go on
//! showing the old image for a while, so only the slot's own state ends this. An image that is not
//! ours is left alone unless the plan says otherwise.

use serde_json::json;

use crate::{
    bmc::Bmc,
    call::Change,
    error::Error,
    kind::Kind,
    learned::EjectForm,
    media::SENDS,
    ownership::Own,
    plan::Plan,
    power::worth_waiting,
    recent::Look,
    slot::{InsertBy, SlotRef, SlotView},
    transcript::Op,
    wire::Method,
};

impl Bmc {
    /// Empties slots.
    pub(crate) async fn empty(
        &self,
        plan: &Plan,
        slots: &[&SlotRef],
        own: &Own<'_>,
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
            own.check(plan, view)?;
        }
        let mut patience = self.settling(&plan.profile);
        // A slot is ejected once; again only when that ejection failed or its answer was lost.
        let mut due: Vec<u32> = vec![SENDS; slots.len()];
        let mut failure = None;
        loop {
            for ((slot, view), due) in slots.iter().zip(&views).zip(&mut due) {
                if view.is_empty() || *due == 0 {
                    continue;
                }
                if let Some(error) = failure.as_ref().filter(|_| *due < SENDS) {
                    self.sent_again(op, error);
                }
                match self.eject(plan, slot, view).await {
                    Ok(()) => *due = 0,
                    Err(error) if worth_waiting(&error) => {
                        *due -= 1;
                        failure = Some(error);
                    }
                    Err(error) if *error.kind() == Kind::Auth => return Err(error),
                    // Perhaps it was emptied by a request whose sender is gone, and still shows the
                    // old image.
                    Err(error) => {
                        *due = 0;
                        failure = Some(error);
                    }
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
                        self.learn(|learned| learned.eject = Some(form));
                    }
                    return Ok(());
                }
                Err(error) if worth_waiting(&error) || *error.kind() == Kind::Auth => {
                    return Err(error);
                }
                // The first form is the one that should have worked, so its refusal says most.
                Err(error) => refusal = refusal.or(Some(error)),
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
}

/// The eject action may be advertised only while an image is in, or not at all beside the insert.
fn eject_target(slot: &SlotRef, view: &SlotView) -> Option<String> {
    let advertised = view.eject.clone().or_else(|| slot.eject.clone());
    advertised.or_else(|| match &slot.insert {
        InsertBy::Action(insert) => Some(insert.replace("InsertMedia", "EjectMedia")),
        InsertBy::Patch => None,
    })
}
