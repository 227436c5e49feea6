//! Redirecting the next boot to the virtual CD, and taking that back. BMCs differ in where the
//! override lives, in which properties a change must name and in how they show it; the end state is
//! read back in every case.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    bmc::Bmc,
    boot_import::FirstDevice,
    call::Change,
    error::Error,
    kind::Kind,
    learned::EtagForm,
    override_form::{Form, achieved, clearing_forms, redirection},
    patience::Patience,
    plan::Plan,
    power::{pause_of, worth_waiting},
    recent::Look,
    transcript::Op,
    view::{BootView, SystemView},
    wire::Method,
};

/// How long an accepted change may take to show.
const SETTLE: Duration = Duration::from_secs(15);

/// How the next boot is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootOnce {
    /// For one boot.
    Once,
    /// For every boot until cleared: the BMC keeps no other kind. Clear it as soon as the host has booted.
    Continuous,
}

/// How a redirection was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverrideCleared {
    /// Nothing is redirected.
    Cleared,
    /// The BMC cannot switch its override off; it now names the disk.
    PointsAtDisk,
}

impl Bmc {
    /// Makes the next boot start from the boot slot and returns when that was read back. Idempotent.
    ///
    /// # Errors
    /// `VerifyFailed` when the BMC accepted the change and does not show it.
    pub async fn ensure_boot_once(&self, plan: &Plan) -> Result<BootOnce, Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.redirect(plan).await)
    }

    pub(crate) async fn redirect(&self, plan: &Plan) -> Result<BootOnce, Error> {
        let set = self.redirect_standard(plan).await?;
        if let Some(import) = &plan.boot.import {
            self.import_first_device(import, FirstDevice::VirtualCdOnce).await?;
        }
        Ok(set)
    }

    async fn redirect_standard(&self, plan: &Plan) -> Result<BootOnce, Error> {
        let done = |views: &[BootView]| views.iter().find_map(|view| achieved(&plan.boot, view));
        let mut attempt = Attempt::new(self, plan);
        let mut views = self.boots_before(plan, &attempt.resource).await?;
        if done(&views).is_some() {
            views = self.boots_seen(plan, &attempt.resource, Look::Fresh).await?;
        }
        loop {
            if let Some(done) = done(&views) {
                return Ok(done);
            }
            let seen = views.first().cloned().unwrap_or_default();
            let body = redirection(&plan.boot, &seen, attempt.form);
            let changed = self.change_boot(plan, &attempt.resource, body).await;
            let accepted = changed.is_ok();
            let mut failed = None;
            if let Err(error) = changed {
                match attempt.goes_on_after(error, plan).await? {
                    Next::OtherForm => {
                        // Nothing was changed and the next form differs: no effect to wait for.
                        views = self.boots_seen(plan, &attempt.resource, Look::Recent).await?;
                        continue;
                    }
                    Next::LookFirst(error) => failed = Some(error),
                }
            }
            let effect = |views: &[BootView]| done(views).is_some();
            views = self.await_boot(plan, &attempt.resource, accepted, effect).await?;
            if let Some(error) = failed.filter(|_| done(&views).is_none()) {
                self.sent_again(Op::BootOverride, &error);
            }
            if !accepted {
                continue;
            }
            if done(&views).is_some() {
                self.learn(|learned| {
                    learned.full_boot |= attempt.form.full;
                    learned.boot_elsewhere = attempt.resource != plan.boot.resource;
                });
            } else if !attempt.use_full_form() {
                return Err(not_shown(format!("boot once from {}", plan.boot.target), &views));
            }
        }
    }

    /// Takes the redirection back, whoever set it, and returns when that was read back. Idempotent.
    ///
    /// # Errors
    /// `VerifyFailed` when no form of the change had an effect.
    pub async fn ensure_override_cleared(&self, plan: &Plan) -> Result<OverrideCleared, Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.told(self.clear_override(plan, Look::Fresh).await)
    }

    pub(crate) async fn clear_override(
        &self,
        plan: &Plan,
        look: Look,
    ) -> Result<OverrideCleared, Error> {
        let cleared = self.clear_standard(plan, look).await?;
        if let Some(import) = &plan.boot.import {
            self.import_first_device(import, FirstDevice::Normal).await?;
        }
        Ok(cleared)
    }

    async fn clear_standard(&self, plan: &Plan, look: Look) -> Result<OverrideCleared, Error> {
        let mut attempt = Attempt::new(self, plan);
        let mut views = self.boots_seen(plan, &attempt.resource, look).await?;
        if views.iter().all(BootView::is_clear) {
            return Ok(OverrideCleared::Cleared);
        }
        let seen = views.first().cloned().unwrap_or_default();
        let mut last = None;
        for form in clearing_forms(plan, &seen, attempt.form) {
            let target = form.get("BootSourceOverrideTarget").and_then(Value::as_str);
            let to_disk = target == Some("Hdd");
            let clear = |views: &[BootView]| {
                let disk = |view: &BootView| to_disk && view.target.as_deref() == Some("Hdd");
                views.iter().any(|view| view.is_clear() || disk(view))
            };
            loop {
                let changed = self.change_boot(plan, &attempt.resource, form.clone()).await;
                let accepted = changed.is_ok();
                if accepted || changed.as_ref().is_err_and(Error::may_have_taken_effect) {
                    views = self.await_boot(plan, &attempt.resource, accepted, clear).await?;
                    if clear(&views) {
                        let off = views.iter().any(BootView::is_clear);
                        let points = OverrideCleared::PointsAtDisk;
                        return Ok(if off { OverrideCleared::Cleared } else { points });
                    }
                }
                let Err(error) = changed else { break };
                let waits = worth_waiting(&error) && attempt.patience.pause(pause_of(&error)).await;
                if waits {
                    self.sent_again(Op::BootOverride, &error);
                }
                last = Some(error);
                if !waits {
                    break;
                }
            }
        }
        Err(last.unwrap_or_else(|| not_shown("no boot override".to_owned(), &views)))
    }

    async fn change_boot(
        &self,
        plan: &Plan,
        resource: &str,
        boot: Map<String, Value>,
    ) -> Result<(), Error> {
        let etag = if self.tags_boot(plan) {
            self.seen(Op::BootOverride, resource, Look::Recent).await?.etag
        } else {
            None
        };
        let body = json!({"Boot": boot});
        let change = Change {
            op: Op::BootOverride,
            method: Method::Patch,
            path: resource,
            body: Some(&body),
            timeout: self.inner.options.request_timeout,
        };
        self.patch(&change, etag.as_deref(), &plan.profile.boot.etag).await.map(drop)
    }

    /// Reads until the state shows; a refused change is looked at only once.
    async fn await_boot(
        &self,
        plan: &Plan,
        resource: &str,
        accepted: bool,
        shown: impl Fn(&[BootView]) -> bool,
    ) -> Result<Vec<BootView>, Error> {
        let options = &self.inner.options;
        let mut patience = Patience::new(
            SETTLE.min(options.power_timeout),
            options.poll_first.min(Duration::from_secs(1)),
            options.poll_most,
        );
        loop {
            // The system is asked only where the resource that took the change does not show it.
            let mut views = vec![self.boot_seen(resource, Look::Fresh).await?];
            if !shown(&views) && resource != plan.system {
                views.extend(self.system(Op::BootOverride, plan, Look::Fresh).await?.boot);
            }
            if shown(&views) || !accepted || !patience.pause(None).await {
                return Ok(views);
            }
        }
    }

    async fn boot_seen(&self, resource: &str, look: Look) -> Result<BootView, Error> {
        let seen = self.seen(Op::BootOverride, resource, look).await?;
        Ok(SystemView::read(&seen.body, resource).boot.unwrap_or_default())
    }

    /// The override before a change. Where the system was looked at moments ago and nothing is needed of
    /// the resource that takes the change, not even its tag, that look is enough.
    async fn boots_before(&self, plan: &Plan, resource: &str) -> Result<Vec<BootView>, Error> {
        if resource != plan.system && !self.tags_boot(plan) {
            let system = self.known().recent.as_of(&plan.system, Look::Recent);
            let view = system.and_then(|seen| SystemView::read(&seen.body, &plan.system).boot);
            if let Some(view) = view {
                return Ok(vec![view]);
            }
        }
        self.boots_seen(plan, resource, Look::Recent).await
    }

    /// Whether a change of the override is first tried with the resource's own tag.
    fn tags_boot(&self, plan: &Plan) -> bool {
        let first = self.known().learned.etag.or(plan.profile.boot.etag.first().copied());
        matches!(first, Some(EtagForm::Received | EtagForm::Strong))
    }

    /// The override as the resource that takes it shows it, and as the system does: which of the two
    /// follows a change differs.
    async fn boots_seen(
        &self,
        plan: &Plan,
        resource: &str,
        look: Look,
    ) -> Result<Vec<BootView>, Error> {
        let mut views = vec![self.boot_seen(resource, look).await?];
        if resource != plan.system {
            views.extend(self.system(Op::BootOverride, plan, look).await?.boot);
        }
        Ok(views)
    }
}

