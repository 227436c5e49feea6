//! Where a job can stand: one run per phase, and per difference in its data that decisions need.

use std::time::Duration;

use shoal_core::{Event, Fault, Milestone, Power, Report, Seen, Sight, StopAs, Verdict, Workflow};

use crate::drive::{Run, SETTLE, START, failure, lost, plan, refused};

/// All workflows.
pub(crate) const WORKFLOWS: [Workflow; 5] =
    [Workflow::Linux, Workflow::Windows, Workflow::Esxi, Workflow::Firmware, Workflow::Maintenance];

/// Name and run of every stand, in the order in which jobs meet them.
pub(crate) fn all() -> Vec<(String, Run)> {
    let mut stands: Vec<(&str, Run)> = Vec::new();
    stands.extend(preparing());
    stands.extend(waiting());
    stands.extend(cleaning());
    stands.extend(held());
    stands.into_iter().map(|(note, run)| (named(note, &run), run)).collect()
}

fn named(note: &str, run: &Run) -> String {
    if note.is_empty() { run.at().to_owned() } else { format!("{}, {note}", run.at()) }
}

fn linux() -> Run {
    Run::of(Workflow::Linux)
}

fn preparing() -> Vec<(&'static str, Run)> {
    let hands_off = Some(START + Duration::from_mins(30));
    let mut stands = vec![
        ("", linux()),
        ("first boot", Run::after_first_boot(plan(Workflow::Linux), hands_off)),
    ];
    for phase in [
        "discover",
        "build",
        "power_off",
        "clear_media",
        "insert_task",
        "insert_boot",
        "boot_once",
        "power_on",
    ] {
        stands.push(("", linux().until(phase)));
    }
    let mut retrying = linux().until("power_off");
    retrying.answer(lost());
    stands.push(("retrying", retrying));
    stands
}

fn waiting() -> Vec<(&'static str, Run)> {
    let intended = sent(linux());
    let mut seen_off = intended.clone();
    seen_off.wait();
    seen_off.look(Power::Off);
    seen_off.pass(SETTLE);
    let mut stopping = intended.clone();
    stopping.fold(&Event::StopRequested { stop: StopAs::Cancelled, force: false });
    let mut gone_off = linux().booted();
    gone_off.answer(Verdict::DONE);
    gone_off.wait();
    gone_off.look(Power::Off);
    let mut reading = Run::of(Workflow::Esxi).booted();
    let awaits_reads = reading.clone();
    reading.read(Milestone::TaskRead);
    reading.read(Milestone::Payload);
    reading.answer(Verdict::DONE);
    let sight = Sight { last_reset: Some("10:00".to_owned()), ..Sight::of(Power::On) };
    reading.answer(Verdict::Done { seen: Seen::Machine { sight } });
    let read_all = reading.clone();
    reading.read(Milestone::Reopened);
    vec![
        ("answer lost", intended),
        ("off for the settle time", seen_off),
        ("being cancelled", stopping),
        ("", linux().until("await_boot")),
        ("", linux().booted()),
        ("seen off", gone_off),
        ("", Run::of(Workflow::Firmware).booted()),
        ("nothing read", awaits_reads),
        ("all read", read_all),
        ("restarted", reading),
    ]
}

fn cleaning() -> Vec<(&'static str, Run)> {
    let mut done = linux().booted();
    done.report(Report::Success);
    let mut failed = linux().booted();
    failed.report(failure());
    vec![
        ("succeeded", done.clone()),
        ("failed", failed.clone()),
        ("succeeded", done.clone().until("clean_power")),
        ("failed", failed.clone().until("clean_power")),
        ("succeeded", done.clone().until("clean_media")),
        ("failed", failed.clone().until("clean_media")),
        ("succeeded", done.clone().until("clean_override")),
        ("failed", failed.clone().until("clean_override")),
        ("", done.clone().until("deliver")),
        ("answer lost", sent(done.clone().until("deliver"))),
        ("succeeded", done.until("complete")),
        ("failed", failed.until("complete")),
    ]
}

fn held() -> Vec<(&'static str, Run)> {
    let mut refused_insert = linux().until("insert_task");
    refused_insert.answer(refused(Fault::operator("the slot needs a licence")));
    let mut looping = linux().booted();
    looping.read(Milestone::BootAgain);
    let mut flashing = Run::of(Workflow::Firmware).booted();
    let mut stopped = flashing.clone();
    flashing.run_out();
    stopped.fold(&Event::StopRequested { stop: StopAs::Cancelled, force: false });
    let mut unsure = Run::of(Workflow::Esxi).booted();
    unsure.read(Milestone::TaskRead);
    unsure.read(Milestone::Payload);
    unsure.run_out();
    vec![
        ("operator_needed", refused_insert),
        ("reinstall_loop", looping),
        ("flash_unsure", flashing),
        ("stop_during_flash", stopped),
        ("installer_unsure", unsure),
    ]
}

/// The fenced command was sent, and its answer was lost.
fn sent(run: Run) -> Run {
    let mut run = if run.at() == "queued" { run.until("power_on") } else { run };
    run.answer(lost());
    run
}
