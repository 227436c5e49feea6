//! Operators end jobs: at once where that is safe, else as soon as the machine's state is known.

use shoal_core::{
    Event, Ignored, Milestone, OutcomeKind, Power, Report, StepKey, StopAs, Workflow,
};

use crate::{
    drive::{Run, SETTLE, lost, refused},
    stands,
};

const CANCEL: Event = Event::StopRequested { stop: StopAs::Cancelled, force: false };
const FORCE: Event = Event::StopRequested { stop: StopAs::Cancelled, force: true };

fn outcome(run: &Run) -> Option<OutcomeKind> {
    run.job.outcome().map(|outcome| outcome.kind)
}

#[test]
fn a_job_that_touched_nothing_ends_at_once() {
    for phase in ["queued", "discover", "build"] {
        let mut run = Run::of(Workflow::Linux).until(phase);
        run.fold(&CANCEL);
        assert_eq!(
            (run.at(), outcome(&run)),
            ("complete", Some(OutcomeKind::Cancelled)),
            "{phase}"
        );
    }
}

#[test]
fn before_the_power_on_media_are_taken_out_and_the_machine_stays_off() {
    for phase in ["power_off", "clear_media", "insert_task", "insert_boot", "boot_once", "power_on"]
    {
        let mut run = Run::of(Workflow::Linux).until(phase);
        run.commands.clear();
        run.fold(&CANCEL);
        assert!(!run.job.media_open(), "{phase}");
        let run = run.until("complete");
        assert_eq!(
            run.commands,
            ["ensure_ejected(after)", "ensure_override_off(after)"],
            "{phase}"
        );
    }
}

#[test]
fn while_a_power_on_is_under_way_its_fate_is_learned_first() {
    let stopping = || {
        let mut run = Run::of(Workflow::Linux).until("power_on");
        run.answer(lost());
        run.fold(&CANCEL);
        assert_eq!((run.at(), outcome(&run)), ("power_on", None));
        assert!(run.job.is_stopping());
        run.wait();
        run
    };
    let mut on = stopping();
    on.look(Power::On);
    let mut off = stopping();
    off.look(Power::Off);
    off.pass(SETTLE);
    off.look(Power::Off);
    let mut booted = stopping();
    booted.read(Milestone::BootImageRead);
    let mut never_told = stopping();
    never_told.run_out();
    for mut run in [on, off, booted, never_told] {
        assert_eq!((run.at(), outcome(&run)), ("clean_power", Some(OutcomeKind::Cancelled)));
        run = run.until("complete");
        assert_eq!(run.job.attempt(), 1);
        assert!(!run.commands.contains(&"power_on(deliver)".to_owned()));
    }
}

#[test]
fn a_refused_power_on_ends_a_stopped_job() {
    let mut run = Run::of(Workflow::Linux).until("power_on");
    let (seq, command) = (run.job.seq(), run.command());
    run.fold(&Event::Intended { seq });
    run.fold(&CANCEL);
    let verdict = refused(shoal_core::Fault::transient("busy"));
    run.fold(&Event::Answered { seq, command, verdict });
    assert_eq!(outcome(&run), Some(OutcomeKind::Cancelled));
}

#[test]
fn while_waiting_for_a_machine_the_outcome_comes_before_the_power_cut() {
    let esxi = Run::of(Workflow::Esxi).booted();
    for mut run in
        [Run::of(Workflow::Linux).until("await_boot"), Run::of(Workflow::Linux).booted(), esxi]
    {
        let phase = run.at();
        run.fold(&CANCEL);
        assert_eq!(
            (run.at(), outcome(&run)),
            ("clean_power", Some(OutcomeKind::Cancelled)),
            "{phase}"
        );
    }
}

#[test]
fn a_machine_that_may_be_flashed_is_held_until_force_or_its_report() {
    let mut run = Run::of(Workflow::Firmware).booted();
    run.fold(&CANCEL);
    assert_eq!((run.at(), outcome(&run)), ("held", None));
    assert_eq!(run.try_fold(&CANCEL), Err(Ignored::Duplicate));
    assert_eq!(run.at(), "held");

    let mut reported = run.clone();
    reported.report(Report::Success);
    assert_eq!(outcome(&reported), Some(OutcomeKind::Succeeded));

    run.fold(&FORCE);
    assert_eq!((run.at(), outcome(&run)), ("clean_power", Some(OutcomeKind::Cancelled)));
}

#[test]
fn firmware_that_has_not_booted_is_cancelled_and_its_media_are_closed() {
    let mut run = Run::of(Workflow::Firmware).until("await_boot");
    run.fold(&CANCEL);
    assert_eq!(outcome(&run), Some(OutcomeKind::Cancelled));
    let attempt = run.job.attempt();
    let read = Event::MediaRead { attempt, milestone: Milestone::BootImageRead };
    assert_eq!(run.try_fold(&read), Err(Ignored::Closed));
}

#[test]
fn a_job_can_be_ended_as_failed() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.fold(&Event::StopRequested { stop: StopAs::Failed, force: false });
    let outcome = run.job.outcome().unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Failed);
    assert_eq!(outcome.failed_step, Some(StepKey::WebhookWait));
}

#[test]
fn a_job_with_an_outcome_cannot_be_stopped() {
    for (stand, mut run) in stands::all() {
        if run.job.outcome().is_some() {
            assert_eq!(run.try_fold(&FORCE), Err(Ignored::LateReport), "{stand}");
        }
    }
}
