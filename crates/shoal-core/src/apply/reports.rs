//! What the machine tells us: through our media server, and by its reports.

use super::{Entry, Folded, Ignored, draft::Draft};
use crate::{
    event::{Activity, Milestone, Report},
    phase::{Hold, Phase},
};

impl Draft {
    /// Bytes that prove something are about to be sent. They are sent only if this is stored.
    pub(super) fn media_read(&mut self, attempt: u32, milestone: Milestone) -> Folded {
        if attempt != self.job.attempt {
            return Err(Ignored::FinishedAttempt);
        }
        if !self.job.media_open() {
            return Err(Ignored::Closed);
        }
        if self.job.saw(milestone) {
            return Err(Ignored::Duplicate);
        }
        self.job.evidence.milestones.insert(milestone, self.now);
        self.job.evidence.moved_at = Some(self.now);
        self.mark_progress();
        self.note(
            Entry::new("media_read").with("milestone", milestone.as_str()).with("attempt", attempt),
        );
        if self.job.outcome.is_some() {
            return Ok(());
        }
        if self.job.position.is_before_intent() {
            self.read_before_power_on(milestone);
            return Ok(());
        }
        match &mut self.job.position {
            Phase::PowerOn { .. } | Phase::AwaitBoot { .. } if milestone.proves_boot() => {
                self.boot_observed();
            }
            Phase::AwaitReport { .. } | Phase::AwaitFlash { .. } | Phase::AwaitInstaller { .. }
                if milestone == Milestone::BootAgain =>
            {
                self.hold(Hold::ReinstallLoop);
            }
            Phase::AwaitInstaller { restarted, .. } if milestone == Milestone::Reopened => {
                let read_all = self.job.evidence.milestones.contains_key(&Milestone::TaskRead)
                    && self.job.evidence.milestones.contains_key(&Milestone::Payload);
                if read_all {
                    restarted.get_or_insert(self.now);
                }
            }
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
            | Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { .. }
            | Phase::Held { .. }
            | Phase::Complete => {}
        }
        Ok(())
    }

    /// A BMC that reads the boot image while the machine is off fetches media whole, but
    /// it may also be a machine that somebody else switched on.
    fn read_before_power_on(&mut self, milestone: Milestone) {
        if !milestone.proves_boot() {
            return;
        }
        // An earlier attempt, or somebody else, may have left the one-time boot armed.
        let inserting = self.job.position == Phase::InsertBoot && self.job.has_boot_evidence();
        self.job.evidence.unasked |= inserting || self.job.position.is_armed();
        if let Some(media) = &mut self.job.media
            && !media.prefetches
        {
            media.prefetches = true;
            media.notes.push(
                "this BMC fetches media whole at insertion: what it reads proves nothing"
                    .to_owned(),
            );
        }
    }

    pub(super) fn reported(&mut self, attempt: u32, report: &Report) -> Folded {
        if attempt != self.job.attempt {
            return Err(Ignored::FinishedAttempt);
        }
        if self.job.outcome.is_some() {
            return Err(Ignored::LateReport);
        }
        if !self.job.power_intended() {
            return Err(Ignored::Unexpected);
        }
        self.note(Entry::new("reported").with("attempt", attempt));
        match report {
            Report::Success => self.settle_success("the maintenance OS reported success"),
            Report::Failed { step, unit, message } => {
                let text = message.as_deref().unwrap_or("the maintenance OS reported a failure");
                self.settle_failure(*step, unit.clone(), text);
            }
        }
        Ok(())
    }

    /// Progress moves nothing but progress.
    pub(super) fn progressed(&mut self, attempt: u32, activity: &Activity) -> Folded {
        if attempt != self.job.attempt {
            return Err(Ignored::FinishedAttempt);
        }
        if self.job.outcome.is_some() {
            return Err(Ignored::LateReport);
        }
        if !self.job.power_intended() {
            return Err(Ignored::Unexpected);
        }
        let last = self.job.progress.activity.clone();
        let new_step = activity.step.is_some() && activity.step != last.step;
        let grew = activity.percent > last.percent || activity.bytes > last.bytes;
        if !new_step && !grew {
            return Err(Ignored::Duplicate);
        }
        if new_step {
            let step = activity.step.as_deref().unwrap_or_default();
            self.note(Entry::new("progressed").with("step", step));
        }
        self.job.progress.activity = if new_step {
            activity.clone()
        } else {
            Activity {
                step: last.step,
                percent: activity.percent.max(last.percent),
                bytes: activity.bytes.max(last.bytes),
            }
        };
        self.job.progress.at = Some(self.now);
        self.job.evidence.moved_at = Some(self.now);
        self.mark_progress();
        Ok(())
    }
}
