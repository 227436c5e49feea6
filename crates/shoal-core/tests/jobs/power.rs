//! Power is a level: what is sent once, what is looked at, and when an install is begun again.

use std::time::Duration;

use shoal_core::{
    Command, Event, Fault, FaultClass, Milestone, Next, OutcomeKind, Plan, Power, Purpose, Report,
    Seen, StepKey, StopAs, Verdict, WaitingFor, Warning, Workflow,
};

use crate::drive::{Run, SETTLE, lost, plan, refused};

const INSTALL: Command = Command::PowerOn { purpose: Purpose::Install };

/// Sent, and the answer was lost.
fn sent(plan: Plan) -> Run {
    let mut run = Run::with(plan).until("power_on");
    run.answer(lost());
    run
}

fn times_sent(run: &Run) -> usize {
    run.commands.iter().filter(|command| *command == "power_on(install)").count()
}

/// Looks until the machine was off for the settle time, or something else happens.
fn stays_off(run: &mut Run) {
    let (phase, since) = (run.at(), run.now);
    while run.at() == phase && run.now.since(since) < SETTLE * 2 {
        run.wait();
        run.look(Power::Off);
    }
}

#[test]
fn a_lost_power_on_is_looked_at_and_never_sent_again() {
    let mut run = sent(plan(Workflow::Linux));
    let waits = run.job.waiting_for(run.now);
    assert_eq!(waits, Some(WaitingFor::PowerState));
    run.wait();
    assert_eq!(run.next(), Next::Do(Command::Look));
    run.look(Power::On);
    assert_eq!(run.at(), "await_boot");
    assert_eq!(times_sent(&run), 1);
}

#[test]
fn a_job_loaded_after_a_crash_looks_instead_of_sending_again() {
    let mut run = Run::of(Workflow::Linux).until("power_on");
    assert_eq!(run.next(), Next::Do(INSTALL));
    run.fold(&Event::Intended { seq: run.job.seq() });
    let stored = serde_json::to_string(&run.job).unwrap();
    run.job = serde_json::from_str(&stored).unwrap();
    assert_eq!(run.next(), Next::Do(Command::Look));
    let again = run.try_fold(&Event::Intended { seq: run.job.seq() });
    assert_eq!(again, Err(shoal_core::Ignored::Stale));
}

fn already_on() -> Verdict {
    Verdict::Done { seen: Seen::AlreadyOn }
}

#[test]
fn a_machine_somebody_else_switched_on_is_switched_off_again_under_new_addresses() {
    let mut run = Run::of(Workflow::Linux).until("power_on");
    run.answer(already_on());
    assert_eq!((run.at(), run.job.attempt()), ("build", 2));
    let late = Event::MediaRead { attempt: 1, milestone: Milestone::BootImageRead };
    assert_eq!(run.try_fold(&late), Err(shoal_core::Ignored::FinishedAttempt));
    while run.job.outcome().is_none() {
        run = run.until("power_on");
        run.answer(already_on());
    }
    let offs = run.commands.iter().filter(|command| command.starts_with("ensure_off")).count();
    assert_eq!(offs, run.job.plan().max_attempts as usize);
    let outcome = run.job.outcome().unwrap();
    assert_eq!(
        (outcome.kind, outcome.failed_step),
        (OutcomeKind::Failed, Some(StepKey::RedfishReset))
    );
}

#[test]
fn a_machine_found_on_is_left_alone_where_it_may_be_installing() {
    let mut read = Run::of(Workflow::Linux).until("power_on");
    read.read(Milestone::BootImageRead);
    read.answer(already_on());
    assert_eq!((read.at(), read.job.attempt()), ("await_report", 1));
    let mut elsewhere = plan(Workflow::Linux);
    elsewhere.boot_evidence = false;
    let mut unproven = Run::with(elsewhere).until("power_on");
    unproven.answer(already_on());
    assert_eq!((unproven.at(), unproven.job.attempt()), ("await_report", 1));
}

