//! What a job will do at its BMC from where it stands. Operators hear it in the answer to what they
//! ask, before any of it is done. Nothing here knows what a phase does: the job is led on by the very
//! functions that lead it in earnest, with a BMC that does all it is told.

use std::{fmt, time::Duration};

use crate::{
    command::Command,
    event::{Event, Power, Seen, Sight, Verdict},
    job::Job,
    next::Next,
    plan::{MediaClass, MediaPlan},
    time::Time,
    waiting::WaitingFor,
};

/// More steps than any job takes between two waits.
const MOST: usize = 64;

/// What a job will do at its BMC if nobody says anything more and the BMC does all it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// In this order. What is done elsewhere, such as building a medium, is left out.
    pub commands: Vec<Command>,
    /// What it waits for afterwards, for a machine or a person; none when it is complete then.
    pub then: Option<WaitingFor>,
}

impl Job {
    /// What the job will do at its BMC from `now` on. Total: every stored job has an answer.
    pub fn ahead(&self, now: Time) -> Ahead {
        let (mut job, mut now) = (self.clone(), now);
        let mut commands = Vec::new();
        for _ in 0..MOST {
            let next = job.next(now);
            let led_on = match &next {
                Next::Done => return Ahead { commands, then: None },
                Next::Record(event) => job.apply(event, now).changed(),
                Next::Do(Command::Look) | Next::Wait { .. } if job.position.is_await() => {
                    // The rest is the machine's, but for a boot that is still armed.
                    let Some(at) = job.disarms_at(now) else { break };
                    now = at;
                    continue;
                }
                Next::Do(command) => {
                    if *command != Command::BuildMedium {
                        commands.push(*command);
                    }
                    job.obeyed(*command, now)
                }
                Next::Wait { waiting_for: WaitingFor::Worker, .. } => {
                    job.apply(&Event::Claimed, now).changed()
                }
                Next::Wait { until: Some(until), .. } => {
                    now = *until;
                    continue;
                }
                Next::Wait { until: None, .. } => None,
            };
            let Some(led_on) = led_on else { break };
            job = led_on;
        }
        Ahead { commands, then: job.waiting_for(now) }
    }

    /// The job after its BMC did what it was told.
    fn obeyed(&self, command: Command, now: Time) -> Option<Self> {
        let intended = Event::Intended { seq: self.seq };
        let job =
            if command.is_fenced() { self.apply(&intended, now).changed()? } else { self.clone() };
        let seen = match command {
            Command::ReadBmc => Seen::Bmc { media: self.media.clone().unwrap_or_else(two_slots) },
            Command::BuildMedium => Seen::Medium { bytes: 0, sha256: String::new() },
            Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
            Command::EnsureOff { .. }
            | Command::EnsureEjected { .. }
            | Command::EnsureTaskInserted
            | Command::EnsureBootInserted
            | Command::EnsureBootOnce
            | Command::EnsureOverrideOff { .. }
            | Command::PowerOn { .. } => Seen::Nothing,
        };
        let answered = Event::Answered { seq: job.seq, command, verdict: Verdict::Done { seen } };
        job.apply(&answered, now).changed()
    }
}

/// What most BMCs have, for one that was not read yet.
fn two_slots() -> MediaPlan {
    MediaPlan {
        class: MediaClass::TwoCd,
        boot_slot: String::new(),
        task_slot: Some(String::new()),
        spare_slots: Vec::new(),
        prefetches: false,
        settle: Duration::ZERO,
        notes: Vec::new(),
        carried_by: String::new(),
    }
}

impl Ahead {
    /// How the machine's power is left by what is done; none where it is not touched.
    pub fn power(&self) -> Option<Power> {
        self.commands.iter().rev().find_map(|command| match command {
            Command::PowerOn { .. } => Some(Power::On),
            Command::EnsureOff { .. } => Some(Power::Off),
            Command::ReadBmc
            | Command::BuildMedium
            | Command::EnsureEjected { .. }
            | Command::EnsureTaskInserted
            | Command::EnsureBootInserted
            | Command::EnsureBootOnce
            | Command::EnsureOverrideOff { .. }
            | Command::Look => None,
        })
    }
}

/// Completes "at its BMC the job will do this:".
impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deeds: Vec<_> = self.commands.iter().map(|command| says(*command)).collect();
        f.write_str(if deeds.is_empty() { "nothing" } else { "" })?;
        f.write_str(&deeds.join(", "))?;
        match (&self.then, self.power()) {
            (Some(waiting_for), _) => write!(f, "; then it waits for {waiting_for}"),
            (None, _) if deeds.is_empty() => Ok(()),
            (None, Some(Power::On)) => f.write_str("; the machine stays on"),
            (None, Some(Power::Off)) => f.write_str("; the machine stays off"),
            (None, Some(Power::Unclear) | None) => f.write_str("; power is left as it is"),
        }
    }
}

fn says(command: Command) -> &'static str {
    match command {
        Command::ReadBmc => "read what the BMC has",
        Command::BuildMedium => "build the task medium",
        Command::EnsureOff { .. } => "switch the machine off",
        Command::EnsureEjected { .. } => "eject the media",
        Command::EnsureTaskInserted => "insert the task medium",
        Command::EnsureBootInserted => "insert the boot medium",
        Command::EnsureBootOnce => "arm the one-time boot",
        Command::EnsureOverrideOff { .. } => "disarm the one-time boot",
        Command::Look => "look whether the machine is on",
        Command::PowerOn { .. } => "switch the machine on",
    }
}
