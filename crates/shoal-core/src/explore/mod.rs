//! Exhaustive exploration of the real engine against a small hostile world.
//!
//! The world holds one machine, its BMC, its two slots and a controller that can die at any moment.
//! Every interleaving within a budget of mishaps is tried, and after every step the promises of the
//! crate are checked. Failures print the shortest way to the broken promise.

mod controller;
mod key;
mod machine;
mod moves;
mod search;
mod world;

use moves::Mishaps;
use search::explore;
use world::Setting;

use crate::{OnFailure, Workflow, plan::InstallerEnd};

/// Workflows the engine tells apart. Windows and other maintenance targets go the way of Linux.
const DISTINCT: [Workflow; 3] = [Workflow::Linux, Workflow::Esxi, Workflow::Firmware];

fn run(name: &str, setting: Setting, mishaps: Mishaps) {
    let name = format!("{:?}, {name}", setting.workflow);
    let report = match explore(setting, mishaps) {
        Ok(report) => report,
        Err(broken) => panic!("{name}: {broken}"),
    };
    println!(
        "{name}: {} worlds, {} moves, {} complete, {} held",
        report.worlds, report.moves, report.complete, report.held
    );
    assert!(report.complete > 0, "{name}: no way to complete was found");
}

fn run_distinct(name: &str, setting: impl Fn(Workflow) -> Setting, mishaps: Mishaps) {
    for workflow in DISTINCT {
        run(name, setting(workflow), mishaps);
    }
}

#[test]
fn three_crashes_break_no_promise_in_any_workflow() {
    for workflow in [Workflow::Linux, Workflow::Windows, Workflow::Esxi, Workflow::Firmware] {
        let mishaps = Mishaps { crashes: 3, ..Mishaps::default() };
        run("three crashes", Setting::of(workflow), mishaps);
    }
}

#[test]
fn crashes_together_with_lost_answers_break_no_promise() {
    let mishaps = Mishaps { crashes: 2, lost: 2, ..Mishaps::default() };
    run_distinct("crashes and lost answers", Setting::of, mishaps);
}

#[test]
fn refusals_stops_and_power_losses_break_no_promise() {
    let mishaps = Mishaps {
        crashes: 1,
        lost: 1,
        refusals: 1,
        stops: 1,
        power_losses: 1,
        ..Mishaps::default()
    };
    run_distinct("everything once", Setting::of, mishaps);
}

#[test]
fn a_machine_that_comes_on_by_itself_breaks_no_promise() {
    for mishaps in [
        Mishaps { crashes: 1, lost: 1, stops: 1, power_returns: 1, ..Mishaps::default() },
        Mishaps { refusals: 1, power_losses: 1, power_returns: 2, ..Mishaps::default() },
    ] {
        run_distinct("power returns", Setting::of, mishaps);
    }
    let sticky = |workflow| Setting { sticky_override: true, ..Setting::of(workflow) };
    let mishaps = Mishaps { lost: 1, stops: 1, power_returns: 1, ..Mishaps::default() };
    run_distinct("power returns, sticky override", sticky, mishaps);
    // Where reads prove nothing, somebody else's power-on cannot be told from one of ours that was
    // lost; no controller could keep the two apart, so they are not explored together.
    let mishaps = Mishaps { power_returns: 2, ..Mishaps::default() };
    let prefetching = |workflow| Setting { prefetches: true, ..Setting::of(workflow) };
    run_distinct("power returns, prefetching", prefetching, mishaps);
    let external = |workflow| Setting { external: true, ..Setting::of(workflow) };
    run_distinct("power returns, external boot medium", external, mishaps);
}

#[test]
fn two_stops_break_no_promise() {
    let mishaps = Mishaps { crashes: 1, lost: 1, stops: 2, ..Mishaps::default() };
    run_distinct("two stops", Setting::of, mishaps);
}

#[test]
fn clock_steps_absences_and_doubled_reports_break_no_promise() {
    let mishaps = Mishaps { crashes: 1, lost: 1, clock_steps: 1, reports: 2, ..Mishaps::default() };
    run_distinct("time and reports", Setting::of, mishaps);
}

#[test]
fn a_bmc_that_fetches_media_whole_breaks_no_promise() {
    let setting = |workflow| Setting { prefetches: true, ..Setting::of(workflow) };
    let mishaps = Mishaps { crashes: 2, lost: 1, stops: 1, ..Mishaps::default() };
    run_distinct("prefetching", setting, mishaps);
}

#[test]
fn a_boot_medium_elsewhere_breaks_no_promise() {
    let setting = |workflow| Setting { external: true, ..Setting::of(workflow) };
    let mishaps = Mishaps { crashes: 2, lost: 1, stops: 1, ..Mishaps::default() };
    run_distinct("external boot medium", setting, mishaps);
}

#[test]
fn an_override_that_is_not_consumed_breaks_no_promise() {
    let setting = |workflow| Setting { sticky_override: true, ..Setting::of(workflow) };
    let mishaps = Mishaps { crashes: 2, power_losses: 1, ..Mishaps::default() };
    run_distinct("sticky override", setting, mishaps);
}

#[test]
fn every_choice_for_failed_jobs_and_foreign_installers_breaks_no_promise() {
    for on_failure in [OnFailure::Reset, OnFailure::Leave] {
        let setting = Setting { on_failure, ..Setting::of(Workflow::Linux) };
        let mishaps = Mishaps { crashes: 2, lost: 1, refusals: 1, ..Mishaps::default() };
        run(&format!("{on_failure:?} on failure"), setting, mishaps);
    }
    let setting = Setting { installer_end: InstallerEnd::PowerOff, ..Setting::of(Workflow::Esxi) };
    let mishaps = Mishaps { crashes: 2, lost: 1, ..Mishaps::default() };
    run("switches itself off", setting, mishaps);
}

/// The explorer must be able to see harm: a world whose off states lie for longer than the media
/// plan says lets the engine cut power where it must not.
#[test]
fn a_world_outside_the_assumptions_is_found_out() {
    let setting =
        Setting { lag_beyond_settle: true, external: true, ..Setting::of(Workflow::Linux) };
    let mishaps = Mishaps { crashes: 1, lost: 1, ..Mishaps::default() };
    let broken = explore(setting, mishaps).err().unwrap_or_default();
    assert!(broken.starts_with("power cut into a live install"), "not noticed: {broken}");
}
