//! Which moves a world offers, and what each costs of the mishaps that may still happen.

use crate::{Command, Decision, Next, Phase, StopAs};

use super::{
    machine::Machine,
    world::{Fate, Move, World},
};

/// How often each kind of mishap may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mishaps {
    pub(super) crashes: u8,
    pub(super) lost: u8,
    pub(super) refusals: u8,
    pub(super) stops: u8,
    pub(super) power_losses: u8,
    pub(super) power_returns: u8,
    pub(super) clock_steps: u8,
    pub(super) reports: u8,
}

impl Mishaps {
    fn counts(self) -> [u8; 8] {
        let Self { crashes, lost, refusals, stops, clock_steps, reports, .. } = self;
        let Self { power_losses, power_returns, .. } = self;
        [crashes, lost, refusals, stops, power_losses, power_returns, clock_steps, reports]
    }

    pub(super) fn total(self) -> usize {
        self.counts().iter().map(|count| usize::from(*count)).sum()
    }

    /// Whether everything that may happen with `other` may happen with `self` too.
    pub(super) fn covers(self, other: Self) -> bool {
        self.counts().iter().zip(other.counts()).all(|(mine, theirs)| *mine >= theirs)
    }

    /// What is left after a move.
    pub(super) fn after(mut self, step: Move) -> Self {
        let spent = match step {
            Move::LostBefore | Move::LostAfter | Move::LostLate => &mut self.lost,
            Move::Refused(_) => &mut self.refusals,
            Move::CrashBefore | Move::CrashAfter | Move::CrashIdle => &mut self.crashes,
            Move::PowerLoss => &mut self.power_losses,
            Move::PowerReturn => &mut self.power_returns,
            Move::Stop { .. } => &mut self.stops,
            Move::Report { .. } => &mut self.reports,
            Move::ClockStep(_) => &mut self.clock_steps,
            Move::Run
            | Move::Restart
            | Move::Time
            | Move::MachineGoesOn { .. }
            | Move::LateOn
            | Move::Decide(_) => return self,
        };
        *spent -= 1;
        self
    }
}

impl Move {
    /// Whether it happens without a mishap.
    pub(super) fn is_free(self) -> bool {
        let one = Mishaps {
            crashes: 1,
            lost: 1,
            refusals: 1,
            stops: 1,
            power_losses: 1,
            power_returns: 1,
            clock_steps: 1,
            reports: 1,
        };
        one.after(self) == one
    }
}

impl World {
    /// Everything that may happen next.
    pub(super) fn moves(&self, left: Mishaps) -> Vec<Move> {
        let mut moves = Vec::new();
        if !self.job.is_complete() {
            self.runner_moves(left, &mut moves);
            self.machine_moves(left, &mut moves);
            self.people_moves(left, &mut moves);
        }
        moves
    }

    fn runner_moves(&self, left: Mishaps, moves: &mut Vec<Move>) {
        if !self.up {
            moves.push(Move::Restart);
            if !self.away {
                moves.push(Move::Time);
            }
            return;
        }
        if left.crashes > 0 {
            moves.push(Move::CrashIdle);
        }
        match self.job.next(self.now) {
            Next::Wait { .. } if *self.job.phase() == Phase::Queued => moves.push(Move::Run),
            Next::Wait { .. } => moves.push(Move::Time),
            Next::Record(_) => moves.push(Move::Run),
            Next::Do(command) => command_moves(command, left, moves),
            Next::Done => {}
        }
    }

    fn machine_moves(&self, left: Mishaps, moves: &mut Vec<Move>) {
        if self.late_on {
            moves.push(Move::LateOn);
        }
        match self.machine {
            Machine::Post { .. } | Machine::Live { read: false } | Machine::Done { .. } => {
                moves.push(Move::MachineGoesOn { success: true });
            }
            Machine::Live { read: true } => {
                moves.extend([true, false].map(|success| Move::MachineGoesOn { success }));
            }
            Machine::Off | Machine::Idle { .. } => {}
        }
        if left.power_losses > 0 && self.machine != Machine::Off {
            moves.push(Move::PowerLoss);
        }
        if left.power_returns > 0 && self.machine == Machine::Off {
            moves.push(Move::PowerReturn);
        }
    }

    fn people_moves(&self, left: Mishaps, moves: &mut Vec<Move>) {
        if !self.up {
            return;
        }
        if self.is_held() {
            moves.extend([Decision::Failed, Decision::Succeeded].map(Move::Decide));
            if self.retries_left > 0 {
                moves.push(Move::Decide(Decision::Retry));
            }
        }
        if left.stops > 0 {
            moves.extend([false, true].map(|force| Move::Stop { stop: StopAs::Cancelled, force }));
            moves.push(Move::Stop { stop: StopAs::Failed, force: false });
        }
        if left.reports > 0 {
            for attempt in 1..=self.job.attempt() {
                moves.extend([true, false].map(|success| Move::Report { attempt, success }));
            }
        }
        if left.clock_steps > 0 {
            moves.extend([Move::ClockStep(3_600_000), Move::ClockStep(-600_000)]);
        }
    }
}

/// A command that changes nothing outside makes no difference between lost before and after, and
/// one without an intent none between dying before it and dying idle.
fn command_moves(command: Command, left: Mishaps, moves: &mut Vec<Move>) {
    let acts = !matches!(command, Command::ReadBmc | Command::BuildMedium | Command::Look);
    let fenced = command.is_fenced();
    moves.push(Move::Run);
    if left.crashes > 0 {
        moves.extend(fenced.then_some(Move::CrashBefore));
        moves.extend(acts.then_some(Move::CrashAfter));
    }
    if left.lost > 0 {
        moves.push(Move::LostBefore);
        moves.extend(acts.then_some(Move::LostAfter));
        moves.extend(fenced.then_some(Move::LostLate));
    }
    if left.refusals > 0 {
        moves.extend([Fate::Transient, Fate::Permanent, Fate::Operator].map(Move::Refused));
    }
}
