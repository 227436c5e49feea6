//! What time does to a job: deadlines, absences, a stepped clock, first boots, and being stuck.

use std::time::Duration;

use shoal_core::{
    Activity, Event, Ignored, Milestone, Next, Power, Report, StepKey, WaitingFor, Workflow,
};

use crate::drive::{Run, START, lost, plan};

fn progressed(run: &mut Run, step: &str, percent: u8) -> Result<(), Ignored> {
    let activity = Activity { step: Some(step.to_owned()), percent: Some(percent), bytes: None };
    let attempt = run.job.attempt();
    run.try_fold(&Event::Progressed { attempt, activity })
}

#[test]
fn a_deadline_while_preparing_is_blamed_on_the_step_under_way() {
    for (phase, step) in [
        ("discover", StepKey::RedfishDiscover),
        ("build", StepKey::IsoBuild),
        ("power_off", StepKey::RedfishReset),
        ("clear_media", StepKey::RedfishMountMaintenance),
        ("insert_task", StepKey::RedfishMountTask),
        ("insert_boot", StepKey::RedfishMountMaintenance),
        ("boot_once", StepKey::RedfishBootOverride),
        ("power_on", StepKey::RedfishReset),
    ] {
        let mut run = Run::of(Workflow::Linux).until(phase);
        assert_eq!(run.job.deadline(), Some(START + Duration::from_mins(20)), "{phase}");
        run.answer_or_leave(phase);
        run.run_out();
        assert_eq!(run.job.outcome().unwrap().failed_step, Some(step), "{phase}");
    }
}

impl Run {
    /// A lost answer changes nothing about the deadline; a power-on must not have been sent.
    fn answer_or_leave(&mut self, phase: &str) {
        if phase != "power_on" {
            self.answer(lost());
        }
    }
}

#[test]
fn a_deadline_while_waiting_says_what_did_not_come() {
    let mut intended = Run::of(Workflow::Linux).until("power_on");
    intended.answer(lost());
    for (mut run, minutes, step) in [
        (intended, 15, StepKey::RedfishPoll),
        (Run::of(Workflow::Linux).until("await_boot"), 20, StepKey::RedfishBootOverride),
        (Run::of(Workflow::Linux).booted(), 150, StepKey::WebhookWait),
        (Run::of(Workflow::Windows).booted(), 210, StepKey::WebhookWait),
        (Run::of(Workflow::Maintenance).booted(), 30, StepKey::WebhookWait),
        (Run::of(Workflow::Esxi).booted(), 120, StepKey::RedfishPoll),
    ] {
        let phase = run.at();
        assert_eq!(run.job.deadline(), Some(run.now + Duration::from_mins(minutes)), "{phase}");
        run.run_out();
        assert_eq!(run.job.outcome().unwrap().failed_step, Some(step), "{phase}");
    }
}

#[test]
fn progress_does_not_extend_the_report_deadline() {
    let mut run = Run::of(Workflow::Linux).booted();
    let deadline = run.job.deadline();
    run.pass(Duration::from_mins(100));
    assert_eq!(progressed(&mut run, "image-linux", 40), Ok(()));
    assert_eq!(run.job.deadline(), deadline);
}

#[test]
fn provisioning_as_a_whole_is_bounded() {
    let mut plan = plan(Workflow::Linux);
    plan.budgets.provisioning = Duration::from_mins(151);
    let mut run = Run::with(plan).until("await_boot");
    run.pass(Duration::from_mins(10));
    run.read(Milestone::BootImageRead);
    assert_eq!(run.job.deadline(), Some(START + Duration::from_mins(151)));
}

#[test]
fn an_absence_moves_deadlines_and_none_fires_for_five_minutes_after_it() {
    let mut run = Run::of(Workflow::Linux).booted();
    let deadline = run.job.deadline().unwrap();
    let gap = Duration::from_hours(1);
    run.now = deadline + Duration::from_mins(5);
    run.fold(&Event::Resumed { gap });
    assert_eq!(run.job.deadline(), Some(deadline + gap));

    // Even one that lies in the past all the same.
    let mut overdue = Run::of(Workflow::Linux).booted();
    overdue.now = deadline + Duration::from_hours(2);
    overdue.fold(&Event::Resumed { gap: Duration::from_mins(1) });
    let resumed = overdue.now;
    for minutes in 0..5 {
        overdue.now = resumed + Duration::from_mins(minutes);
        assert!(!matches!(overdue.next(), Next::Record(_)), "fired after {minutes} min");
        let seq = overdue.job.seq();
        let early = overdue.try_fold(&Event::DeadlinePassed { seq });
        assert_eq!(early, Err(Ignored::Stale));
    }
    overdue.now = resumed + Duration::from_mins(5);
    assert!(matches!(overdue.next(), Next::Record(Event::DeadlinePassed { .. })));
}

