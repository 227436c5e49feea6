//! Shapes of Redfish trees that real BMCs have, and what is made of each: a plan for the right slots,
//! or a refusal that says why. None of them is told from the others by a vendor's name.

use serde_json::{Value, json};
use shoal_redfish::{Kind, MediaClass, Plan, PlanRequest, Refusal, Scheme};

use crate::{
    given::request,
    tree::{Expand, MANAGER, MEDIA, SYSTEM, Tree, host, link, slot},
};

const OWN: &str = "/redfish/v1/Systems/1/VirtualMedia";

async fn planned(tree: Tree, request: &PlanRequest) -> Result<Plan, Refusal> {
    let bmc = tree.serve().await.connect().await;
    let discovery = match &request.expected_serial {
        Some(serial) => bmc.discover_machine(serial).await,
        None => bmc.discover().await,
    };
    discovery.unwrap().plan(request)
}

/// Class and slots (last segments) of the plan for a changed plain tree, or the refusal's code.
async fn outcome(change: impl FnOnce(&mut Tree)) -> String {
    let mut tree = Tree::plain();
    change(&mut tree);
    match planned(tree, &request()).await {
        Ok(plan) => {
            let class = match plan.media.class {
                MediaClass::TwoCd => "two_cd",
                MediaClass::CdPlusUsb => "cd_plus_usb",
                MediaClass::SingleCombined => "single_combined",
            };
            let task = plan.media.task_slot.as_ref().map(|slot| slot.path.as_str());
            let slots = [Some(plan.media.boot_slot.path.as_str()), task];
            let names = slots
                .into_iter()
                .flatten()
                .map(|path| path.trim_start_matches("/redfish/v1/").replace("/VirtualMedia/", ":"));
            format!("{class} {}", names.collect::<Vec<_>>().join(" "))
        }
        Err(refusal) => refusal.reason.code().to_owned(),
    }
}

const PLAIN: &str = "cd_plus_usb Managers/1:CD1 Managers/1:USB1";

#[tokio::test]
async fn media_are_found_wherever_they_live() {
    assert_eq!(outcome(|_| {}).await, PLAIN);
    let own = |tree: &mut Tree| {
        tree.at(SYSTEM)["VirtualMedia"] = link(OWN);
        let (one, two) = (format!("{OWN}/1"), format!("{OWN}/2"));
        tree.list(OWN, &[slot(&two, &["DVD"]), slot(&one, &["CD", "USBStick"])]);
    };
    let both = "two_cd Systems/1:1 Systems/1:2";
    assert_eq!(outcome(own).await, both, "the system's own come first, in order");
    let only = outcome(|tree| {
        own(tree);
        tree.strip(MANAGER, "VirtualMedia");
    });
    assert_eq!(only.await, both);
    let unusable = outcome(|tree| {
        own(tree);
        tree.strip(&format!("{OWN}/1"), "Actions");
        tree.strip(&format!("{OWN}/2"), "Actions");
    });
    assert_eq!(unusable.await, PLAIN, "a list without a usable slot hid the other");
    let dangling = outcome(|tree| tree.at(SYSTEM)["VirtualMedia"] = link("/redfish/v1/Gone"));
    assert_eq!(dangling.await, PLAIN);
}

#[tokio::test]
async fn managers_are_found_however_they_are_linked() {
    let unlinked = outcome(|tree| {
        tree.strip(SYSTEM, "Links");
        tree.strip("/redfish/v1", "Managers");
    });
    assert_eq!(unlinked.await, PLAIN);
    let dangling = outcome(|tree| {
        tree.at(SYSTEM)["Links"]["ManagedBy"] = json!([link("/redfish/v1/Managers/gone")]);
    });
    assert_eq!(dangling.await, PLAIN);
    let other = outcome(|tree| {
        let bmc = tree.at(MANAGER).clone();
        let hgx = json!({"@odata.id": "/redfish/v1/Managers/HGX_BMC_0", "Model": "HGX"});
        tree.list("/redfish/v1/Managers", &[hgx, bmc]);
        tree.at(SYSTEM)["Links"]["ManagedBy"] = json!([link("/redfish/v1/Managers/HGX_BMC_0")]);
    });
    assert_eq!(other.await, PLAIN, "the manager that has the media was not asked");
    let odd = outcome(|tree| tree.at(SYSTEM)["Links"] = json!({"ManagedBy": "Managers/1"}));
    assert_eq!(odd.await, PLAIN);
}

