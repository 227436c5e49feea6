//! The job: everything the engine remembers about one request, and what follows from it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Activity, Milestone, StopAs},
    fault::Fault,
    id::{JobId, ServerSerial},
    outcome::{Outcome, OutcomeKind, Warning},
    phase::{Phase, Status},
    plan::{MediaPlan, Plan},
    time::Time,
};

/// Version of the stored form of [`Job`]. A reader refuses a higher one.
pub const SCHEMA: u32 = 1;

/// What a new job is made from.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Drawn by the caller.
    pub id: JobId,
    /// The machine.
    pub serial: ServerSerial,
    /// What was resolved from the recipe.
    pub plan: Plan,
    /// Now.
    pub created_at: Time,
    /// An earlier job's installed system may still be in its first boot until then.
    pub hands_off_until: Option<Time>,
}

/// One job. Changed only by [`Job::apply`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Job {
    pub(crate) schema: u32,
    pub(crate) id: JobId,
    pub(crate) serial: ServerSerial,
    pub(crate) plan: Plan,
    pub(crate) position: Phase,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) attempt: u32,
    pub(crate) media: Option<MediaPlan>,
    pub(crate) medium: Option<BuiltMedium>,
    pub(crate) evidence: Evidence,
    pub(crate) progress: Progress,
    /// Counts phases entered and answers taken; an answer to anything older is stale.
    pub(crate) seq: u64,
    /// Failed performs of the current command in a row.
    pub(crate) tries: u32,
    pub(crate) fault: Option<Fault>,
    pub(crate) stop: Option<StopAs>,
    /// The machine or its slots may have been changed by this job.
    pub(crate) touched: bool,
    /// A power-on into the installer was intended in some attempt.
    pub(crate) powered: bool,
    /// The installed system must still be switched on although the workflow usually starts it itself.
    pub(crate) ended_off: bool,
    pub(crate) times: Times,
}

/// The task medium of the current attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct BuiltMedium {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What our media server saw in the current attempt, and when first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// First time of each milestone.
    pub milestones: BTreeMap<Milestone, Time>,
    /// The last time anything moved: a milestone, a report of progress, bytes served.
    pub moved_at: Option<Time>,
    /// The boot image was read although nobody asked for the machine to be switched on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

/// What the machine last said about its own progress. Moves nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// The last activity.
    #[serde(flatten)]
    pub activity: Activity,
    /// When it was told.
    pub at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) created: Time,
    pub(crate) claimed: Option<Time>,
    pub(crate) progressed: Time,
    pub(crate) phase_since: Time,
    pub(crate) delivered: Option<Time>,
    pub(crate) completed: Option<Time>,
    pub(crate) hands_off_until: Option<Time>,
    /// When the phase's budget is used up.
    pub(crate) deadline: Option<Time>,
    /// When the budget of all of provisioning is used up.
    pub(crate) provisioning_deadline: Option<Time>,
    /// When the job counts as stuck.
    pub(crate) stuck_at: Time,
    /// No command before then.
    pub(crate) retry_at: Option<Time>,
    /// No deadline fires before then.
    pub(crate) quiet_until: Option<Time>,
}

impl Job {
    /// A queued job.
    pub fn new(new: NewJob) -> Self {
        let now = new.created_at;
        let stuck_at = now + new.plan.budgets.stuck;
        Self {
            schema: SCHEMA,
            id: new.id,
            serial: new.serial,
            plan: new.plan,
            position: Phase::Queued,
            outcome: None,
            warnings: Vec::new(),
            attempt: 1,
            media: None,
            medium: None,
            evidence: Evidence::default(),
            progress: Progress::default(),
            seq: 0,
            tries: 0,
            fault: None,
            stop: None,
            touched: false,
            powered: false,
            ended_off: false,
            times: Times {
                created: now,
                claimed: None,
                progressed: now,
                phase_since: now,
                delivered: None,
                completed: None,
                hands_off_until: new.hands_off_until,
                deadline: None,
                provisioning_deadline: None,
                stuck_at,
                retry_at: None,
                quiet_until: None,
            },
        }
    }

    /// Version of the stored form this job was read from.
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// The machine's serial.
    pub fn serial(&self) -> &ServerSerial {
        &self.serial
    }

    /// What was resolved from the recipe when the job was created.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How the media get in; known once the BMC was read.
    pub fn media(&self) -> Option<&MediaPlan> {
        self.media.as_ref()
    }

    /// Size in bytes and SHA-256 of the current attempt's task medium, once built.
    pub fn medium(&self) -> Option<(u64, &str)> {
        self.medium.as_ref().map(|medium| (medium.bytes, medium.sha256.as_str()))
    }

