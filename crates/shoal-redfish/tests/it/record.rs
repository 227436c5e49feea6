//! A recording tells how a BMC behaves and not whose it is.

use std::path::Path;

use serde_json::{Value, json};
use shoal_redfish::{Bmc, ForeignMedia, Plan, PlanRequest, Recording};

use crate::{
    bmc::TestBmc,
    given::{any, quick, request},
    model::Family,
    tree::{MANAGER, MEDIA, SYSTEM, Tree, link},
};

/// All that names the machine, its network or its owner in the trees below.
const ORIGINALS: [&str; 17] = [
    "SN0001",
    "TAG4242",
    "BOARD77",
    "web-7",
    "rack.customer.test",
    "customer",
    "10.20.30.40",
    "fd12:3456",
    "d8:5e:d3:01:02:03",
    "D85ED3010203",
    "4c4c4544-0035-3410-8050-c6c04f314733",
    "4C4C4544-0035-3410-8050-C6C04F314733",
    "hunter2",
    "correct horse",
    "token-",
    "capability",
    "Jane",
];

/// A BMC that gives away as much as it can.
fn telling() -> Tree {
    let mut tree = Tree::plain();
    let named = json!({
        "UUID": "4C4C4544-0035-3410-8050-C6C04F314733", "HostName": "web-7", "SKU": "TAG4242",
        "AssetTag": "customer rack", "Name": "WEB-7 of rack.customer.test", "SerialNumber": "SN0001",
        "Oem": {"Contoso": {"Owner": "Jane", "PostState": "InPostDiscoveryComplete"}},
    });
    tree.at(SYSTEM).as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
    let network = json!({
        "FQDN": "rack.customer.test", "IPv4": "10.20.30.40/24", "IPv6": ["fd12:3456::7"], "MAC": "d8:5e:d3:01:02:03",
        "Note": "D85ED3010203 at https://rack.customer.test:8443/x", "SessionToken": "hunter2", "UserName": "Jane",
        "ServiceEntryPointUUID": "4c4c4544-0035-3410-8050-c6c04f314733",
    });
    tree.at(MANAGER).as_object_mut().unwrap().extend(network.as_object().unwrap().clone());
    // A path that carries the serial, as Cisco's do.
    let stick = format!("{MEDIA}/USB1");
    tree.at(&stick)["Image"] = json!("https://10.20.30.40/media/t/capability/customer.img");
    tree.at(&stick)["Inserted"] = json!(true);
    let settings = "/redfish/v1/Systems/1/SN0001";
    tree.at(SYSTEM)["@Redfish.Settings"] = json!({"SettingsObject": link(settings)});
    tree.put(settings, json!({"@odata.id": settings, "Boot": {"BootOrder": ["Boot0001"]}}));
    for name in ["CD1", "USB1"] {
        tree.strip(&format!("{MEDIA}/{name}"), "Actions");
        tree.allow.insert(format!("{MEDIA}/{name}"), "GET, PATCH".to_owned());
    }
    tree
}

async fn recorded(server: &TestBmc) -> (Recording, Value) {
    let bmc = server.connect().await;
    let recording = bmc.record().await.unwrap();
    let plan = plan(&bmc).await;
    bmc.close().await.unwrap();
    (recording, comparable(&plan))
}

async fn plan(bmc: &Bmc) -> Plan {
    let eject = PlanRequest { foreign_media: ForeignMedia::Eject, ..request() };
    bmc.discover().await.unwrap().plan(&eject).unwrap()
}

fn system_of(recording: &Recording) -> Value {
    let files = recording.files();
    let is_system = |path: &Path| {
        path.ends_with("index.json") && path.iter().nth(2).is_some_and(|name| name == "Systems")
    };
    // The collection has one directory less.
    let found = files.iter().find(|(path, _)| is_system(path) && path.iter().count() == 5);
    serde_json::from_str(&found.unwrap().1).unwrap()
}

/// The plan without the machine's names.
fn comparable(plan: &Plan) -> Value {
    let mut value = serde_json::to_value(plan).unwrap();
    value.as_object_mut().unwrap().retain(|key, _| key != "identity" && key != "warnings");
    value
}

