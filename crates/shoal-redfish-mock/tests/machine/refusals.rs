//! What each persona refuses, and what it says when it lags behind the truth.

use std::time::Duration;

use serde_json::json;
use shoal_redfish_mock::{Clock, Effect};

use crate::support::{Rig, Wish, answer, linux_task, message_id};

#[tokio::test]
async fn strangers_see_the_root_and_nothing_else() {
    let rig = Rig::of("ilo5").await;
    let bare = |path: &str| rig.http.get(format!("{}{path}", rig.mock.url()));
    for path in ["/redfish", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"] {
        assert_eq!(answer(bare(path)).await.0, 200, "{path}");
    }
    for path in ["/redfish/v1/Systems", "/redfish/v1/no/such/thing"] {
        assert_eq!(answer(bare(path)).await.0, 401, "{path}");
    }
    assert_eq!(answer(bare("/redfish/v1/Systems").basic_auth("admin", Some("x"))).await.0, 401);
    assert_eq!(rig.get("/redfish/v1/no/such/thing").await.0, 404);
    let newer = rig.request("GET", "/redfish/v1").header("odata-version", "4.1");
    assert_eq!(answer(newer).await.0, 412);
    let refused = rig.request("DELETE", &rig.system()).send().await.unwrap();
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()["allow"], "GET, HEAD, PATCH");
}

#[tokio::test]
async fn one_session_too_many_is_refused_in_the_vendors_words() {
    let rig = Rig::of("idrac9-6x").await;
    let login = json!({"UserName": "admin", "Password": "password"});
    for _ in 0..8 {
        assert_eq!(rig.send("POST", "/redfish/v1/SessionService/Sessions", &login).await.0, 201);
    }
    let (status, body) = rig.send("POST", "/redfish/v1/SessionService/Sessions", &login).await;
    assert_eq!((status, message_id(&body)), (503, "IDRAC.2.5.RAC0218"));
    rig.mock.end_sessions();
    assert_eq!(rig.send("POST", "/redfish/v1/SessionService/Sessions", &login).await.0, 201);
}

#[tokio::test]
async fn an_occupied_slot_and_an_occupied_device_are_refused() {
    let rig = Rig::of("idrac9-6x").await;
    let task = rig.images.put("task.iso", linux_task());
    assert_eq!(rig.insert("1", &task).await.0, 204);
    let (status, body) = rig.insert("1", &task).await;
    assert_eq!((status, message_id(&body)), (500, "IDRAC.2.5.VRM0021"));
    // The manager's older slot is another view of the same device.
    let old =
        "/redfish/v1/Managers/iDRAC.Embedded.1/VirtualMedia/CD/Actions/VirtualMedia.InsertMedia";
    let (status, body) = rig.send("POST", old, &json!({"Image": task})).await;
    assert_eq!((status, message_id(&body)), (500, "IDRAC.2.5.VRM0021"));
    assert_eq!(rig.mock.journal().effects(), [Effect::Insert { slot: "1".to_owned() }]);
    let (status, body) = rig.eject("2").await;
    assert_eq!((status, message_id(&body)), (400, "IDRAC.2.5.VRM0009"));
}

#[tokio::test]
async fn ilo_ejects_only_with_a_json_object() {
    let rig = Rig::of("ilo5").await;
    let task = rig.images.put("task.iso", linux_task());
    let (status, body) = rig.insert("1", &task).await;
    assert_eq!((status, message_id(&body)), (200, "Base.1.4.Success"));
    let path = format!("{}/Actions/VirtualMedia.EjectMedia", rig.slot("1"));
    assert_eq!(answer(rig.request("POST", &path)).await.0, 415);
    assert!(rig.mock.state().slots[0].image.is_some());
    assert_eq!(rig.eject("1").await.0, 200);
    assert!(rig.mock.state().slots[0].image.is_none());
    // The persona also takes PATCH for both.
    assert_eq!(rig.send("PATCH", &rig.slot("1"), &json!({"Image": task})).await.0, 200);
    assert_eq!(rig.send("PATCH", &rig.slot("1"), &json!({"Image": null})).await.0, 200);
    assert_eq!(rig.mock.journal().effects().len(), 4);
}

#[tokio::test]
async fn a_url_that_breaks_a_rule_is_refused_before_any_fetch() {
    let rig = Rig::of("idrac9-6x").await;
    let long = format!("{}{}.iso", rig.images.url(""), "x".repeat(300));
    for url in [long.as_str(), "ftp://127.0.0.1/x.iso", "http://127.0.0.1/x.qcow2"] {
        let (status, body) = rig.insert("1", url).await;
        assert_eq!((status, message_id(&body)), (400, "IDRAC.2.5.RAC0720"), "{url}");
    }
    let path = format!("{}/Actions/VirtualMedia.InsertMedia", rig.slot("1"));
    for body in [json!({}), json!({"Image": 7}), json!({"Image": "http://h/x.iso", "Tea": 1})] {
        assert_eq!(rig.send("POST", &path, &body).await.0, 400, "{body}");
    }
    assert!(rig.images.log().is_empty());
}

