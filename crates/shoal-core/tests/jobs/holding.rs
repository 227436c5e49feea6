//! Jobs that wait for an operator: why they are held, and what each decision does.

use shoal_core::{
    Decision, Event, Fault, Hold, Milestone, OutcomeKind, Phase, Power, Report, StepKey,
    WaitingFor, Workflow,
};

use crate::drive::{Run, failure, lost, refused};

fn decided(run: &Run, decision: Decision) -> Run {
    let mut run = run.clone();
    run.fold(&Event::Decided { decision });
    run
}

fn reason(run: &Run) -> Hold {
    match run.job.phase() {
        Phase::Held { reason, .. } => *reason,
        other => panic!("in {} and not held", other.name()),
    }
}

#[test]
fn what_only_a_person_can_mend_is_held_and_goes_on_with_fresh_media() {
    for phase in ["discover", "build", "power_off", "insert_boot", "boot_once", "power_on"] {
        let mut run = Run::of(Workflow::Linux).until(phase);
        run.answer(refused(Fault::operator("the licence is missing")));
        assert_eq!(reason(&run), Hold::OperatorNeeded);
        let waits = run.job.waiting_for(run.now);
        assert_eq!(waits, Some(WaitingFor::Decision(Hold::OperatorNeeded)));
        assert_eq!(run.job.deadline(), None, "an operator has all the time there is");
        // A medium that was built may have grown old while the job was held: it is made anew.
        let (goes_on, attempt) = if run.job.medium().is_some() { ("build", 2) } else { (phase, 1) };
        let retried = decided(&run, Decision::Retry);
        assert_eq!((retried.at(), retried.job.attempt()), (goes_on, attempt));
        let failed = decided(&run, Decision::Failed);
        assert_eq!(failed.job.outcome().unwrap().message, "the licence is missing");
    }
}

#[test]
fn firmware_whose_report_does_not_come_is_held_and_its_power_is_not_touched() {
    let mut late = Run::of(Workflow::Firmware).booted();
    late.run_out();
    let mut off = Run::of(Workflow::Firmware).booted();
    off.work();
    off.wait();
    off.look(Power::Off);
    off.wait();
    off.look(Power::Off);
    for run in [late, off] {
        assert_eq!(reason(&run), Hold::FlashUnsure);
        assert!(matches!(run.next(), shoal_core::Next::Wait { until: None, .. }));
        let mut reported = run.clone();
        reported.report(Report::Success);
        assert_eq!(reported.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
        let retried = decided(&run, Decision::Retry);
        assert_eq!((retried.at(), retried.job.attempt()), ("build", 2));
        assert_eq!(decided(&run, Decision::Failed).at(), "clean_power");
        assert_eq!(decided(&run, Decision::Succeeded).until("complete").job.warnings(), []);
    }
}

#[test]
fn a_machine_that_boots_the_installer_again_loses_its_media_and_is_held() {
    for workflow in [Workflow::Linux, Workflow::Firmware, Workflow::Esxi] {
        let mut run = Run::of(workflow).booted();
        run.commands.clear();
        run.read(Milestone::BootAgain);
        assert_eq!(reason(&run), Hold::ReinstallLoop);
        run.answer(lost());
        run.wait();
        run.work();
        assert_eq!(run.commands, ["ensure_ejected(before)", "ensure_ejected(before)"]);
        assert!(matches!(run.next(), shoal_core::Next::Wait { until: None, .. }));
    }
}

#[test]
fn a_machine_in_a_reinstall_loop_is_rid_of_its_media_as_soon_as_a_person_mended_the_bmc() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.read(Milestone::BootAgain);
    run.answer(refused(Fault::operator("the password was changed")));
    assert_eq!(reason(&run), Hold::ReinstallLoop);
    run.fold(&Event::ServerChanged);
    run.work();
    assert_eq!(run.commands.last().unwrap(), "ensure_ejected(before)");
    assert_eq!(reason(&run), Hold::ReinstallLoop);
}

#[test]
fn an_installer_that_read_everything_and_was_not_seen_to_restart_is_never_a_success() {
    let mut run = Run::of(Workflow::Esxi).booted();
    run.read(Milestone::TaskRead);
    run.read(Milestone::Payload);
    run.run_out();
    assert_eq!(reason(&run), Hold::InstallerUnsure);
    assert_eq!(decided(&run, Decision::Succeeded).job.outcome().unwrap().failed_step, None);
}

#[test]
fn a_held_machine_can_still_report() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.read(Milestone::BootAgain);
    run.report(failure());
    assert_eq!(run.job.outcome().unwrap().failed_step, Some(StepKey::WorkflowPartition));
}

#[test]
fn a_retry_forgets_that_the_job_was_to_be_stopped() {
    let mut run = Run::of(Workflow::Firmware).booted();
    let stop = shoal_core::StopAs::Cancelled;
    run.fold(&Event::StopRequested { stop, force: false });
    let run = decided(&run, Decision::Retry).until("await_boot");
    assert!(!run.job.is_stopping());
}

#[test]
fn the_time_a_job_was_held_does_not_count() {
    let mut run = Run::of(Workflow::Linux).until("insert_boot");
    run.answer(refused(Fault::operator("the licence is missing")));
    run.pass(std::time::Duration::from_hours(30));
    let run = decided(&run, Decision::Retry);
    assert_eq!(run.job.deadline(), Some(run.now + run.job.plan().budgets.boot));
}
