//! Accounts: who may do what, and that of two writers with one tag only one is heard.

use http::Method;
use serde_json::json;
use shoal_redfish_mock::{Effect, EffectKind};

use crate::support::{Answer, Rig, answer, message_id};

const ACCOUNTS: &str = "/redfish/v1/AccountService/Accounts";

/// A rig and the path of a further account: `guest` with password `guest`.
async fn with_guest(role: &str) -> (Rig, String) {
    let rig = Rig::of("idrac9-6x").await;
    let wanted = json!({"UserName": "guest", "Password": "guest", "RoleId": role});
    let made = rig.request("POST", ACCOUNTS).json(&wanted).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let path = made.headers()["location"].to_str().unwrap().to_owned();
    (rig, path)
}

async fn as_guest(rig: &Rig, method: &str, path: &str, body: serde_json::Value) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = rig.http.request(method, format!("{}{path}", rig.mock.url()));
    answer(request.basic_auth("guest", Some("guest")).json(&body)).await
}

#[tokio::test]
async fn a_guest_reads_everything_and_changes_nothing_but_his_password() {
    let (rig, own) = with_guest("ReadOnly").await;
    assert_eq!(as_guest(&rig, "GET", &rig.system(), json!({})).await.0, 200);
    let refused = [
        ("POST", rig.reset_path(), json!({"ResetType": "On"})),
        (
            "POST",
            ACCOUNTS.to_owned(),
            json!({"UserName": "b", "Password": "b", "RoleId": "Operator"}),
        ),
        ("PATCH", own.clone(), json!({"RoleId": "Administrator"})),
        ("PATCH", format!("{ACCOUNTS}/1"), json!({"Password": "stolen"})),
        ("DELETE", own.clone(), json!({})),
    ];
    for (method, path, body) in refused {
        let (status, body) = as_guest(&rig, method, &path, body).await;
        let id = message_id(&body);
        assert_eq!((status, id), (403, "Base.1.12.InsufficientPrivilege"), "{method} {path}");
    }
    assert_eq!(rig.mock.journal().count(EffectKind::AccountChanged), 1);
    assert_eq!(as_guest(&rig, "PATCH", &own, json!({"Password": "other"})).await.0, 200);
    assert_eq!(as_guest(&rig, "GET", &own, json!({})).await.0, 401);
}

#[tokio::test]
async fn an_operator_drives_the_machine() {
    let (rig, _) = with_guest("Operator").await;
    let on = json!({"ResetType": "On"});
    assert_eq!(as_guest(&rig, "POST", &rig.reset_path(), on).await.0, 204);
    assert_eq!(rig.mock.journal().effects().last(), Some(&Effect::PowerOn));
}

#[tokio::test]
async fn of_two_writers_with_one_tag_the_second_is_refused() {
    let (rig, guest) = with_guest("ReadOnly").await;
    let read = rig.request("GET", &guest).send().await.unwrap();
    let tag = read.headers()["etag"].clone();
    let write = |role: &str| {
        let request = rig.request("PATCH", &guest).header("if-match", tag.clone());
        request.json(&json!({"RoleId": role}))
    };
    assert_eq!(answer(write("Operator")).await.0, 200);
    assert_eq!(answer(write("Administrator")).await.0, 412);
    assert_eq!(rig.get(&guest).await.1["RoleId"], "Operator");
}

#[tokio::test]
async fn what_an_account_cannot_be_changes_nothing() {
    let (rig, guest) = with_guest("ReadOnly").await;
    for (body, id) in [
        (json!({"RoleId": "Emperor", "Enabled": false}), "Base.1.12.PropertyValueNotInList"),
        (json!({"Enabled": false, "Colour": "red"}), "Base.1.12.PropertyUnknown"),
        (json!({"UserName": "admin"}), "Base.1.12.ResourceAlreadyExists"),
        (json!({"@odata.id": guest}), "Base.1.12.NoOperation"),
    ] {
        let (status, answer) = rig.send("PATCH", &guest, &body).await;
        assert_eq!((status, message_id(&answer)), (400, id), "{body}");
    }
    assert_eq!(rig.get(&guest).await.1["Enabled"], true);
    let (status, answer) = rig.send("POST", ACCOUNTS, &json!({"UserName": "b"})).await;
    assert_eq!((status, message_id(&answer)), (400, "Base.1.12.ActionParameterMissing"));
}

#[tokio::test]
async fn a_removed_account_is_logged_out_and_the_first_cannot_be_removed() {
    let (rig, guest) = with_guest("ReadOnly").await;
    let login = json!({"UserName": "guest", "Password": "guest"});
    let sessions = "/redfish/v1/SessionService/Sessions";
    assert_eq!(rig.send("POST", sessions, &login).await.0, 201);
    assert_eq!(rig.mock.state().sessions, 1);
    assert_eq!(rig.send("DELETE", &guest, &json!({})).await.0, 204);
    assert_eq!(rig.mock.state().sessions, 0);
    assert_eq!(rig.get(&guest).await.0, 404);
    assert_eq!(rig.send("DELETE", &format!("{ACCOUNTS}/1"), &json!({})).await.0, 405);
}
