//! What is particular about each kind of BMC, met as a client meets it.

use std::time::Duration;

use serde_json::{Value, json};
use shoal_redfish_mock::{Clock, ClockHand, EffectKind};

use crate::support::{Rig, Wish, answer, boot_medium, linux_task, message_id};

async fn still(persona: &str) -> (Rig, ClockHand) {
    let (clock, hand) = Clock::manual();
    (Wish { clock, ..Wish::of(persona) }.rig().await, hand)
}

fn ids(collection: &Value) -> Vec<String> {
    let members = collection["Members"].as_array().unwrap().iter();
    let paths = members.map(|member| member["@odata.id"].as_str().unwrap());
    paths.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_xcc_lists_ten_slots_twice_and_takes_images_in_four_of_them_by_patch_alone() {
    let (rig, _hand) = still("xcc").await;
    let expected = [
        "EXT1", "EXT2", "EXT3", "EXT4", "Remote1", "Remote2", "Remote3", "Remote4", "RDOC1",
        "RDOC2",
    ];
    for owner in ["Systems", "Managers"] {
        let collection = format!("/redfish/v1/{owner}/1/VirtualMedia");
        assert_eq!(ids(&rig.get(&collection).await.1), expected);
    }
    let task = rig.images.put("task.iso", linux_task());
    let slot = rig.get(&rig.slot("EXT1")).await.1;
    assert!(slot.get("Actions").is_none());
    let action = format!("{}/Actions/VirtualMedia.InsertMedia", rig.slot("EXT1"));
    assert_eq!(rig.send("POST", &action, &json!({"Image": task})).await.0, 404);
    let whole = json!({"Image": task, "Inserted": true, "WriteProtected": true});
    let (status, body) = rig.patch_anyway(&rig.slot("EXT1"), &json!({"Image": task})).await;
    assert_eq!((status, message_id(&body)), (400, "Base.1.12.ActionParameterMissing"));
    assert_eq!(rig.send("PATCH", &rig.slot("EXT1"), &whole).await.0, 428, "no If-Match");
    for unusable in ["Remote1", "RDOC2"] {
        let (status, body) = rig.patch_anyway(&rig.slot(unusable), &whole).await;
        assert_eq!((status, message_id(&body)), (400, "Base.1.12.PropertyNotWritable"));
    }
    for usable in ["EXT1", "EXT2", "EXT3", "EXT4"] {
        assert_eq!(rig.insert(usable, &task).await.0, 204, "{usable}");
        let other = format!("/redfish/v1/Managers/1/VirtualMedia/{usable}");
        assert_eq!(rig.get(&other).await.1["Inserted"], true);
        let out = json!({"Image": null, "Inserted": false});
        assert_eq!(rig.patch_anyway(&other, &out).await.0, 204);
        assert_eq!(rig.get(&rig.slot(usable)).await.1["Inserted"], false);
    }
    assert_eq!(rig.mock.journal().count(EffectKind::Eject), 4);
}

#[tokio::test]
async fn an_xcc_keeps_its_boot_order_in_settings_and_its_override_in_the_system() {
    let (rig, _hand) = still("xcc").await;
    let system = rig.get(&rig.system()).await.1;
    assert!(system.get("LastResetTime").is_none() && system.get("BootProgress").is_none());
    let boot = &system["Boot"];
    assert_eq!(
        boot["BootSourceOverrideEnabled@Redfish.AllowableValues"],
        json!(["Once", "Disabled"])
    );
    let settings = system["@Redfish.Settings"]["SettingsObject"]["@odata.id"].as_str().unwrap();
    let held = rig.get(settings).await.1;
    assert!(held["Boot"].get("BootOrder").is_some());
    assert!(held["Boot"].get("BootSourceOverrideTarget").is_none());
    let wanted = json!({"Boot": {"BootSourceOverrideTarget": "Cd"}});
    assert_eq!(rig.patch_anyway(settings, &wanted).await.0, 400);
    let lasting = json!({"Boot": {"BootSourceOverrideTarget": "Cd",
        "BootSourceOverrideEnabled": "Continuous"}});
    assert_eq!(rig.patch_anyway(&rig.system(), &lasting).await.0, 400);
    assert_eq!(rig.boot_once("Cd").await.0, 204);
    let action = &system["Actions"]["#ComputerSystem.Reset"];
    assert!(action.get("@Redfish.ActionInfo").is_some());
    assert!(action.get("ResetType@Redfish.AllowableValues").is_some());
}

#[tokio::test]
async fn an_x13_accepts_insertions_shows_them_later_and_ejects_only_what_is_in() {
    let (rig, hand) = still("smc-x13").await;
    let system = rig.get(&rig.system()).await.1;
    let collection = system["VirtualMedia"]["@odata.id"].as_str().unwrap().to_owned();
    assert_eq!(collection, "/redfish/v1/Managers/1/VirtualMedia");
    let path = rig.slot("VirtualMedia1");
    let empty = rig.get(&path).await.1;
    assert!(empty["Actions"].get("#VirtualMedia.EjectMedia").is_none());
    let info =
        empty["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"].as_str().unwrap();
    let info = rig.get(info).await.1;
    assert_eq!(
        info["Parameters"][0],
        json!({"Name": "Image", "Required": true, "DataType": "String"})
    );
    assert_eq!(info["Parameters"].as_array().unwrap().len(), 7);

    let task = rig.images.put("task.iso", linux_task());
    let (status, body) = rig.insert("VirtualMedia1", &task).await;
    assert_eq!((status, body), (202, Value::Null), "there is nothing to ask for");
    assert_eq!(rig.get(&path).await.1["Inserted"], false);
    hand.advance(Duration::from_secs(2));
    let full = rig.get(&path).await.1;
    assert_eq!(full["Inserted"], true);
    assert!(full["Actions"].get("#VirtualMedia.EjectMedia").is_some());
    assert_eq!(rig.eject("VirtualMedia1").await.0, 202);
    let left = rig.get(&path).await.1;
    assert_eq!((&left["Inserted"], &left["ConnectedVia"]), (&json!(false), &json!("NotConnected")));
    assert_eq!(left["Image"], json!(task), "the name outlives the ejection");
    assert_eq!(rig.eject("VirtualMedia1").await.0, 404);

    // One that cannot be opened is accepted too, and never shows.
    assert_eq!(rig.insert("VirtualMedia2", &rig.images.url("nothing.iso")).await.0, 202);
    hand.advance(Duration::from_mins(1));
    assert_eq!(rig.get(&rig.slot("VirtualMedia2")).await.1["Inserted"], false);
    let (status, _) = rig.insert("VirtualMedia2", &format!("{task}?sig=1")).await;
    assert_eq!(status, 400, "a query is refused at once");
}

#[tokio::test]
async fn an_x13_boots_usb_cds_and_wants_to_be_told_everything() {
    let (rig, _hand) = still("smc-x13").await;
    let patch =
        async |boot: Value| rig.send("PATCH", &rig.system(), &json!({"Boot": boot})).await.0;
    assert_eq!(patch(json!({"BootSourceOverrideTarget": "UsbCd"})).await, 400);
    let without_mode =
        json!({"BootSourceOverrideTarget": "UsbCd", "BootSourceOverrideEnabled": "Once"});
    assert_eq!(patch(without_mode).await, 202);
    let boot = rig.get(&rig.system()).await.1["Boot"].clone();
    assert_eq!(boot["BootSourceOverrideMode"], "Legacy", "what is not told falls back");
    assert_eq!(rig.boot_once("UsbCd").await.0, 202);
    assert_eq!(rig.get(&rig.system()).await.1["Boot"]["BootSourceOverrideMode"], "UEFI");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_x13_looks_for_a_plain_cd_in_a_drive_that_is_not_there() {
    let rig = Rig::of("smc-x13").await;
    let boot = rig.images.put("boot.iso", boot_medium());
    assert!(rig.insert("VirtualMedia1", &boot).await.0 < 300);
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(rig.reset("On").await.0 < 300);
    rig.wait(|event| {
        *event == shoal_redfish_mock::Event::Booted(shoal_redfish_mock::BootFrom::Nothing)
    })
    .await;
}

#[tokio::test]
async fn a_megarac_finishes_insertions_as_tasks_and_wants_a_protocol() {
    let (rig, hand) = still("ami-megarac").await;
    let path = rig.slot("CD1");
    assert!(rig.get(&path).await.1.get("MediaTypes").is_none());
    let boot = rig.images.put("boot.iso", boot_medium());
    let action = format!("{path}/Actions/VirtualMedia.InsertMedia");
    let (status, body) = rig.send("POST", &action, &json!({"Image": boot})).await;
    assert_eq!((status, message_id(&body)), (400, "Base.1.12.ActionParameterMissing"));
    let related = &body["error"]["@Message.ExtendedInfo"][0]["RelatedProperties"][0];
    assert_eq!(related, "#/TransferProtocolType");

    let (status, task) = rig.insert("CD1", &boot).await;
    assert_eq!((status, &task["TaskState"]), (202, &json!("Running")));
    let monitor = task["@odata.id"].as_str().unwrap().to_owned();
    assert_eq!(rig.get(&path).await.1["Inserted"], false);
    hand.advance(Duration::from_secs(4));
    assert_eq!(rig.get(&monitor).await.1["TaskState"], "Completed");
    assert_eq!(rig.get(&path).await.1["Inserted"], true);
    assert_eq!(rig.eject("CD1").await.0, 204);

    let (_, task) = rig.insert("CD1", &rig.images.url("nothing.iso")).await;
    hand.advance(Duration::from_secs(4));
    let ended = rig.get(task["@odata.id"].as_str().unwrap()).await.1;
    assert_eq!(
        (&ended["TaskState"], &ended["TaskStatus"]),
        (&json!("Exception"), &json!("Critical"))
    );
    assert_eq!(ended["Messages"][0]["MessageId"], "Base.1.12.SourceDoesNotExist");
    assert_eq!(rig.get("/redfish/v1/TaskService/Tasks").await.1["Members@odata.count"], 2);
}

#[tokio::test]
async fn a_megarac_takes_the_override_in_its_future_state_and_refuses_its_own_tags() {
    let (rig, _hand) = still("ami-megarac").await;
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "UEFI"}});
    let (status, body) = rig.patch_anyway(&rig.system(), &boot).await;
    assert_eq!((status, message_id(&body)), (400, "Ami.1.0.OperationSupportedInFutureStateURI"));
    let future = rig.boot_path();
    assert!(future.ends_with("/Systems/Self/SD"));
    let patch = async |tag: Option<&str>, boot: &Value| {
        let request = rig.request("PATCH", &future).json(boot);
        answer(match tag {
            Some(tag) => request.header("if-match", tag),
            None => request,
        })
        .await
        .0
    };
    let shown = rig.request("GET", &future).send().await.unwrap();
    let own = shown.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(patch(None, &boot).await, 428);
    assert_eq!(patch(Some(&own), &boot).await, 412);
    let partly = json!({"Boot": {"BootSourceOverrideTarget": "Cd"}});
    assert_eq!(patch(Some("*"), &partly).await, 400);
    assert_eq!(patch(Some("*"), &boot).await, 204);
    for path in [rig.system(), future.clone()] {
        assert_eq!(rig.get(&path).await.1["Boot"]["BootSourceOverrideTarget"], "Cd");
    }
}

#[tokio::test]
async fn a_megarac_leaves_out_what_matters_when_it_expands() {
    let (rig, _hand) = still("ami-megarac").await;
    let (status, systems) = rig.get("/redfish/v1/Systems?$expand=*").await;
    assert_eq!(status, 200);
    assert_eq!(systems["Members"][0]["PowerState"], "Off");
    assert!(systems["Members"][0].get("Boot").is_none());
    assert!(rig.get(&rig.system()).await.1.get("Boot").is_some());
}
