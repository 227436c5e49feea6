//! Whole lives of machines of every persona.

use std::process::Command;

use serde_json::{Value, json};
use shoal_redfish_mock::{BootFrom, Clock, Effect, EffectKind, Event, HostPhase, Part, Persona};

use crate::support::{Rig, SERIAL, Wish, answer, boot_medium, linux_task};

#[tokio::test(flavor = "multi_thread")]
async fn every_persona_lives_from_its_media_to_the_installed_system() {
    for persona in Persona::names() {
        whole_life(&Rig::of(persona).await).await;
    }
}

async fn whole_life(rig: &Rig) {
    let (boot_slot, task_slot) = rig.slots();
    let slots: Vec<&str> =
        if boot_slot == task_slot { vec![boot_slot] } else { vec![task_slot, boot_slot] };
    rig.install().await;
    rig.wait_reported("success").await;
    assert_eq!(rig.mock.state().phase, HostPhase::MaintenanceOs);
    assert!(rig.mock.state().installed);
    assert_eq!(rig.get(&rig.system()).await.1["Boot"]["BootSourceOverrideEnabled"], "Disabled");

    assert!(rig.reset("ForceOff").await.0 < 300);
    for slot in &slots {
        assert!(rig.eject(slot).await.0 < 300);
    }
    rig.power_on_when_it_may().await;
    rig.wait(|event| *event == Event::InstalledOsUp).await;

    let mut expected: Vec<Effect> =
        slots.iter().map(|slot| Effect::Insert { slot: (*slot).to_owned() }).collect();
    expected.extend([Effect::BootOnce { target: rig.cd() }, Effect::PowerOn, Effect::PowerOff]);
    expected.extend(slots.iter().map(|slot| Effect::Eject { slot: (*slot).to_owned() }));
    expected.push(Effect::PowerOn);
    assert_eq!(rig.mock.journal().effects(), expected);
    let boots: Vec<BootFrom> = rig.mock.boots().iter().map(|boot| boot.from).collect();
    assert_eq!(boots, [BootFrom::BootMedium, BootFrom::Disk]);
    assert!(rig.mock.state().slots.iter().all(|slot| slot.image.is_none()));
    assert_eq!(rig.mock.state().phase, HostPhase::Installed);
    assert_reports(&rig.reports());
    assert_media_were_read_in_order(rig, boot_slot, task_slot);
}

fn assert_reports(reports: &[String]) {
    let mut expected = Vec::new();
    for step in ["partition", "image-linux", "bootloader-linux", "config-drive"] {
        for percent in [50, 100] {
            expected.push(format!("--status progress --step workflow.{step} --percent {percent}"));
        }
    }
    expected.push("--status success".to_owned());
    assert_eq!(reports, expected);
}

