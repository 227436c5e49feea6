//! Search over all worlds, fewest mishaps first, with the way back for messages.
//!
//! A world reached again with no more mishaps left than before offers nothing new, so each world is
//! walked through once per way of having mishaps left. Nothing is lost by that: what may happen
//! with fewer mishaps left may happen with more.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
};

use super::{
    moves::Mishaps,
    world::{Move, Setting, World},
};

/// What was explored.
pub(super) struct Report {
    pub(super) worlds: usize,
    pub(super) moves: usize,
    pub(super) complete: usize,
    pub(super) held: usize,
}

/// A search larger than this is a mistake in the setting, not a finding.
const MAX_WORLDS: usize = 1_000_000;

/// Explores everything that may happen, or says by which way a promise is broken.
pub(super) fn explore(setting: Setting, mishaps: Mishaps) -> Result<Report, String> {
    let mut search = Search::new(setting, mishaps);
    while let Some((id, world, left)) = search.pop() {
        if search.known[id].left.contains(&left) {
            search.walk(id, &world, left)?;
        }
    }
    search.check_reachable()?;
    Ok(search.report)
}

/// One world that was found.
struct Known {
    came_from: Option<(usize, Move)>,
    /// Mishaps that were left when it was reached, but for those others cover.
    left: Vec<Mishaps>,
    complete: bool,
    /// From where it is reached without a mishap.
    into: Vec<u32>,
}

struct Search {
    setting: Setting,
    mishaps: Mishaps,
    known: Vec<Known>,
    index: HashMap<u128, usize, BuildHasherDefault<Digested>>,
    /// Worlds to walk through, by how many mishaps led to them.
    open: Vec<VecDeque<(usize, World, Mishaps)>>,
    report: Report,
}

impl Search {
    fn new(setting: Setting, mishaps: Mishaps) -> Self {
        let mut search = Self {
            setting,
            mishaps,
            known: Vec::new(),
            index: HashMap::default(),
            open: vec![VecDeque::new(); mishaps.total() + 1],
            report: Report { worlds: 0, moves: 0, complete: 0, held: 0 },
        };
        search.found(World::new(setting), mishaps, None);
        search
    }

    fn pop(&mut self) -> Option<(usize, World, Mishaps)> {
        self.open.iter_mut().find_map(VecDeque::pop_front)
    }

    fn walk(&mut self, id: usize, world: &World, left: Mishaps) -> Result<(), String> {
        for step in world.moves(left) {
            let next = world
                .make(step, self.setting)
                .map_err(|harm| format!("{}\n{}then {step:?}", harm.0, self.way(id)))?;
            self.report.moves += 1;
            self.found(next, left.after(step), Some((id, step)));
        }
        Ok(())
    }

    fn found(&mut self, world: World, left: Mishaps, came_from: Option<(usize, Move)>) {
        let id = match self.index.entry(world.key()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let complete = world.job.is_complete();
                self.report.worlds += 1;
                self.report.complete += usize::from(complete);
                self.report.held += usize::from(world.is_held());
                assert!(self.report.worlds < MAX_WORLDS, "more worlds than a setting should have");
                self.known.push(Known { came_from, left: Vec::new(), complete, into: Vec::new() });
                *entry.insert(self.known.len() - 1)
            }
        };
        let known = &mut self.known[id];
        if let Some((from, step)) = came_from
            && step.is_free()
        {
            known.into.push(u32::try_from(from).unwrap());
        }
        if known.left.iter().any(|before| before.covers(left)) {
            return;
        }
        known.left.retain(|before| !left.covers(*before));
        known.left.push(left);
        if !known.complete {
            let used = self.mishaps.total() - left.total();
            self.open[used].push_back((id, world, left));
        }
    }

    /// From every world some way without another mishap leads to complete.
    fn check_reachable(&self) -> Result<(), String> {
        let mut open: Vec<usize> = Vec::new();
        let mut reaches: Vec<bool> = self.known.iter().map(|known| known.complete).collect();
        open.extend((0..reaches.len()).filter(|id| reaches[*id]));
        while let Some(id) = open.pop() {
            for from in self.known[id].into.iter().map(|from| *from as usize) {
                if !std::mem::replace(&mut reaches[from], true) {
                    open.push(from);
                }
            }
        }
        match reaches.iter().position(|reaches| !reaches) {
            Some(stuck) => Err(format!("no way leads to complete from here\n{}", self.way(stuck))),
            None => Ok(()),
        }
    }

    /// How a world was reached, step by step.
    fn way(&self, to: usize) -> String {
        let mut steps = Vec::new();
        let mut at = to;
        while let Some((from, step)) = self.known[at].came_from {
            steps.push(step);
            at = from;
        }
        let mut world = World::new(self.setting);
        let mut way = format!("{:?}\n", self.setting);
        for step in steps.into_iter().rev() {
            world = world.make(step, self.setting).unwrap();
            way = format!("{way}{:<40} -> {:?}\n", format!("{step:?}"), world.job.phase());
        }
        way
    }
}

/// Keys are digests already: hashing them again would only cost time.
#[derive(Default)]
struct Digested(u64);

impl Hasher for Digested {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = (key >> 64) as u64;
    }
}