#[test]
fn firmware_that_began_without_our_power_on_is_not_cut_off() {
    let mut run = Run::of(Workflow::Firmware).until("power_on");
    run.read(Milestone::BootImageRead);
    let stop = Event::StopRequested { stop: StopAs::Cancelled, force: false };
    let mut stopped = run.clone();
    stopped.fold(&stop);
    assert_eq!(stopped.at(), "held");
    let forced = Event::StopRequested { stop: StopAs::Cancelled, force: true };
    run.fold(&forced);
    assert_ne!(run.at(), "held");
}

#[test]
fn a_machine_that_stays_off_is_installed_anew() {
    let mut run = sent(plan(Workflow::Linux));
    let since = run.now;
    stays_off(&mut run);
    assert_eq!((run.at(), run.job.attempt()), ("build", 2));
    assert!(run.now.since(since) >= SETTLE);
    assert!(run.job.medium().is_none() && run.job.evidence().milestones.is_empty());
    let run = run.until("await_boot");
    assert_eq!(times_sent(&run), 2);
}

#[test]
fn off_counts_anew_after_any_look_that_did_not_show_it() {
    let unsure = [
        Verdict::Unknown { detail: String::new() },
        refused(Fault::transient("busy")),
        crate::drive::machine(Power::Unclear),
    ];
    for answer in unsure {
        let mut run = sent(plan(Workflow::Linux));
        run.wait();
        run.look(Power::Off);
        run.pass(SETTLE.saturating_sub(Duration::from_secs(1)));
        run.answer(answer);
        run.pass(SETTLE);
        run.look(Power::Off);
        assert_eq!(run.at(), "power_on", "one look is not enough");
        run.pass(SETTLE);
        run.look(Power::Off);
        assert_eq!(run.at(), "build");
    }
}

#[test]
fn off_seen_before_an_absence_does_not_count() {
    let mut run = sent(plan(Workflow::Linux));
    run.wait();
    run.look(Power::Off);
    run.pass(SETTLE * 3);
    run.fold(&Event::Resumed { gap: SETTLE * 3 });
    run.look(Power::Off);
    assert_eq!(run.at(), "power_on");
}

#[test]
fn a_boot_that_is_seen_answers_for_the_lost_power_on() {
    let mut run = sent(plan(Workflow::Linux));
    run.read(Milestone::BootImageRead);
    assert_eq!(run.at(), "await_report");
    assert_eq!(times_sent(&run), 1);
}

#[test]
fn a_machine_that_never_comes_on_fails_after_the_last_attempt() {
    let mut run = Run::of(Workflow::Linux);
    for _ in 0..3 {
        run = run.until("power_on");
        run.answer(lost());
        stays_off(&mut run);
    }
    let outcome = run.job.outcome().unwrap();
    assert_eq!(outcome.failed_step, Some(StepKey::RedfishReset));
    assert_eq!(times_sent(&run), 3);
}

#[test]
fn where_reads_prove_nothing_off_is_believed_at_the_deadline_only_and_once() {
    let prefetching = || {
        let mut run = Run::of(Workflow::Linux);
        run.media.prefetches = true;
        run
    };
    let elsewhere = || {
        let mut plan = plan(Workflow::Linux);
        plan.boot_evidence = false;
        Run::with(plan)
    };
    for mut run in [prefetching(), elsewhere()] {
        run = run.until("power_on");
        run.answer(lost());
        stays_off(&mut run);
        assert_eq!(run.at(), "power_on");
        run.run_out();
        assert_eq!((run.at(), run.job.attempt()), ("build", 2));
        run = run.until("power_on");
        run.answer(lost());
        stays_off(&mut run);
        run.run_out();
        assert_eq!(run.job.outcome().unwrap().failed_step, Some(StepKey::RedfishPoll));
    }
}

#[test]
fn a_bmc_that_reads_the_boot_image_at_insertion_is_known_to_prove_nothing() {
    let mut run = Run::of(Workflow::Linux).until("insert_boot");
    assert!(run.job.has_boot_evidence());
    run.read(Milestone::BootImageRead);
    assert_eq!(run.at(), "insert_boot");
    assert!(!run.job.has_boot_evidence());
    assert_eq!(run.job.media().unwrap().notes.len(), 1);
}

