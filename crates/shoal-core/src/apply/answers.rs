//! Answers to commands.

use super::{Entry, Folded, Ignored, draft::Draft};
use crate::{
    command::{Cleaning, Command, Purpose},
    event::{Seen, Verdict},
    fault::{Fault, FaultClass},
    job::BuiltMedium,
    outcome::Warning,
    phase::{Hold, Phase, Watch},
    plan::MediaPlan,
};

impl Draft {
    pub(super) fn answered(&mut self, seq: u64, command: Command, verdict: &Verdict) -> Folded {
        if seq != self.job.seq || self.job.position == Phase::Complete {
            return Err(Ignored::Stale);
        }
        match command {
            Command::Look => self.looked(verdict),
            Command::PowerOn { purpose } => self.power_answered(purpose, verdict),
            Command::EnsureOverrideOff { cleaning: Cleaning::Before } => {
                self.override_answered(verdict);
            }
            Command::ReadBmc
            | Command::BuildMedium
            | Command::EnsureOff { .. }
            | Command::EnsureEjected { .. }
            | Command::EnsureTaskInserted
            | Command::EnsureBootInserted
            | Command::EnsureBootOnce
            | Command::EnsureOverrideOff { cleaning: Cleaning::After } => {
                self.ensured(command, verdict);
            }
        }
        Ok(())
    }

    /// A lost answer of an ensure command is a reason to do it again, nothing more.
    fn ensured(&mut self, command: Command, verdict: &Verdict) {
        match verdict {
            Verdict::Done { seen } => self.advance(seen),
            Verdict::Unknown { detail } => {
                self.retry(&Fault::transient("the BMC's answer was lost").because(detail));
            }
            Verdict::Refused { fault } => self.refused(command, fault),
        }
    }

    fn refused(&mut self, command: Command, fault: &Fault) {
        let step = fault.step.unwrap_or_else(|| command.step());
        let fault = fault.clone().at(step);
        let cleaning = self.job.outcome.is_some();
        let held = matches!(self.job.position, Phase::Held { .. });
        match fault.class {
            FaultClass::Transient { .. } => self.retry(&fault),
            // An operator may mend it while cleanup still has time; the deadline ends the wait.
            // A held job waits for an operator as it is.
            FaultClass::Operator if cleaning || held => self.retry(&fault),
            FaultClass::Operator => {
                self.job.fault = Some(fault);
                self.hold(Hold::OperatorNeeded);
            }
            FaultClass::Permanent if cleaning => {
                self.retry(&fault);
                self.give_up_stage();
            }
            FaultClass::Permanent if held => {
                self.retry(&fault);
                self.stop_ejecting();
            }
            FaultClass::Permanent => self.fail(step, &fault.summary),
        }
    }

    /// The current phase's command is done: on to the next phase.
    fn advance(&mut self, seen: &Seen) {
        match (&self.job.position, seen) {
            (Phase::Discover, Seen::Bmc { media }) => {
                self.job.media = Some(media.clone());
                self.enter(Phase::Build);
            }
            (Phase::Build, Seen::Medium { bytes, sha256 }) => {
                self.job.medium = Some(BuiltMedium { bytes: *bytes, sha256: sha256.clone() });
                self.job.touched = true;
                self.enter(Phase::PowerOff);
            }
            (Phase::PowerOff, _) => self.enter(Phase::ClearMedia),
            (Phase::ClearMedia, _) => {
                let two = self.job.media.as_ref().is_some_and(|media| media.task_slot.is_some());
                self.enter(if two { Phase::InsertTask } else { Phase::InsertBoot });
            }
            (Phase::InsertTask, _) => {
                self.tell_moved(seen, "task", |media| media.task_slot.as_ref());
                self.enter(Phase::InsertBoot);
            }
            (Phase::InsertBoot, _) => {
                self.tell_moved(seen, "boot", |media| Some(&media.boot_slot));
                self.enter(Phase::BootOnce);
            }
            (Phase::BootOnce, _) => self.enter(Phase::PowerOn { intent: None }),
            (Phase::CleanPower | Phase::CleanMedia | Phase::CleanOverride, _) => self.next_stage(),
            (Phase::Held { .. }, _) => self.stop_ejecting(),
            (Phase::Discover | Phase::Build, _) => {
                self.retry(&Fault::transient(
                    "the command was answered without what it should have seen",
                ));
            }
            (
                Phase::Queued
                | Phase::PowerOn { .. }
                | Phase::AwaitBoot { .. }
                | Phase::AwaitReport { .. }
                | Phase::AwaitFlash { .. }
                | Phase::AwaitInstaller { .. }
                | Phase::Settle { .. }
                | Phase::Deliver { .. }
                | Phase::Complete,
                _,
            ) => self.settled(),
        }
    }

