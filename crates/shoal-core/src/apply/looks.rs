//! What a look at the machine means, by phase.
//!
//! After a power-on whose answer was lost, looking is the only way to learn what happened.
//! While a machine is waited for, a look finds one that went off, and an installer's restart.

use std::time::Duration;

use super::{Entry, draft::Draft};
use crate::{
    Workflow,
    event::{Power, Seen, Sight, Verdict},
    outcome::Warning,
    phase::{Hold, Phase, Watch},
    plan::InstallerEnd,
    step::StepKey,
    time::Time,
};

/// Between two looks at a machine that was just switched on, at least and at most.
const LOOK_SOON: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// How often a delivery is sent again to a machine that stays off.
const MAX_DELIVERIES: u32 = 3;

impl Draft {
    pub(super) fn looked(&mut self, verdict: &Verdict) {
        let sight = match verdict {
            Verdict::Done { seen: Seen::Machine { sight } } => Some(sight.clone()),
            Verdict::Done { .. } | Verdict::Refused { .. } | Verdict::Unknown { .. } => None,
        };
        if self.job.position.is_await() {
            self.watched(sight.as_ref());
        } else if matches!(
            self.job.position,
            Phase::PowerOn { intent: Some(_) } | Phase::Deliver { intent: Some(_) }
        ) {
            match sight.map(|sight| sight.power) {
                Some(Power::On) => self.seen_on(),
                Some(Power::Off) => self.seen_off(),
                Some(Power::Unclear) | None => self.look_soon(),
            }
        } else {
            self.settled();
        }
    }

    /// How long this BMC's power state may lag.
    fn settle_time(&self) -> Duration {
        self.job.media.as_ref().map_or(Duration::from_secs(30), |media| media.settle)
    }

    /// Looks again shortly; what was off is no longer known to have stayed off.
    pub(super) fn look_soon(&mut self) {
        self.job.position.unwatched();
        self.look_again();
    }

    fn look_again(&mut self) {
        let gap = (self.settle_time() / 4).clamp(LOOK_SOON.0, LOOK_SOON.1);
        self.job.seq += 1;
        self.job.times.retry_at = Some(self.now + gap);
    }

    /// The machine is on: the power-on happened.
    pub(super) fn seen_on(&mut self) {
        if matches!(self.job.position, Phase::Deliver { .. }) {
            self.job.times.delivered = Some(self.now);
            self.complete();
            return;
        }
        if self.job.booted() {
            self.boot_observed();
        } else if let Some(stop) = self.job.stop {
            let maybe_flashing =
                self.job.plan.workflow == Workflow::Firmware && !self.job.has_boot_evidence();
            if maybe_flashing { self.hold(Hold::StopDuringFlash) } else { self.stopped(stop) }
        } else if self.job.has_boot_evidence() {
            self.deadline_in(self.job.plan.budgets.boot);
            self.enter(Phase::AwaitBoot { watch: Watch::default() });
        } else {
            self.await_outcome();
        }
    }

    /// The machine was on when it was about to be switched on: somebody else did that, perhaps
    /// before the one-time boot was armed, and the BMC told of it late.
    ///
    /// Where reads of the boot medium prove something, none of it was served, and a new attempt
    /// takes back the addresses under which it could be: no install began or can begin, so power may
    /// be cut. Elsewhere the machine may be installing, and is believed to.
    pub(super) fn found_on(&mut self) {
        let switched_elsewhere = matches!(self.job.position, Phase::PowerOn { .. })
            && self.job.has_boot_evidence()
            && !self.job.booted();
        if !switched_elsewhere || self.job.stop.is_some() {
            self.seen_on();
            return;
        }
        self.note(Entry::new("found_on").with("attempt", self.job.attempt));
        if self.job.attempt < self.job.plan.max_attempts {
            self.new_attempt();
        } else {
            self.fail(
                StepKey::RedfishReset,
                "the machine was switched on by somebody else while it was prepared",
            );
        }
    }

    /// The boot medium was booted: the machine works on its own now.
    pub(super) fn boot_observed(&mut self) {
        match self.job.stop {
            Some(_) if self.job.plan.workflow == Workflow::Firmware => {
                self.hold(Hold::StopDuringFlash);
            }
            Some(stop) => self.stopped(stop),
            None => self.await_outcome(),
        }
    }