#[test]
fn firmware_of_unknown_fate_is_held_where_reads_prove_nothing() {
    let mut plan = plan(Workflow::Firmware);
    plan.boot_evidence = false;
    let mut run = sent(plan);
    stays_off(&mut run);
    run.run_out();
    assert_eq!((run.at(), run.job.attempt()), ("held", 1));
}

#[test]
fn a_refused_power_on_was_certainly_not_sent_and_may_be_sent_again() {
    let mut run = Run::of(Workflow::Linux).until("power_on");
    run.answer(refused(Fault::transient("the BMC is busy")));
    assert!(run.wait() > Duration::ZERO);
    assert_eq!(run.next(), Next::Do(INSTALL));
    run.work();
    assert_eq!((run.at(), run.job.attempt()), ("await_boot", 1));
}

#[test]
fn refusing_the_power_on_for_now_again_and_again_does_not_buy_time() {
    let mut run = Run::of(Workflow::Linux).until("power_on");
    let since = run.now;
    for _ in 0..100 {
        match run.next() {
            Next::Do(_) => _ = run.answer(refused(Fault::transient("the BMC is busy"))),
            Next::Record(event) => run.fold(&event),
            Next::Wait { .. } => _ = run.wait(),
            Next::Done => break,
        }
        if run.job.outcome().is_some() {
            break;
        }
    }
    assert_eq!(run.job.outcome().unwrap().failed_step, Some(StepKey::RedfishReset));
    assert_eq!(run.now.since(since), run.job.plan().budgets.poll);
}

#[test]
fn a_delivery_to_a_machine_that_stays_off_is_sent_three_times_and_then_left() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.report(Report::Success);
    run = run.until("deliver");
    for _ in 0..40 {
        if run.job.is_complete() {
            break;
        }
        run.wait();
        match run.command() {
            Command::Look => run.look(Power::Off),
            _ => _ = run.answer(lost()),
        }
    }
    let sent = run.commands.iter().filter(|command| *command == "power_on(deliver)").count();
    assert_eq!(sent, 3);
    assert_eq!(run.job.warnings(), [Warning::NotDelivered]);
    assert_eq!(run.job.outcome().unwrap().kind, OutcomeKind::Succeeded);
}

#[test]
fn a_machine_that_goes_off_before_reporting_fails_the_job_after_a_minute() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.work();
    run.wait();
    run.look(Power::Off);
    assert_eq!(run.at(), "await_report");
    assert_eq!(run.wait(), Duration::from_mins(1));
    run.look(Power::Off);
    assert_eq!(run.job.outcome().unwrap().failed_step, Some(StepKey::WebhookWait));
}

#[test]
fn a_machine_that_was_not_seen_off_at_every_look_is_not_believed_to_be_off() {
    let mut run = Run::of(Workflow::Firmware).booted();
    run.work();
    run.wait();
    run.look(Power::Off);
    run.wait();
    run.answer(lost());
    run.wait();
    run.look(Power::Off);
    assert_eq!(run.at(), "await_flash");
    run.wait();
    run.look(Power::Off);
    assert_eq!(run.at(), "held");
}

#[test]
fn a_refusal_says_how_long_to_wait_at_least() {
    let mut run = Run::of(Workflow::Linux).until("insert_boot");
    let mut waits = Vec::new();
    for _ in 0..8 {
        run.answer(lost());
        waits.push(run.wait().as_secs());
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    let mut busy = Fault::transient("the BMC restarts");
    busy.class = FaultClass::Transient { after: Duration::from_mins(3) };
    run.answer(refused(busy));
    assert_eq!(run.wait(), Duration::from_mins(3));
}

#[test]
fn a_changed_server_record_ends_the_wait_for_another_try() {
    let mut run = Run::of(Workflow::Linux).until("insert_boot");
    run.answer(lost());
    run.fold(&Event::ServerChanged);
    assert_eq!(run.next(), Next::Do(Command::EnsureBootInserted));
}