    /// Where the job is.
    pub fn phase(&self) -> &Phase {
        &self.position
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// What cleanup could not finish.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Installs started within this job, the current one included.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What our media server saw in the current attempt.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What the machine last said about its own progress.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The sequence under which the next command is issued.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Why the last command did not take effect, if it did not.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Failed performs of the current command in a row.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Whether an operator's wish to end the job waits for the machine's state to be known.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// When the job was created.
    pub fn created_at(&self) -> Time {
        self.times.created
    }

    /// When a worker first took it.
    pub fn claimed_at(&self) -> Option<Time> {
        self.times.claimed
    }

    /// When it last got on: a transition or first-time evidence, never a retry or a poll.
    pub fn progressed_at(&self) -> Time {
        self.times.progressed
    }

    /// Since when it has been in its phase.
    pub fn phase_since(&self) -> Time {
        self.times.phase_since
    }

    /// When the machine was switched on into its installed system.
    pub fn delivered_at(&self) -> Option<Time> {
        self.times.delivered
    }

    /// When nothing was left to do.
    pub fn completed_at(&self) -> Option<Time> {
        self.times.completed
    }

    /// Until when no later job may cut this machine's power, because it is in its first boot.
    pub fn first_boot_until(&self) -> Option<Time> {
        let succeeded = self.outcome.as_ref().is_some_and(|o| o.kind == OutcomeKind::Succeeded);
        let grace = self.plan.budgets.first_boot_grace;
        let from = self.times.delivered.or(self.times.completed)?;
        (succeeded && grace > Duration::ZERO).then(|| from + grace)
    }

    /// When patience ends: the earlier of the phase's deadline and that of all of provisioning.
    pub fn deadline(&self) -> Option<Time> {
        let overall = if self.outcome.is_none() { self.times.provisioning_deadline } else { None };
        let earliest = match (self.times.deadline, overall) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }?;
        match &self.position {
            Phase::Queued | Phase::Held { .. } | Phase::Complete => None,
            Phase::Discover
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
            | Phase::Deliver { .. } => {
                Some(self.times.quiet_until.map_or(earliest, |quiet| earliest.max(quiet)))
            }
        }
    }

    /// The status users see. The only place where it is decided.
    pub fn status(&self) -> Status {
        match (&self.position, &self.outcome) {
            (Phase::Complete, _) => Status::Complete,
            (_, Some(outcome)) => match outcome.kind {
                OutcomeKind::Succeeded => Status::Succeeded,
                OutcomeKind::Failed => Status::Failed,
                OutcomeKind::Cancelled => Status::Cancelled,
            },
            (Phase::Queued, None) => Status::Queued,
            (_, None) => Status::Provisioning,
        }
    }

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.status() == Status::Complete
    }

    /// Whether the job has been without progress for longer than its threshold.
    pub fn is_stuck(&self, now: Time) -> bool {
        self.status() == Status::Provisioning && now >= self.times.stuck_at
    }

    /// Whether the tokens of the current attempt's media are honoured.
    ///
    /// They end with the job. A job that was ended before its medium was booted serves nothing any
    /// more, so that a machine about to be switched off cannot begin an install.
    pub fn media_open(&self) -> bool {
        match self.status() {
            Status::Provisioning => true,
            Status::Succeeded | Status::Failed | Status::Cancelled => self.booted(),
            Status::Queued | Status::Complete => false,
        }
    }

    /// Whether a power-on into the installer was intended in the current attempt.
    pub fn power_intended(&self) -> bool {
        !self.position.is_before_intent() && self.powered
    }

    /// Whether reads of our media, or their absence, prove anything for this job.
    pub fn has_boot_evidence(&self) -> bool {
        self.plan.boot_evidence && self.media.as_ref().is_some_and(|media| !media.prefetches)
    }

    /// Whether the current attempt's boot medium was booted, as far as we could see.
    pub(crate) fn booted(&self) -> bool {
        self.reads_are_the_machine_s()
            && self.evidence.milestones.keys().any(|milestone| milestone.proves_boot())
    }

    /// Whether what is read of our media is read by the machine: a BMC that fetches media whole reads
    /// everything itself, long before.
    pub(crate) fn reads_are_the_machine_s(&self) -> bool {
        self.media.as_ref().is_some_and(|media| !media.prefetches)
    }

    /// Whether firmware may be being written although we switched nothing on.
    pub(crate) fn may_flash_unasked(&self) -> bool {
        self.plan.workflow == shoal_recipe::Workflow::Firmware
            && self.evidence.unasked
            && self.position.is_before_intent()
    }

    pub(crate) fn saw(&self, milestone: Milestone) -> bool {
        self.evidence.milestones.contains_key(&milestone)
    }
}
