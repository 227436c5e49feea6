//! Which phases lead to which: found by letting every event happen to every job that can come about.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use shoal_core::{InstallerEnd, MediaClass, Milestone, Next, OnFailure, Workflow};

use crate::{
    drive::{Run, plan, word},
    samples,
};

/// A search larger than this means that jobs are told apart too finely.
const MAX_JOBS: usize = 20_000;

/// After so long without a sign a machine is looked at.
const QUIET: Duration = Duration::from_mins(6);

/// What the engine was seen to do.
#[derive(Default)]
pub(crate) struct Graph {
    /// From one phase to another, and the events that lead there.
    pub(crate) edges: BTreeMap<(&'static str, &'static str), BTreeSet<&'static str>>,
    /// The commands asked for in a phase.
    pub(crate) commands: BTreeMap<&'static str, BTreeSet<String>>,
    /// Every phase, with its meaning and what bounds it.
    pub(crate) phases: BTreeMap<&'static str, (&'static str, &'static str)>,
    /// The statuses a job in a phase can have.
    pub(crate) statuses: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Graph {
    pub(crate) fn explored() -> Self {
        let mut graph = Self::default();
        for run in beginnings() {
            graph.explore(run);
        }
        graph
    }

    fn explore(&mut self, run: Run) {
        let mut known = BTreeSet::from([likeness(&run)]);
        let mut open = VecDeque::from([run]);
        while let Some(run) = open.pop_front() {
            assert!(known.len() < MAX_JOBS, "jobs are told apart too finely");
            self.visit(&run);
            for sample in samples::of(&run) {
                let mut next = run.clone();
                next.now = sample.at;
                if next.try_fold(&sample.event).is_err() {
                    continue;
                }
                if next.at() != run.at() {
                    self.edges.entry((run.at(), next.at())).or_default().insert(sample.name);
                }
                if known.insert(likeness(&next)) {
                    open.push_back(next);
                }
            }
        }
    }

    fn visit(&mut self, run: &Run) {
        let phase = run.job.phase();
        self.phases.insert(phase.name(), (phase.meaning(), phase.time_bound()));
        let status = run.job.status().as_str();
        self.statuses.entry(phase.name()).or_default().insert(status);
        let commands = self.commands.entry(phase.name()).or_default();
        for now in [run.now, run.now + QUIET] {
            if let Next::Do(command) = run.job.next(now) {
                commands.insert(word(command));
            }
        }
    }
}

/// One new job for every difference that changes a job's way.
fn beginnings() -> Vec<Run> {
    let mut runs = Vec::new();
    for workflow in [Workflow::Linux, Workflow::Esxi, Workflow::Firmware] {
        for on_failure in [OnFailure::Off, OnFailure::Reset, OnFailure::Leave] {
            let mut plan = plan(workflow);
            plan.on_failure = on_failure;
            runs.push(Run::with(plan));
        }
        let mut unseen = plan(workflow);
        unseen.boot_evidence = false;
        runs.push(Run::with(unseen));
    }
    let mut ends_off = plan(Workflow::Esxi);
    ends_off.installer_end = InstallerEnd::PowerOff;
    runs.push(Run::with(ends_off));
    let mut one_slot = Run::of(Workflow::Linux);
    one_slot.media.class = MediaClass::SingleCombined;
    one_slot.media.task_slot = None;
    runs.push(one_slot);
    runs
}

/// What tells jobs apart here: all but when things happened and how often.
fn likeness(run: &Run) -> String {
    let job = &run.job;
    let phase = format!("{:?}", job.phase()).replace(|c: char| c.is_ascii_digit(), "");
    let seen = &job.evidence().milestones;
    let booted = seen.keys().any(|milestone| milestone.proves_boot());
    let read = [Milestone::TaskRead, Milestone::Payload, Milestone::BootAgain]
        .map(|milestone| seen.contains_key(&milestone));
    let outcome = job.outcome().map(|outcome| outcome.kind);
    let stopping = job.is_stopping();
    let attempt = (job.attempt() == job.plan().max_attempts, job.power_intended());
    format!("{phase} {booted} {read:?} {outcome:?} {stopping} {attempt:?}")
}
