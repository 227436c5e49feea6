//! What follows from time: deadlines, pauses, absences, a stepped clock.

use std::time::Duration;

use super::{Entry, Folded, Ignored, draft::Draft};
use crate::{
    Workflow,
    command::{Cleaning, Command, Purpose},
    job::Job,
    phase::{Hold, Phase},
    step::StepKey,
    time::Time,
};

impl Draft {
    pub(super) fn deadline_passed(&mut self, seq: u64) -> Folded {
        let due = self.job.deadline().is_some_and(|deadline| self.now >= deadline);
        if seq != self.job.seq || !due {
            return Err(Ignored::Stale);
        }
        self.note(Entry::new("deadline_passed").with("phase", self.job.position.name()));
        match &self.job.position {
            Phase::Discover => self.ran_out(Command::ReadBmc),
            Phase::Build => self.ran_out(Command::BuildMedium),
            Phase::PowerOff => self.ran_out(Command::EnsureOff { cleaning: Cleaning::Before }),
            Phase::ClearMedia => {
                self.ran_out(Command::EnsureEjected { cleaning: Cleaning::Before });
            }
            Phase::InsertTask => self.ran_out(Command::EnsureTaskInserted),
            Phase::InsertBoot => self.ran_out(Command::EnsureBootInserted),
            Phase::BootOnce => self.ran_out(Command::EnsureBootOnce),
            Phase::PowerOn { intent: None } => {
                self.ran_out(Command::PowerOn { purpose: Purpose::Install });
            }
            Phase::PowerOn { intent: Some(intent) } => {
                let off = intent.off_since.is_some();
                self.power_stays_unknown(off);
            }
            Phase::AwaitBoot { .. } => self.fail(
                StepKey::RedfishBootOverride,
                "the machine is on, but its firmware never read the boot medium",
            ),
            Phase::AwaitReport { .. } => {
                self.fail(StepKey::WebhookWait, "the maintenance OS did not report in time");
            }
            Phase::AwaitFlash { .. } => self.hold(Hold::FlashUnsure),
            // Where reads prove nothing, their absence proves nothing either.
            Phase::AwaitInstaller { .. }
                if self.job.installer_read_all() || !self.job.has_boot_evidence() =>
            {
                self.hold(Hold::InstallerUnsure);
            }
            Phase::AwaitInstaller { .. } => {
                self.fail(StepKey::RedfishPoll, "the installer did not read what it needs in time");
            }
            Phase::Settle { .. } => self.next_stage(),
            Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { .. } => {
                self.give_up_cleanup();
            }
            Phase::Queued | Phase::Held { .. } | Phase::Complete => return Err(Ignored::NotNow),
        }
        Ok(())
    }

    fn ran_out(&mut self, command: Command) {
        let fault = self.job.fault.clone();
        let step = fault.as_ref().and_then(|fault| fault.step).unwrap_or_else(|| command.step());
        let message = match fault {
            Some(fault) => format!("no time left: {}", fault.summary),
            None => "no time left".to_owned(),
        };
        self.fail(step, &message);
    }

    /// Nobody could tell in time whether the machine was switched on into the installer.
    fn power_stays_unknown(&mut self, seen_off: bool) {
        let unsure = !self.job.has_boot_evidence();
        if self.job.plan.workflow == Workflow::Firmware && unsure {
            self.hold(Hold::FlashUnsure);
        } else if let Some(stop) = self.job.stop {
            self.stopped(stop);
        } else if unsure && seen_off && self.job.attempt == 1 && self.job.plan.max_attempts > 1 {
            // Once: it was seen off until now, and nothing else can prove what happened.
            self.new_attempt();
        } else {
            self.fail(
                StepKey::RedfishPoll,
                "the BMC did not say in time whether the machine is on",
            );
        }
    }

    pub(super) fn elapsed(&mut self, seq: u64) -> Folded {
        match self.job.position {
            Phase::Settle { until } if seq == self.job.seq && self.now >= until => {
                self.next_stage();
                Ok(())
            }
            Phase::Settle { .. }
            | Phase::Queued
            | Phase::Discover
            | Phase::Build
            | Phase::PowerOff
            | Phase::ClearMedia
            | Phase::InsertTask
            | Phase::InsertBoot
            | Phase::BootOnce
            | Phase::PowerOn { .. }
            | Phase::AwaitBoot { .. }
            | Phase::AwaitReport { .. }
            | Phase::AwaitFlash { .. }
            | Phase::AwaitInstaller { .. }
            | Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { .. }
            | Phase::Held { .. }
            | Phase::Complete => Err(Ignored::Stale),
        }
    }

    /// Reports could not arrive while we were away, so waiting begins anew where it stopped.
    pub(super) fn resumed(&mut self, gap: Duration) -> Folded {
        if self.job.is_complete() {
            return Err(Ignored::NotNow);
        }
        let later = |at: &mut Option<Time>| *at = at.map(|time| time + gap);
        let times = &mut self.job.times;
        later(&mut times.deadline);
        later(&mut times.provisioning_deadline);
        times.stuck_at = times.stuck_at + gap;
        times.quiet_until = Some(self.now + self.job.plan.budgets.resume_grace);
        self.job.position.unwatched();
        self.note(Entry::new("resumed").with("gap_ms", gap.as_millis()));
        Ok(())
    }

    pub(super) fn clock_stepped(&mut self, delta: i64) -> Folded {
        if self.job.is_complete() {
            return Err(Ignored::NotNow);
        }
        self.job.step_clock(delta);
        self.note(Entry::new("clock_stepped").with("delta_ms", delta));
        Ok(())
    }
}

impl Job {
    /// Moves every point in time that is still to come or that a wait is measured from.
    /// History (created, claimed, delivered, completed, first milestones) stays as it was told.
    fn step_clock(&mut self, delta: i64) {
        let shift = |at: &mut Option<Time>| *at = at.map(|time| time.stepped(delta));
        let times = &mut self.times;
        for at in [
            &mut times.hands_off_until,
            &mut times.deadline,
            &mut times.provisioning_deadline,
            &mut times.retry_at,
            &mut times.quiet_until,
        ] {
            shift(at);
        }
        times.phase_since = times.phase_since.stepped(delta);
        times.stuck_at = times.stuck_at.stepped(delta);
        shift(&mut self.evidence.moved_at);
        self.position.stepped(delta);
    }
}
