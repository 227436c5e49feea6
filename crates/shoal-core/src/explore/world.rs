//! The hostile world: one machine behind a BMC, and everything that may go wrong with it.

use std::time::Duration;

use crate::{
    Budgets, Command, Decision, Event, Fault, Job, MediaClass, MediaPlan, Milestone, NewJob, Next,
    OnFailure, Phase, Plan, Power, Purpose, Report, Seen, Sight, StepKey, StopAs, Time, Verdict,
    Workflow, plan::InstallerEnd,
};

/// All time in this world passes in such steps: a timer may always be late, so nothing is lost by
/// it, and the number of different worlds stays small.
const TICK: Duration = Duration::from_secs(4);
/// The BMC's power state may lag by less than this.
const SETTLE: Duration = TICK;
/// How long the controller may be away.
const ABSENCE: Duration = Duration::from_secs(200);
const START: Time = Time::from_millis(1_000_000_000);

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) workflow: Workflow,
    pub(super) on_failure: OnFailure,
    pub(super) installer_end: InstallerEnd,
    pub(super) prefetches: bool,
    pub(super) external: bool,
    pub(super) sticky_override: bool,
    pub(super) lag_beyond_settle: bool,
}

impl Setting {
    pub(super) fn of(workflow: Workflow) -> Self {
        Self {
            workflow,
            on_failure: OnFailure::Off,
            installer_end: InstallerEnd::Restart,
            prefetches: false,
            external: false,
            sticky_override: false,
            lag_beyond_settle: false,
        }
    }
}

/// How often each kind of mishap may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Mishaps {
    pub(super) crashes: u8,
    pub(super) lost: u8,
    pub(super) refusals: u8,
    pub(super) stops: u8,
    pub(super) power_losses: u8,
    pub(super) clock_steps: u8,
    pub(super) reports: u8,
}

/// The machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Machine {
    Off,
    /// Firmware runs and will boot the medium or the disk.
    Post {
        medium: bool,
    },
    /// Booted from the boot medium: cutting power now ruins an install.
    Live {
        read: bool,
    },
    /// The installer is done and says so until it is heard.
    Done {
        success: bool,
    },
    /// Runs from its disk, or has nothing to run.
    Idle {
        installed: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) job: Job,
    pub(super) now: Time,
    up: bool,
    /// Time passed while the controller was down.
    away: bool,
    machine: Machine,
    installed: bool,
    /// What the BMC still says after a power change, and until when.
    lag: Option<(bool, Time)>,
    /// A power-on was sent, its answer was lost, and the BMC will act on it before time passes.
    late_on: bool,
    boot_slot: u32,
    task_slot: u32,
    armed: bool,
    /// An operator's word allowed the next power cut.
    allowed: bool,
    retries_left: u8,
    mishaps: Mishaps,
}

/// One possible next thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The runner does what the job needs, and its answer is stored.
    Run,
    /// The same, but the command does not reach the BMC and no answer comes.
    LostBefore,
    /// The same, but the answer is lost.
    LostAfter,
    /// The same, but a power-on takes effect only later.
    LostLate,
    Refused(Fate),
    /// The controller dies before the command is sent.
    CrashBefore,
    /// The controller dies after the command took effect, before the answer is stored.
    CrashAfter,
    CrashIdle,
    Restart,
    /// Nobody does anything until the next point in time somebody waits for.
    Time,
    MachineGoesOn {
        success: bool,
    },
    PowerLoss,
    LateOn,
    Stop {
        stop: StopAs,
        force: bool,
    },
    Decide(Decision),
    Report {
        attempt: u32,
        success: bool,
    },
    ClockStep(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Transient,
    Permanent,
    Operator,
}

impl World {
    pub(super) fn new(setting: &Setting, mishaps: Mishaps) -> Self {
        let mut plan = Plan::for_workflow(setting.workflow, "any.target");
        plan.on_failure = setting.on_failure;
        plan.installer_end = setting.installer_end;
        plan.boot_evidence = !setting.external;
        plan.budgets = Budgets {
            boot: TICK * 6,
            poll: TICK * 3,
            report: TICK * 6,
            stuck: TICK * 5,
            cleanup: TICK * 6,
            provisioning: TICK * 1_000_000,
            settle: TICK,
            off_confirm: TICK,
            stable_on: TICK * 2,
            quiet: TICK * 2,
            look: TICK * 2,
            first_boot_grace: Duration::ZERO,
            resume_grace: TICK,
        };
        let job = Job::new(NewJob {
            id: crate::JobId::from_u128(1),
            serial: "S".parse().unwrap(),
            plan,
            created_at: START,
            hands_off_until: None,
        });
        Self {
            job,
            now: START,
            up: true,
            away: false,
            machine: Machine::Idle { installed: false },
            installed: false,
            lag: None,
            late_on: false,
            boot_slot: 0,
            task_slot: 0,
            armed: false,
            allowed: false,
            retries_left: 1,
            mishaps,
        }
    }