#[tokio::test]
async fn the_host_is_taken_among_baseboards_and_nulls() {
    let beside = outcome(|tree| {
        let board = json!({"@odata.id": "/redfish/v1/Systems/0_HGX_Baseboard", "PowerState": "On",
            "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/0_HGX_Baseboard/Reset"}}});
        let mut dpu = host("/redfish/v1/Systems/0_DPU", "DPU1");
        dpu["SystemType"] = json!("DPU");
        tree.list("/redfish/v1/Systems", &[board, dpu, host(SYSTEM, "SN0001")]);
        let members = tree.at("/redfish/v1/Systems")["Members"].as_array_mut().unwrap();
        members.insert(0, Value::Null);
        members.push(json!("a text"));
        tree.at(MEDIA)["Members"].as_array_mut().unwrap().push(Value::Null);
    });
    assert_eq!(beside.await, PLAIN);
}

#[tokio::test]
async fn links_are_followed_in_any_spelling() {
    let spelled = outcome(|tree| {
        tree.at("/redfish/v1")["Systems"] = link("https://bmc.inside:8443/redfish/v1/Systems/");
        tree.at(SYSTEM)["Links"]["ManagedBy"] = json!([link("/redfish/v1/managers/1/")]);
        let members = tree.at(MEDIA)["Members"].as_array_mut().unwrap();
        members.push(link("/redfish/v1/managers/1/virtualmedia/cd1/"));
        let target = "https://bmc.inside/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
        tree.at(SYSTEM)["Actions"]["#ComputerSystem.Reset"]["target"] = json!(target);
    });
    assert_eq!(spelled.await, PLAIN, "one slot was taken for two");
}

#[tokio::test]
async fn expanded_reads_that_lie_are_seen_through() {
    let lies = ["Actions", "PowerState", "MediaTypes"].map(Expand::Drops);
    for lie in lies.into_iter().chain([Expand::Ignored, Expand::Loses]) {
        assert_eq!(outcome(|tree| tree.expand = lie).await, PLAIN, "{lie:?}");
    }
}

#[tokio::test]
async fn slots_without_an_action_are_used_only_where_they_take_a_patch() {
    let bare = |tree: &mut Tree, allow: &'static str| {
        for name in ["CD1", "USB1"] {
            let path = format!("{MEDIA}/{name}");
            tree.strip(&path, "Actions");
            tree.allow.insert(path, allow.to_owned());
        }
    };
    assert_eq!(outcome(|tree| bare(tree, "GET, HEAD")).await, "no_slot");
    assert_eq!(outcome(|tree| bare(tree, "GET, PATCH")).await, PLAIN);
    let shares = |tree: &mut Tree| {
        bare(tree, "GET, PATCH");
        for name in ["CD1", "USB1"] {
            tree.at(&format!("{MEDIA}/{name}"))["Oem"] =
                json!({"Contoso": {"Actions": {"#VirtualMedia.VmmControl": {"target": "/x"}}}});
        }
    };
    assert_eq!(outcome(shares).await, "scheme");
    let mut tree = Tree::plain();
    shares(&mut tree);
    let seen = planned(tree, &request()).await.unwrap_err().seen.join("\n");
    assert!(seen.contains("NFS and SMB shares only"), "{seen}");
    let mixed = outcome(|tree| {
        let paths = ["0_console", "CD1", "USB1"].map(|name| format!("{MEDIA}/{name}"));
        let slots = paths.each_ref().map(|path| slot(path, &["CD", "USBStick"]));
        tree.list(MEDIA, &slots);
        tree.strip(&paths[0], "Actions");
        tree.allow.insert(paths[0].clone(), "GET, PATCH".to_owned());
    });
    assert_eq!(mixed.await, "two_cd Managers/1:CD1 Managers/1:USB1");
    let empty = |tree: &mut Tree| tree.list(MEDIA, &[]);
    assert_eq!(outcome(empty).await, "no_slot");
}

