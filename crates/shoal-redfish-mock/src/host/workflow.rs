//! The steps of a workflow as the maintenance OS goes through them. Their work is a span of
//! clock time; every report is made by the real reporter.

use std::ffi::OsStr;

use super::{Mishap, Run, child, os::Place};
use crate::{Ending, Step, timeline::Event};

/// Goes through the steps of a target and reports as the script says.
pub(super) async fn run(run: &mut Run, place: &Place, target: &str) {
    if run.script.ending == Ending::ReportEarly {
        report(run, place, "success", &[]).await;
    }
    let steps = Step::of_target(target);
    for step in steps {
        run.alter(Event::StepStarted(*step), |board| {
            if *step == Step::Partition {
                board.installed = false;
            }
        });
        match run.mishap(*step, run.script.step / 2).await {
            Mishap::None => {}
            Mishap::Over => return,
            Mishap::Failed => {
                run.note(Event::StepFailed(*step));
                return report(run, place, "failed", &["--failed-step", step.key()]).await;
            }
        }
        work(run, place, *step).await;
        let completes = steps.last() == Some(step) && steps.contains(&Step::Partition);
        run.alter(Event::StepDone(*step), |board| board.installed |= completes);
    }
    match run.script.ending.clone() {
        Ending::ReportEarly | Ending::NeverReport => {}
        Ending::ReportTwice => {
            report(run, place, "success", &[]).await;
            report(run, place, "success", &[]).await;
        }
        Ending::ReportLate(by) => {
            run.pass(by).await;
            report(run, place, "success", &[]).await;
        }
        Ending::PowerOffAtEnd => {
            report(run, place, "success", &[]).await;
            run.lose_power(Event::SwitchedItselfOff, None);
        }
        Ending::Succeed
        | Ending::FailAt(_)
        | Ending::HangBeforeBoot
        | Ending::HangAt(_)
        | Ending::PowerOffAt(_)
        | Ending::LosePowerAt(..)
        | Ending::RestartAt(_)
        | Ending::BmcRestartAt(..)
        | Ending::NeverRestart => report(run, place, "success", &[]).await,
    }
}

/// Lets the step's time pass and reports progress on the way.
async fn work(run: &mut Run, place: &Place, step: Step) {
    let mut done = 0;
    for percent in run.script.progress.clone() {
        let percent = percent.min(100);
        run.pass(run.script.step * u32::from(percent.saturating_sub(done)) / 100).await;
        done = done.max(percent);
        let text = percent.to_string();
        report(run, place, "progress", &["--step", step.key(), "--percent", &text]).await;
    }
    run.pass(run.script.step * u32::from(100 - done) / 100).await;
}

/// Runs the reporter. Without a status to tell it reads the dispatcher's failure file.
pub(super) async fn report(run: &Run, place: &Place, status: &'static str, details: &[&str]) {
    let Some(reporter) = run.bmc.host.reporter.clone() else { return };
    let mut arguments: Vec<&OsStr> =
        vec!["report".as_ref(), "--root".as_ref(), place.root.as_os_str()];
    if status != "failure-file" {
        arguments.extend([OsStr::new("--status"), OsStr::new(status)]);
    }
    arguments.extend(details.iter().map(OsStr::new));
    let code = child::run(&reporter, &arguments, &place.log, run.bmc.host.child_limit).await;
    run.note(Event::Reported { status, code });
}