/// Media were asked for by HEAD and ranges, and the host read what a host reads in its order.
fn assert_media_were_read_in_order(rig: &Rig, boot_slot: &str, task_slot: &str) {
    let log = rig.images.log();
    let overlaid = boot_slot == task_slot;
    assert_eq!(log[0], if overlaid { "HEAD boot.iso -" } else { "HEAD task.iso -" });
    assert!(log.iter().filter(|line| line.starts_with("GET")).all(|line| line.contains("bytes=")));
    let events = rig.mock.events();
    let read: Vec<(&str, &Part)> = events
        .iter()
        .filter_map(|moment| match &moment.event {
            Event::Read { slot, part, .. } if *part != Part::Descriptors => {
                Some((slot.as_str(), part))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        read,
        [
            (boot_slot, &Part::Manifest),
            (boot_slot, &Part::Extent("boot_image_read".to_owned())),
            (boot_slot, &Part::Extent("payload".to_owned())),
            (task_slot, &Part::Files),
        ]
    );
    assert!(events.iter().any(|moment| matches!(
        &moment.event,
        Event::TaskMediumFound { label, slot, overlaid: inside }
            if label == "TASK_0001" && slot == task_slot && *inside == overlaid
    )));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_story_leave_the_same_journal_and_events() {
    let images = crate::support::ImageServer::start(None).await;
    let (boot, task) =
        (images.put("boot.iso", boot_medium()), images.put("task.iso", linux_task()));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (clock, hand) = Clock::manual();
        let rig = Wish { clock, ..Wish::of("ilo5") }.rig().await;
        rig.install_from(&boot, &task).await;
        hand.advance(std::time::Duration::from_hours(1));
        rig.wait_reported("success").await;
        let scratch = rig.dir.path().to_str().unwrap().to_owned();
        let events: Vec<String> = rig
            .mock
            .events()
            .iter()
            .map(|moment| format!("{moment:?}").replace(&scratch, ""))
            .collect();
        let mut entries = rig.mock.journal().entries();
        // When a client opens a further connection is its own affair.
        for entry in &mut entries {
            entry.connection = 0;
        }
        seen.push((entries, events));
    }
    let last = seen[0].1.last().unwrap();
    assert!(last.contains("at: 200s"), "POST 60, start 20 and four steps of 30 s: {last}");
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn the_serial_is_where_the_persona_keeps_it() {
    let dell = Rig::of("idrac9-6x").await;
    let (_, system) = dell.get(&dell.system()).await;
    assert_eq!(system["SKU"], SERIAL);
    assert_ne!(system["SerialNumber"], SERIAL);
    let hpe = Rig::of("ilo5").await;
    let (_, system) = hpe.get(&hpe.system()).await;
    assert_eq!(system["SerialNumber"], SERIAL);
    assert_ne!(system["SKU"], SERIAL);
}

#[tokio::test]
async fn a_session_admits_until_it_is_closed() {
    let rig = Rig::of("ilo5").await;
    let login = rig
        .http
        .post(format!("{}/redfish/v1/SessionService/Sessions", rig.mock.url()))
        .json(&json!({"UserName": "admin", "Password": "password"}))
        .send()
        .await
        .unwrap();
    assert_eq!(login.status(), 201);
    let token = login.headers()["x-auth-token"].to_str().unwrap().to_owned();
    let location = login.headers()["location"].to_str().unwrap().to_owned();
    let get = |path: &str| {
        rig.http.get(format!("{}{path}", rig.mock.url())).header("x-auth-token", &token)
    };
    assert_eq!(answer(get(&rig.system())).await.0, 200);
    let closed = rig.http.delete(format!("{}{location}", rig.mock.url()));
    assert!(answer(closed.header("x-auth-token", &token)).await.0 < 300);
    assert_eq!(answer(get(&rig.system())).await.0, 401);
    assert_eq!(rig.mock.journal().effects(), [Effect::Login, Effect::Logout]);
    let kept = format!("{:?}", rig.mock.journal().entries());
    assert!(!kept.contains("Secret(") && !kept.contains("\"password\""), "{kept}");
}

#[tokio::test]
async fn an_idle_session_expires_on_the_machines_clock() {
    let (clock, hand) = Clock::manual();
    let rig = Wish { clock, ..Wish::of("idrac9-6x") }.rig().await;
    let login = rig
        .http
        .post(format!("{}/redfish/v1/SessionService/Sessions", rig.mock.url()))
        .json(&json!({"UserName": "admin", "Password": "password"}))
        .send()
        .await
        .unwrap();
    let token = login.headers()["x-auth-token"].clone();
    let get = || rig.http.get(format!("{}{}", rig.mock.url(), rig.system()));
    hand.advance(std::time::Duration::from_secs(1799));
    assert_eq!(answer(get().header("x-auth-token", &token)).await.0, 200);
    hand.advance(std::time::Duration::from_mins(30));
    assert_eq!(answer(get().header("x-auth-token", &token)).await.0, 401);
}

#[tokio::test]
async fn every_link_of_the_service_leads_to_a_document_of_that_name() {
    for persona in Persona::names() {
        let rig = Rig::of(persona).await;
        let mut pending = vec!["/redfish/v1".to_owned()];
        let mut seen = Vec::new();
        while let Some(path) = pending.pop() {
            if seen.contains(&path) {
                continue;
            }
            let (status, body) = rig.get(&path).await;
            assert_eq!(status, 200, "{persona} {path}");
            assert_eq!(body["@odata.id"], path.as_str(), "{persona}");
            collect_links(&body, &mut pending);
            seen.push(path);
        }
        assert!(seen.len() > 15, "{persona}: {seen:?}");
        assert!(rig.mock.journal().effects().is_empty());
    }
}

fn collect_links(document: &Value, links: &mut Vec<String>) {
    match document {
        Value::Object(fields) => {
            links.extend(fields.get("@odata.id").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect_links(value, links));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_links(item, links)),
        _ => {}
    }
}

#[tokio::test]
async fn the_slots_can_be_read_in_one_request() {
    let rig = Rig::of("idrac9-6x").await;
    let path = format!("{}/VirtualMedia?%24expand=*%28%24levels=1%29", rig.system());
    let (status, body) = rig.get(&path).await;
    assert_eq!(status, 200);
    assert_eq!(body["Members"][1]["MediaTypes"], json!(["CD", "DVD", "USBStick"]));
    let hpe = Rig::of("ilo5").await;
    let (status, _) = hpe.get("/redfish/v1/Managers/1/VirtualMedia?$expand=*").await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn the_certificate_is_the_one_that_was_announced() {
    let rig = Rig::of("ilo5").await;
    let answer = rig.request("GET", "/redfish/v1").send().await.unwrap();
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    let shown = ring::digest::digest(&ring::digest::SHA256, info.peer_certificate().unwrap());
    assert_eq!(data_encoding::HEXLOWER.encode(shown.as_ref()), rig.mock.cert_sha256());
}

/// Runs `curl` with these arguments and answers what it printed.
async fn curl(arguments: Vec<String>) -> String {
    let run = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["-sk", "--noproxy", "*", "-u", "admin:password", "-w", "%{http_code}"])
            .args(arguments)
            .output()
            .expect("curl is missing: apt-get install -y curl")
    });
    String::from_utf8(run.await.unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_powers_a_machine_on() {
    let rig = Rig::of("ilo5").await;
    let url = format!("{}{}", rig.mock.url(), rig.reset_path());
    let arguments = ["-H", "Content-Type: application/json", "-d", "{\"ResetType\": \"On\"}", &url];
    let printed = curl(arguments.map(str::to_owned).to_vec()).await;
    assert!(printed.ends_with("200"), "{printed}");
    assert_eq!(rig.mock.journal().count(EffectKind::PowerOn), 1);
    assert!(rig.mock.state().on);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests_and_is_counted_once() {
    let rig = Rig::of("idrac9-6x").await;
    let url = format!("{}{}", rig.mock.url(), rig.system());
    for (requests, connections) in [(3, 1), (5, 2)] {
        let printed = curl(vec![url.clone(); requests]).await;
        assert!(printed.ends_with("200"), "{printed}");
        assert_eq!(rig.mock.journal().connections(), connections);
    }
    assert_eq!(rig.mock.journal().requests(), 8);
    assert_eq!(rig.mock.journal().requests_by("GET"), 8);
}

#[tokio::test]
async fn a_machine_that_was_shut_down_answers_no_more() {
    // An address of its own, at which nobody else can come to listen.
    let listen = std::net::Ipv4Addr::new(127, 0, 0, 2);
    let rig = Wish { listen, ..Wish::of("ilo5") }.rig().await;
    let url = rig.mock.url();
    rig.mock.shutdown().await;
    assert!(rig.http.get(url).send().await.is_err());
}
