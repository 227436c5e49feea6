//! The controller's side of the world: the runner, its deaths and restarts, time, and what people
//! and the machine tell it.

use std::{rc::Rc, time::Duration};

use super::world::{Fate, Harm, Made, Move, Setting, TICK, World};
use crate::{Command, Decision, Event, Fault, Next, Phase, Report, StepKey, StopAs, Verdict};

/// How long the controller may be away.
const ABSENCE: Duration = Duration::from_secs(200);

impl World {
    /// Folds an event into the job, as every writer does; says whether it changed the job.
    pub(super) fn fold(&mut self, event: &Event) -> Made<bool> {
        let Some(job) = self.job.apply(event, self.now).changed() else { return Ok(false) };
        if self.job.outcome().is_some() && self.job.outcome() != job.outcome() {
            return Err(Harm("the first outcome did not win"));
        }
        self.job = Rc::new(job);
        Ok(true)
    }

    /// One round of the runner, with the mishap the move names.
    pub(super) fn run(&mut self, setting: Setting, step: Move) -> Made {
        if step == Move::CrashIdle {
            self.up = false;
            return Ok(());
        }
        if *self.job.phase() == Phase::Queued {
            self.fold(&Event::Claimed)?;
            return Ok(());
        }
        match self.job.next(self.now) {
            Next::Record(event) if self.fold(&event)? => Ok(()),
            Next::Record(_) => Err(Harm("apply ignored what next asked to record")),
            Next::Do(command) => self.run_command(command, setting, step),
            Next::Wait { .. } | Next::Done => unreachable!("no move of this world"),
        }
    }

    fn run_command(&mut self, command: Command, setting: Setting, step: Move) -> Made {
        if command.is_fenced() && !self.fold(&Event::Intended { seq: self.job.seq() })? {
            return Err(Harm("the intent was refused"));
        }
        let seq = self.job.seq();
        let lost = Verdict::Unknown { detail: String::new() };
        let verdict = match step {
            Move::CrashBefore => {
                self.up = false;
                return Ok(());
            }
            Move::CrashAfter => {
                self.perform(command, setting)?;
                self.up = false;
                return Ok(());
            }
            Move::LostBefore => lost,
            Move::LostLate => {
                self.late_on = true;
                lost
            }
            Move::LostAfter => {
                self.perform(command, setting)?;
                lost
            }
            Move::Refused(fate) => Verdict::Refused {
                fault: match fate {
                    Fate::Transient => Fault::transient("busy"),
                    Fate::Permanent => Fault::permanent("no"),
                    Fate::Operator => Fault::operator("ask"),
                },
            },
            Move::Run => Verdict::Done { seen: self.perform(command, setting)? },
            Move::CrashIdle
            | Move::Restart
            | Move::Time
            | Move::MachineGoesOn { .. }
            | Move::PowerLoss
            | Move::PowerReturn
            | Move::LateOn
            | Move::Stop { .. }
            | Move::Decide(_)
            | Move::Report { .. }
            | Move::ClockStep(_) => unreachable!("no move of a runner"),
        };
        self.fold(&Event::Answered { seq, command, verdict })?;
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Made {
        self.up = true;
        let gap = if std::mem::take(&mut self.away) { ABSENCE } else { Duration::ZERO };
        self.now = self.now + gap;
        self.fold(&Event::Resumed { gap })?;
        Ok(())
    }

    pub(super) fn pass_time(&mut self, setting: Setting) {
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
        while self.now < until {
            self.now = self.now + TICK;
        }
    }

    pub(super) fn step_clock(&mut self, delta: i64) -> Made {
        self.now = self.now.stepped(delta);
        if let Some((_, until)) = &mut self.lag {
            *until = until.stepped(delta);
        }
        self.fold(&Event::ClockStepped { delta })?;
        Ok(())
    }

    pub(super) fn stop(&mut self, stop: StopAs, force: bool) -> Made {
        self.allowed |= force;
        self.fold(&Event::StopRequested { stop, force })?;
        Ok(())
    }

    pub(super) fn decide(&mut self, decision: Decision) -> Made {
        self.allowed = true;
        self.retries_left -= u8::from(decision == Decision::Retry);
        self.fold(&Event::Decided { decision })?;
        Ok(())
    }

    pub(super) fn hear(&mut self, attempt: u32, success: bool) -> Made {
        let report = if success {
            Report::Success
        } else {
            Report::Failed { step: StepKey::WorkflowPartition, unit: None, message: None }
        };
        self.allowed |= self.fold(&Event::Reported { attempt, report })?;
        Ok(())
    }
}
