//! Redirecting the next boot to the virtual CD, and taking that back. BMCs differ in where the
//! override lives, in which properties a change must name and in how they show it; the end state is
//! read back in every case.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    bmc::Bmc,
    call::Change,
    error::Error,
    kind::Kind,
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
        self.redirect(plan).await
    }

    pub(crate) async fn redirect(&self, plan: &Plan) -> Result<BootOnce, Error> {
        let mut attempt = Attempt::new(self, plan);
        let mut view = self.boot_seen(&attempt.resource, Look::Recent).await?;
        if achieved(&plan.boot, &view).is_some() {
            view = self.boot_seen(&attempt.resource, Look::Fresh).await?;
        }
        loop {
            if let Some(done) = achieved(&plan.boot, &view) {
                return Ok(done);
            }
            let body = redirection(&plan.boot, &view, attempt.form);
            let changed = self.change_boot(plan, &attempt.resource, body).await;
            let accepted = changed.is_ok();
            if let Err(error) = changed
                && !attempt.goes_on_after(error, plan).await?
            {
                // Nothing was changed, and the next form differs: no need to look in between.
                continue;
            }
            let shown = self
                .await_boot(&attempt.resource, accepted, |view| {
                    achieved(&plan.boot, view).is_some()
                })
                .await?;
            if accepted && achieved(&plan.boot, &shown).is_none() && !attempt.use_full_form() {
                let seen = format!(
                    "{:?} {:?}",
                    shown.enabled.unwrap_or_default(),
                    shown.target.unwrap_or_default()
                );
                let kind = Kind::VerifyFailed {
                    expected: format!("boot once from {}", plan.boot.target),
                    seen,
                };
                return Err(Error::new(kind).at("GET", &attempt.resource));
            }
            if accepted && attempt.form.full {
                self.known().learned.full_boot = true;
            }
            view = shown;
        }
    }

    /// Takes the redirection back, whoever set it, and returns when that was read back. Idempotent.
    ///
    /// # Errors
    /// `VerifyFailed` when no form of the change had an effect.
    pub async fn ensure_override_cleared(&self, plan: &Plan) -> Result<OverrideCleared, Error> {
        let _turn = self.inner.turn.lock().await;
        self.adopt(plan);
        self.clear_override(plan, Look::Fresh).await
    }

    pub(crate) async fn clear_override(
        &self,
        plan: &Plan,
        look: Look,
    ) -> Result<OverrideCleared, Error> {
        let mut attempt = Attempt::new(self, plan);
        let mut view = self.boot_seen(&attempt.resource, look).await?;
        if view.is_clear() {
            return Ok(OverrideCleared::Cleared);
        }
        let mut last = None;
        for form in clearing_forms(plan, &view, attempt.form) {
            let to_disk =
                form.get("BootSourceOverrideTarget").and_then(Value::as_str) == Some("Hdd");
            let clear = |view: &BootView| {
                view.is_clear() || (to_disk && view.target.as_deref() == Some("Hdd"))
            };
            loop {
                let changed = self.change_boot(plan, &attempt.resource, form.clone()).await;
                let accepted = changed.is_ok();
                let unsure = changed.as_ref().is_err_and(Error::may_have_taken_effect);
                if accepted || unsure {
                    view = self.await_boot(&attempt.resource, accepted, clear).await?;
                    if clear(&view) {
                        let cleared = view.is_clear();
                        return Ok(if cleared {
                            OverrideCleared::Cleared
                        } else {
                            OverrideCleared::PointsAtDisk
                        });
                    }
                }
                let Err(error) = changed else { break };
                let waits = worth_waiting(&error) && attempt.patience.pause(pause_of(&error)).await;
                last = Some(error);
                if !waits {
                    break;
                }
            }
        }
        let seen = view.target.unwrap_or_default();
        let kind = Kind::VerifyFailed { expected: "no boot override".to_owned(), seen };
        Err(last.unwrap_or_else(|| Error::new(kind).at("GET", &attempt.resource)))
    }

    async fn change_boot(
        &self,
        plan: &Plan,
        resource: &str,
        boot: Map<String, Value>,
    ) -> Result<(), Error> {
        let etag = self.seen(Op::BootOverride, resource, Look::Recent).await?.etag;
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
        resource: &str,
        accepted: bool,
        shown: impl Fn(&BootView) -> bool,
    ) -> Result<BootView, Error> {
        let options = &self.inner.options;
        let mut patience = Patience::new(
            SETTLE.min(options.power_timeout),
            options.poll_first.min(Duration::from_secs(1)),
            options.poll_most,
        );
        loop {
            let view = self.boot_seen(resource, Look::Fresh).await?;
            if shown(&view) || !accepted || !patience.pause(None).await {
                return Ok(view);
            }
        }
    }

    async fn boot_seen(&self, resource: &str, look: Look) -> Result<BootView, Error> {
        let seen = self.seen(Op::BootOverride, resource, look).await?;
        Ok(SystemView::read(&seen.body, resource).boot.unwrap_or_default())
    }
}

/// What has been learned while one override is being set.
struct Attempt {
    resource: String,
    form: Form,
    patience: Patience,
}

impl Attempt {
    fn new(bmc: &Bmc, plan: &Plan) -> Self {
        let options = &bmc.inner.options;
        Self {
            resource: plan.boot.resource.clone(),
            form: Form { full: plan.boot.full || bmc.known().learned.full_boot, with_mode: true },
            patience: Patience::new(options.busy_timeout, options.poll_first, options.poll_most),
        }
    }

    /// True when there was a fuller form to go to.
    fn use_full_form(&mut self) -> bool {
        !std::mem::replace(&mut self.form.full, true)
    }

    /// Judges a failed change: an error when it is final, false to send another form at once, true
    /// to look first.
    async fn goes_on_after(&mut self, error: Error, plan: &Plan) -> Result<bool, Error> {
        if *error.kind() == Kind::FutureState && self.resource == plan.system {
            self.resource = format!("{}/SD", plan.system);
            self.form.full = true;
            return Ok(true);
        }
        if worth_waiting(&error) {
            return if self.patience.pause(pause_of(&error)).await { Ok(true) } else { Err(error) };
        }
        match error.kind() {
            Kind::Unsupported { what }
                if what == "BootSourceOverrideMode" && std::mem::take(&mut self.form.with_mode) =>
            {
                Ok(false)
            }
            Kind::Rejected | Kind::Unsupported { .. } | Kind::MissingParameter { .. }
                if self.use_full_form() =>
            {
                Ok(false)
            }
            _ => Err(error),
        }
    }
}