    fn await_outcome(&mut self) {
        self.deadline_in(self.job.plan.budgets.report);
        self.enter(Phase::await_outcome(self.job.plan.workflow, Watch::default()));
    }

    /// The machine is off although it should be on. Believed only after it stayed off.
    fn seen_off(&mut self) {
        let now = self.now;
        let (Phase::PowerOn { intent: Some(intent) } | Phase::Deliver { intent: Some(intent) }) =
            &mut self.job.position
        else {
            return;
        };
        let off_since = *intent.off_since.get_or_insert(now);
        if now.since(off_since) < self.settle_time() {
            self.look_again();
        } else if matches!(self.job.position, Phase::Deliver { .. }) {
            self.rearm_delivery();
        } else if let Some(stop) = self.job.stop {
            self.stopped(stop);
        } else if !self.job.has_boot_evidence() {
            // What we served proves nothing here: only the deadline decides.
            self.look_again();
        } else if self.job.attempt < self.job.plan.max_attempts {
            self.new_attempt();
        } else {
            self.fail(StepKey::RedfishReset, "the machine stays off after being switched on");
        }
    }

    fn rearm_delivery(&mut self) {
        let tries = self.job.tries.saturating_add(1);
        self.settled();
        self.job.tries = tries;
        if tries >= MAX_DELIVERIES {
            self.warn(Warning::NotDelivered);
            self.complete();
        } else {
            self.job.position = Phase::Deliver { intent: None };
        }
    }

    /// A look while waiting for the machine.
    fn watched(&mut self, sight: Option<&Sight>) {
        let now = self.now;
        let Some(watch) = self.watch_mut() else { return };
        watch.looked_at = Some(now);
        let Some(sight) = sight else {
            // Nobody knows whether it stayed off meanwhile.
            watch.off_since = None;
            self.settled();
            return;
        };
        match sight.power {
            Power::Off => _ = watch.off_since.get_or_insert(now),
            Power::On | Power::Unclear => watch.off_since = None,
        }
        let off_since = watch.off_since;
        let confirm = self.job.plan.budgets.off_confirm;
        self.settled();
        let went_off = off_since.filter(|since| now.since(*since) >= confirm);
        if matches!(self.job.position, Phase::AwaitInstaller { .. }) {
            self.watched_installer(sight, went_off);
        } else if let Some(since) = went_off {
            self.machine_went_off(since);
        }
    }

    fn machine_went_off(&mut self, since: Time) {
        let message = format!("the machine went off at {since} before reporting");
        if matches!(self.job.position, Phase::AwaitFlash { .. }) {
            self.note(Entry::new("machine_off").with("since", since));
            self.hold(Hold::FlashUnsure);
        } else if matches!(self.job.position, Phase::AwaitBoot { .. }) {
            self.fail(StepKey::RedfishPoll, &message);
        } else {
            self.fail(StepKey::WebhookWait, &message);
        }
    }

    /// An installer that reports nothing is done when it read everything, restarted and stayed on.
    fn watched_installer(&mut self, sight: &Sight, went_off: Option<Time>) {
        let read_all = self.job.installer_read_all();
        let ends_off = self.job.plan.installer_end == InstallerEnd::PowerOff;
        let stable_on = self.job.plan.budgets.stable_on;
        let now = self.now;
        if let Some(since) = went_off {
            if read_all && ends_off {
                self.job.ended_off = true;
                self.succeed("the installer read its payload and switched the machine off");
            } else {
                self.fail(
                    StepKey::RedfishPoll,
                    &format!("the machine went off at {since} during the installation"),
                );
            }
            return;
        }
        let Phase::AwaitInstaller { watch, restarted, on_since } = &mut self.job.position else {
            return;
        };
        if read_all {
            let reset = watch.baseline.as_ref().is_some_and(|earlier| sight.reset_since(earlier));
            let off = sight.power == Power::Off && !ends_off;
            if restarted.is_none() && (reset || off) {
                *restarted = Some(now);
            }
            watch.baseline.get_or_insert_with(|| sight.clone());
        }
        match (restarted, sight.power) {
            (Some(_), Power::On) => {
                let since = *on_since.get_or_insert(now);
                if now.since(since) >= stable_on {
                    self.succeed(
                        "the installer read its payload, restarted the machine, and it stayed on",
                    );
                }
            }
            (_, Power::Off | Power::Unclear) => *on_since = None,
            (None, Power::On) => {}
        }
    }
}