#[tokio::test]
async fn power_is_refused_where_it_already_is() {
    for (persona, refused) in [("idrac9-6x", 409), ("ilo5", 400)] {
        let rig = Rig::of(persona).await;
        assert_eq!(rig.reset("ForceOff").await.0, refused);
        assert_eq!(rig.reset("ForceRestart").await.0, refused);
        assert!(rig.reset("On").await.0 < 300);
        assert_eq!(rig.reset("On").await.0, refused);
        assert_eq!(rig.reset("Tea").await.0, 400);
        assert!(rig.reset("ForceRestart").await.0 < 300);
        assert_eq!(rig.mock.journal().effects(), [Effect::PowerOn, Effect::Restart]);
    }
}

#[tokio::test]
async fn on_too_soon_after_off_is_refused_where_the_persona_says_so() {
    let (clock, hand) = Clock::manual();
    let mut wish = Wish { clock, ..Wish::of("idrac9-6x") };
    wish.persona.power.no_on_after_off_ms = 5000;
    let rig = wish.rig().await;
    assert!(rig.reset("On").await.0 < 300);
    assert!(rig.reset("ForceOff").await.0 < 300);
    assert_eq!(rig.reset("On").await.0, 409);
    hand.advance(Duration::from_secs(5));
    assert!(rig.reset("On").await.0 < 300);
}

#[tokio::test]
async fn power_state_and_inserted_lag_behind_on_the_clock() {
    let (clock, hand) = Clock::manual();
    let rig = Wish { clock, ..Wish::of("idrac9-6x") }.rig().await;
    let power = async || rig.get(&rig.system()).await.1["PowerState"].clone();
    assert_eq!(power().await, "Off");
    assert!(rig.reset("On").await.0 < 300);
    assert_eq!(power().await, "Off");
    hand.advance(Duration::from_secs(1));
    assert_eq!(power().await, "On");

    let inserted = async || rig.get(&rig.slot("1")).await.1["Inserted"].clone();
    let task = rig.images.put("task.iso", linux_task());
    assert!(rig.insert("1", &task).await.0 < 300);
    assert_eq!(inserted().await, true);
    assert!(rig.eject("1").await.0 < 300);
    assert_eq!(inserted().await, true);
    assert!(rig.mock.state().slots[0].image.is_none());
    hand.advance(Duration::from_secs(1));
    assert_eq!(inserted().await, false);
}

#[tokio::test]
async fn ilo_takes_no_override_during_post() {
    let (clock, _hand) = Clock::manual();
    let rig = Wish { clock, ..Wish::of("ilo5") }.rig().await;
    assert!(rig.reset("On").await.0 < 300);
    let (status, body) = rig.boot_once("Cd").await;
    assert_eq!((status, message_id(&body)), (400, "iLO.2.14.UnableToModifyDuringSystemPOST"));
    assert!(rig.reset("ForceOff").await.0 < 300);
    assert_eq!(rig.boot_once("Cd").await.0, 200);
}

#[tokio::test]
async fn an_override_is_merged_checked_and_cleared() {
    let rig = Rig::of("idrac9-6x").await;
    let patch = async |boot| rig.send("PATCH", &rig.system(), &json!({"Boot": boot})).await;
    assert_eq!(patch(json!({"BootSourceOverrideTarget": "Tea"})).await.0, 400);
    assert_eq!(patch(json!({"Tea": "Cd"})).await.0, 400);
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(patch(json!({"BootSourceOverrideEnabled": "Continuous"})).await.0 < 300);
    assert!(patch(json!({"BootSourceOverrideEnabled": "Disabled"})).await.0 < 300);
    let target = |target: &str| target.to_owned();
    assert_eq!(
        rig.mock.journal().effects(),
        [
            Effect::BootOnce { target: target("Cd") },
            Effect::BootAlways { target: target("Cd") },
            Effect::BootCleared,
        ]
    );
    assert_eq!(rig.mock.state().boot.target, "None");
}

#[tokio::test]
async fn an_entity_tag_must_be_the_current_one_and_no_wildcard() {
    let rig = Rig::of("ilo5").await;
    let system = rig.request("GET", &rig.system()).send().await.unwrap();
    let etag = system.headers()["etag"].clone();
    let boot = json!({"Boot": {"BootSourceOverrideTarget": "Cd",
        "BootSourceOverrideEnabled": "Once"}});
    let patch = |tag| rig.request("PATCH", &rig.system()).header("if-match", tag).json(&boot);
    assert_eq!(answer(patch("*".parse().unwrap())).await.0, 412);
    assert_eq!(answer(patch(etag.clone())).await.0, 200);
    assert_eq!(answer(patch(etag)).await.0, 412);
    assert_eq!(rig.mock.journal().effects().len(), 1);
}
