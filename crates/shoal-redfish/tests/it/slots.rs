//! Which slots a plan takes, and which it empties besides.

use serde_json::json;
use shoal_redfish::{Media, MediaClass, PlanRequest, Reason, SlotKind};

use crate::{
    bmc::TestBmc,
    given::request,
    model::Family,
    tree::{MANAGER, MEDIA, Tree},
};

/// As a BMC shows an image of ours that was given under another host.
const OLD: &str = "http://shoal.example/media/t/older/task.img";

fn one_slot() -> PlanRequest {
    PlanRequest { media: Media::Combined, ours: vec!["/media/t/".to_owned()], ..request() }
}

#[tokio::test]
async fn what_an_earlier_plan_left_is_emptied_and_what_others_put_there_is_not() {
    for (image, left, emptied) in [
        (OLD, vec!["1".to_owned()], true),
        (OLD, vec![], false),
        ("http://172.16.0.9/isos/drivers.img", vec!["1".to_owned()], false),
    ] {
        // The first slot is a USB stick, which this plan has no use for.
        let server = TestBmc::start(Family::Ilo).await;
        server.with(|model| model.slots.get_mut("1").unwrap().image = Some(image.to_owned()));
        let bmc = server.connect().await;
        let wanted = PlanRequest { left, ..one_slot() };
        let plan = bmc.discover().await.unwrap().plan(&wanted).unwrap();
        assert_eq!(plan.media.class, MediaClass::SingleCombined);
        bmc.ensure_ejected(&plan).await.unwrap();
        let now = server.with(|model| model.slots.get("1").unwrap().image.clone());
        assert_eq!(now.is_none(), emptied, "{image}");
    }
}

#[tokio::test]
async fn a_task_medium_goes_only_where_its_reader_looks() {
    let looks_in = |kind| PlanRequest { media: Media::Two, task_kinds: vec![kind], ..request() };
    let ilo = TestBmc::start(Family::Ilo).await;
    let seen = ilo.connect().await.discover().await.unwrap();
    assert_eq!(seen.plan(&looks_in(SlotKind::Cd)).unwrap_err().reason, Reason::NoSecondSlot);
    assert_eq!(seen.plan(&looks_in(SlotKind::Usb)).unwrap().media.class, MediaClass::CdPlusUsb);
    let idrac = TestBmc::start(Family::Idrac).await;
    let seen = idrac.connect().await.discover().await.unwrap();
    assert_eq!(seen.plan(&looks_in(SlotKind::Cd)).unwrap().media.class, MediaClass::TwoCd);
    assert_eq!(seen.plan(&looks_in(SlotKind::Usb)).unwrap().media.class, MediaClass::CdPlusUsb);
}

#[tokio::test]
async fn remote_media_count_as_off_where_nothing_says_so_and_no_slot_is_shown() {
    for (shown, off) in [(json!({}), true), (json!({"RMediaStatus": "Enabled"}), false)] {
        let mut tree = Tree::plain();
        tree.at("/redfish/v1")["Vendor"] = json!("AMI");
        tree.list(MEDIA, &[]);
        let target = format!("{MANAGER}/Actions/Oem/AMIVirtualMedia.EnableRMedia");
        tree.at(MANAGER)["Actions"] =
            json!({"Oem": {"#AMIVirtualMedia.EnableRMedia": {"target": target}}});
        tree.at(MANAGER)["Oem"] = json!({"Ami": {"VirtualMedia": shown}});
        let discovery = tree.serve().await.connect().await.discover().await.unwrap();
        assert_eq!(discovery.profile.name, "ami-megarac");
        let reason = discovery.plan(&request()).unwrap_err().reason;
        assert_eq!(reason, if off { Reason::MediaOff } else { Reason::NoSlot });
    }
}
