//! Hosts that boot an ESXi installer: what they read and in which order, how they end, and what a
//! controller that only watches can see of it.

use std::time::Duration;

use serde_json::Value;
use shoal_redfish_mock::{
    BootFrom, Clock, ClockHand, Ending, Event, HostPhase, HostScript, Part, Restart, Step,
};

use crate::support::{
    KERNEL_BYTES, MODULES_BYTES, Rig, Wish, esxi_installer, esxi_stick, esxi_task,
};

const KICKSTART: &str = "vmaccepteula\ninstall --firstdisk\n";

/// A machine on a clock that stands still.
async fn rig(persona: &str, script: HostScript) -> (Rig, ClockHand) {
    let (clock, hand) = Clock::manual();
    (Wish { clock, script, ..Wish::of(persona) }.rig().await, hand)
}

/// Puts in an installer and a task medium that ends with this command, and powers on.
async fn install(rig: &Rig, last: &str) {
    let boot = rig.images.put("boot.iso", esxi_installer("ks=cdrom:/KS.CFG"));
    let task = rig.images.put("task.iso", esxi_task(&format!("{KICKSTART}{last}\n")));
    rig.install_from(&boot, &task).await;
}

fn boots(rig: &Rig) -> Vec<BootFrom> {
    rig.mock.boots().iter().map(|boot| boot.from).collect()
}

fn parts(rig: &Rig) -> Vec<(String, Part, u64)> {
    let events = rig.mock.events().into_iter();
    let reads = events.filter_map(|moment| match moment.event {
        Event::Read { slot, part, bytes } => Some((slot, part, bytes)),
        _ => None,
    });
    reads.collect()
}

