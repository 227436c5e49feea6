//! The other workflows of the maintenance OS, and hosts and BMCs that restart in the middle of them
//! or come on by themselves.

use std::time::Duration;

use serde_json::json;
use shoal_redfish_mock::{BootFrom, Clock, Ending, Event, HostPhase, HostScript, Step};

use crate::support::{Rig, SERIAL, Wish, boot_medium, task_medium};

async fn started(rig: &Rig, target: &str) {
    let boot = rig.images.put("boot.iso", boot_medium());
    let task = rig.images.put("task.iso", task_medium("TASK_0003", SERIAL, target));
    rig.install_from(&boot, &task).await;
}

fn percents(step: &str) -> Vec<String> {
    [50, 100].map(|at| format!("--status progress --step {step} --percent {at}")).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_goes_through_its_own_steps() {
    let rig = Rig::of("smc-x13").await;
    started(&rig, "install-windows.target").await;
    rig.wait_reported("success").await;
    let steps = ["workflow.partition", "workflow.image-windows", "workflow.bootloader-windows"];
    let mut expected: Vec<String> = steps.iter().flat_map(|step| percents(step)).collect();
    expected.push("--status success".to_owned());
    assert_eq!(rig.reports(), expected);
    assert!(rig.mock.state().installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flash_leaves_the_disk_alone() {
    let mut wish = Wish::of("smc-x13");
    wish.installed = true;
    let rig = wish.rig().await;
    started(&rig, "supermicro-update.target").await;
    rig.wait_reported("success").await;
    let mut expected = percents("workflow.firmware");
    expected.push("--status success".to_owned());
    assert_eq!(rig.reports(), expected);
    assert!(rig.mock.state().installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flash_can_fail_half_way() {
    let script = HostScript::ending(Ending::FailAt(Step::Firmware));
    let rig = Wish { script, ..Wish::of("smc-x13") }.rig().await;
    started(&rig, "supermicro-update.target").await;
    rig.wait_reported("failed").await;
    assert_eq!(rig.reports(), ["--status failed --failed-step workflow.firmware"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flash_can_restart_the_bmc_and_go_on() {
    let (clock, hand) = Clock::manual();
    let away = Duration::from_mins(2);
    let script = HostScript::ending(Ending::BmcRestartAt(Step::Firmware, away));
    let rig = Wish { clock, script, ..Wish::of("smc-x13") }.rig().await;
    started(&rig, "supermicro-update.target").await;
    hand.advance(Duration::from_secs(95));
    rig.wait(|event| *event == Event::BmcAway).await;
    assert!(rig.request("GET", &rig.system()).send().await.is_err());
    assert!(rig.mock.state().slots.iter().all(|slot| slot.image.is_none()));
    hand.advance(Duration::from_secs(30));
    rig.wait_reported("success").await;
    assert!(rig.request("GET", &rig.system()).send().await.is_err());
    hand.advance(away);
    rig.wait(|event| *event == Event::BmcBack).await;
    assert_eq!(rig.get(&rig.system()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flash_can_restart_the_host_which_then_reports_nothing() {
    let script = HostScript::ending(Ending::RestartAt(Step::Firmware));
    let mut wish = Wish { script, ..Wish::of("smc-x13") };
    wish.installed = true;
    let rig = wish.rig().await;
    started(&rig, "supermicro-update.target").await;
    rig.wait(|event| *event == Event::InstalledOsUp).await;
    let boots: Vec<BootFrom> = rig.mock.boots().iter().map(|boot| boot.from).collect();
    assert_eq!(boots, [BootFrom::BootMedium, BootFrom::Disk]);
    assert!(rig.reports().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_os_can_switch_off_after_its_report() {
    let rig = Wish { script: HostScript::ending(Ending::PowerOffAtEnd), ..Wish::of("ilo5") };
    let rig = rig.rig().await;
    started(&rig, "install-linux.target").await;
    rig.wait(|event| *event == Event::SwitchedItselfOff).await;
    assert_eq!(rig.reports().last().unwrap(), "--status success");
    assert!(rig.mock.state().installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_can_come_on_by_itself_after_it_was_switched_off() {
    let (clock, hand) = Clock::manual();
    let script = HostScript { wakes_after: Some(Duration::from_secs(30)), ..HostScript::default() };
    let rig = Wish { clock, script, ..Wish::of("xcc") }.rig().await;
    assert!(rig.reset("On").await.0 < 300);
    assert!(rig.reset("ForceOff").await.0 < 300);
    hand.advance(Duration::from_secs(29));
    assert!(!rig.mock.state().on);
    hand.advance(Duration::from_secs(1));
    let twice = |moment: &shoal_redfish_mock::Moment| {
        moment.event == Event::PoweredOn && moment.at == Duration::from_secs(30)
    };
    rig.mock.wait_for(crate::support::PATIENCE, twice).await.unwrap();
    assert!(rig.mock.state().on);
}

#[tokio::test]
async fn the_button_and_the_mains_work_past_the_bmc() {
    let (clock, hand) = Clock::manual();
    let rig = Wish { clock, ..Wish::of("ilo5") }.rig().await;
    rig.mock.press_power_button();
    rig.mock.press_power_button();
    assert_eq!(rig.mock.state().phase, HostPhase::Post);
    rig.mock.cut_mains(Some(Duration::from_secs(5)));
    assert_eq!(rig.mock.state().phase, HostPhase::Off);
    hand.advance(Duration::from_secs(5));
    let back = |moment: &shoal_redfish_mock::Moment| {
        moment.event == Event::PoweredOn && moment.at == Duration::from_secs(5)
    };
    rig.mock.wait_for(crate::support::PATIENCE, back).await.unwrap();
    rig.mock.cut_mains(None);
    rig.mock.cut_mains(None);
    let events: Vec<Event> = rig.mock.events().into_iter().map(|moment| moment.event).collect();
    let (on, lost) = (Event::PoweredOn, Event::PowerLost);
    assert_eq!(events, [on.clone(), lost.clone(), on, lost]);
    assert_eq!(rig.mock.journal().effects(), []);
    assert_eq!(rig.get(&rig.system()).await.1["PowerState"], json!("On"), "it lags");
}
