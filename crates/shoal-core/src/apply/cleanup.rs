//! Outcomes, and the cleanup every outcome begins.
//!
//! Cleanup is a fixed row of stages: power, media, override, delivery. Which of them a job needs
//! follows from what it touched and how it ended. A stage that cannot be done leaves a warning.

use super::{Entry, draft::Draft};
use crate::{
    Workflow,
    command::{Cleaning, Command, Purpose},
    event::StopAs,
    fault::Fault,
    job::Job,
    outcome::{Outcome, OutcomeKind, Warning},
    phase::{Hold, Phase},
    plan::OnFailure,
    step::StepKey,
};

/// The stages of cleanup, in order.
const STAGES: &[Phase] =
    &[Phase::CleanPower, Phase::CleanMedia, Phase::CleanOverride, Phase::Deliver { intent: None }];

impl Draft {
    pub(super) fn succeed(&mut self, message: &str) {
        self.finish(OutcomeKind::Succeeded, None, message);
        self.begin_cleanup(false);
    }

    /// Ends the job as failed, unless that could cut power while firmware is written.
    pub(super) fn fail(&mut self, step: StepKey, message: &str) {
        if self.job.may_flash_unasked() {
            self.job.fault = Some(Fault::operator(message).at(step));
            self.hold(Hold::FlashUnsure);
            return;
        }
        self.finish(OutcomeKind::Failed, Some(step), message);
        self.begin_cleanup(false);
    }

    /// The machine itself said so: it may still be writing.
    pub(super) fn settle_success(&mut self, message: &str) {
        self.finish(OutcomeKind::Succeeded, None, message);
        self.begin_cleanup(true);
    }

    pub(super) fn settle_failure(&mut self, step: StepKey, unit: Option<String>, message: &str) {
        self.finish(OutcomeKind::Failed, Some(step), message);
        if let Some(outcome) = &mut self.job.outcome {
            outcome.unit = unit;
        }
        self.begin_cleanup(true);
    }

    pub(super) fn stopped(&mut self, stop: StopAs) {
        match stop {
            StopAs::Cancelled => {
                self.finish(OutcomeKind::Cancelled, None, "cancelled by an operator");
            }
            StopAs::Failed => {
                let step = self.job.at_step();
                self.finish(OutcomeKind::Failed, Some(step), "ended as failed by an operator");
            }
        }
        self.begin_cleanup(false);
    }

    fn finish(&mut self, kind: OutcomeKind, failed_step: Option<StepKey>, message: &str) {
        let mut entry =
            Entry::new("outcome").with("outcome", kind.as_str()).with("message", message);
        if let Some(step) = failed_step {
            entry = entry.with("failed_step", step);
        }
        self.note(entry);
        self.job.outcome = Some(Outcome {
            kind,
            at: self.now,
            failed_step,
            unit: None,
            message: message.to_owned(),
        });
        self.deadline_in(self.job.plan.budgets.cleanup);
    }

    fn begin_cleanup(&mut self, settle: bool) {
        let pause = self.job.plan.budgets.settle;
        if !self.job.touched {
            self.complete();
        } else if settle && !pause.is_zero() {
            self.enter(Phase::Settle { until: self.now + pause });
        } else {
            self.enter_from(STAGES);
        }
    }

    /// The first stage out of `stages` that this job needs, or complete.
    fn enter_from(&mut self, stages: &[Phase]) {
        match stages.iter().find(|stage| self.needs(stage)) {
            Some(stage) => self.enter(stage.clone()),
            None => self.complete(),
        }
    }

    /// On to the stage after the current one.
    pub(super) fn next_stage(&mut self) {
        self.enter_from(self.later_stages());
    }

