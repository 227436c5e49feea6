//! The way of a job of each workflow when nothing goes wrong: exactly these commands, in this order.

use std::time::Duration;

use shoal_core::{
    InstallerEnd, MediaClass, Milestone, Power, Report, Seen, Status, Verdict, Workflow,
};

use crate::drive::{Run, plan};

const PREPARE: [&str; 8] = [
    "read_bmc",
    "build_medium",
    "ensure_off(before)",
    "ensure_ejected(before)",
    "ensure_task_inserted",
    "ensure_boot_inserted",
    "ensure_boot_once",
    "power_on(install)",
];
const HAND_OVER: [&str; 5] = [
    "ensure_override_off(before)",
    "ensure_off(after)",
    "ensure_ejected(after)",
    "ensure_override_off(after)",
    "power_on(deliver)",
];

fn assert_commands(run: &Run, parts: &[&[&str]]) {
    assert_eq!(run.commands, parts.concat());
}

/// Reads its media, reports success, and is cleaned up after.
fn reports_success(workflow: Workflow, waits_in: &str) -> Run {
    let mut run = Run::of(workflow).booted();
    assert_eq!(run.at(), waits_in);
    run.work();
    run.read(Milestone::TaskRead);
    assert_eq!(run.job.status(), Status::Provisioning);
    run.report(Report::Success);
    assert_eq!(run.job.status(), Status::Succeeded);
    run.until("complete")
}

#[test]
fn a_reporting_workflow_is_installed_reported_emptied_and_delivered() {
    for (workflow, waits_in) in [
        (Workflow::Linux, "await_report"),
        (Workflow::Windows, "await_report"),
        (Workflow::Maintenance, "await_report"),
        (Workflow::Firmware, "await_flash"),
    ] {
        let run = reports_success(workflow, waits_in);
        assert_commands(&run, &[&PREPARE, &HAND_OVER]);
        assert_eq!(run.job.status(), Status::Complete);
        assert!(run.job.warnings().is_empty());
        assert_eq!(run.job.attempt(), 1);
    }
}

#[test]
fn a_machine_is_left_to_finish_writing_before_its_power_is_cut() {
    let mut run = Run::of(Workflow::Linux).booted();
    run.report(Report::Success);
    assert_eq!(run.at(), "settle");
    assert_eq!(run.wait(), Duration::from_secs(10));
}

#[test]
fn an_esxi_install_is_done_when_it_read_all_restarted_and_stayed_on() {
    let mut run = Run::of(Workflow::Esxi).booted();
    run.work();
    run.read(Milestone::TaskRead);
    run.read(Milestone::Payload);
    run.look(Power::On);
    run.wait();
    run.look(Power::Off);
    run.wait();
    run.look(Power::On);
    let since = run.now;
    while run.job.outcome().is_none() {
        run.wait();
        run.look(Power::On);
    }
    assert_eq!(run.now.since(since), Duration::from_secs(90));
    let looks = run.commands.iter().filter(|command| *command == "look").count();
    run.commands.retain(|command| command != "look");
    let run = run.until("complete");
    // It restarted by itself: its power is neither cut nor switched on again.
    let tail =
        ["ensure_override_off(before)", "ensure_ejected(after)", "ensure_override_off(after)"];
    assert_commands(&run, &[&PREPARE, &tail]);
    assert_eq!(looks, 6);
}

#[test]
fn an_esxi_install_that_switches_the_machine_off_is_delivered() {
    let mut plan = plan(Workflow::Esxi);
    plan.installer_end = InstallerEnd::PowerOff;
    let mut run = Run::with(plan).booted();
    run.work();
    run.read(Milestone::TaskRead);
    run.read(Milestone::Payload);
    run.look(Power::Off);
    assert_eq!(run.wait(), Duration::from_mins(1));
    run.look(Power::Off);
    assert_eq!(run.job.status(), Status::Succeeded);
    let run = run.until("complete");
    assert_eq!(run.commands.last().unwrap(), "power_on(deliver)");
    assert!(run.job.delivered_at().is_some());
}

#[test]
fn one_slot_that_carries_both_media_is_filled_once() {
    let mut run = Run::of(Workflow::Linux);
    run.media.class = MediaClass::SingleCombined;
    run.media.task_slot = None;
    let run = run.until("await_boot");
    let without: Vec<&str> =
        PREPARE.into_iter().filter(|command| *command != "ensure_task_inserted").collect();
    assert_commands(&run, &[&without]);
}

#[test]
fn a_medium_that_went_into_another_slot_than_planned_is_told_and_nothing_else_changes() {
    for (slot, told) in [("Cd2", 0), ("Cd3", 1)] {
        let mut run = Run::of(Workflow::Linux).until("insert_task");
        run.answer(Verdict::Done { seen: Seen::Inserted { slot: slot.to_owned() } });
        assert_eq!(run.at(), "insert_boot");
        let moved: Vec<_> =
            run.history.iter().filter(|entry| entry.name == "medium_moved").collect();
        assert_eq!(moved.len(), told);
        for entry in moved {
            let detail = ["medium", "planned", "slot"].map(|key| entry.detail[key].as_str());
            assert_eq!(detail, ["task", "Cd2", "Cd3"]);
        }
    }
}
