//! BMCs that are away, were replaced, or say what is not so.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use serde_json::{Value, json};
use shoal_redfish_mock::{
    Action, Away, Clock, Config, EffectKind, Event, HostConfig, Mock, Persona, Rule, StartError,
    When,
};

use crate::support::{Rig, SERIAL, Wish, boot_medium, client, linux_task};

/// What the operating system says about a connection that failed.
fn cause(error: &reqwest::Error) -> Option<ErrorKind> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(mut error) = error.downcast_ref::<io::Error>() {
            // During a handshake it is wrapped once more.
            while let Some(inner) = error.get_ref().and_then(|it| it.downcast_ref::<io::Error>()) {
                error = inner;
            }
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_is_away_refuses_or_resets_connections_and_is_back_when_the_clock_says() {
    for (away, kind) in
        [(Away::Refused, ErrorKind::ConnectionRefused), (Away::Reset, ErrorKind::ConnectionReset)]
    {
        let (clock, hand) = Clock::manual();
        let mut rig = Wish { clock, ..Wish::of("idrac9-6x") }.rig().await;
        assert_eq!(rig.get(&rig.system()).await.0, 200);
        rig.mock.leave(Duration::from_mins(10), away);
        rig.wait(|event| *event == Event::BmcAway).await;
        let requests = rig.mock.journal().requests();
        // The client may not have noticed yet that its connection was cut.
        rig.http = client();
        let error = rig.request("GET", &rig.system()).send().await.unwrap_err();
        // A connection that the kernel took before the socket closed is reset, and a client that wrote
        // before it noticed sees a broken pipe.
        let cut = [kind, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        let seen = cause(&error);
        assert!(seen.is_some_and(|seen| cut.contains(&seen)), "{error:?}");
        assert_eq!(rig.mock.journal().requests(), requests);
        hand.advance(Duration::from_mins(10));
        rig.wait(|event| *event == Event::BmcBack).await;
        assert_eq!(rig.get(&rig.system()).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_absence_counts_and_the_host_notices_none_of_it() {
    let (clock, hand) = Clock::manual();
    let mut rig = Wish { clock, ..Wish::of("ilo5") }.rig().await;
    rig.install().await;
    rig.mock.leave(Duration::from_hours(1), Away::Refused);
    hand.advance(Duration::from_mins(30));
    rig.wait_reported("success").await;
    rig.mock.leave(Duration::from_hours(1), Away::Refused);
    hand.advance(Duration::from_mins(30));
    assert!(rig.request("GET", &rig.system()).send().await.is_err());
    hand.advance(Duration::from_mins(30));
    rig.wait(|event| *event == Event::BmcBack).await;
    rig.http = client();
    assert_eq!(rig.get(&rig.slot("2")).await.1["Inserted"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_bmc_has_forgotten_sessions_and_media() {
    let (clock, hand) = Clock::manual();
    let mut rig = Wish { clock, ..Wish::of("xcc") }.rig().await;
    let task = rig.images.put("task.iso", linux_task());
    assert!(rig.insert("EXT1", &task).await.0 < 300);
    let login = json!({"UserName": "admin", "Password": "password"});
    assert_eq!(rig.send("POST", "/redfish/v1/SessionService/Sessions", &login).await.0, 201);
    rig.mock.restart_bmc(Duration::from_mins(2));
    hand.advance(Duration::from_mins(2));
    rig.wait(|event| *event == Event::BmcBack).await;
    let state = rig.mock.state();
    assert!(state.sessions == 0 && state.slots.iter().all(|slot| slot.image.is_none()));
    rig.http = client();
    assert_eq!(rig.get(&rig.slot("EXT1")).await.1["Inserted"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_bmc_shows_another_identity_and_certificate() {
    let mut rig = Rig::of("smc-x13").await;
    let (before, old) = (rig.get(&rig.system()).await.1, rig.mock.cert_sha256());
    assert!(rig.boot_once("UsbCd").await.0 < 300);
    rig.mock.replace_bmc("SN9999").unwrap();
    rig.wait(|event| *event == Event::BmcBack).await;
    // The client may not have noticed yet that its connection was cut.
    rig.http = client();
    let after = rig.get(&rig.system()).await.1;
    assert_eq!(
        (&before["SerialNumber"], &after["SerialNumber"]),
        (&SERIAL.into(), &"SN9999".into())
    );
    assert_ne!(before["UUID"], after["UUID"]);
    assert_ne!(rig.mock.cert_sha256(), old);
    assert_eq!(after["Boot"]["BootSourceOverrideEnabled"], "Disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_behind_a_replaced_bmc_knows_its_own_serial() {
    let rig = Rig::of("ilo5").await;
    rig.mock.replace_bmc("SN9999").unwrap();
    rig.wait(|event| *event == Event::BmcBack).await;
    rig.install().await;
    // The dispatcher compares the host's serial with that on the task medium.
    rig.wait_reported("success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_can_claim_an_image_that_is_not_there() {
    let rig = Rig::of("idrac9-6x").await;
    rig.mock.faults().add(Rule::once(When::Intends(EffectKind::Insert), Action::PretendInsert));
    let boot = rig.images.put("boot.iso", boot_medium());
    assert_eq!(rig.insert("1", &boot).await.0, 204);
    let slot = rig.get(&rig.slot("1")).await.1;
    assert_eq!((&slot["Inserted"], &slot["Image"]), (&json!(true), &json!(boot)));
    assert!(rig.images.log().is_empty() && rig.mock.journal().effects().is_empty());
    assert_eq!(rig.insert("1", &boot).await.0, 500, "the slot is taken");
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(rig.reset("On").await.0 < 300);
    rig.wait(|event| matches!(event, Event::Booted(shoal_redfish_mock::BootFrom::Nothing))).await;
    assert_eq!(rig.eject("1").await.0, 204);
    assert_eq!(rig.insert("1", &boot).await.0, 204);
    assert_eq!(rig.mock.journal().count(EffectKind::Insert), 1);
}

#[tokio::test]
async fn a_value_in_an_answer_can_be_another_one() {
    let rig = Rig::of("idrac9-6x").await;
    let rewrite =
        |pointer: &str, value: Value| Action::Rewrite { pointer: pointer.to_owned(), value };
    let system = || When::request("GET", rig.system());
    for action in [rewrite("/PowerState", Value::Null), rewrite("/Nothing/There", json!(7))] {
        rig.mock.faults().add(Rule::once(system(), action));
    }
    assert_eq!(rig.get(&rig.system()).await.1["PowerState"], Value::Null);
    let second = rig.get(&rig.system()).await.1;
    assert_eq!(second["PowerState"], "Off");
    assert_eq!(second, rig.get(&rig.system()).await.1);
}

#[tokio::test]
async fn a_port_that_somebody_listens_on_is_not_taken_from_him() {
    let rig = Rig::of("ilo5").await;
    let persona = Persona::built_in("ilo5").unwrap();
    let mut config = Config::new(persona, "SN0002", HostConfig::new(rig.dir.path().join("other")));
    config.listen = rig.mock.address();
    let refused = Mock::start(config).await.unwrap_err();
    assert!(matches!(refused, StartError::Listen { .. }), "{refused}");
}