#[tokio::test]
async fn what_a_slot_holds_is_read_from_odd_lists_too() {
    let unnamed = outcome(|tree| {
        tree.strip(&format!("{MEDIA}/CD1"), "MediaTypes");
        tree.at(&format!("{MEDIA}/USB1"))["MediaTypes"] = json!("USBStick");
    });
    assert_eq!(unnamed.await, PLAIN, "the ids say what the lists do not");
    let floppy = |tree: &mut Tree| {
        let paths = ["CD1", "FD1", "USB1"].map(|name| format!("{MEDIA}/{name}"));
        let types: [&[&str]; 3] = [&["CD"], &["Floppy"], &["Floppy", "USBStick"]];
        let slots: Vec<Value> =
            paths.iter().zip(types).map(|(path, types)| slot(path, types)).collect();
        tree.list(MEDIA, &slots);
    };
    assert_eq!(outcome(floppy).await, PLAIN, "a floppy was taken although there is a stick");
    let single = outcome(|tree| tree.list(MEDIA, &[slot(&format!("{MEDIA}/CD1"), &["DVD"])]));
    assert_eq!(single.await, "single_combined Managers/1:CD1");
    let wrong = outcome(|tree| {
        tree.at(&format!("{MEDIA}/CD1"))["Inserted"] = json!("no");
        tree.at(&format!("{MEDIA}/CD1"))["Image"] = json!(7);
        tree.at(SYSTEM)["SerialNumber"] = json!(["SN0001"]);
        tree.at(SYSTEM)["Boot"]["BootOrder"] = json!({});
    });
    assert_eq!(wrong.await, PLAIN);
}

#[tokio::test]
async fn an_insert_described_elsewhere_decides_protocol_and_parameters() {
    let described = |tree: &mut Tree| {
        for name in ["CD1", "USB1"] {
            let path = format!("{MEDIA}/{name}");
            tree.at(&path)["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"] =
                json!(format!("{path}/InsertMediaActionInfo"));
        }
        let parameters = json!([
            {"Name": "Image", "Required": true},
            {"Name": "WriteProtected", "Required": false},
            {"Name": "TransferProtocolType", "Required": true, "AllowableValues": ["CIFS", "HTTPS"]},
        ]);
        tree.put(&format!("{MEDIA}/CD1/InsertMediaActionInfo"), json!({"Parameters": parameters}));
    };
    let mut tree = Tree::plain();
    described(&mut tree);
    let plan = planned(tree.clone(), &request()).await.unwrap();
    assert_eq!((plan.boot_scheme, plan.task_scheme), (Scheme::Https, Some(Scheme::Https)));
    let payload = plan.profile.media.payload;
    assert!(payload.protocol && payload.write_protected && !payload.inserted, "{payload:?}");
    let plain = PlanRequest { boot_schemes: vec![Scheme::Http], ..request() };
    let refusal = planned(tree, &plain).await.unwrap_err();
    assert_eq!(refusal.reason.code(), "scheme");
    assert!(refusal.to_string().contains("CIFS, HTTPS"), "{refusal}");
    let missing = outcome(|tree| {
        described(tree);
        tree.put(&format!("{MEDIA}/CD1/InsertMediaActionInfo"), json!({"Parameters": "none"}));
    });
    assert_eq!(missing.await, PLAIN);
}

#[tokio::test]
async fn the_override_goes_where_it_is_taken() {
    let settings = "/redfish/v1/Systems/1/Settings";
    let mut tree = Tree::plain();
    let targets =
        tree.at(SYSTEM)["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"].take();
    tree.at(SYSTEM)["@Redfish.Settings"] = json!({"SettingsObject": link(settings)});
    let boot = json!({"BootSourceOverrideTarget": "None", "BootSourceOverrideTarget@Redfish.AllowableValues": targets});
    tree.put(settings, json!({"@odata.id": settings, "Boot": boot}));
    assert_eq!(planned(tree.clone(), &request()).await.unwrap().boot.resource, settings);

    tree.put(settings, json!({"@odata.id": settings, "Boot": {"BootOrder": []}}));
    assert_eq!(planned(tree, &request()).await.unwrap().boot.resource, SYSTEM);

    let future = "/redfish/v1/Systems/1/SD";
    let mut ami = Tree::plain();
    ami.at("/redfish/v1")["Vendor"] = json!("AMI");
    let body = ami.at(SYSTEM).clone();
    ami.put(future, body);
    let plan = planned(ami, &request()).await.unwrap();
    assert_eq!(plan.boot.resource, future);

    let old = |targets: Value| {
        move |tree: &mut Tree| {
            tree.at(SYSTEM)["Boot"] = json!({"BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideTarget": "None", "BootSourceOverrideSupported": targets});
        }
    };
    assert_eq!(outcome(old(json!(["None", "Cd"]))).await, PLAIN);
    assert_eq!(outcome(old(json!(["None", "Pxe"]))).await, "no_boot_target");
    let stuck = outcome(|tree| {
        tree.at(SYSTEM)["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"] =
            json!(["On", "Nmi"]);
    });
    assert_eq!(stuck.await, "no_reset");
}

