//! The simulated host: from power-on through firmware into the maintenance OS or the installed
//! system. One run lasts from power-on to power-off; cutting power drops it where it stands.

mod child;
mod firmware;
mod manifest;
mod os;
mod workflow;

use std::{sync::Arc, time::Duration};

use crate::{
    Ending, HostScript,
    bmc::Bmc,
    board::{Board, HostPhase},
    timeline::Event,
};

pub(crate) use os::prepare_scratch;

/// One run of the host.
pub(crate) struct Run {
    bmc: Arc<Bmc>,
    number: u64,
    /// Where this run stands on the clock. Steps follow each other on this time and not on the
    /// moment at which a task happened to wake up, so that a run looks the same every time.
    at: Duration,
    script: HostScript,
}

/// Runs the host from power-on; never returns to a host that was switched off meanwhile.
pub(crate) async fn run(bmc: Arc<Bmc>, number: u64, at: Duration) {
    let script = bmc.script();
    let mut run = Run { bmc, number, at, script };
    run.pass(run.script.post).await;
    if run.script.ending == Ending::HangBeforeBoot {
        return run.enter(HostPhase::Hung, Event::Hung);
    }
    match firmware::boot(&mut run).await {
        firmware::Booted::Installer(source) => os::run(&mut run, source).await,
        firmware::Booted::Disk => {
            run.pass(run.script.installed_start).await;
            run.enter(HostPhase::Installed, Event::InstalledOsUp);
        }
        firmware::Booted::Nothing => {}
    }
}

impl Run {
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

    /// Ends this run from inside: the host goes off, and on again after `restore` if given.
    fn lose_power(&self, event: Event, restore: Option<Duration>) {
        let at = self.bmc.clock.resume(self.at);
        let mut board = self.bmc.board();
        if board.run != self.number {
            return;
        }
        self.bmc.stop_host(&mut board, at, event);
        let Some(after) = restore else { return };
        let off = board.run;
        let restored = at + after;
        let bmc = Arc::clone(&self.bmc);
        self.bmc.tasks.spawn(async move {
            if bmc.stop.run_until_cancelled(bmc.clock.sleep_until(restored)).await.is_none() {
                return;
            }
            let mut board = bmc.board();
            // Whoever changed power meanwhile has decided otherwise.
            if board.run == off {
                bmc.start_host(&mut board, restored);
            }
        });
    }
}
