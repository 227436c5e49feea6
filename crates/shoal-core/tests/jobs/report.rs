//! What the machine reports, when that counts, and how long its media are served.

use shoal_core::{
    Applied, Decision, Event, Ignored, Milestone, OutcomeKind, Power, Report, StepKey, StopAs,
    Workflow,
};

use crate::{
    drive::{Run, SETTLE, failure, lost},
    stands,
};

#[test]
fn the_first_outcome_wins_and_later_reports_are_kept_as_late() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.report(failure());
    let first = run.job.outcome().cloned();
    for phase in ["settle", "clean_power", "clean_media", "clean_override", "complete"] {
        run = run.until(phase);
        let attempt = run.job.attempt();
        let late = run.job.apply(&Event::Reported { attempt, report: Report::Success }, run.now);
        assert_eq!(late, Applied::Ignored(Ignored::LateReport), "{phase}");
        assert_eq!(run.job.outcome(), first.as_ref());
    }
    assert!(Ignored::LateReport.is_noteworthy() && !Ignored::Duplicate.is_noteworthy());
}

#[test]
fn a_failure_names_the_step_and_the_unit_as_it_was_sent() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.report(failure());
    let outcome = run.job.outcome().unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Failed);
    assert_eq!(outcome.failed_step, Some(StepKey::WorkflowPartition));
    assert_eq!(outcome.unit.as_deref(), Some("partition.service"));
    assert_eq!(outcome.message, "the disk is too small");
}

#[test]
fn a_report_before_any_power_on_is_unexpected() {
    for (stand, mut run) in stands::all() {
        let attempt = run.job.attempt();
        let told = run.try_fold(&Event::Reported { attempt, report: Report::Success });
        let unexpected = run.job.outcome().is_none() && !run.job.power_intended();
        assert_eq!(told == Err(Ignored::Unexpected), unexpected, "{stand}");
    }
}

#[test]
fn a_report_counts_although_no_boot_was_seen() {
    let mut intended = Run::of(Workflow::Linux).until("power_on");
    intended.answer(lost());
    for mut run in [intended, Run::of(Workflow::Linux).until("await_boot")] {
        run.report(Report::Success);
        assert_eq!(run.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
    }
}

#[test]
fn what_comes_from_a_finished_attempt_is_told_apart() {
    let mut run = Run::of(Workflow::Linux).until("power_on");
    run.answer(lost());
    run.wait();
    run.look(Power::Off);
    run.pass(SETTLE);
    run.look(Power::Off);
    let run = run.until("await_boot");
    assert_eq!(run.job.attempt(), 2);
    for event in [
        Event::Reported { attempt: 1, report: Report::Success },
        Event::MediaRead { attempt: 1, milestone: Milestone::BootImageRead },
        Event::Progressed { attempt: 1, activity: shoal_core::Activity::default() },
    ] {
        let told = run.clone().try_fold(&event);
        assert_eq!(told, Err(Ignored::FinishedAttempt), "{}", event.name());
    }
}

#[test]
fn an_answer_to_an_earlier_position_is_stale() {
    let mut run = Run::of(Workflow::Linux).until("power_off");
    let (seq, command) = (run.job.seq(), run.command());
    run.work();
    let late = Event::Answered { seq, command, verdict: shoal_core::Verdict::DONE };
    assert_eq!(run.try_fold(&late), Err(Ignored::Stale));
    assert_eq!(run.at(), "clear_media");
}

#[test]
fn media_are_served_from_the_claim_to_the_end_of_the_job() {
    assert!(!Run::of(Workflow::Linux).job.media_open());
    let mut run = Run::of(Workflow::Linux);
    for phase in ["discover", "build", "insert_boot", "power_on", "await_boot"] {
        run = run.until(phase);
        assert!(run.job.media_open(), "{phase}");
    }
    run.read(Milestone::BootImageRead);
    run.report(Report::Success);
    // The maintenance OS may still read from its medium until power is cut and the slot is empty.
    for phase in ["settle", "clean_power", "clean_media", "clean_override", "deliver"] {
        run = run.until(phase);
        assert!(run.job.media_open(), "{phase}");
    }
    assert!(!run.until("complete").job.media_open());
}

#[test]
fn a_job_that_ended_before_its_medium_was_booted_serves_nothing_any_more() {
    let stop = Event::StopRequested { stop: StopAs::Cancelled, force: false };
    let mut cancelled = Run::of(Workflow::Linux).until("await_boot");
    cancelled.fold(&stop);
    let mut timed_out = Run::of(Workflow::Linux).until("await_boot");
    timed_out.run_out();
    let mut decided = Run::of(Workflow::Linux).until("insert_boot");
    decided.answer(crate::drive::refused(shoal_core::Fault::operator("ask")));
    decided.fold(&Event::Decided { decision: Decision::Failed });
    for mut run in [cancelled, timed_out, decided] {
        assert!(!run.job.media_open());
        let attempt = run.job.attempt();
        let read = Event::MediaRead { attempt, milestone: Milestone::BootImageRead };
        assert_eq!(run.try_fold(&read), Err(Ignored::Closed));
    }
}

#[test]
fn once_booted_the_one_time_boot_is_disarmed_and_asked_for_until_it_is() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.commands.clear();
    run.answer(lost());
    run.wait();
    run.work();
    assert_eq!(run.commands, ["ensure_override_off(before)", "ensure_override_off(before)"]);
    assert_eq!(
        run.wait(),
        run.job.plan().budgets.quiet.saturating_sub(std::time::Duration::from_secs(2))
    );
}
