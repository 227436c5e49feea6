//! `shoal-tool report`: tells the controller how the attempt ended, or how far it got.
//!
//! systemd starts failure handlers generously: when one step fails, the handlers of everything
//! that depended on it run too. So a terminal report is sent once per attempt, by whoever claims
//! it first, and handlers whose own unit did not fail do nothing at all.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shoal_webhook::client::{Pace, PostError, Poster, Target, WallClock};
use shoal_webhook::{Answer, Report};

use crate::command::{Command, Exit};
use crate::log;

mod claim;
mod compose;
mod inputs;
mod options;

use claim::Claim;
use compose::{Composed, Unsayable};
use inputs::Inputs;
use options::{Monitor, Options};

pub(crate) const COMMAND: Command =
    Command { name: "report", summary: "report to the controller", help: HELP, run: main };

const HELP: &str = "\
usage: shoal-tool report [flags]

Reports success, failure or progress of the current attempt to the controller.
Reads report.json, webhook-token, ca.pem and failure.json below ROOT/run/provision.

  --root DIR          where run/provision is (default /)
  --status WORD       success, failed or progress; without it failed when
                      failure.json exists or the monitored unit failed, else success
                      (so a failure handler always says --status failed)
  --failed-step KEY   step key of a failed report
  --unit NAME         unit of a failed report; gives the step key if none is given
  --step KEY          step a progress report speaks of
  --percent N         share of that step that is done, 0 to 100
  --bytes N           bytes of that step that are done
  --message TEXT      text for a person
  --once              one try instead of tries until report_until

A terminal report is sent once per attempt: a second call exits 0 and sends nothing.
As a failure handler it does nothing when MONITOR_SERVICE_RESULT says that the
unit did not fail itself. Progress is tried once and never fails the caller.

exit codes: 0 delivered, already reported or nothing to do; 64 usage;
65 refused by the controller for good; 69 not delivered before report_until;
78 a file is missing or invalid
";

/// Longest time one try of a terminal report may take.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time a progress report may hold up the step that sends it.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries go on at least this long: a machine whose clock runs ahead believes that `report_until`
/// has passed before the first one.
const SHORTEST_PATIENCE: Duration = Duration::from_mins(10);

fn main(args: &[String], err: &mut dyn Write) -> Exit {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(problem) => {
            let _ = write!(err, "shoal-tool report: {problem}\n\n{HELP}");
            return Exit::Usage;
        }
    };
    report(&options, &Monitor::from_env(|key| std::env::var(key).ok()), &mut WallClock, err)
}

/// The whole command, with its surroundings as values.
fn report(options: &Options, monitor: &Monitor, pace: &mut impl Pace, err: &mut dyn Write) -> Exit {
    let mut note = |level: &str, message: &str| log::line(err, level, "report", message);
    if options.may_be_multiplied() && monitor.unit_did_not_fail() {
        note("info", "nothing reported: the monitored unit did not fail itself");
        return Exit::Done;
    }
    let dir = options.root.join("run/provision");
    let inputs = match Inputs::read(&dir) {
        Ok(inputs) => inputs,
        Err(error) => {
            note("error", &log::chain(&error));
            return if options.is_progress() { Exit::Done } else { Exit::Config };
        }
    };
    let report = match compose::report(options, monitor, &inputs) {
        Ok(Composed::Report(report)) => report,
        Ok(Composed::LeftToItsSteps) => {
            note("info", "nothing reported: a target fails through a step, which reports itself");
            return Exit::Done;
        }
        Err(error) => {
            note("error", &log::chain(&error));
            return match error {
                Unsayable::NoStep => Exit::Usage,
                Unsayable::Name(_) | Unsayable::DeliveryId(_) => Exit::Config,
            };
        }
    };
    let timeout = if report.status.is_terminal() { TERMINAL_TIMEOUT } else { PROGRESS_TIMEOUT };
    let target = Target {
        url: inputs.webhook_url,
        token: inputs.token,
        ca_pem: inputs.ca_pem,
        traceparent: inputs.traceparent,
        timeout,
    };
    let poster = match Poster::new(target) {
        Ok(poster) => poster,
        Err(error) => {
            note("error", &log::chain(&error));
            return if options.is_progress() { Exit::Done } else { Exit::Config };
        }
    };
    if !report.status.is_terminal() {
        match poster.post(&report) {
            Ok(answer) => note("info", &format!("progress {}", answer.result.as_str())),
            Err(error) => note("warn", &format!("progress not delivered: {}", log::chain(&error))),
        }
        return Exit::Done;
    }
    let deadline = (!options.once).then(|| deadline(inputs.report_until, pace.now()));
    report_once_per_attempt(&poster, report, deadline, &dir, &mut Noted { pace, err })
}

/// Sends a terminal report unless this attempt's has been sent. `deadline` absent means one try.
fn report_once_per_attempt(
    poster: &Poster,
    report: Report,
    deadline: Option<SystemTime>,
    dir: &Path,
    pace: &mut Noted<'_, impl Pace>,
) -> Exit {
    let (report, mut claim) = match Claim::take(dir, report) {
        Ok(Claim::Held { report, record }) => (report, Some(record)),
        Ok(Claim::Busy) => {
            pace.note("info", "nothing reported: another call is reporting this attempt");
            return Exit::Done;
        }
        Ok(Claim::Delivered { word }) => {
            pace.note("info", &format!("nothing reported: {word} has been delivered before"));
            return Exit::Done;
        }
        // The report matters more than its record: without one it may arrive twice, which the
        // controller recognises.
        Err(claim::Unusable { report, source }) => {
            pace.note("warn", &format!("reporting without a record: {source}"));
            (*report, None)
        }
    };
    let word = report.status.word();
    let result = match deadline {
        Some(deadline) => poster.post_until(&report, deadline, pace),
        None => poster.post(&report),
    };
    match result {
        Ok(Answer { result, message }) => {
            pace.note("info", &format!("{word} {}: {message}", result.as_str()));
            let recorded = claim.as_mut().map_or(Ok(()), |claim| claim.delivered(result));
            if let Err(error) = recorded {
                pace.note("warn", &format!("delivery is not recorded: {error}"));
            }
            Exit::Done
        }
        Err(error) => {
            pace.note("error", &format!("{word} not delivered: {}", log::chain(&error)));
            if error.is_final() { Exit::Refused } else { Exit::NotDelivered }
        }
    }
}

/// The end of the tries; a `report_until` beyond what a clock can show counts as none.
fn deadline(report_until: u64, now: SystemTime) -> SystemTime {
    let patience = now + SHORTEST_PATIENCE;
    UNIX_EPOCH
        .checked_add(Duration::from_secs(report_until))
        .map_or(patience, |until| until.max(patience))
}

/// Says before each pause why it is made.
struct Noted<'a, P> {
    pace: &'a mut P,
    err: &'a mut dyn Write,
}

impl<P> Noted<'_, P> {
    fn note(&mut self, level: &str, message: &str) {
        log::line(self.err, level, "report", message);
    }
}

impl<P: Pace> Pace for Noted<'_, P> {
    fn now(&self) -> SystemTime {
        self.pace.now()
    }

    fn spread(&mut self) -> u16 {
        self.pace.spread()
    }

    fn pause(&mut self, pause: Duration, error: &PostError) {
        let seconds = pause.as_secs_f64();
        self.note("warn", &format!("{}; next try in {seconds:.1} s", log::chain(error)));
        self.pace.pause(pause, error);
    }
}

#[cfg(test)]
mod tests;
