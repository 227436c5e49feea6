//! One event of every kind that makes a difference, made for the job it is to happen to.

use std::time::Duration;

use shoal_core::{
    Activity, Cleaning, Command, Decision, Event, Fault, Milestone, Next, Phase, Power, Purpose,
    Report, Seen, Sight, StopAs, Time, Verdict,
};

use crate::drive::{Run, failure, lost, machine, refused, seen};

/// Longer than any power state lags and any Off must be confirmed.
const LATER: Duration = Duration::from_mins(2);

/// An event, and when it happens.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) at: Time,
    pub(crate) event: Event,
}

/// Every sample for a run, in the same order for all runs.
pub(crate) fn of(run: &Run) -> Vec<Sample> {
    let mut samples = answers(run);
    samples.extend(looks(run));
    samples.extend(tidings(run));
    samples.extend(time(run));
    samples.extend(people(run));
    samples
}

fn sample(name: &'static str, run: &Run, event: Event) -> Sample {
    Sample { name, at: run.now, event }
}

/// The command whose answer may come: the one under way, or else a look.
fn under_way(run: &Run) -> Command {
    match (run.job.phase(), run.next()) {
        (Phase::PowerOn { .. }, _) => Command::PowerOn { purpose: Purpose::Install },
        (Phase::Deliver { .. }, _) => Command::PowerOn { purpose: Purpose::Deliver },
        (_, Next::Do(command)) => command,
        (_, Next::Record(_) | Next::Wait { .. } | Next::Done) => Command::Look,
    }
}

fn answers(run: &Run) -> Vec<Sample> {
    let command = under_way(run);
    let seq = run.job.seq();
    let answer = |name, seq, verdict| sample(name, run, Event::Answered { seq, command, verdict });
    let done = || Verdict::Done { seen: seen(command, &run.media) };
    let busy = Fault::transient("the BMC is busy");
    let mut samples = vec![
        sample("claimed", run, Event::Claimed),
        sample("intended", run, Event::Intended { seq }),
        sample("intended, stale", run, Event::Intended { seq: seq + 1 }),
        answer("answered: done", seq, done()),
        answer("answered: done without what was asked", seq, Verdict::DONE),
        answer("answered: refused for now", seq, refused(busy)),
        answer("answered: refused until an operator acts", seq, refused(Fault::operator("ask"))),
        answer("answered: refused for good", seq, refused(Fault::permanent("no"))),
        answer("answered: unknown", seq, lost()),
        answer("answered, stale", seq + 1, done()),
    ];
    if command.is_fenced() {
        let on = Verdict::Done { seen: Seen::AlreadyOn };
        samples.push(answer("answered: on already", seq, on));
    }
    samples
}

fn looks(run: &Run) -> Vec<Sample> {
    let seq = run.job.seq();
    let look =
        |name, verdict| sample(name, run, Event::Answered { seq, command: Command::Look, verdict });
    let later = |name, power| {
        let event = Event::Answered { seq, command: Command::Look, verdict: machine(power) };
        Sample { name, at: run.now + LATER, event }
    };
    let sight = Sight { last_reset: Some("11:00".to_owned()), ..Sight::of(Power::On) };
    let reset = Verdict::Done { seen: Seen::Machine { sight } };
    let override_off = Event::Answered {
        seq,
        command: Command::EnsureOverrideOff { cleaning: Cleaning::Before },
        verdict: Verdict::DONE,
    };
    vec![
        look("looked: on", machine(Power::On)),
        look("looked: off", machine(Power::Off)),
        look("looked: unclear", machine(Power::Unclear)),
        look("looked: on, and reset meanwhile", reset),
        later("looked: on, after a while", Power::On),
        later("looked: off, after a while", Power::Off),
        sample("one-time boot disarmed", run, override_off),
    ]
}

fn tidings(run: &Run) -> Vec<Sample> {
    let attempt = run.job.attempt();
    let mut samples: Vec<Sample> = Milestone::ALL
        .iter()
        .map(|milestone| {
            let name = match milestone {
                Milestone::Opened => "read: opened",
                Milestone::BootImageRead => "read: boot image",
                Milestone::OsLoading => "read: OS loading",
                Milestone::TaskRead => "read: task",
                Milestone::Payload => "read: payload",
                Milestone::Reopened => "read: reopened",
                Milestone::BootAgain => "read: boot image again",
            };
            sample(name, run, Event::MediaRead { attempt, milestone: *milestone })
        })
        .collect();
    let finished = attempt - 1;
    let milestone = Milestone::BootImageRead;
    let read = Event::MediaRead { attempt: finished, milestone };
    samples.push(sample("read in a finished attempt", run, read));
    let reported = |attempt, report| Event::Reported { attempt, report };
    samples.push(sample("reported: success", run, reported(attempt, Report::Success)));
    samples.push(sample("reported: failed", run, reported(attempt, failure())));
    let late = reported(finished, Report::Success);
    samples.push(sample("reported in a finished attempt", run, late));
    samples.push(sample("reported without proof", run, Event::Unproven { attempt }));
    let activity =
        Activity { step: Some("partition".to_owned()), percent: Some(10), bytes: Some(1) };
    samples.push(sample("progressed", run, Event::Progressed { attempt, activity }));
    samples
}

fn time(run: &Run) -> Vec<Sample> {
    let seq = run.job.seq();
    let due = run.job.deadline().unwrap_or(run.now);
    let elapsed = match run.job.phase() {
        Phase::Settle { until } => *until,
        _ => run.now,
    };
    vec![
        Sample { name: "deadline passed", at: due, event: Event::DeadlinePassed { seq } },
        sample("deadline passed, stale", run, Event::DeadlinePassed { seq: seq + 1 }),
        Sample { name: "elapsed", at: elapsed, event: Event::Elapsed { seq } },
        sample("resumed", run, Event::Resumed { gap: Duration::from_mins(10) }),
        sample("clock stepped", run, Event::ClockStepped { delta: -3_600_000 }),
    ]
}

fn people(run: &Run) -> Vec<Sample> {
    let stop = |name, stop, force| sample(name, run, Event::StopRequested { stop, force });
    let decide = |name, decision| sample(name, run, Event::Decided { decision });
    vec![
        stop("cancel", StopAs::Cancelled, false),
        stop("cancel, forced", StopAs::Cancelled, true),
        stop("fail", StopAs::Failed, false),
        sample("server changed", run, Event::ServerChanged),
        decide("decided: retry", Decision::Retry),
        decide("decided: failed", Decision::Failed),
        decide("decided: succeeded", Decision::Succeeded),
    ]
}
