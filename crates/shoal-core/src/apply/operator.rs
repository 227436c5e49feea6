//! What operators ask for.

use super::{Entry, Folded, Ignored, draft::Draft};
use crate::{
    Workflow,
    event::{Decision, StopAs},
    phase::{Hold, Phase},
};

impl Draft {
    /// Ends the job, at once where that is safe, else as soon as the machine's state is known.
    pub(super) fn stop_requested(&mut self, stop: StopAs, force: bool) -> Folded {
        if self.job.outcome.is_some() || self.job.position == Phase::Complete {
            return Err(Ignored::LateReport);
        }
        if self.job.stop == Some(stop) && !force {
            return Err(Ignored::Duplicate);
        }
        self.note(Entry::new("stop_requested").with("force", force));
        self.job.stop = Some(stop);
        if self.job.position.is_before_intent() {
            if force || !self.job.may_flash_unasked() {
                self.stopped(stop);
            } else if !matches!(self.job.position, Phase::Held { .. }) {
                self.hold(Hold::StopDuringFlash);
            }
            return Ok(());
        }
        let firmware = self.job.plan.workflow == Workflow::Firmware;
        match &self.job.position {
            // The power-on may be on its way: its fate must be known first.
            Phase::PowerOn { .. } => {}
            Phase::AwaitFlash { .. } if !force => self.hold(Hold::StopDuringFlash),
            Phase::Held { .. } if firmware && !force => {}
            Phase::Queued
            | Phase::Discover
            | Phase::Build
            | Phase::PowerOff
            | Phase::ClearMedia
            | Phase::InsertTask
            | Phase::InsertBoot
            | Phase::BootOnce
            | Phase::AwaitBoot { .. }
            | Phase::AwaitReport { .. }
            | Phase::AwaitFlash { .. }
            | Phase::AwaitInstaller { .. }
            | Phase::Settle { .. }
            | Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { .. }
            | Phase::Held { .. }
            | Phase::Complete => self.stopped(stop),
        }
        Ok(())
    }

    pub(super) fn decided(&mut self, decision: Decision) -> Folded {
        let Phase::Held { back_to, .. } = self.job.position.clone() else {
            return Err(Ignored::NotNow);
        };
        let word = match decision {
            Decision::Retry => "retry",
            Decision::Failed => "failed",
            Decision::Succeeded => "succeeded",
        };
        self.note(Entry::new("decided").with("decision", word));
        // Whoever decides knows what the machine does.
        self.job.evidence.unasked = false;
        match (decision, back_to) {
            (Decision::Failed, _) => {
                let summary = self
                    .job
                    .fault
                    .as_ref()
                    .map_or_else(|| "an operator decided so".to_owned(), |f| f.summary.clone());
                self.fail(self.job.at_step(), &summary);
            }
            (Decision::Succeeded, _) => self.succeed("an operator decided so"),
            // Before a medium was built there is nothing that could have grown old while held.
            (Decision::Retry, Some(phase)) if self.job.medium.is_none() => {
                self.job.stop = None;
                self.deadline_in(self.job.plan.budgets.boot);
                self.enter(*phase);
            }
            (Decision::Retry, _) => {
                self.job.stop = None;
                self.new_attempt();
            }
        }
        self.extend_provisioning();
        Ok(())
    }

    /// The time a job was held does not count against it.
    fn extend_provisioning(&mut self) {
        if self.job.outcome.is_none() {
            let budget = self.job.plan.budgets.provisioning;
            self.job.times.provisioning_deadline = Some(self.now + budget);
        }
    }

    /// The server's record changed: what failed may work now.
    pub(super) fn server_changed(&mut self) -> Folded {
        if self.job.times.retry_at.is_none() {
            return Err(Ignored::NotNow);
        }
        self.job.times.retry_at = None;
        self.job.tries = 0;
        self.note(Entry::new("server_changed"));
        Ok(())
    }
}
