//! The answers to what operators say to a job: what the job is then, and what that means for its BMC.
//! The part about the BMC comes from the engine for every call alike; no call knows it by itself.

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{Command, Job, JobId, Power, Time};

use super::view::Accepted;
use crate::openapi::shape;

/// What a job will do at its BMC if nobody says anything more and the BMC does all it is told.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AtBmc")]
pub(super) struct AtBmc {
    /// In this order, by the names of history; none where nothing will be done.
    #[schemars(with = "Vec<shape::BmcCommand>")]
    will: Vec<&'static str>,
    /// How the machine's power is left: on, off, or null where it is not touched.
    #[schemars(with = "Option<shape::PowerLeft>")]
    power: Option<&'static str>,
    /// What the job waits for then, by the words of `waiting_for_code`; null where it is complete.
    then: Option<&'static str>,
    /// The same for people.
    text: String,
}

impl AtBmc {
    fn of(job: &Job, now: Time) -> Self {
        let ahead = job.ahead(now);
        let power = ahead.power().map(|power| match power {
            Power::On => "on",
            Power::Off | Power::Unclear => "off",
        });
        Self {
            will: ahead.commands.iter().map(|command| Command::name(*command)).collect(),
            power,
            then: ahead.then.as_ref().map(shoal_core::WaitingFor::code),
            text: ahead.to_string(),
        }
    }
}

/// The answer to cancel, fail and decide.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobTold")]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    job: Accepted<'a>,
    bmc: AtBmc,
}

impl<'a> Told<'a> {
    pub(super) fn of(job: &'a Job, now: Time) -> Self {
        Self { job: Accepted::of(job), bmc: AtBmc::of(job, now) }
    }
}

/// The answer to requeue: the new job, and the one that it replaces.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobRequeued")]
pub(super) struct Requeued<'a> {
    #[serde(flatten)]
    job: Told<'a>,
    /// The unfinished job whose place it takes; that one's doings come first.
    replaces: Option<Told<'a>>,
}

impl<'a> Requeued<'a> {
    pub(super) fn of(job: &'a Job, replaced: Option<&'a Job>, now: Time) -> Self {
        Self { job: Told::of(job, now), replaces: replaced.map(|old| Told::of(old, now)) }
    }
}

/// Where a job that was moved in the queue stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobMoved")]
pub(super) struct Moved {
    #[schemars(with = "shape::JobId")]
    job_id: JobId,
    priority: i32,
    /// 1 is next; null if a worker took it meanwhile.
    position: Option<u64>,
    /// When its turn comes.
    bmc: AtBmc,
}

impl Moved {
    pub(super) fn of(job: &Job, (priority, position): (i32, Option<u64>), now: Time) -> Self {
        Self { job_id: job.id(), priority, position, bmc: AtBmc::of(job, now) }
    }
}