fn not_shown(expected: String, views: &[BootView]) -> Error {
    let seen = views.iter().map(|view| {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{} {}", word(&view.enabled), word(&view.target))
    });
    let seen = seen.collect::<Vec<_>>().join(", ");
    Error::new(Kind::VerifyFailed { expected, seen })
}

/// How to go on after a change that failed.
enum Next {
    /// With another form, at once.
    OtherForm,
    /// With the same, unless a look shows that it had its effect after all.
    LookFirst(Error),
}

/// What has been learned while one override is being set.
struct Attempt {
    resource: String,
    /// Where to go when the resource says that the change does not belong there.
    elsewhere: Option<String>,
    form: Form,
    patience: Patience,
}

impl Attempt {
    fn new(bmc: &Bmc, plan: &Plan) -> Self {
        let options = &bmc.inner.options;
        let (mut resource, mut elsewhere) =
            (plan.boot.resource.clone(), plan.boot.alternative.clone());
        if bmc.known().learned.boot_elsewhere
            && let Some(other) = &mut elsewhere
        {
            std::mem::swap(&mut resource, other);
        }
        Self {
            resource,
            elsewhere,
            form: Form { full: plan.boot.full || bmc.known().learned.full_boot, with_mode: true },
            patience: Patience::new(options.busy_timeout, options.poll_first, options.poll_most),
        }
    }