    fn later_stages(&self) -> &'static [Phase] {
        let at = STAGES.iter().position(|stage| stage.name() == self.job.position.name());
        at.map_or(STAGES, |at| STAGES.get(at + 1..).unwrap_or_default())
    }

    fn needs(&self, stage: &Phase) -> bool {
        let Some(kind) = self.job.outcome.as_ref().map(|outcome| outcome.kind) else {
            return false;
        };
        let esxi = self.job.plan.workflow == Workflow::Esxi;
        let on_failure = self.job.plan.on_failure;
        if *stage == Phase::CleanPower {
            return self.job.powered
                && match kind {
                    OutcomeKind::Succeeded => !esxi,
                    OutcomeKind::Failed => on_failure != OnFailure::Leave,
                    OutcomeKind::Cancelled => true,
                };
        }
        if matches!(stage, Phase::Deliver { .. }) {
            return match kind {
                OutcomeKind::Succeeded => !esxi || self.job.ended_off,
                OutcomeKind::Failed => on_failure == OnFailure::Reset,
                OutcomeKind::Cancelled => false,
            };
        }
        true
    }

    /// The current stage cannot be done: say so and go on.
    pub(super) fn give_up_stage(&mut self) {
        if let Some(warning) = left_by(&self.job.position) {
            self.warn(warning);
        }
        self.next_stage();
    }

    /// No time left for cleanup: say what is left undone and end.
    pub(super) fn give_up_cleanup(&mut self) {
        let mut undone: Vec<Phase> = vec![self.job.position.clone()];
        undone.extend(self.later_stages().iter().filter(|stage| self.needs(stage)).cloned());
        for warning in undone.iter().filter_map(left_by) {
            self.warn(warning);
        }
        self.complete();
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.job.warnings.contains(&warning) {
            self.note(Entry::new("warning").with("warning", warning.as_str()));
            self.job.warnings.push(warning);
        }
    }

    pub(super) fn complete(&mut self) {
        self.job.times.deadline = None;
        self.job.times.completed = Some(self.now);
        self.enter(Phase::Complete);
    }
}

impl Job {
    /// The step that a job is blamed on which a person ends: that of its last fault, else the one it
    /// was at.
    pub(super) fn at_step(&self) -> StepKey {
        let fault = self.fault.as_ref().and_then(|fault| fault.step);
        fault.unwrap_or_else(|| step_of(&self.position, self.plan.workflow))
    }
}

fn step_of(phase: &Phase, workflow: Workflow) -> StepKey {
    match phase {
        // A queued job waits for exactly that.
        Phase::Queued | Phase::Discover => Command::ReadBmc.step(),
        Phase::Build => Command::BuildMedium.step(),
        Phase::PowerOff => Command::EnsureOff { cleaning: Cleaning::Before }.step(),
        Phase::ClearMedia => Command::EnsureEjected { cleaning: Cleaning::Before }.step(),
        Phase::InsertTask => Command::EnsureTaskInserted.step(),
        Phase::InsertBoot => Command::EnsureBootInserted.step(),
        Phase::BootOnce | Phase::AwaitBoot { .. } => Command::EnsureBootOnce.step(),
        Phase::PowerOn { intent: None } => Command::PowerOn { purpose: Purpose::Install }.step(),
        Phase::PowerOn { intent: Some(_) } | Phase::AwaitInstaller { .. } => Command::Look.step(),
        Phase::Held { back_to: Some(phase), .. } => step_of(phase, workflow),
        Phase::Held { back_to: None, .. } if workflow == Workflow::Esxi => Command::Look.step(),
        Phase::AwaitReport { .. }
        | Phase::AwaitFlash { .. }
        | Phase::Held { back_to: None, .. } => StepKey::WebhookWait,
        Phase::CleanMedia => StepKey::CleanupUnmount,
        Phase::Settle { .. }
        | Phase::CleanPower
        | Phase::CleanOverride
        | Phase::Deliver { .. }
        | Phase::Complete => StepKey::CleanupReset,
    }
}

fn left_by(stage: &Phase) -> Option<Warning> {
    match stage {
        Phase::CleanPower => Some(Warning::PowerLeftOn),
        Phase::CleanMedia => Some(Warning::MediaLeft),
        Phase::CleanOverride => Some(Warning::OverrideLeft),
        Phase::Deliver { .. } => Some(Warning::NotDelivered),
        Phase::Queued
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
        | Phase::Settle { .. }
        | Phase::Held { .. }
        | Phase::Complete => None,
    }
}