#[test]
fn a_clock_step_in_either_direction_leaves_as_much_time_as_before() {
    for delta in [7_200_000, -7_200_000] {
        let mut run = Run::of(Workflow::Linux).booted();
        run.work();
        run.pass(Duration::from_mins(30));
        let left = run.job.deadline().unwrap().since(run.now);
        let stuck_in = Duration::from_mins(90);
        run.now = run.now.stepped(delta);
        run.fold(&Event::ClockStepped { delta });
        assert_eq!(run.job.deadline().unwrap().since(run.now), left, "{delta}");
        assert!(!run.job.is_stuck(run.now + stuck_in.saturating_sub(Duration::from_secs(1))));
        assert!(run.job.is_stuck(run.now + stuck_in));
    }
}

#[test]
fn a_retry_comes_when_it_was_due_although_the_clock_was_stepped() {
    for delta in [3_600_000, -3_600_000] {
        let mut run = Run::of(Workflow::Linux).until("insert_boot");
        run.answer(lost());
        run.now = run.now.stepped(delta);
        run.fold(&Event::ClockStepped { delta });
        assert_eq!(run.wait(), Duration::from_secs(2));
    }
}

#[test]
fn a_job_is_stuck_without_progress_and_no_longer_with_it() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.pass(Duration::from_mins(119));
    assert!(!run.job.is_stuck(run.now));
    run.pass(Duration::from_mins(1));
    assert!(run.job.is_stuck(run.now));
    run.read(Milestone::TaskRead);
    assert!(!run.job.is_stuck(run.now));
}

#[test]
fn only_transitions_and_first_time_evidence_are_progress() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.work();
    let mut at = run.job.progressed_at();
    let mut moved = |run: &mut Run, expected: bool, what: &str| {
        let before = std::mem::replace(&mut at, run.job.progressed_at());
        assert_eq!(before != at, expected, "{what}");
        run.pass(Duration::from_secs(1));
    };
    run.pass(Duration::from_secs(1));
    assert_eq!(progressed(&mut run, "partition", 10), Ok(()));
    moved(&mut run, true, "a step began");
    assert_eq!(progressed(&mut run, "partition", 10), Err(Ignored::Duplicate));
    moved(&mut run, false, "the same again");
    assert_eq!(progressed(&mut run, "partition", 9), Err(Ignored::Duplicate));
    moved(&mut run, false, "less than before");
    assert_eq!(progressed(&mut run, "partition", 11), Ok(()));
    moved(&mut run, true, "it grew");
    run.read(Milestone::TaskRead);
    moved(&mut run, true, "a milestone");
    let attempt = run.job.attempt();
    let again = Event::MediaRead { attempt, milestone: Milestone::TaskRead };
    assert_eq!(run.try_fold(&again), Err(Ignored::Duplicate));
    moved(&mut run, false, "the same milestone");
    run.wait();
    run.look(Power::On);
    moved(&mut run, false, "a look");
    run.fold(&Event::Resumed { gap: Duration::ZERO });
    moved(&mut run, false, "an absence");
    run.report(Report::Success);
    moved(&mut run, true, "a transition");
    let mut retrying = Run::of(Workflow::Linux).until("power_off");
    let before = retrying.job.progressed_at();
    retrying.pass(Duration::from_secs(1));
    retrying.answer(lost());
    assert_eq!(retrying.job.progressed_at(), before, "a retry");
}

#[test]
fn power_is_not_cut_during_the_first_boot_of_what_the_last_job_installed() {
    let mut first = Run::of(Workflow::Windows).booted();
    first.report(Report::Success);
    let first = first.until("complete");
    let until = first.job.first_boot_until().unwrap();
    assert_eq!(until, first.job.delivered_at().unwrap() + Duration::from_mins(30));

    let mut second = Run::after_first_boot(plan(Workflow::Linux), Some(until));
    let waits = Next::Wait { until: Some(until), waiting_for: WaitingFor::FirstBoot { until } };
    assert_eq!(second.next(), waits);
    assert_eq!(second.try_fold(&Event::Claimed), Err(Ignored::NotNow));
    second.now = until;
    second.fold(&Event::Claimed);
    assert_eq!(second.at(), "discover");
}

#[test]
fn only_a_successful_install_that_needs_it_has_a_first_boot() {
    let mut linux = Run::of(Workflow::Linux).booted();
    linux.report(Report::Success);
    assert_eq!(linux.until("complete").job.first_boot_until(), None);
    let mut failed = Run::of(Workflow::Windows).booted();
    failed.report(crate::drive::failure());
    assert_eq!(failed.until("complete").job.first_boot_until(), None);
}
