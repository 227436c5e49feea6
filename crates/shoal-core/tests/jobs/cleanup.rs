//! What is done after an outcome, what is left undone, and how the job says so.

use shoal_core::{Event, Fault, OnFailure, Report, Status, Warning, Workflow};

use crate::drive::{Run, failure, lost, plan, refused};

fn after_failure(on_failure: OnFailure) -> Run {
    let mut plan = plan(Workflow::Linux);
    plan.on_failure = on_failure;
    let mut run = Run::with(plan).booted();
    run.commands.clear();
    run.report(failure());
    run.until("complete")
}

#[test]
fn a_failed_machine_stays_off_is_switched_on_again_or_is_left_alone() {
    let emptied = ["ensure_ejected(after)", "ensure_override_off(after)"];
    let off = ["ensure_off(after)"];
    assert_eq!(after_failure(OnFailure::Off).commands, [&off[..], &emptied].concat());
    let on = ["power_on(deliver)"];
    assert_eq!(after_failure(OnFailure::Reset).commands, [&off[..], &emptied, &on].concat());
    assert_eq!(after_failure(OnFailure::Leave).commands, emptied);
}

#[test]
fn a_stage_that_is_refused_for_good_leaves_a_warning_and_the_rest_goes_on() {
    for (stage, next, warning) in [
        ("clean_power", "clean_media", Warning::PowerLeftOn),
        ("clean_media", "clean_override", Warning::MediaLeft),
        ("clean_override", "deliver", Warning::OverrideLeft),
        ("deliver", "complete", Warning::NotDelivered),
    ] {
        let mut run = Run::of(Workflow::Linux).booted();
        run.report(Report::Success);
        run = run.until(stage);
        run.answer(refused(Fault::permanent("not supported")));
        assert_eq!((run.at(), run.job.warnings()), (next, &[warning][..]));
    }
}

#[test]
fn a_cleanup_that_runs_out_of_time_names_everything_it_leaves() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.report(Report::Success);
    run = run.until("clean_media");
    run.answer(lost());
    run.run_out();
    assert_eq!(run.job.status(), Status::Complete);
    let left = [Warning::MediaLeft, Warning::OverrideLeft, Warning::NotDelivered];
    assert_eq!(run.job.warnings(), left);
}

#[test]
fn cleanup_waits_for_a_person_only_as_long_as_it_has_time() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.report(Report::Success);
    run = run.until("clean_media");
    run.answer(refused(Fault::operator("log in again")));
    assert_eq!(run.at(), "clean_media");
    run.fold(&Event::ServerChanged);
    run.work();
    assert_eq!(run.at(), "clean_override");
}

#[test]
fn a_job_that_never_touched_its_machine_needs_no_cleanup() {
    let mut run = Run::of(Workflow::Linux).until("discover");
    run.answer(refused(Fault::permanent("this is another machine")));
    assert_eq!(run.job.status(), Status::Complete);
    assert_eq!(run.commands, ["read_bmc"]);
}
