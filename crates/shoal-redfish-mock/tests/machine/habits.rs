//! One habit at a time is turned, and what a client meets is what the habit says.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use shoal_redfish_mock::{
    Clock, Persona,
    persona::{EtagForm, IfMatch, ResetTypesIn, SerialIn, WhileChanging},
};

use crate::support::{Rig, Wish, answer, linux_task};

/// A machine of that persona with some habits changed, on a clock that stands still.
async fn rig_with(persona: &str, change: impl FnOnce(&mut Persona)) -> Rig {
    let (clock, _) = Clock::manual();
    let mut wish = Wish { clock, ..Wish::of(persona) };
    change(&mut wish.persona);
    wish.rig().await
}

#[tokio::test]
async fn reset_types_can_be_told_by_action_info() {
    let rig =
        rig_with("idrac9-6x", |persona| persona.power.reset_types_in = ResetTypesIn::ActionInfo)
            .await;
    let (_, system) = rig.get(&rig.system()).await;
    let action = &system["Actions"]["#ComputerSystem.Reset"];
    assert!(action.get("ResetType@Redfish.AllowableValues").is_none());
    let (status, info) = rig.get(action["@Redfish.ActionInfo"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(info["Parameters"][0]["AllowableValues"][0], "On");
}

#[tokio::test]
async fn a_bmc_without_sessions_takes_basic_credentials_only() {
    let rig = rig_with("ilo5", |persona| persona.sessions.supported = false).await;
    let (_, root) = rig.get("/redfish/v1").await;
    assert!(root.get("SessionService").is_none() && root["Links"].get("Sessions").is_none());
    let login = json!({"UserName": "admin", "Password": "password"});
    assert_eq!(rig.send("POST", "/redfish/v1/SessionService/Sessions", &login).await.0, 404);
    assert_eq!(rig.get(&rig.system()).await.0, 200);
}

#[tokio::test]
async fn a_lagging_power_state_can_be_a_transition() {
    let rig =
        rig_with("ilo5", |persona| persona.power.while_changing = WhileChanging::Transition).await;
    assert!(rig.reset("On").await.0 < 300);
    assert_eq!(rig.get(&rig.system()).await.1["PowerState"], "PoweringOn");
    assert!(rig.reset("ForceOff").await.0 < 300);
    assert_eq!(rig.get(&rig.system()).await.1["PowerState"], "PoweringOff");
}

#[tokio::test]
async fn if_match_can_be_required_and_a_wildcard_can_be_enough() {
    let rig = rig_with("idrac9-6x", |persona| {
        persona.etags.form = EtagForm::Strong;
        persona.etags.if_match = IfMatch::Required;
        persona.etags.wildcard = true;
    })
    .await;
    let boot = json!({"Boot": {"BootSourceOverrideTarget": "Cd",
        "BootSourceOverrideEnabled": "Once"}});
    assert_eq!(rig.send("PATCH", &rig.system(), &boot).await.0, 428);
    let patch =
        |tag: &str| answer(rig.request("PATCH", &rig.system()).header("if-match", tag).json(&boot));
    assert_eq!(patch("\"stale\"").await.0, 412);
    assert_eq!(patch("*").await.0, 204);
    let system = rig.request("GET", &rig.system()).send().await.unwrap();
    let etag = system.headers()["etag"].to_str().unwrap();
    assert!(etag.starts_with('"'), "{etag}");
    assert_eq!(patch(etag).await.0, 204);
}

#[tokio::test]
async fn schemes_characters_and_parameters_can_be_refused() {
    let rig = rig_with("ilo5", |persona| {
        persona.media.schemes = vec!["https".to_owned()];
        persona.media.forbidden_in_url = "?=".to_owned();
        persona.media.accepts = vec!["Image".to_owned()];
    })
    .await;
    let path = format!("{}/Actions/VirtualMedia.InsertMedia", rig.slot("1"));
    let id = async |body| {
        let (status, answer) = rig.send("POST", &path, &body).await;
        (status, crate::support::message_id(&answer).to_owned())
    };
    let url_refused = (400, "iLO.2.14.InvalidVirtualMediaURL".to_owned());
    assert_eq!(id(json!({"Image": "http://127.0.0.1:1/x.iso"})).await, url_refused);
    assert_eq!(id(json!({"Image": "https://127.0.0.1:1/x.iso?a=b"})).await, url_refused);
    let inserted = json!({"Image": "https://127.0.0.1:1/x.iso", "Inserted": true});
    assert_eq!(id(inserted).await.1, "Base.1.12.PropertyUnknown");
}

#[tokio::test]
async fn only_so_many_media_fit_at_once() {
    let rig = rig_with("idrac9-6x", |persona| persona.media.max_at_once = 1).await;
    let task = rig.images.put("task.iso", linux_task());
    assert_eq!(rig.insert("1", &task).await.0, 204);
    assert_eq!(rig.insert("2", &task).await.0, 500);
    assert_eq!(rig.eject("1").await.0, 204);
    assert_eq!(rig.insert("2", &task).await.0, 204);
}

#[tokio::test]
async fn boot_progress_follows_the_host_where_there_is_any() {
    let rig = rig_with("ilo5", |persona| persona.system.boot_progress = true).await;
    let states = async || {
        let system = rig.get(&rig.system()).await.1;
        let progress = system["BootProgress"]["LastState"].as_str().unwrap().to_owned();
        (progress, system["Oem"]["Hpe"]["PostState"].as_str().unwrap().to_owned())
    };
    assert_eq!(states().await, ("None".to_owned(), "PowerOff".to_owned()));
    assert!(rig.reset("On").await.0 < 300);
    let in_post = ("SystemHardwareInitializationComplete".to_owned(), "InPost".to_owned());
    assert_eq!(states().await, in_post);
    let dell = Rig::of("idrac9-6x").await;
    let (_, system) = dell.get(&dell.system()).await;
    assert!(system.get("BootProgress").is_none() && system.get("Oem").is_none());
}

#[tokio::test]
async fn modes_can_be_unknown() {
    let rig = rig_with("ilo5", |persona| persona.boot.modes.clear()).await;
    assert!(rig.get(&rig.system()).await.1["Boot"].get("BootSourceOverrideMode").is_none());
    assert_eq!(rig.boot_once("Cd").await.0, 400);
}

#[tokio::test]
async fn the_serial_can_be_in_the_other_property() {
    let rig = rig_with("ilo5", |persona| persona.system.serial_in = SerialIn::Sku).await;
    assert_eq!(rig.get(&rig.system()).await.1["SKU"], crate::support::SERIAL);
}

#[tokio::test]
async fn a_persona_without_patch_offers_none() {
    let rig = rig_with("idrac9-6x", |_| {}).await;
    let (status, _) = rig.send("PATCH", &rig.slot("1"), &json!({"Image": null})).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_empty_slot_says_so_in_the_vendors_way() {
    let dell = Rig::of("idrac9-6x").await;
    assert_eq!(dell.get(&dell.slot("1")).await.1["Image"], json!(null));
    let hpe = Rig::of("ilo5").await;
    assert_eq!(hpe.get(&hpe.slot("1")).await.1["Image"], "");
}

#[tokio::test]
async fn a_graceful_restart_follows_after_the_habits_time() {
    let (clock, hand) = Clock::manual();
    let mut wish = Wish { clock, ..Wish::of("ilo5") };
    wish.persona.power.graceful_ms = 7000;
    let rig = wish.rig().await;
    rig.install().await;
    hand.advance(Duration::from_hours(1));
    rig.wait_reported("success").await;
    assert_eq!(rig.reset("GracefulRestart").await.0, 200);
    assert_eq!(rig.mock.boots().len(), 1);
    hand.advance(Duration::from_secs(7));
    let off = rig.wait(|event| *event == shoal_redfish_mock::Event::SwitchedItselfOff).await;
    assert_eq!(off.at, Duration::from_secs(3607));
    hand.advance(Duration::from_hours(1));
    rig.wait(|event| *event == shoal_redfish_mock::Event::InstalledOsUp).await;
}

#[tokio::test]
async fn an_account_can_lock_after_wrong_passwords_in_a_row() {
    let rig = rig_with("generic", |persona| persona.sessions.locks_after = 3).await;
    let try_with = async |password: &str| {
        let login = json!({"UserName": "admin", "Password": password});
        rig.send("POST", "/redfish/v1/SessionService/Sessions", &login).await.0
    };
    let ask_with = async |password| {
        let request = rig.http.get(format!("{}{}", rig.mock.url(), rig.system()));
        answer(request.basic_auth("admin", Some(password))).await.0
    };
    assert_eq!([ask_with("wrong").await, ask_with("wrong").await], [401, 401]);
    assert_eq!(ask_with("password").await, 200, "the right one ends the row");
    for _ in 0..3 {
        assert_eq!(ask_with("wrong").await, 401);
    }
    assert_eq!(ask_with("password").await, 401);
    assert_eq!(try_with("password").await, 401);
}

#[tokio::test]
async fn a_login_can_need_more_than_a_name_and_a_password() {
    let rig = rig_with("generic", |persona| {
        persona.sessions.login_needs = vec!["/Oem/Huawei/Domain".to_owned()];
    })
    .await;
    let mut login = json!({"UserName": "admin", "Password": "password"});
    let sessions = "/redfish/v1/SessionService/Sessions";
    assert_eq!(rig.send("POST", sessions, &login).await.0, 400);
    login["Oem"] = json!({"Huawei": {"Domain": "LocaliBMC"}});
    assert_eq!(rig.send("POST", sessions, &login).await.0, 201);
}

#[tokio::test]
async fn a_protocol_must_be_the_urls_and_a_method_a_stream() {
    let rig = rig_with("openbmc", |_| {}).await;
    let path = format!("{}/Actions/VirtualMedia.InsertMedia", rig.slot("Slot_0"));
    let url = rig.images.put("task.iso", linux_task());
    for (name, wrong) in [("TransferProtocolType", "CIFS"), ("TransferMethod", "Upload")] {
        let (status, body) = rig.send("POST", &path, &json!({"Image": url, name: wrong})).await;
        let related = &body["error"]["@Message.ExtendedInfo"][0]["RelatedProperties"][0];
        assert_eq!((status, related.as_str()), (400, Some(format!("#/{name}").as_str())));
    }
    let (status, body) = rig.send("POST", &path, &json!({"Image": url, "Inserted": false})).await;
    assert_eq!(status, 400, "{body}");
    let right = json!({"Image": url, "TransferProtocolType": "HTTPS", "TransferMethod": "Stream"});
    assert_eq!(rig.send("POST", &path, &right).await.0, 204);
    assert_eq!(rig.get(&rig.slot("Slot_0")).await.1["WriteProtected"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_idrac_boots_its_virtual_cd_by_import_alone() {
    let rig = Rig::of("idrac9-scp").await;
    let boot = rig.images.put("boot.iso", crate::support::combined_medium());
    assert!(rig.insert("CD", &boot).await.0 < 300);
    assert_eq!(rig.boot_once("Cd").await.0, 204);
    assert!(rig.reset("On").await.0 < 300);
    let booted = |from| shoal_redfish_mock::Event::Booted(from);
    rig.wait(|event| *event == booted(shoal_redfish_mock::BootFrom::Nothing)).await;
    assert!(rig.reset("ForceOff").await.0 < 300);
    let import = rig.boot_cd_once().await;
    assert_eq!(import.0, 202);
    assert_eq!(rig.get(&rig.system()).await.1["Boot"]["BootSourceOverrideEnabled"], "Once");
    rig.power_on_when_it_may().await;
    rig.wait(|event| *event == booted(shoal_redfish_mock::BootFrom::BootMedium)).await;
}
