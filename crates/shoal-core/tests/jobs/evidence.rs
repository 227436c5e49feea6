//! What reads and looks prove, and what they do not.

use shoal_core::{Hold, Milestone, Phase, Power, Seen, Sight, Verdict, Workflow};

use crate::drive::Run;

/// What a BMC that fetches media whole has read when both are in.
const EVERYTHING: [Milestone; 5] = [
    Milestone::Opened,
    Milestone::BootImageRead,
    Milestone::OsLoading,
    Milestone::TaskRead,
    Milestone::Payload,
];

fn fetched_whole(workflow: Workflow, phase: &str) -> Run {
    let mut run = Run::of(workflow).until("boot_once");
    for milestone in EVERYTHING {
        run.read(milestone);
    }
    run.until(phase)
}

#[test]
fn what_a_bmc_fetches_whole_does_not_disarm_the_boot_it_has_not_seen() {
    for (workflow, phase) in
        [(Workflow::Linux, "await_report"), (Workflow::Esxi, "await_installer")]
    {
        let mut run = fetched_whole(workflow, phase);
        for _ in 0..10 {
            run.wait();
            run.look(Power::On);
        }
        assert_eq!(run.at(), phase);
        assert!(!run.commands.iter().any(|command| command.starts_with("ensure_override_off")));
    }
}

#[test]
fn an_installation_from_media_fetched_whole_is_never_taken_for_done() {
    let mut run = fetched_whole(Workflow::Esxi, "await_installer");
    for power in [Power::On, Power::Off, Power::On, Power::On, Power::On, Power::On, Power::On] {
        run.wait();
        run.look(power);
    }
    assert_eq!(run.at(), "await_installer");
    run.run_out();
    assert!(matches!(run.job.phase(), Phase::Held { reason: Hold::InstallerUnsure, .. }));
}

/// An installation that has read everything, looked at as the BMC tells these stages of its boot.
fn told(stages: &[&str]) -> Run {
    let mut run = Run::of(Workflow::Esxi).booted();
    run.work();
    run.read(Milestone::TaskRead);
    run.read(Milestone::Payload);
    for stage in stages {
        run.wait();
        let sight = Sight { boot_progress: Some((*stage).to_owned()), ..Sight::of(Power::On) };
        run.answer(Verdict::Done { seen: Seen::Machine { sight } });
    }
    run
}

fn restarted(run: &Run) -> bool {
    matches!(run.job.phase(), Phase::AwaitInstaller { restarted: Some(_), .. })
}

#[test]
fn a_boot_progress_that_goes_back_is_a_restart_and_one_that_goes_on_is_not() {
    assert!(!restarted(&told(&["OSBootStarted", "OSRunning", "OSRunning"])));
    assert!(restarted(&told(&["OSRunning", "MemoryInitializationStarted"])));
    assert!(restarted(&told(&["FinishedPost", "InPost"])));
    // Stages of the same part of a boot come in no fixed order.
    let post = ["BusInitializationStarted", "PrimaryProcessorInitializationStarted"];
    assert!(!restarted(&told(&post)));
    assert!(!restarted(&told(&["OSRunning", "something of a vendor's own", "OSRunning"])));
}
