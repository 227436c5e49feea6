//! A job being changed, and the few moves every fold is made of.

use std::time::Duration;

use super::{Applied, Entry, Folded, Ignored};
use crate::{
    event::Event,
    fault::{Fault, FaultClass},
    job::{Evidence, Job, Progress},
    phase::{Hold, Intent, Phase},
    time::Time,
};

/// First wait after a failed perform; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_mins(1);

pub(super) struct Draft {
    pub(super) job: Job,
    pub(super) now: Time,
    entries: Vec<Entry>,
}

impl Draft {
    pub(super) fn of(job: &Job, now: Time) -> Self {
        Self { job: job.clone(), now, entries: Vec::new() }
    }

    pub(super) fn into_applied(self) -> Applied {
        Applied::Changed { job: Box::new(self.job), entries: self.entries }
    }

    pub(super) fn note(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Moves to a phase. Answers to anything issued before are stale from here on.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.note(
            Entry::new("phase").with("from", self.job.position.name()).with("to", phase.name()),
        );
        self.job.position = phase;
        self.job.times.phase_since = self.now;
        self.settled();
        self.mark_progress();
    }

    /// The current command is over, whatever comes next.
    pub(super) fn settled(&mut self) {
        self.job.seq += 1;
        self.job.tries = 0;
        self.job.fault = None;
        self.job.times.retry_at = None;
    }

    /// The job got on.
    pub(super) fn mark_progress(&mut self) {
        self.job.times.progressed = self.now;
        self.job.times.stuck_at = self.now + self.job.plan.budgets.stuck;
    }

    pub(super) fn deadline_in(&mut self, span: Duration) {
        self.job.times.deadline = Some(self.now + span);
    }

    pub(super) fn claimed(&mut self) -> Folded {
        let free = self.job.times.hands_off_until.is_none_or(|until| until <= self.now);
        if self.job.position != Phase::Queued || !free {
            return Err(Ignored::NotNow);
        }
        self.job.times.claimed = Some(self.now);
        self.job.times.provisioning_deadline = Some(self.now + self.job.plan.budgets.provisioning);
        self.deadline_in(self.job.plan.budgets.boot);
        self.enter(Phase::Discover);
        Ok(())
    }

    /// The point after which a power-on may have been sent.
    pub(super) fn intended(&mut self, seq: u64) -> Folded {
        if seq != self.job.seq {
            return Err(Ignored::Stale);
        }
        let intent = Some(Intent { at: self.now, off_since: None });
        match self.job.position {
            Phase::PowerOn { intent: None } => {
                self.job.position = Phase::PowerOn { intent };
                self.job.powered = true;
                // Being refused again and again must not buy time.
                if self.job.tries == 0 {
                    self.deadline_in(self.job.plan.budgets.poll);
                }
            }
            Phase::Deliver { intent: None } => self.job.position = Phase::Deliver { intent },
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
            | Phase::Complete => return Err(Ignored::Stale),
        }
        self.note(Entry::new(Event::Intended { seq }.name()).with("attempt", self.job.attempt));
        Ok(())
    }

    /// Remembers a failed perform and when to try again.
    pub(super) fn retry(&mut self, fault: &Fault) {
        let asked_for = match fault.class {
            FaultClass::Transient { after } => after,
            FaultClass::Operator => BACKOFF_MAX / 2,
            FaultClass::Permanent => Duration::ZERO,
        };
        let doubled = BACKOFF_MIN * 2_u32.saturating_pow(self.job.tries.min(8));
        self.job.tries = self.job.tries.saturating_add(1);
        self.job.seq += 1;
        self.job.times.retry_at = Some(self.now + doubled.min(BACKOFF_MAX).max(asked_for));
        // The same fault again says nothing new; history keeps the first of a row.
        if self.job.fault.as_ref() != Some(fault) {
            let step = fault.step.map_or("", |step| step.as_str());
            self.note(
                Entry::new("fault")
                    .with("summary", &fault.summary)
                    .with("step", step)
                    .with("retried", true),
            );
        }
        self.job.fault = Some(fault.clone());
    }

    /// Starts another install of the same job: new media addresses, new tokens.
    pub(super) fn new_attempt(&mut self) {
        self.job.attempt += 1;
        self.job.evidence = Evidence::default();
        self.job.progress = Progress::default();
        self.job.medium = None;
        self.note(Entry::new("attempt").with("attempt", self.job.attempt));
        self.deadline_in(self.job.plan.budgets.boot);
        self.enter(Phase::Build);
    }

    /// Waits for an operator. Only a hold before any power-on remembers where to go on.
    pub(super) fn hold(&mut self, reason: Hold) {
        let back_to =
            self.job.position.is_before_intent().then(|| Box::new(self.job.position.clone()));
        self.note(Entry::new("held").with("reason", reason.as_str()));
        self.job.times.deadline = None;
        let eject = reason == Hold::ReinstallLoop;
        let fault = self.job.fault.clone();
        self.enter(Phase::Held { reason, back_to, eject });
        self.job.fault = fault;
    }
}