    /// True when there was a fuller form to go to.
    fn use_full_form(&mut self) -> bool {
        !std::mem::replace(&mut self.form.full, true)
    }

    /// Judges a failed change: an error when it is final.
    async fn goes_on_after(&mut self, error: Error, plan: &Plan) -> Result<Next, Error> {
        let future_state = *error.kind() == Kind::FutureState;
        let misplaced = matches!(error.kind(), Kind::Unsupported { what } if what == "Boot");
        if future_state || misplaced {
            // AMI does not link its future state, it only says that there is one.
            let unlinked = || future_state.then(|| format!("{}/SD", plan.system));
            let Some(other) = self.elsewhere.take().or_else(unlinked) else { return Err(error) };
            if other == self.resource {
                return Err(error);
            }
            self.resource = other;
            self.form.full = true;
            return Ok(Next::OtherForm);
        }
        if worth_waiting(&error) {
            let waited = self.patience.pause(pause_of(&error)).await;
            return if waited { Ok(Next::LookFirst(error)) } else { Err(error) };
        }
        match error.kind() {
            Kind::Unsupported { what }
                if what == "BootSourceOverrideMode" && std::mem::take(&mut self.form.with_mode) =>
            {
                Ok(Next::OtherForm)
            }
            Kind::Rejected | Kind::Unsupported { .. } | Kind::MissingParameter { .. }
                if self.use_full_form() =>
            {
                Ok(Next::OtherForm)
            }
            _ => Err(error),
        }
    }
}