#[tokio::test]
async fn a_machine_is_found_by_its_name_among_several_and_by_its_chassis() {
    let blade = "/redfish/v1/Systems/2";
    let expecting =
        |serial: &str| PlanRequest { expected_serial: Some(serial.to_owned()), ..request() };
    let mut tree = Tree::plain();
    tree.list("/redfish/v1/Systems", &[host(SYSTEM, "SN0001"), host(blade, "SN0002")]);
    assert_eq!(planned(tree.clone(), &expecting("SN0001")).await.unwrap().system, SYSTEM);
    assert_eq!(planned(tree.clone(), &expecting("sn0002")).await.unwrap().system, blade);
    let refusal = planned(tree.clone(), &expecting("SN0003")).await.unwrap_err();
    assert_eq!(refusal.reason.code(), "wrong_machine");

    // A name that only tells machines apart need not be that of one which is alone.
    let called = |name: &str| PlanRequest { machine: Some(name.to_owned()), ..request() };
    let likeliest = tree.clone().serve().await.connect().await.discover().await.unwrap();
    assert_eq!(likeliest.plan(&called(" sn0001 ")).unwrap().system, SYSTEM);
    let refusal = likeliest.plan(&called("SN0002")).unwrap_err();
    assert_eq!(refusal.reason.code(), "wrong_machine");
    assert_eq!(planned(Tree::plain(), &called("SN0002")).await.unwrap().system, SYSTEM);

    let chassis = "/redfish/v1/Chassis/1";
    tree.strip(SYSTEM, "SerialNumber");
    tree.at(SYSTEM)["UUID"] = json!("4c4c4544-0035-3410-8050-c6c04f314733");
    tree.at(SYSTEM)["Links"]["Chassis"] = json!([link(chassis)]);
    tree.put(chassis, json!({"@odata.id": chassis, "SerialNumber": "CH0001"}));
    let plan = planned(tree, &expecting("CH0001")).await.unwrap();
    assert_eq!((plan.system.as_str(), plan.identity.serial.as_deref()), (SYSTEM, Some("CH0001")));
}

#[tokio::test]
async fn an_address_for_http_boot_is_told_and_its_path_is_not() {
    let mut tree = Tree::plain();
    assert_eq!(planned(tree.clone(), &request()).await.unwrap().warnings, [""; 0]);
    tree.at(SYSTEM)["Boot"]["HttpBootUri"] = json!("http://172.16.0.9/key/secret/grub.efi");
    let plan = planned(tree, &request()).await.unwrap();
    let told = plan.warnings.join(" ");
    assert!(told.contains("http://172.16.0.9/…/grub.efi"), "{told}");
    assert!(!serde_json::to_string(&plan).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_bmc_that_forgets_its_systems_for_a_while_is_not_ready() {
    let mut tree = Tree::plain();
    tree.strip("/redfish/v1/Systems", "Members");
    let bmc = tree.serve().await.connect().await;
    let error = bmc.discover().await.unwrap_err();
    assert!(matches!(error.kind(), Kind::NotReady { .. }) && error.is_transient(), "{error}");

    let mut tree = Tree::plain();
    tree.list("/redfish/v1/Systems", &[]);
    let bmc = tree.serve().await.connect().await;
    let error = bmc.discover().await.unwrap_err();
    assert!(matches!(error.kind(), Kind::NoSystem { .. }) && !error.is_transient(), "{error}");
}
