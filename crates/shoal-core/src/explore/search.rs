//! Breadth-first search over all worlds, with the way back for messages and for reachability.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use super::world::{Mishaps, Move, Setting, World};
use crate::{Job, Time, phase::Phase};

/// What was explored.
pub(super) struct Report {
    pub(super) states: usize,
    pub(super) complete: usize,
    pub(super) held: usize,
}

/// A search larger than this is a mistake in the setting, not a finding.
const MAX_STATES: usize = 3_000_000;

pub(super) fn explore(setting: Setting, mishaps: Mishaps) -> Report {
    let start = World::new(&setting, mishaps).normal();
    let mut worlds = vec![start.clone()];
    let mut came_from: Vec<Option<(usize, Move)>> = vec![None];
    let mut index: HashMap<World, usize> = HashMap::from([(start, 0)]);
    let mut into: Vec<Vec<u32>> = vec![Vec::new()];
    let mut at = 0;
    while at < worlds.len() {
        assert!(worlds.len() < MAX_STATES, "more states than any setting should have");
        let world = worlds[at].clone();
        for step in world.moves() {
            let made = std::panic::catch_unwind(AssertUnwindSafe(|| world.make(step, &setting)));
            let Ok(next) = made else {
                panic!("{setting:?}\n{}then {step:?}", way(&worlds, &came_from, at));
            };
            let normal = next.normal();
            let id = *index.entry(normal.clone()).or_insert_with(|| {
                worlds.push(normal);
                came_from.push(Some((at, step)));
                into.push(Vec::new());
                worlds.len() - 1
            });
            into[id].push(u32::try_from(at).unwrap());
        }
        at += 1;
    }
    check_reachable(&worlds, &came_from, &into);
    Report {
        states: worlds.len(),
        complete: worlds.iter().filter(|world| world.job.is_complete()).count(),
        held: worlds.iter().filter(|world| world.is_held()).count(),
    }
}

/// From every world some way leads to complete.
fn check_reachable(worlds: &[World], came_from: &[Option<(usize, Move)>], into: &[Vec<u32>]) {
    let mut reaches = vec![false; worlds.len()];
    let mut open: Vec<usize> =
        (0..worlds.len()).filter(|id| worlds[*id].job.is_complete()).collect();
    for id in &open {
        reaches[*id] = true;
    }
    while let Some(id) = open.pop() {
        for from in into[id].iter().map(|from| *from as usize) {
            if !reaches[from] {
                reaches[from] = true;
                open.push(from);
            }
        }
    }
    if let Some(stuck) = reaches.iter().position(|reaches| !reaches) {
        panic!("no way leads to complete from:\n{}", way(worlds, came_from, stuck));
    }
}

fn way(worlds: &[World], came_from: &[Option<(usize, Move)>], to: usize) -> String {
    let mut steps = Vec::new();
    let mut at = to;
    while let Some((from, step)) = &came_from[at] {
        steps.push(format!("{:<24} -> {:?}\n", format!("{step:?}"), worlds[at].job.phase()));
        at = *from;
    }
    steps.reverse();
    steps.concat()
}

impl Job {
    /// Forgets what no decision depends on, and measures the rest from now.
    pub(super) fn normalise(&mut self, relative: &dyn Fn(Time) -> Time) {
        let never = Time::from_millis(0);
        let opt = |at: &mut Option<Time>| *at = at.map(relative);
        self.seq = 0;
        self.fault = self.fault.take().filter(|_| matches!(self.position, Phase::Held { .. }));
        let times = &mut self.times;
        times.created = never;
        times.claimed = None;
        times.progressed = never;
        times.delivered = None;
        times.completed = None;
        times.stuck_at = never;
        times.phase_since = relative(times.phase_since);
        for at in [
            &mut times.hands_off_until,
            &mut times.deadline,
            &mut times.provisioning_deadline,
            &mut times.retry_at,
            &mut times.quiet_until,
        ] {
            opt(at);
        }
        if let Some(outcome) = &mut self.outcome {
            outcome.at = never;
            outcome.message.clear();
        }
        for at in self.evidence.milestones.values_mut() {
            *at = never;
        }
        opt(&mut self.evidence.moved_at);
        self.progress = crate::Progress::default();
        normalise_phase(&mut self.position, &opt);
    }
}

fn normalise_phase(phase: &mut Phase, opt: &dyn Fn(&mut Option<Time>)) {
    match phase {
        Phase::PowerOn { intent: Some(intent) } | Phase::Deliver { intent: Some(intent) } => {
            intent.at = Time::from_millis(0);
            opt(&mut intent.off_since);
        }
        Phase::AwaitBoot { watch } | Phase::AwaitReport { watch } | Phase::AwaitFlash { watch } => {
            opt(&mut watch.looked_at);
            opt(&mut watch.off_since);
        }
        Phase::AwaitInstaller { watch, restarted, on_since } => {
            opt(&mut watch.looked_at);
            opt(&mut watch.off_since);
            *restarted = restarted.map(|_| Time::from_millis(0));
            opt(on_since);
        }
        Phase::Settle { until } => {
            let mut at = Some(*until);
            opt(&mut at);
            *until = at.unwrap();
        }
        Phase::Held { back_to: Some(phase), .. } => normalise_phase(phase, opt),
        Phase::PowerOn { intent: None }
        | Phase::Deliver { intent: None }
        | Phase::Queued
        | Phase::Discover
        | Phase::Build
        | Phase::PowerOff
        | Phase::ClearMedia
        | Phase::InsertTask
        | Phase::InsertBoot
        | Phase::BootOnce
        | Phase::CleanPower
        | Phase::CleanMedia
        | Phase::CleanOverride
        | Phase::Held { back_to: None, .. }
        | Phase::Complete => {}
    }
}
