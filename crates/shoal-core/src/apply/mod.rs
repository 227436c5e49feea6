//! Folding one fact into a job.
//!
//! Each event family has its module; all of them change a [`Draft`], so that a job is either
//! changed as a whole, with its audit entries, or not at all.

mod answers;
mod cleanup;
mod clock;
mod draft;
mod looks;
mod operator;
mod reports;

use std::{collections::BTreeMap, fmt};

use crate::{event::Event, job::Job, time::Time};
use draft::Draft;

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The job changed.
    Changed {
        /// The new job.
        job: Box<Job>,
        /// What to keep in the job's history, oldest first. Empty for mere bookkeeping.
        entries: Vec<Entry>,
    },
    /// The job stays as it is.
    Ignored(Ignored),
}

impl Applied {
    /// The new job, if the event changed it.
    pub fn changed(self) -> Option<Job> {
        match self {
            Self::Changed { job, .. } => Some(*job),
            Self::Ignored(_) => None,
        }
    }
}

/// Why an event changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// The answer or deadline belongs to an earlier position of the job.
    Stale,
    /// The same was recorded before.
    Duplicate,
    /// It belongs to a finished attempt of this job.
    FinishedAttempt,
    /// An outcome exists and wins.
    LateReport,
    /// Nobody asked the machine to install anything yet.
    Unexpected,
    /// The job's media are closed: what was about to be read must not be served.
    Closed,
    /// The event makes no sense where the job is.
    NotNow,
}

impl Ignored {
    /// The word used in stored events and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Duplicate => "duplicate",
            Self::FinishedAttempt => "finished_attempt",
            Self::LateReport => "late_report",
            Self::Unexpected => "unexpected",
            Self::Closed => "closed",
            Self::NotNow => "not_now",
        }
    }

    /// Whether the job's history should keep that the event came.
    pub const fn is_noteworthy(self) -> bool {
        matches!(self, Self::FinishedAttempt | Self::LateReport | Self::Unexpected)
    }
}

/// One line of a job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened: an event's name, `phase`, `outcome` or `fault`.
    pub name: &'static str,
    /// The particulars, never secret.
    pub detail: BTreeMap<&'static str, String>,
}

impl Entry {
    /// An entry without particulars.
    pub fn new(name: &'static str) -> Self {
        Self { name, detail: BTreeMap::new() }
    }

    /// The same entry with one more particular.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.detail.insert(key, value.to_string());
        self
    }
}

impl Job {
    /// Folds one fact into the job. Total: every event has an answer in every phase.
    pub fn apply(&self, event: &Event, now: Time) -> Applied {
        let mut draft = Draft::of(self, now);
        let folded = match event {
            Event::Claimed => draft.claimed(),
            Event::Intended { seq } => draft.intended(*seq),
            Event::Answered { seq, command, verdict } => draft.answered(*seq, *command, verdict),
            Event::MediaRead { attempt, milestone } => draft.media_read(*attempt, *milestone),
            Event::Reported { attempt, report } => draft.reported(*attempt, report),
            Event::Unproven { .. } => Err(Ignored::Unexpected),
            Event::Progressed { attempt, activity } => draft.progressed(*attempt, activity),
            Event::DeadlinePassed { seq } => draft.deadline_passed(*seq),
            Event::Elapsed { seq } => draft.elapsed(*seq),
            Event::StopRequested { stop, force } => draft.stop_requested(*stop, *force),
            Event::Resumed { gap } => draft.resumed(*gap),
            Event::ClockStepped { delta } => draft.clock_stepped(*delta),
            Event::ServerChanged => draft.server_changed(),
            Event::Decided { decision } => draft.decided(*decision),
        };
        match folded {
            Ok(()) => draft.into_applied(),
            Err(ignored) => Applied::Ignored(ignored),
        }
    }
}

/// What an event's fold returns: done, or why not.
type Folded = Result<(), Ignored>;
