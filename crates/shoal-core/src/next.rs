//! What to do now, from the stored job alone.

use crate::{
    command::{Cleaning, Command, Purpose},
    event::{Event, Milestone},
    job::Job,
    phase::{Phase, Watch},
    time::Time,
    waiting::WaitingFor,
};

/// What a job needs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Perform this, then apply [`Event::Answered`] with the job's [`Job::seq`].
    ///
    /// A fenced command needs [`Event::Intended`] applied and stored first.
    Do(Command),
    /// Apply this: a fact that follows from time alone.
    Record(Event),
    /// Nothing before `until`, or before another event.
    Wait {
        /// When to ask again at the latest.
        until: Option<Time>,
        /// What for.
        waiting_for: WaitingFor,
    },
    /// Nothing, ever.
    Done,
}

impl Job {
    /// What to do at `now`. Total: every stored job has an answer.
    pub fn next(&self, now: Time) -> Next {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return Next::Record(Event::DeadlinePassed { seq: self.seq });
        }
        match &self.position {
            Phase::Queued => match self.times.hands_off_until.filter(|until| *until > now) {
                Some(until) => wait_until(until, WaitingFor::FirstBoot { until }),
                None => Next::Wait { until: None, waiting_for: WaitingFor::Worker },
            },
            Phase::Discover => self.ensure(Command::ReadBmc, now),
            Phase::Build => self.ensure(Command::BuildMedium, now),
            Phase::PowerOff => self.ensure(Command::EnsureOff { cleaning: Cleaning::Before }, now),
            Phase::ClearMedia | Phase::Held { eject: true, .. } => {
                self.ensure(Command::EnsureEjected { cleaning: Cleaning::Before }, now)
            }
            Phase::InsertTask => self.ensure(Command::EnsureTaskInserted, now),
            Phase::InsertBoot => self.ensure(Command::EnsureBootInserted, now),
            Phase::BootOnce => self.ensure(Command::EnsureBootOnce, now),
            Phase::PowerOn { intent: None } => {
                self.ensure(Command::PowerOn { purpose: Purpose::Install }, now)
            }
            Phase::Deliver { intent: None } => {
                self.ensure(Command::PowerOn { purpose: Purpose::Deliver }, now)
            }
            Phase::PowerOn { intent: Some(_) } | Phase::Deliver { intent: Some(_) } => {
                match self.times.retry_at.filter(|at| *at > now) {
                    Some(at) => self.wait(at, WaitingFor::PowerState),
                    None => Next::Do(Command::Look),
                }
            }
            Phase::AwaitBoot { watch } => self.watch(watch, WaitingFor::Boot, now),
            Phase::AwaitReport { watch } => self.watch(watch, WaitingFor::Report, now),
            Phase::AwaitFlash { watch } => self.watch(watch, WaitingFor::Flash, now),
            Phase::AwaitInstaller { watch, restarted, .. } => {
                self.watch(watch, self.installer_step(*restarted), now)
            }
            Phase::Settle { until } if now >= *until => {
                Next::Record(Event::Elapsed { seq: self.seq })
            }
            Phase::Settle { until } => self.wait(*until, WaitingFor::Settle),
            Phase::CleanPower => self.ensure(Command::EnsureOff { cleaning: Cleaning::After }, now),
            Phase::CleanMedia => {
                self.ensure(Command::EnsureEjected { cleaning: Cleaning::After }, now)
            }
            Phase::CleanOverride => {
                self.ensure(Command::EnsureOverrideOff { cleaning: Cleaning::After }, now)
            }
            Phase::Held { reason, .. } => {
                Next::Wait { until: None, waiting_for: WaitingFor::Decision(*reason) }
            }
            Phase::Complete => Next::Done,
        }
    }

    /// The named condition the job waits for at `now`; none while it works or is done. A look is
    /// only how a wait is spent.
    pub fn waiting_for(&self, now: Time) -> Option<WaitingFor> {
        match self.next(now) {
            Next::Wait { waiting_for, .. } => Some(waiting_for),
            Next::Do(_) | Next::Record(_) | Next::Done => self.awaited(),
        }
    }

    /// What the job waits for in its phase, whatever it does meanwhile.
    fn awaited(&self) -> Option<WaitingFor> {
        Some(match &self.position {
            Phase::PowerOn { intent: Some(_) } | Phase::Deliver { intent: Some(_) } => {
                WaitingFor::PowerState
            }
            Phase::AwaitBoot { .. } => WaitingFor::Boot,
            Phase::AwaitReport { .. } => WaitingFor::Report,
            Phase::AwaitFlash { .. } => WaitingFor::Flash,
            Phase::AwaitInstaller { restarted, .. } => self.installer_step(*restarted),
            Phase::Settle { .. } => WaitingFor::Settle,
            Phase::Held { reason, .. } => WaitingFor::Decision(*reason),
            Phase::Queued
            | Phase::Discover
            | Phase::Build
            | Phase::PowerOff
            | Phase::ClearMedia
            | Phase::InsertTask
            | Phase::InsertBoot
            | Phase::BootOnce
            | Phase::PowerOn { intent: None }
            | Phase::CleanPower
            | Phase::CleanMedia
            | Phase::CleanOverride
            | Phase::Deliver { intent: None }
            | Phase::Complete => return None,
        })
    }

    /// What an installer that reports nothing has to do next.
    fn installer_step(&self, restarted: Option<Time>) -> WaitingFor {
        match restarted {
            Some(_) => WaitingFor::InstallerStable,
            None if self.installer_read_all() => WaitingFor::InstallerRestart,
            None => WaitingFor::InstallerReads,
        }
    }

    /// Whether an installer that reports nothing has read all it needs.
    pub(crate) fn installer_read_all(&self) -> bool {
        self.reads_are_the_machine_s()
            && self.saw(Milestone::TaskRead)
            && self.saw(Milestone::Payload)
    }

    /// The command, unless it failed a moment ago.
    fn ensure(&self, command: Command, now: Time) -> Next {
        match self.times.retry_at.filter(|at| *at > now) {
            Some(at) => self.wait(at, WaitingFor::Retry { because: self.because() }),
            None => Next::Do(command),
        }
    }

    /// A wait which a deadline may end.
    fn wait(&self, at: Time, waiting_for: WaitingFor) -> Next {
        wait_until(self.deadline().map_or(at, |deadline| deadline.min(at)), waiting_for)
    }

    fn because(&self) -> String {
        self.fault.as_ref().map_or_else(|| "the answer was lost".to_owned(), |f| f.summary.clone())
    }

    /// Waits for a machine: disarms the one-time boot once it has booted, then looks now and then.
    fn watch(&self, watch: &Watch, waiting_for: WaitingFor, now: Time) -> Next {
        let retry_at = self.times.retry_at.filter(|at| *at > now);
        if !watch.override_off && self.booted() && retry_at.is_none() {
            return Next::Do(Command::EnsureOverrideOff { cleaning: Cleaning::Before });
        }
        let look_at = retry_at.unwrap_or(now).max(self.look_due(watch));
        if look_at <= now {
            return Next::Do(Command::Look);
        }
        let until = if watch.override_off || !self.booted() {
            look_at
        } else {
            retry_at.unwrap_or(look_at)
        };
        self.wait(until, waiting_for)
    }

    /// When the one-time boot of a machine that is waited for is disarmed after a try that failed;
    /// none where it is not armed, or where the deadline comes first.
    pub(crate) fn disarms_at(&self, now: Time) -> Option<Time> {
        let armed = self.position.watching().is_some_and(|watch| !watch.override_off);
        let at = self.times.retry_at.filter(|at| *at > now && armed && self.booted())?;
        self.deadline().is_none_or(|deadline| at < deadline).then_some(at)
    }

    /// When the BMC is to be asked how the machine is.
    ///
    /// A quiet machine is looked at after [`Budgets::quiet`](crate::Budgets), then every `look`.
    /// What was begun (an Off to confirm, an installer's restart to see) is followed closely.
    fn look_due(&self, watch: &Watch) -> Time {
        let budgets = &self.plan.budgets;
        let installer_ends =
            matches!(self.position, Phase::AwaitInstaller { .. }) && self.installer_read_all();
        let Some(looked_at) = watch.looked_at else {
            return if installer_ends {
                self.times.phase_since
            } else {
                self.quiet_since() + budgets.quiet
            };
        };
        if watch.off_since.is_some() {
            return looked_at + budgets.off_confirm.min(budgets.look);
        }
        if installer_ends {
            return looked_at + (budgets.stable_on / 3).min(budgets.look);
        }
        (looked_at + budgets.look).max(self.quiet_since() + budgets.quiet)
    }

    fn quiet_since(&self) -> Time {
        self.evidence
            .moved_at
            .map_or(self.times.phase_since, |moved| moved.max(self.times.phase_since))
    }
}

impl Phase {
    /// Whether the job waits for its machine rather than working on its BMC.
    pub(crate) const fn is_await(&self) -> bool {
        self.watching().is_some()
    }

    /// What was seen of the machine that is waited for.
    const fn watching(&self) -> Option<&Watch> {
        match self {
            Self::AwaitBoot { watch }
            | Self::AwaitReport { watch }
            | Self::AwaitFlash { watch }
            | Self::AwaitInstaller { watch, .. } => Some(watch),
            Self::Queued
            | Self::Discover
            | Self::Build
            | Self::PowerOff
            | Self::ClearMedia
            | Self::InsertTask
            | Self::InsertBoot
            | Self::BootOnce
            | Self::PowerOn { .. }
            | Self::Settle { .. }
            | Self::CleanPower
            | Self::CleanMedia
            | Self::CleanOverride
            | Self::Deliver { .. }
            | Self::Held { .. }
            | Self::Complete => None,
        }
    }
}

fn wait_until(at: Time, waiting_for: WaitingFor) -> Next {
    Next::Wait { until: Some(at), waiting_for }
}