async fn system(rig: &Rig) -> Value {
    rig.get(&rig.system()).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_reads_its_disc_and_the_kickstart_file_and_restarts_into_what_it_installed() {
    let (rig, hand) = rig("idrac9-6x", HostScript::default()).await;
    install(&rig, "reboot").await;
    hand.advance(Duration::from_hours(1));
    let up = rig.wait(|event| *event == Event::InstalledOsUp).await;
    assert_eq!(up.at, Duration::from_mins(8));
    assert_eq!(boots(&rig), [BootFrom::BootMedium, BootFrom::Disk]);
    let read: Vec<(String, Part, u64)> =
        parts(&rig).into_iter().filter(|(_, part, _)| *part != Part::BootConfig).collect();
    let kickstart = format!("{KICKSTART}reboot\n").len() as u64;
    let expected = [
        ("1", Part::Descriptors, 32_768),
        ("1", Part::BootImage, 8192),
        ("1", Part::Kernel, KERNEL_BYTES),
        ("1", Part::Modules, MODULES_BYTES),
        ("2", Part::Kickstart, kickstart),
        ("1", Part::Payload, MODULES_BYTES),
    ];
    assert_eq!(read, expected.map(|(slot, part, bytes)| (slot.to_owned(), part, bytes)));
    let events = rig.mock.events();
    let seen = |wanted: &Event| events.iter().any(|moment| moment.event == *wanted);
    assert!(seen(&Event::KickstartFound { slot: "2".into(), label: "TASK_0007".into() }));
    assert!(seen(&Event::InstallerUp) && seen(&Event::InstallerDone) && seen(&Event::Restarted));
    assert!(rig.reports().is_empty() && rig.mock.state().installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_restart_shows_as_the_persona_shows_it_and_never_in_the_power_state() {
    for (persona, reset_time, progress) in
        [("idrac9-6x", true, false), ("xcc", false, false), ("smc-x13", false, true)]
    {
        let (rig, hand) = rig(persona, HostScript::default()).await;
        install(&rig, "reboot").await;
        hand.advance(Duration::from_secs(80));
        rig.wait(|event| *event == Event::InstallerUp).await;
        let before = system(&rig).await;
        hand.advance(Duration::from_mins(5));
        rig.wait(|event| *event == Event::Restarted).await;
        let during = system(&rig).await;
        assert_eq!((&before["PowerState"], &during["PowerState"]), (&"On".into(), &"On".into()));
        assert_eq!(before["LastResetTime"] != during["LastResetTime"], reset_time, "{persona}");
        assert_eq!(before["BootProgress"] != during["BootProgress"], progress, "{persona}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_can_go_unnoticed_everywhere() {
    let script = HostScript { restart: Restart::Unnoticed, ..HostScript::default() };
    let (clock, hand) = Clock::manual();
    let mut wish = Wish { clock, script, ..Wish::of("idrac9-6x") };
    wish.persona.system.boot_progress = true;
    let rig = wish.rig().await;
    install(&rig, "reboot").await;
    hand.advance(Duration::from_secs(80));
    rig.wait(|event| *event == Event::InstallerUp).await;
    let before = system(&rig).await;
    hand.advance(Duration::from_mins(5));
    rig.wait(|event| *event == Event::Restarted).await;
    assert_eq!(rig.mock.state().phase, HostPhase::Post);
    assert_eq!(system(&rig).await, before);
    hand.advance(Duration::from_secs(100));
    rig.wait(|event| *event == Event::InstalledOsUp).await;
    assert_eq!(system(&rig).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_restart_shows_the_host_off() {
    let restart = Restart::Cold(Duration::from_secs(10));
    let (rig, hand) = rig("smc-x13", HostScript { restart, ..HostScript::default() }).await;
    install(&rig, "reboot").await;
    hand.advance(Duration::from_secs(380));
    rig.wait(|event| *event == Event::Restarted).await;
    assert!(!rig.mock.state().on);
    hand.advance(Duration::from_secs(5));
    assert_eq!(system(&rig).await["PowerState"], "Off");
    hand.advance(Duration::from_secs(200));
    rig.wait(|event| *event == Event::InstalledOsUp).await;
    assert_eq!(boots(&rig), [BootFrom::BootMedium, BootFrom::Disk]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kickstart_file_or_the_script_can_end_with_power_off() {
    for (last, ending) in [
        ("poweroff", Ending::Succeed),
        ("halt", Ending::Succeed),
        ("reboot", Ending::PowerOffAtEnd),
    ] {
        let (rig, hand) = rig("xcc", HostScript::ending(ending)).await;
        install(&rig, last).await;
        hand.advance(Duration::from_hours(1));
        rig.wait(|event| *event == Event::SwitchedItselfOff).await;
        assert!(rig.mock.state().installed && !rig.mock.state().on, "{last}");
        assert_eq!(boots(&rig), [BootFrom::BootMedium]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_can_stay_at_its_last_screen() {
    for (last, ending) in [("", Ending::Succeed), ("reboot", Ending::NeverRestart)] {
        let (rig, hand) = rig("smc-x13", HostScript::ending(ending)).await;
        install(&rig, last).await;
        hand.advance(Duration::from_hours(10));
        rig.wait(|event| *event == Event::InstallerDone).await;
        assert_eq!(rig.mock.state().phase, HostPhase::Installer);
        assert_eq!(system(&rig).await["PowerState"], "On");
        assert_eq!(boots(&rig), [BootFrom::BootMedium]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_can_look_at_the_media_again_before_it_boots_the_disk() {
    let script = HostScript { rereads_media: true, ..HostScript::default() };
    let (rig, hand) = rig("xcc", script).await;
    install(&rig, "reboot").await;
    hand.advance(Duration::from_hours(1));
    rig.wait(|event| *event == Event::InstalledOsUp).await;
    let tail: Vec<(String, Part, u64)> = parts(&rig).into_iter().rev().take(3).collect();
    let descriptors = |slot: &str| (slot.to_owned(), Part::Descriptors, 32_768);
    assert_eq!(tail[..2], [descriptors("EXT2"), descriptors("EXT1")]);
    assert_eq!(tail[2].1, Part::Payload);
    assert_eq!(boots(&rig), [BootFrom::BootMedium, BootFrom::Disk]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_that_is_not_used_up_installs_again_and_again() {
    let script = HostScript { keeps_override: true, ..HostScript::default() };
    let (rig, hand) = rig("idrac9-6x", script).await;
    install(&rig, "reboot").await;
    hand.advance(Duration::from_secs(2 * 380 + 60));
    let third = |moment: &shoal_redfish_mock::Moment| {
        matches!(&moment.event, Event::Read { part: Part::BootImage, .. })
            && moment.at == Duration::from_secs(2 * 380 + 60)
    };
    rig.mock.wait_for(crate::support::PATIENCE, third).await.unwrap();
    assert_eq!(boots(&rig), [BootFrom::BootMedium; 3]);
    assert_eq!(system(&rig).await["Boot"]["BootSourceOverrideEnabled"], "Once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_can_fail_hang_lose_power_or_restart_too_early() {
    let half = Duration::from_secs(60 + 20 + 150);
    let at = Step::Installer;
    for (ending, expected) in [
        (Ending::FailAt(at), Event::InstallerStopped { why: "the installation failed".into() }),
        (Ending::HangAt(at), Event::Hung),
        (Ending::PowerOffAt(at), Event::SwitchedItselfOff),
        (Ending::LosePowerAt(at, Duration::from_secs(30)), Event::PowerLost),
        (Ending::RestartAt(at), Event::Restarted),
    ] {
        let (rig, hand) = rig("idrac9-6x", HostScript::ending(ending.clone())).await;
        install(&rig, "reboot").await;
        hand.advance(half);
        assert_eq!(rig.wait(|event| *event == expected).await.at, half);
        hand.advance(Duration::from_hours(1));
        assert!(!rig.mock.state().installed, "{ending:?}");
        if matches!(ending, Ending::LosePowerAt(..) | Ending::RestartAt(_)) {
            rig.wait(|event| *event == Event::Booted(BootFrom::Nothing)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kickstart_file_on_a_stick_is_found_where_the_options_say_so() {
    let (rig, hand) = rig("ilo5", HostScript::default()).await;
    let boot = rig.images.put("boot.iso", esxi_installer("ks=usb"));
    let task = rig.images.put("task.img", esxi_stick(&format!("{KICKSTART}reboot\n")));
    rig.install_from(&boot, &task).await;
    hand.advance(Duration::from_hours(1));
    rig.wait(|event| *event == Event::InstalledOsUp).await;
    let found = Event::KickstartFound { slot: "1".into(), label: "TASK_0007".into() };
    assert!(rig.mock.events().iter().any(|moment| moment.event == found));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_kickstart_file_it_can_use_an_installer_waits_and_the_disk_stays() {
    let cases = [
        // A stick is no disc, and a disc is no stick.
        ("ilo5", "ks=cdrom:/KS.CFG", esxi_task(KICKSTART), "cdrom:/KS.CFG is on no disc"),
        ("idrac9-6x", "ks=usb", esxi_task(KICKSTART), "KS.CFG is on no USB stick"),
        ("idrac9-6x", "ks=cdrom:/OTHER.CFG", esxi_task(KICKSTART), "cdrom:/OTHER.CFG"),
        // Plain names are upper case.
        ("idrac9-6x", "ks=cdrom:/ks.cfg", esxi_task(KICKSTART), "cdrom:/ks.cfg is on no disc"),
        ("idrac9-6x", "", esxi_task(KICKSTART), "name no kickstart file"),
        ("idrac9-6x", "ks=cdrom:/KS.CFG", esxi_task("install\n"), "licence"),
    ];
    for (persona, options, task, complaint) in cases {
        let mut wish = Wish::of(persona);
        wish.installed = true;
        let rig = wish.rig().await;
        let boot = rig.images.put("boot.iso", esxi_installer(options));
        let task = rig.images.put("task.iso", task);
        rig.install_from(&boot, &task).await;
        let stopped = rig.wait(|event| matches!(event, Event::InstallerStopped { .. })).await;
        assert!(format!("{:?}", stopped.event).contains(complaint), "{stopped:?}");
        assert!(rig.mock.state().installed, "{complaint}");
    }
}