    pub(super) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.job.is_complete() {
            return moves;
        }
        self.runner_moves(&mut moves);
        self.machine_moves(&mut moves);
        self.people_moves(&mut moves);
        moves
    }

    fn runner_moves(&self, moves: &mut Vec<Move>) {
        let left = &self.mishaps;
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
        let command = match self.job.next(self.now) {
            _ if *self.job.phase() == Phase::Queued => return moves.push(Move::Run),
            Next::Do(command) => command,
            Next::Record(_) => return moves.push(Move::Run),
            Next::Wait { .. } => return moves.push(Move::Time),
            Next::Done => return,
        };
        moves.push(Move::Run);
        if left.crashes > 0 {
            moves.extend([Move::CrashBefore, Move::CrashAfter]);
        }
        if left.lost > 0 {
            moves.extend([Move::LostBefore, Move::LostAfter]);
            if matches!(command, Command::PowerOn { .. }) {
                moves.push(Move::LostLate);
            }
        }
        if left.refusals > 0 {
            moves.extend([Fate::Transient, Fate::Permanent, Fate::Operator].map(Move::Refused));
        }
    }

    fn machine_moves(&self, moves: &mut Vec<Move>) {
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
        if self.mishaps.power_losses > 0 && self.machine != Machine::Off {
            moves.push(Move::PowerLoss);
        }
    }

    fn people_moves(&self, moves: &mut Vec<Move>) {
        if !self.up {
            return;
        }
        if matches!(self.job.phase(), Phase::Held { .. }) {
            moves.extend([Decision::Failed, Decision::Succeeded].map(Move::Decide));
            if self.retries_left > 0 {
                moves.push(Move::Decide(Decision::Retry));
            }
        }
        if self.mishaps.stops > 0 {
            moves.extend([false, true].map(|force| Move::Stop { stop: StopAs::Cancelled, force }));
            moves.push(Move::Stop { stop: StopAs::Failed, force: false });
        }
        if self.mishaps.reports > 0 {
            for attempt in 1..=self.job.attempt() {
                moves.extend([true, false].map(|success| Move::Report { attempt, success }));
            }
        }
        if self.mishaps.clock_steps > 0 {
            moves.extend([Move::ClockStep(3_600_000), Move::ClockStep(-600_000)]);
        }
    }

    /// Makes a move. Panics when it breaks a promise.
    pub(super) fn make(&self, step: Move, setting: &Setting) -> Self {
        let mut world = self.clone();
        let left = &mut world.mishaps;
        match step {
            Move::Run => world.run(setting, None),
            Move::LostBefore | Move::LostAfter | Move::LostLate => {
                left.lost -= 1;
                world.run(setting, Some(step));
            }
            Move::Refused(_) => {
                left.refusals -= 1;
                world.run(setting, Some(step));
            }
            Move::CrashBefore | Move::CrashAfter => {
                left.crashes -= 1;
                world.run(setting, Some(step));
                world.die();
            }
            Move::CrashIdle => {
                left.crashes -= 1;
                world.die();
            }
            Move::Restart => world.restart(),
            Move::Time => world.pass_time(setting),
            Move::MachineGoesOn { success } => world.machine_goes_on(setting, success),
            Move::PowerLoss => {
                left.power_losses -= 1;
                world.machine = Machine::Off;
                world.lag = None;
            }
            Move::LateOn => {
                world.late_on = false;
                world.switch_on(setting);
            }
            Move::Stop { stop, force } => {
                left.stops -= 1;
                world.allowed |= force;
                world.fold(&Event::StopRequested { stop, force });
            }
            Move::Decide(decision) => {
                if decision == Decision::Retry {
                    world.retries_left -= 1;
                    world.allowed = true;
                }
                world.fold(&Event::Decided { decision });
            }
            Move::Report { attempt, success } => {
                left.reports -= 1;
                world.fold(&Event::Reported { attempt, report: report(success) });
            }
            Move::ClockStep(delta) => {
                left.clock_steps -= 1;
                world.step_clock(delta);
            }
        }
        world.check_complete();
        world
    }

    fn fold(&mut self, event: &Event) -> bool {
        let Some(job) = self.job.apply(event, self.now).changed() else { return false };
        if let Some(first) = self.job.outcome() {
            assert_eq!(Some(first), job.outcome(), "the first outcome did not win");
        }
        self.job = job;
        true
    }

    fn run(&mut self, setting: &Setting, mishap: Option<Move>) {
        if *self.job.phase() == Phase::Queued {
            self.fold(&Event::Claimed);
            return;
        }
        let command = match self.job.next(self.now) {
            Next::Record(event) => {
                assert!(self.fold(&event), "next asked for {event:?}, apply ignored it");
                return;
            }
            Next::Do(command) => command,
            Next::Wait { .. } | Next::Done => unreachable!("not runnable"),
        };
        if mishap == Some(Move::CrashBefore) {
            if command.is_fenced() {
                self.fold(&Event::Intended { seq: self.job.seq() });
            }
            return;
        }
        if command.is_fenced() {
            assert!(self.fold(&Event::Intended { seq: self.job.seq() }), "the intent was refused");
        }
        let seq = self.job.seq();
        let verdict = match mishap {
            Some(Move::LostBefore) => lost(),
            Some(Move::LostLate) => {
                self.late_on = true;
                lost()
            }
            Some(Move::LostAfter) => {
                self.perform(command, setting);
                lost()
            }
            Some(Move::CrashAfter) => {
                self.perform(command, setting);
                return;
            }
            Some(Move::Refused(fate)) => Verdict::Refused {
                fault: match fate {
                    Fate::Transient => Fault::transient("busy"),
                    Fate::Permanent => Fault::permanent("no"),
                    Fate::Operator => Fault::operator("ask"),
                },
            },
            _ => Verdict::Done { seen: self.perform(command, setting) },
        };
        self.fold(&Event::Answered { seq, command, verdict });
    }

    fn perform(&mut self, command: Command, setting: &Setting) -> Seen {
        match command {
            Command::ReadBmc => {
                return Seen::Bmc {
                    media: MediaPlan {
                        class: MediaClass::TwoCd,
                        boot_slot: "1".into(),
                        task_slot: Some("2".into()),
                        prefetches: false,
                        settle: SETTLE,
                        notes: Vec::new(),
                    },
                };
            }
            Command::BuildMedium => {
                return Seen::Medium { bytes: 1, sha256: "00".into() };
            }
            Command::EnsureOff { .. } => self.cut_power(),
            Command::EnsureEjected { .. } => (self.boot_slot, self.task_slot) = (0, 0),
            Command::EnsureTaskInserted => self.task_slot = self.job.attempt(),
            Command::EnsureBootInserted => {
                self.boot_slot = self.job.attempt();
                if setting.prefetches && !setting.external {
                    for milestone in
                        [Milestone::Opened, Milestone::BootImageRead, Milestone::OsLoading]
                    {
                        let attempt = self.job.attempt();
                        self.fold(&Event::MediaRead { attempt, milestone });
                    }
                }
            }
            Command::EnsureBootOnce => self.armed = true,
            Command::EnsureOverrideOff { .. } => self.armed = false,
            Command::PowerOn { purpose } => {
                if purpose == Purpose::Install {
                    assert!(
                        self.boot_slot != 0 && self.task_slot != 0,
                        "switched on without media"
                    );
                }
                self.switch_on(setting);
            }
            Command::Look => {
                let on = self.machine != Machine::Off;
                let told =
                    self.lag.filter(|(_, until)| self.now < *until).map_or(on, |(old, _)| old);
                let power = if told { Power::On } else { Power::Off };
                return Seen::Machine { sight: Sight::of(power) };
            }
        }
        Seen::Nothing
    }

    fn cut_power(&mut self) {
        let ruins = matches!(self.machine, Machine::Live { .. } | Machine::Done { .. })
            || self.machine == Machine::Post { medium: true };
        if ruins && self.job.outcome().is_none() && !self.allowed {
            panic!("power cut into a live install without an outcome");
        }
        self.machine = Machine::Off;
        self.lag = None;
        self.late_on = false;
        if self.job.outcome().is_none() {
            self.allowed = false;
        }
    }

    fn switch_on(&mut self, setting: &Setting) {
        if self.machine != Machine::Off {
            return;
        }
        let medium = self.armed && self.boot_slot != 0;
        if !setting.sticky_override {
            self.armed = false;
        }
        self.machine = Machine::Post { medium };
        let lag =
            if setting.lag_beyond_settle { SETTLE * 20 } else { SETTLE - Duration::from_millis(1) };
        self.lag = Some((false, self.now + lag));
    }

    fn machine_goes_on(&mut self, setting: &Setting, success: bool) {
        let ours = !setting.external && !setting.prefetches;
        self.machine = match self.machine {
            Machine::Post { medium: true } => {
                let again = self.job.evidence().milestones.contains_key(&Milestone::BootImageRead);
                let milestone = if again { Milestone::BootAgain } else { Milestone::BootImageRead };
                match self.read(self.boot_slot, milestone, ours) {
                    Some(true) => Machine::Live { read: false },
                    Some(false) => Machine::Idle { installed: self.installed },
                    None => return,
                }
            }
            Machine::Post { medium: false } => Machine::Idle { installed: self.installed },
            Machine::Live { read: false } => {
                let served = self.read(self.task_slot, Milestone::TaskRead, ours);
                if served == Some(true) {
                    self.read(self.boot_slot, Milestone::Payload, ours);
                }
                match served {
                    Some(true) => Machine::Live { read: true },
                    Some(false) => Machine::Idle { installed: false },
                    None => return,
                }
            }
            Machine::Live { read: true } if setting.workflow == Workflow::Esxi => {
                self.installed = true;
                match setting.installer_end {
                    InstallerEnd::PowerOff => Machine::Off,
                    InstallerEnd::Restart => {
                        Machine::Post { medium: self.armed && self.boot_slot != 0 }
                    }
                }
            }
            Machine::Live { read: true } => Machine::Done { success },
            Machine::Done { success } => {
                if !self.up {
                    return;
                }
                self.installed = success;
                // The task medium that was booted carries the token of its own attempt.
                let attempt = self.task_slot;
                if attempt != 0 {
                    self.fold(&Event::Reported { attempt, report: report(success) });
                }
                Machine::Idle { installed: success }
            }
            Machine::Off | Machine::Idle { .. } => return,
        };
    }

    /// Whether bytes that prove `milestone` were served; none while nobody is there to serve them.
    fn read(&mut self, attempt: u32, milestone: Milestone, ours: bool) -> Option<bool> {
        if attempt == 0 {
            return Some(false);
        }
        if !ours {
            return Some(true);
        }
        if !self.up {
            return None;
        }
        let event = Event::MediaRead { attempt, milestone };
        let stored = self.fold(&event);
        let duplicate = attempt == self.job.attempt()
            && self.job.media_open()
            && self.job.evidence().milestones.contains_key(&milestone);
        Some(stored || duplicate)
    }

    fn die(&mut self) {
        self.up = false;
    }

    fn restart(&mut self) {
        self.up = true;
        let gap = if std::mem::take(&mut self.away) { ABSENCE } else { Duration::ZERO };
        self.now = self.now + gap;
        self.fold(&Event::Resumed { gap });
    }

    fn pass_time(&mut self, setting: &Setting) {
        if std::mem::take(&mut self.late_on) {
            self.switch_on(setting);
        }
        if !self.up {
            self.away = true;
            self.lag = None;
            return;
        }
        let Next::Wait { until: Some(until), .. } = self.job.next(self.now) else {
            // Somebody waits for a person: time alone changes nothing more.
            return;
        };
        let mut at = self.now;
        while at < until {
            at = at + TICK;
        }
        self.now = at;
    }

    fn step_clock(&mut self, delta: i64) {
        self.now = self.now.stepped(delta);
        if let Some((_, until)) = &mut self.lag {
            *until = until.stepped(delta);
        }
        self.fold(&Event::ClockStepped { delta });
    }

    fn check_complete(&self) {
        if !self.job.is_complete() {
            return;
        }
        let left = self.job.warnings().contains(&crate::Warning::MediaLeft);
        let empty = self.boot_slot == 0 && self.task_slot == 0;
        assert!(empty || left, "complete with a medium in a slot and no word about it");
    }

    /// The world with everything removed that no future step can depend on.
    pub(super) fn normal(&self) -> Self {
        let mut world = self.clone();
        let now = self.now;
        let relative = |time: Time| {
            let behind = now.since(time).min(TICK * 4);
            let ahead = time.since(now).min(TICK * 100).as_millis().div_ceil(TICK.as_millis());
            let early =
                Time::from_millis(START.as_millis() - u64::try_from(behind.as_millis()).unwrap());
            early + TICK * u32::try_from(ahead).unwrap()
        };
        world.job.normalise(&relative);
        world.now = START;
        world.lag =
            world.lag.filter(|(_, until)| *until > now).map(|(on, until)| (on, relative(until)));
        world
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.job.phase(), Phase::Held { .. })
    }
}

fn lost() -> Verdict {
    Verdict::Unknown { detail: "no answer".into() }
}

fn report(success: bool) -> Report {
    if success {
        Report::Success
    } else {
        Report::Failed { step: StepKey::WorkflowPartition, unit: None, message: None }
    }
}
