//! What was seen of a job's machine, as times for programs and as words for operators.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{Job, Milestone};

use crate::{openapi::shape, timestamp::At};

/// What the reads of our media prove.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Evidence")]
pub(super) struct EvidenceView {
    /// Whether reads of our media prove anything for this job.
    counts: bool,
    /// What was seen last, in words.
    says: &'static str,
    #[schemars(with = "shape::Milestones")]
    milestones: BTreeMap<&'static str, At>,
    moved_at: Option<At>,
}

impl EvidenceView {
    pub(super) fn of(job: &Job) -> Self {
        let evidence = job.evidence();
        let milestones =
            evidence.milestones.iter().map(|(milestone, at)| (milestone.as_str(), At(*at)));
        Self {
            counts: job.has_boot_evidence(),
            says: words(job),
            milestones: milestones.collect(),
            moved_at: evidence.moved_at.map(At),
        }
    }
}

/// What the reads of our media say about a job, or why they say nothing.
fn words(job: &Job) -> &'static str {
    let Some(media) = job.media() else { return "the BMC was not looked at yet" };
    let latest = job.evidence().milestones.iter().max_by_key(|(milestone, at)| (**at, **milestone));
    match latest.map(|(milestone, _)| milestone) {
        Some(Milestone::Opened) => "the BMC opened the boot medium",
        Some(Milestone::BootImageRead) => "the machine's firmware read the boot image",
        Some(Milestone::OsLoading) => "the system on the boot medium is loading",
        Some(Milestone::TaskRead) => "the task medium was read",
        Some(Milestone::Payload) => "the installer's payload was read",
        Some(Milestone::Reopened) => "the machine looked at the boot medium anew",
        Some(Milestone::BootAgain) => "the boot image was read a second time",
        None if !job.plan().boot_evidence => {
            "the boot medium is not served by us, so its reads are not seen"
        }
        None if media.prefetches => {
            "this BMC copies media when they are inserted, so reads prove nothing"
        }
        None => "nothing was read from our media yet",
    }
}
