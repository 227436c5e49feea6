//! What was read of a job's media, for people who wonder how far a machine has come.

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{Job, MediaPlan};
use shoal_store::{MediaKind, MediaReads};

use crate::timestamp::At;

/// What was read of one medium in the current attempt; up to half a minute behind.
#[derive(Serialize, JsonSchema)]
pub(super) struct MediumReads {
    /// `boot` or `task`.
    medium: &'static str,
    /// The slot it is for; none for a task medium that travels on the boot medium.
    slot: Option<String>,
    /// Bytes sent, repeated ones counted again.
    bytes_read: u64,
    /// Which stretches, at most 32; small gaps may count as read.
    ranges: Vec<RangeView>,
    last_read_at: At,
}

/// A stretch of a medium, in bytes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReadRange")]
struct RangeView {
    offset: u64,
    length: u64,
}

pub(super) fn views(job: &Job, reads: &[(MediaKind, MediaReads)]) -> Vec<MediumReads> {
    reads.iter().map(|(kind, reads)| view(*kind, reads, job.media())).collect()
}

fn view(kind: MediaKind, reads: &MediaReads, plan: Option<&MediaPlan>) -> MediumReads {
    let slot = match kind {
        MediaKind::Boot => plan.map(|plan| plan.boot_slot.clone()),
        MediaKind::Task => plan.and_then(|plan| plan.task_slot.clone()),
    };
    MediumReads {
        medium: kind.as_str(),
        slot,
        bytes_read: reads.bytes(),
        ranges: reads.ranges().map(|(offset, length)| RangeView { offset, length }).collect(),
        last_read_at: At(reads.last_at()),
    }
}
