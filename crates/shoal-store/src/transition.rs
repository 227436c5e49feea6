//! What a committed change was, in the words of metrics and logs.

use std::time::Duration;

use shoal_core::{Command, Event, Job, Next, Phase, Report, Status, StepKey, Time};

use crate::Record;

/// A change that was written, for the announcement after the commit.
pub(crate) struct Transition {
    pub(crate) record: Record,
    /// The status before; none for a new job.
    pub(crate) from: Option<Status>,
    pub(crate) phase_before: Option<&'static str>,
    pub(crate) outcome_is_new: bool,
    pub(crate) event: &'static str,
    pub(crate) step: Option<StepKey>,
    /// Whether the job's history got something new, or only the job's bookkeeping changed.
    pub(crate) told: bool,
    pub(crate) event_id: i64,
    pub(crate) ended: Option<(Stretch, Duration)>,
}

/// Part of a job's life, as `provisioning_phase_duration_seconds` tells it: dashboards outlive the
/// phases of one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    Wait,
    Detect,
    Iso,
    Mount,
    Boot,
    Install,
    Cleanup,
}

impl Stretch {
    pub(crate) const ALL: [Self; 7] = [
        Self::Wait,
        Self::Detect,
        Self::Iso,
        Self::Mount,
        Self::Boot,
        Self::Install,
        Self::Cleanup,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Detect => "detect",
            Self::Iso => "iso",
            Self::Mount => "mount",
            Self::Boot => "boot",
            Self::Install => "install",
            Self::Cleanup => "cleanup",
        }
    }

    /// The stretch a phase belongs to; none once the job is complete.
    pub(crate) const fn of(phase: &Phase) -> Option<Self> {
        Some(match phase {
            Phase::Queued | Phase::Held { .. } => Self::Wait,
            Phase::Discover => Self::Detect,
            Phase::Build => Self::Iso,
            Phase::PowerOff
            | Phase::ClearMedia
            | Phase::InsertTask
            | Phase::InsertBoot
            | Phase::BootOnce => Self::Mount,
            Phase::PowerOn { .. } | Phase::AwaitBoot { .. } => Self::Boot,
            Phase::AwaitReport { .. } | Phase::AwaitFlash { .. } | Phase::AwaitInstaller { .. } => {
                Self::Install
            }
            Phase::Settle { .. }
            | Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { .. } => Self::Cleanup,
            Phase::Complete => return None,
        })
    }
}

/// The step an event belongs to: the command's it answers, else the one the job was at.
pub(crate) fn step(event: &Event, before: &Job, now: Time) -> Option<StepKey> {
    let of_phase = || match before.next(now) {
        Next::Do(command) => Some(command.step()),
        Next::Record(_) | Next::Wait { .. } => waiting_step(before.phase()),
        Next::Done => None,
    };
    match event {
        // A look is only how a wait is spent.
        Event::Answered { command: Command::Look, .. } => waiting_step(before.phase()),
        Event::Answered { command, .. } => Some(command.step()),
        Event::MediaRead { .. } => Some(StepKey::IsoServe),
        Event::Reported { report: Report::Failed { step, .. }, .. } => Some(*step),
        _ => of_phase(),
    }
}

fn waiting_step(phase: &Phase) -> Option<StepKey> {
    Some(match Stretch::of(phase)? {
        Stretch::Wait => return None,
        Stretch::Detect => StepKey::RedfishDiscover,
        Stretch::Iso => StepKey::IsoBuild,
        Stretch::Mount => StepKey::RedfishMountMaintenance,
        Stretch::Boot => StepKey::RedfishPoll,
        Stretch::Install => StepKey::WebhookWait,
        Stretch::Cleanup => StepKey::CleanupReset,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    #[test]
    fn every_phase_belongs_to_one_stretch() {
        let stretches = [
            ("wait", &["queued", "held"][..]),
            ("detect", &["discover"]),
            ("iso", &["build"]),
            ("mount", &["power_off", "clear_media", "insert_task", "insert_boot", "boot_once"]),
            ("boot", &["power_on", "await_boot"]),
            ("install", &["await_report", "await_flash", "await_installer"]),
            ("cleanup", &["settle", "clean_power", "clean_media", "clean_override", "deliver"]),
            ("none", &["complete"]),
        ];
        let expected = stretches.iter().flat_map(|(stretch, phases)| {
            phases.iter().map(|phase| ((*phase).to_owned(), *stretch))
        });
        // There is a stored job of every phase, and another test sees to it that this stays so.
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored");
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(stored).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("job-") {
                let job: Job = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                let stretch = Stretch::of(job.phase()).map_or("none", Stretch::as_str);
                found.insert(job.phase().name().to_owned(), stretch);
            }
        }
        assert_eq!(found, expected.collect());
    }
}