    /// Tells of a medium that is in another slot than planned: whoever looks at the BMC looks there.
    fn tell_moved(
        &mut self,
        seen: &Seen,
        medium: &'static str,
        planned: fn(&MediaPlan) -> Option<&String>,
    ) {
        let (Seen::Inserted { slot }, Some(media)) = (seen, &self.job.media) else { return };
        let Some(planned) = planned(media).filter(|planned| *planned != slot) else { return };
        let entry = Entry::new("medium_moved").with("medium", medium);
        let entry = entry.with("planned", planned).with("slot", slot);
        self.note(entry);
    }

    fn stop_ejecting(&mut self) {
        if let Phase::Held { eject, .. } = &mut self.job.position {
            *eject = false;
        }
        self.settled();
    }

    fn power_answered(&mut self, purpose: Purpose, verdict: &Verdict) {
        match verdict {
            Verdict::Done { seen: Seen::AlreadyOn } => self.found_on(),
            Verdict::Done { .. } => self.seen_on(),
            // Nobody knows: the intent stays, and only looking can tell.
            Verdict::Unknown { .. } => self.look_soon(),
            Verdict::Refused { fault } => {
                let step = fault.step.unwrap_or_else(|| Command::PowerOn { purpose }.step());
                self.power_refused(purpose, &fault.clone().at(step));
            }
        }
    }

    /// A refusal is certain knowledge that nothing was switched on.
    fn power_refused(&mut self, purpose: Purpose, fault: &Fault) {
        match purpose {
            Purpose::Install => self.job.position = Phase::PowerOn { intent: None },
            Purpose::Deliver => self.job.position = Phase::Deliver { intent: None },
        }
        if let (Purpose::Install, Some(stop)) = (purpose, self.job.stop) {
            self.stopped(stop);
            return;
        }
        match (purpose, fault.class) {
            (_, FaultClass::Transient { .. }) | (Purpose::Deliver, FaultClass::Operator) => {
                self.retry(fault);
            }
            (Purpose::Install, FaultClass::Operator) => {
                self.job.fault = Some(fault.clone());
                self.hold(Hold::OperatorNeeded);
            }
            (Purpose::Install, FaultClass::Permanent) => {
                self.fail(
                    fault.step.unwrap_or(Command::PowerOn { purpose }.step()),
                    &fault.summary,
                );
            }
            (Purpose::Deliver, FaultClass::Permanent) => {
                self.warn(Warning::NotDelivered);
                self.complete();
            }
        }
    }

    /// Disarming the one-time boot during an install is a precaution; it never fails the job.
    fn override_answered(&mut self, verdict: &Verdict) {
        let lasting = match verdict {
            Verdict::Done { .. } => true,
            Verdict::Refused { fault } => !matches!(fault.class, FaultClass::Transient { .. }),
            Verdict::Unknown { .. } => false,
        };
        if lasting {
            if let Some(watch) = self.watch_mut() {
                watch.override_off = true;
            }
            self.settled();
            return;
        }
        let fault = match verdict {
            Verdict::Refused { fault } => fault.clone(),
            Verdict::Done { .. } | Verdict::Unknown { .. } => {
                Fault::transient("the BMC's answer was lost")
            }
        };
        self.retry(&fault.at(Command::EnsureOverrideOff { cleaning: Cleaning::Before }.step()));
    }

    pub(super) fn watch_mut(&mut self) -> Option<&mut Watch> {
        match &mut self.job.position {
            Phase::AwaitBoot { watch }
            | Phase::AwaitReport { watch }
            | Phase::AwaitFlash { watch }
            | Phase::AwaitInstaller { watch, .. } => Some(watch),
            Phase::Queued
            | Phase::Discover
            | Phase::Build
            | Phase::PowerOff
            | Phase::ClearMedia
            | Phase::InsertTask
            | Phase::InsertBoot
            | Phase::BootOnce
            | Phase::PowerOn { .. }
            | Phase::Settle { .. }
            | Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { .. }
            | Phase::Held { .. }
            | Phase::Complete => None,
        }
    }
}
