//! The simulated host: from power-on through firmware into what the disc in the drive is, or into the
//! installed system, and through its restarts. One run lasts from power-on to power-off; cutting
//! power drops it where it stands.

mod child;
mod esxi;
mod firmware;
mod manifest;
mod os;
mod workflow;

use std::{sync::Arc, time::Duration};

use crate::{
    Ending, HostScript, Restart, Step,
    bmc::Bmc,
    board::{Board, HostPhase},
    timeline::{Event, Part},
};

pub(crate) use os::prepare_scratch;

/// Boots within one run. A host that restarts again and again stands still after these.
const MOST_BOOTS: u32 = 64;

/// One run of the host.
pub(crate) struct Run {
    bmc: Arc<Bmc>,
    number: u64,
    /// Where this run stands on the clock. Steps follow each other on this time and not on the
    /// moment at which a task happened to wake up, so that a run looks the same every time.
    at: Duration,
    script: HostScript,
    /// Whether what ran last wants the host to restart.
    restarts: bool,
}

/// What went wrong in the middle of a step, by script.
enum Mishap {
    /// Nothing that ends the step.
    None,
    /// The step fails.
    Failed,
    /// Nothing more happens in this boot.
    Over,
}

/// Runs the host from power-on; never returns to a host that was switched off meanwhile.
pub(crate) async fn run(bmc: Arc<Bmc>, number: u64, at: Duration) {
    let script = bmc.script();
    let mut run = Run { bmc, number, at, script, restarts: false };
    for _ in 0..MOST_BOOTS {
        run.boot().await;
        if !std::mem::take(&mut run.restarts) || !run.restart() {
            return;
        }
    }
    run.enter(HostPhase::Hung, Event::Hung);
}

impl Run {
    /// One boot, from POST to whatever runs then.
    async fn boot(&mut self) {
        self.pass(self.script.post).await;
        if self.script.ending == Ending::HangBeforeBoot {
            return self.enter(HostPhase::Hung, Event::Hung);
        }
        match firmware::boot(self).await {
            firmware::Booted::Maintenance(source) => os::run(self, source).await,
            firmware::Booted::Esxi(loaded) => esxi::run(self, loaded).await,
            firmware::Booted::Disk => {
                self.pass(self.script.installed_start).await;
                self.alter(Event::InstalledOsUp, |board| {
                    board.phase = HostPhase::Installed;
                    board.shows = None;
                });
            }
            firmware::Booted::Nothing => {}
        }
    }

    /// Lets the host restart as the script says; false when this run ended with that.
    fn restart(&self) -> bool {
        let how = self.script.restart;
        if let Restart::Cold(span) = how {
            self.lose_power(Event::Restarted, Some(span));
            return false;
        }
        let at = self.bmc.clock.resume(self.at);
        self.alter(Event::Restarted, |board| {
            let shown = board.shown_phase();
            board.shows = (how == Restart::Unnoticed).then_some(shown);
            board.phase = HostPhase::Post;
            if how == Restart::Warm && self.bmc.persona.power.notices_restart {
                board.note_reset(at);
            }
        });
        true
    }

    /// Does what the script says goes wrong in the middle of this step, once half of its time passed.
    async fn mishap(&mut self, step: Step, half: Duration) -> Mishap {
        let ending = self.script.ending.clone();
        if ending.step() != Some(step) {
            return Mishap::None;
        }
        self.pass(half).await;
        match ending {
            Ending::FailAt(_) => return Mishap::Failed,
            Ending::BmcRestartAt(_, span) => {
                self.bmc.restart(self.bmc.clock.resume(self.at), span);
                return Mishap::None;
            }
            Ending::PowerOffAt(_) => self.lose_power(Event::SwitchedItselfOff, None),
            Ending::LosePowerAt(_, after) => self.lose_power(Event::PowerLost, Some(after)),
            Ending::RestartAt(_) => self.restarts = true,
            _ => self.enter(HostPhase::Hung, Event::Hung),
        }
        Mishap::Over
    }

    /// Lets clock time pass.
    async fn pass(&mut self, span: Duration) {
        self.at = self.bmc.clock.resume(self.at) + span;
        self.bmc.clock.sleep_until(self.at).await;
    }

    /// Changes the machine and notes it, unless this run has been cut off.
    fn alter(&self, event: Event, change: impl FnOnce(&mut Board)) {
        let mut board = self.bmc.board();
        if board.run == self.number {
            change(&mut board);
            self.bmc.timeline.push(self.bmc.clock.resume(self.at), event);
        }
    }

    fn note(&self, event: Event) {
        self.alter(event, |_| {});
    }

    fn enter(&self, phase: HostPhase, event: Event) {
        self.alter(event, |board| board.phase = phase);
    }

    fn read(&self, slot: &str, part: Part, bytes: u64) {
        self.note(Event::Read { slot: slot.to_owned(), part, bytes });
    }

    /// Ends this run from inside: the host goes off, and on again after `restore` if given.
    fn lose_power(&self, event: Event, restore: Option<Duration>) {
        let at = self.bmc.clock.resume(self.at);
        let mut board = self.bmc.board();
        if board.run != self.number {
            return;
        }
        self.bmc.stop_host(&mut board, at, event);
        if let Some(after) = restore {
            self.bmc.start_later(&board, at + after);
        }
    }
}