#[tokio::test]
async fn nothing_of_the_originals_remains_and_the_replay_is_planned_the_same() {
    let servers = [
        TestBmc::start(Family::Idrac).await,
        TestBmc::start(Family::Ilo).await,
        telling().serve().await,
    ];
    for server in servers {
        let (recording, before) = recorded(&server).await;
        assert_eq!(server.count("P", "Actions") + server.count("PATCH", ""), 0);
        let files = recording.files();
        for (path, text) in &files {
            let told = format!("{} {text}", path.display()).to_ascii_lowercase();
            for original in ORIGINALS.map(str::to_ascii_lowercase) {
                assert!(!told.contains(&original), "{original} is in {told}");
            }
        }
        let replay = Tree::of(&files).serve().await;
        let after = comparable(&plan(&replay.connect().await).await);
        // A path that carried a name carries its substitute.
        let named = system_of(&recording)["SerialNumber"].as_str().unwrap().to_owned();
        let renamed = before.to_string().replace("SN0001", &named);
        assert_eq!(after, serde_json::from_str::<Value>(&renamed).unwrap());
    }
}

#[tokio::test]
async fn a_machine_stays_the_same_machine_throughout_its_recording() {
    let (recording, _) = recorded(&telling().serve().await).await;
    let text: String = recording.files().into_iter().map(|(_, text)| text).collect();
    let substitutes = text.matches("5ca1ab1e-").count();
    assert_eq!(substitutes, 2, "one UUID in two spellings");
    let system = system_of(&recording);
    assert_eq!(system["Oem"]["Contoso"]["PostState"], "InPostDiscoveryComplete");
    assert_eq!(system["Oem"]["Contoso"]["Owner"], Value::Null);
    let serial = system["SerialNumber"].as_str().unwrap();
    let settings = system["@Redfish.Settings"]["SettingsObject"]["@odata.id"].as_str().unwrap();
    assert!(settings.ends_with(serial), "{settings} {serial}");
}

#[tokio::test]
async fn a_bmc_that_cannot_be_planned_is_recorded_all_the_same() {
    let mut tree = Tree::plain();
    tree.strip(SYSTEM, "Actions");
    tree.at(SYSTEM)["VirtualMedia"] = link("/redfish/v1/Systems/1/Gone");
    let bmc = tree.serve().await.connect().await;
    bmc.discover().await.unwrap_err();
    let recording = bmc.record().await.unwrap();
    assert_eq!(recording.notes().len(), 1, "{:?}", recording.notes());
    let directory = tempfile::tempdir().unwrap();
    recording.write(directory.path()).unwrap();
    let system = directory.path().join("redfish/v1/Systems/1/index.json");
    assert!(std::fs::read_to_string(system).unwrap().contains("PowerState"));
}

#[tokio::test]
async fn links_without_end_are_followed_to_a_bound() {
    let mut tree = Tree::plain();
    for depth in 0..400 {
        let path = format!("/redfish/v1/Endless/{depth}");
        let next = format!("/redfish/v1/Endless/{}", depth + 1);
        // Half of what is linked does not exist, which costs a request all the same.
        let gone = format!("/redfish/v1/Gone/{depth}");
        tree.put(&path, json!({"@odata.id": path, "Members": [link(&next), link(&gone)]}));
    }
    tree.at("/redfish/v1")["SessionService"] = link("/redfish/v1/Endless/0");
    let server = tree.serve().await;
    let recording = server.connect().await.record().await.unwrap();
    assert!(recording.notes().iter().any(|note| note.contains("stopped after")));
    assert!(recording.files().len() <= 128);
    let reads = server.count("GET", "Endless") + server.count("GET", "Gone");
    assert!(reads <= 128, "{reads} reads");
}

#[tokio::test]
async fn a_recording_needs_the_login() {
    let server = TestBmc::start(Family::Ilo).await;
    server.with(|model| model.quirks.reject_logins = true);
    let bmc = Bmc::prepare(&server.endpoint(any()), quick()).unwrap();
    assert_eq!(bmc.record().await.unwrap_err().kind().code(), "auth");
}
