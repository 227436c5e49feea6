//! The hostile world: one machine behind a BMC, a controller, and all that may go wrong with them.

use std::{rc::Rc, time::Duration};

use crate::{
    Budgets, Decision, Job, NewJob, OnFailure, Phase, Plan, StopAs, Time, Workflow,
    plan::InstallerEnd,
};

use super::machine::Machine;

/// All time in this world passes in such steps: a timer may always be late, so nothing is lost by
/// it, and the number of different worlds stays small.
pub(super) const TICK: Duration = Duration::from_secs(4);
/// The BMC's power state may lag by less than this.
pub(super) const SETTLE: Duration = TICK;
const START: Time = Time::from_millis(1_000_000_000);

/// What is explored.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own; all combinations are worlds"
)]
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

/// A promise of the engine that a move broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Harm(pub(super) &'static str);

/// What a move comes to.
pub(super) type Made<T = ()> = Result<T, Harm>;

/// Everything that future moves can depend on, but for how many mishaps may still happen.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own; all combinations are worlds"
)]
pub(super) struct World {
    pub(super) job: Rc<Job>,
    pub(super) now: Time,
    pub(super) up: bool,
    /// Time passed while the controller was down.
    pub(super) away: bool,
    pub(super) machine: Machine,
    pub(super) installed: bool,
    /// What the BMC still says after a power change, and until when.
    pub(super) lag: Option<(bool, Time)>,
    /// A power-on was sent, its answer was lost, and the BMC will act on it before time passes.
    pub(super) late_on: bool,
    /// The attempts whose media are in the slots; zero for an empty slot.
    pub(super) boot_slot: u32,
    pub(super) task_slot: u32,
    pub(super) armed: bool,
    /// An operator's word or the machine's own report allowed the next power cut.
    pub(super) allowed: bool,
    pub(super) retries_left: u8,
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
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
            job: Rc::new(job),
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
        }
    }

    /// The world after a move, or the promise the engine broke in it.
    pub(super) fn make(&self, step: Move, setting: Setting) -> Made<Self> {
        let mut world = self.clone();
        match step {
            Move::Run
            | Move::LostBefore
            | Move::LostAfter
            | Move::LostLate
            | Move::Refused(_)
            | Move::CrashBefore
            | Move::CrashAfter
            | Move::CrashIdle => world.run(setting, step)?,
            Move::Restart => world.restart()?,
            Move::Time => world.pass_time(setting),
            Move::MachineGoesOn { success } => world.machine_goes_on(setting, success)?,
            Move::PowerLoss => world.lose_power(),
            Move::PowerReturn => world.switch_on(setting),
            Move::LateOn => {
                world.late_on = false;
                world.switch_on(setting);
            }
            Move::Stop { stop, force } => world.stop(stop, force)?,
            Move::Decide(decision) => world.decide(decision)?,
            Move::Report { attempt, success } => world.hear(attempt, success)?,
            Move::ClockStep(delta) => world.step_clock(delta)?,
        }
        world.check_complete()?;
        Ok(world)
    }

    fn check_complete(&self) -> Made {
        let left = self.job.warnings().contains(&crate::Warning::MediaLeft);
        let empty = self.boot_slot == 0 && self.task_slot == 0;
        if self.job.is_complete() && !empty && !left {
            return Err(Harm("complete with a medium in a slot and no word about it"));
        }
        Ok(())
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.job.phase(), Phase::Held { .. })
    }
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
    /// The same, but the command is refused.
    Refused(Fate),
    /// The controller dies after the intent was stored, before the command is sent.
    CrashBefore,
    /// The controller dies after the command took effect, before the answer is stored.
    CrashAfter,
    /// The controller dies before it does anything.
    CrashIdle,
    Restart,
    /// Nobody does anything until the next point in time somebody waits for.
    Time,
    MachineGoesOn {
        success: bool,
    },
    PowerLoss,
    /// Somebody at the machine, or its own settings, switch it on.
    PowerReturn,
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

/// Who can mend a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Transient,
    Permanent,
    Operator,
}
