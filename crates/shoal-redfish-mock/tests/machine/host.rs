//! Stories of hosts: what goes wrong behind a BMC and what the outside sees of it.

use std::{
    io::{BufRead, BufReader},
    process::Command,
    time::Duration,
};

use shoal_redfish_mock::{
    BootFrom, Clock, Effect, Ending, Event, HostPhase, HostScript, Part, Step,
};

use crate::support::{
    BOOT_IMAGE_BYTES, RESERVED_BYTES, Rig, SERIAL, Wish, boot_medium, find, foreign_boot_medium,
    linux_task, task_medium,
};

async fn told(ending: Ending) -> Rig {
    let rig = Wish { script: HostScript::ending(ending), ..Wish::of("idrac9-6x") }.rig().await;
    rig.install().await;
    rig
}

fn terminal_reports(rig: &Rig) -> Vec<String> {
    rig.reports().into_iter().filter(|line| !line.contains("progress")).collect()
}

fn boots(rig: &Rig) -> Vec<BootFrom> {
    rig.mock.boots().iter().map(|boot| boot.from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_is_reported_and_leaves_no_system_behind() {
    let rig = told(Ending::FailAt(Step::ImageLinux)).await;
    rig.wait_reported("failed").await;
    assert_eq!(terminal_reports(&rig), ["--status failed --failed-step workflow.image-linux"]);
    assert!(!rig.mock.state().installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_reports_has_installed_nevertheless() {
    let rig = told(Ending::NeverReport).await;
    rig.wait(|event| *event == Event::StepDone(Step::ConfigDrive)).await;
    assert!(terminal_reports(&rig).is_empty());
    assert!(rig.mock.state().installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_can_report_twice_or_before_it_did_anything() {
    let rig = told(Ending::ReportTwice).await;
    let twice = |moment: &shoal_redfish_mock::Moment| {
        matches!(moment.event, Event::Reported { status: "success", .. })
    };
    let first = rig.mock.wait_for(crate::support::PATIENCE, twice).await.unwrap();
    rig.mock
        .wait_for(crate::support::PATIENCE, |moment| moment.seq > first.seq && twice(moment))
        .await
        .unwrap();
    assert_eq!(terminal_reports(&rig), ["--status success", "--status success"]);

    let early = told(Ending::ReportEarly).await;
    early.wait(|event| *event == Event::StepDone(Step::ConfigDrive)).await;
    assert_eq!(early.reports()[0], "--status success");
    assert_eq!(terminal_reports(&early).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_report_comes_when_the_clock_says() {
    let (clock, hand) = Clock::manual();
    let script = HostScript::ending(Ending::ReportLate(Duration::from_secs(1000)));
    let rig = Wish { clock, script, ..Wish::of("ilo5") }.rig().await;
    rig.install().await;
    hand.advance(Duration::from_secs(1199));
    rig.wait(|event| *event == Event::StepDone(Step::ConfigDrive)).await;
    assert!(terminal_reports(&rig).is_empty());
    hand.advance(Duration::from_secs(1));
    let at = rig.wait(|event| matches!(event, Event::Reported { status: "success", .. })).await.at;
    assert_eq!(at, Duration::from_mins(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_in_post_reads_nothing() {
    let rig = told(Ending::HangBeforeBoot).await;
    let reads = rig.images.log().len();
    rig.wait(|event| *event == Event::Hung).await;
    assert_eq!(rig.mock.state().phase, HostPhase::Hung);
    assert!(rig.mock.state().on);
    assert_eq!(rig.images.log().len(), reads);
    assert!(rig.mock.boots().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_switches_itself_off_stays_off() {
    let rig = told(Ending::PowerOffAt(Step::BootloaderLinux)).await;
    rig.wait(|event| *event == Event::SwitchedItselfOff).await;
    assert_eq!(rig.mock.state().phase, HostPhase::Off);
    assert!(terminal_reports(&rig).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_loss_the_used_up_override_leads_nowhere() {
    let rig = told(Ending::LosePowerAt(Step::ImageLinux, Duration::from_secs(30))).await;
    rig.wait(|event| *event == Event::Booted(BootFrom::Nothing)).await;
    assert_eq!(boots(&rig), [BootFrom::BootMedium, BootFrom::Nothing]);
    assert_eq!(rig.mock.state().phase, HostPhase::NoBootDevice);
    let power = |effect: &&Effect| **effect == Effect::PowerOn;
    assert_eq!(rig.mock.journal().effects().iter().filter(power).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_dispatcher_is_reported_from_its_failure_file() {
    let rig = Rig::of("ilo5").await;
    let boot = rig.images.put("boot.iso", boot_medium());
    let task = task_medium("TASK_0002", SERIAL, "tea.target");
    let task = rig.images.put("task.iso", task);
    rig.install_from(&boot, &task).await;
    rig.wait_reported("failure-file").await;
    assert_eq!(rig.reports(), [""]);
    assert!(rig.mock.events().iter().any(|m| m.event == Event::Dispatched { code: Some(16) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_medium_of_another_machine_is_refused_by_the_dispatcher() {
    let rig = Rig::of("ilo5").await;
    let boot = rig.images.put("boot.iso", boot_medium());
    let task = task_medium("TASK_0003", "SN9999", "install-linux.target");
    let task = rig.images.put("task.iso", task);
    rig.install_from(&boot, &task).await;
    rig.wait(|event| *event == Event::Dispatched { code: Some(18) }).await;
    assert!(rig.reports().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn cutting_power_kills_the_program_that_runs() {
    let rig = Wish {
        dispatcher: "#!/bin/sh\nexec 3>\"$3/../../pipe\"\necho up >&3\nexec sleep 1000\n",
        ..Wish::of("idrac9-6x")
    }
    .rig()
    .await;
    let pipe = rig.dir.path().join("scratch/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = tokio::task::spawn_blocking(move || {
        let mut reader = BufReader::new(std::fs::File::open(pipe).unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        (line, reader)
    });
    rig.install().await;
    let (line, mut reader) = reader.await.unwrap();
    assert_eq!(line, "up\n");
    assert!(rig.reset("ForceOff").await.0 < 300);
    // The pipe ends only when the last process that holds it is gone.
    let rest = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap()
    });
    assert_eq!(rest.await.unwrap(), 0);
    assert!(!rig.mock.events().iter().any(|m| matches!(m.event, Event::Dispatched { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_is_followed_by_an_operating_system_only() {
    let (clock, hand) = Clock::manual();
    let rig = Wish { clock, ..Wish::of("idrac9-6x") }.rig().await;
    rig.install().await;
    assert_eq!(rig.reset("GracefulShutdown").await.0, 204);
    hand.advance(Duration::from_hours(1));
    rig.wait_reported("success").await;
    assert!(rig.mock.state().on, "a host in POST does not listen");
    assert_eq!(rig.reset("GracefulShutdown").await.0, 204);
    hand.advance(Duration::from_secs(15));
    rig.wait(|event| *event == Event::SwitchedItselfOff).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_medium_is_found_inside_the_boot_medium() {
    let rig = Rig::of("ilo5").await;
    let mut image = boot_medium();
    let task = linux_task();
    assert!(task.len() <= RESERVED_BYTES);
    let at = find(&image, b"reserved for a task medium------");
    image[at..at + task.len()].copy_from_slice(&task);
    let boot = rig.images.put("boot.iso", image);
    assert!(rig.insert("2", &boot).await.0 < 300);
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(rig.reset("On").await.0 < 300);
    rig.wait(|event| matches!(event, Event::TaskMediumFound { overlaid: true, .. })).await;
    rig.wait_reported("success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_exactly_one_task_medium_nothing_is_dispatched() {
    let rig = Rig::of("idrac9-6x").await;
    let boot = rig.images.put("boot.iso", boot_medium());
    assert!(rig.insert("1", &boot).await.0 < 300);
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(rig.reset("On").await.0 < 300);
    rig.wait(|event| *event == Event::TaskMediumMissing).await;

    let other = Rig::of("idrac9-6x").await;
    let mut image = boot_medium();
    let task = task_medium("TASK_0009", SERIAL, "install-linux.target");
    let at = find(&image, b"reserved for a task medium------");
    image[at..at + task.len()].copy_from_slice(&task);
    let boot = other.images.put("boot.iso", image);
    let task = other.images.put("task.iso", linux_task());
    other.install_from(&boot, &task).await;
    other.wait(|event| *event == Event::TaskMediumAmbiguous).await;
    assert!(!other.mock.events().iter().any(|m| matches!(m.event, Event::Dispatched { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_installer_boots_from_its_el_torito_image() {
    let rig = Rig::of("ilo5").await;
    let boot = rig.images.put("boot.iso", foreign_boot_medium());
    let task = rig.images.put("task.iso", linux_task());
    rig.install_from(&boot, &task).await;
    rig.wait(|event| matches!(event, Event::Read { part: Part::BootImage, bytes: 2048, .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_passes_over_a_medium_that_cannot_boot() {
    let rig = Rig::of("idrac9-6x").await;
    let boot = rig.images.put("boot.iso", boot_medium());
    let task = rig.images.put("task.iso", linux_task());
    // The task medium lies in the slot that firmware tries first.
    assert!(rig.insert("1", &task).await.0 < 300);
    assert!(rig.insert("2", &boot).await.0 < 300);
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(rig.reset("On").await.0 < 300);
    let read = rig.wait(|event| matches!(event, Event::Read { part: Part::Extent(_), .. })).await;
    assert!(matches!(
        read.event,
        Event::Read { slot, bytes, .. } if slot == "2" && bytes == BOOT_IMAGE_BYTES as u64
    ));
    rig.wait_reported("success").await;
}
