//! When two worlds are the same: a digest of all that a future step can depend on.
//!
//! Records are taken apart field by field, so that a new field does not compile before somebody
//! has decided whether it counts. Points in time count relative to now, and only as far as any
//! budget of this world reaches.

use std::time::Duration;

use super::{
    machine::Machine,
    world::{TICK, World},
};
use crate::{
    Evidence, Hold, Intent, Job, MediaPlan, Milestone, Outcome, Phase, StopAs, Time, Watch,
    job::Times,
};

/// No wait of this world looks further back than this; see its budgets.
const PAST: Duration = TICK.saturating_mul(2);
/// Nor further ahead, but for the bound on all of provisioning, which is never reached.
const FUTURE: Duration = TICK.saturating_mul(100);

/// A digest being made: 128 bits, so that two different worlds do not share one.
struct Key {
    digest: u128,
    now: Time,
}

impl World {
    pub(super) fn key(&self) -> u128 {
        let Self { job, now, up, away, machine, installed, lag, late_on, .. } = self;
        let Self { boot_slot, task_slot, armed, allowed, retries_left, .. } = self;
        let mut key = Key { digest: 0, now: *now };
        for flag in [*up, *away, *installed, *late_on, *armed, *allowed] {
            key.add(u64::from(flag));
        }
        key.add(u64::from(*boot_slot));
        key.add(u64::from(*task_slot));
        key.add(u64::from(*retries_left));
        key.add(match machine {
            Machine::Off => 0,
            Machine::Post { medium } => 2 + u64::from(*medium),
            Machine::Live { read } => 4 + u64::from(*read),
            Machine::Done { success } => 6 + u64::from(*success),
            Machine::Idle { installed } => 8 + u64::from(*installed),
        });
        key.add_pending(lag.map(|(_, until)| until));
        key.add(lag.map_or(0, |(on, _)| u64::from(on)));
        key.add_job(job);
        key.digest
    }
}

impl Key {
    fn add(&mut self, value: u64) {
        const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mixed = (self.digest ^ u128::from(value) ^ (1 << 100)).wrapping_mul(FACTOR);
        self.digest = mixed ^ (mixed >> 67);
    }

    /// A point in time something is measured from. All that lie far back are alike.
    fn add_since(&mut self, at: Option<Time>) {
        self.add(at.map_or(0, |at| 1 + millis(self.now.since(at).min(PAST))));
    }

    /// A point in time something waits for. Once it is over, it is as if it had never been set.
    /// Nobody looks between two ticks, so it counts from the tick that follows it.
    fn add_pending(&mut self, at: Option<Time>) {
        let ahead = at.map_or(Duration::ZERO, |at| at.since(self.now).min(FUTURE));
        self.add(millis(ahead).div_ceil(millis(TICK)));
    }

    /// A point in time that has consequences once it is over.
    fn add_due(&mut self, at: Option<Time>) {
        self.add(u64::from(at.is_some()));
        self.add_pending(at);
    }

    fn add_job(&mut self, job: &Job) {
        // Left out: what never changes here, what is only told to people, and the sequence, for
        // no answer comes late in a world that has one runner.
        let Job { schema: _, id: _, serial: _, plan: _, medium: _, progress: _, seq: _, .. } = job;
        let Job { position, outcome, warnings, attempt, media, evidence, .. } = job;
        let Job { tries, fault: _, stop, touched, powered, ended_off, times, .. } = job;
        self.add_phase(position);
        self.add(outcome.as_ref().map_or(0, |Outcome { kind, .. }| 1 + *kind as u64));
        self.add(warnings.iter().fold(0, |bits, warning| bits | 1 << *warning as u64));
        self.add(u64::from(*attempt));
        self.add(
            media.as_ref().map_or(0, |MediaPlan { prefetches, .. }| 1 + u64::from(*prefetches)),
        );
        let Evidence { milestones, moved_at, unasked } = evidence;
        self.add(u64::from(*unasked));
        let seen = |milestone: &Milestone| milestones.contains_key(milestone);
        for milestone in &Milestone::ALL {
            self.add(u64::from(seen(milestone)));
        }
        self.add(u64::from(*tries));
        self.add(match stop {
            None => 0,
            Some(StopAs::Cancelled) => 1,
            Some(StopAs::Failed) => 2,
        });
        for flag in [*touched, *powered, *ended_off] {
            self.add(u64::from(flag));
        }
        self.add_times(times);
        // How long a machine has been quiet matters only while it is waited for.
        let quiet_since = moved_at.map_or(times.phase_since, |moved| moved.max(times.phase_since));
        self.add_since(position.is_await().then_some(quiet_since));
    }

    fn add_times(&mut self, times: &Times) {
        let Times { created: _, claimed: _, progressed: _, delivered: _, completed: _, .. } = times;
        let Times { phase_since: _, stuck_at: _, hands_off_until, deadline, .. } = times;
        let Times { provisioning_deadline, retry_at, quiet_until, .. } = times;
        self.add_due(*deadline);
        self.add_due(*provisioning_deadline);
        self.add_pending(*hands_off_until);
        self.add_pending(*retry_at);
        self.add_pending(*quiet_until);
    }

    fn add_intent(&mut self, intent: Option<&Intent>) {
        self.add(u64::from(intent.is_some()));
        self.add_since(intent.and_then(|Intent { at: _, off_since }| *off_since));
    }

    fn add_watch(&mut self, watch: &Watch) {
        let Watch { looked_at, off_since, override_off, baseline } = watch;
        self.add_since(*looked_at);
        self.add_since(*off_since);
        self.add(u64::from(*override_off));
        // The BMC of this world tells nothing but power, so baselines differ in no other way.
        self.add(u64::from(baseline.is_some()));
    }

    fn add_phase(&mut self, phase: &Phase) {
        for byte in phase.name().bytes() {
            self.add(u64::from(byte));
        }
        match phase {
            Phase::PowerOn { intent } | Phase::Deliver { intent } => {
                self.add_intent(intent.as_ref());
            }
            Phase::AwaitBoot { watch }
            | Phase::AwaitReport { watch }
            | Phase::AwaitFlash { watch } => self.add_watch(watch),
            Phase::AwaitInstaller { watch, restarted, on_since } => {
                self.add_watch(watch);
                self.add(u64::from(restarted.is_some()));
                self.add_since(*on_since);
            }
            Phase::Settle { until } => self.add_due(Some(*until)),
            Phase::Held { reason, back_to, eject } => {
                self.add(Hold::ALL.iter().position(|hold| hold == reason).unwrap() as u64);
                self.add(u64::from(*eject));
                if let Some(phase) = back_to {
                    self.add_phase(phase);
                }
            }
            Phase::Queued
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
            | Phase::Complete => {}
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}
