//! What counts as empty, as ours and as a CD.

use serde_json::json;

use super::*;

fn slot(body: Value) -> SlotView {
    SlotView::read(&Seen::now(body, None, None), "/vm/CD1")
}

fn url() -> MediaUrl {
    MediaUrl::parse("https://10.0.0.5/m/abc/task.iso").unwrap()
}

#[test]
fn an_image_name_left_behind_does_not_fill_a_slot() {
    assert!(
        slot(json!({"Inserted": false, "Image": "http://x/y.iso", "ConnectedVia": "NotConnected"}))
            .is_empty()
    );
    assert!(slot(json!({"Inserted": false, "Image": ""})).is_empty());
    assert!(!slot(json!({"Inserted": true, "Image": null})).is_empty());
    assert!(
        !slot(json!({"Inserted": false, "Image": "http://x/y.iso", "ConnectedVia": "URI"}))
            .is_empty()
    );
}

#[test]
fn an_image_is_recognised_by_its_path() {
    assert!(
        slot(json!({"Inserted": true, "Image": "https://10.0.0.5:443/m/abc/task.iso"}))
            .holds(&url())
    );
    assert!(
        !slot(json!({"Inserted": false, "Image": "https://10.0.0.5/m/abc/task.iso"})).holds(&url())
    );
    assert!(
        !slot(json!({"Inserted": true, "Image": "https://10.0.0.5/m/xyz/task.iso"})).holds(&url())
    );
}

#[test]
fn a_bmc_that_shows_only_a_name_is_believed_after_our_own_insert() {
    let shown = slot(json!({"Inserted": true, "Image": null, "ImageName": "task.iso"}));
    assert!(shown.shows(&url()) && !shown.holds(&url()));
    assert!(!slot(json!({"Inserted": true, "ImageName": "other.iso"})).shows(&url()));
}

#[test]
fn a_slot_that_takes_only_shares_is_told_from_one_that_takes_a_patch() {
    let share = json!({"Actions": {}, "Oem": {"Huawei": {"Actions": {"#VirtualMedia.VmmControl": {"target": "/x"}}}}});
    assert!(slot(share).takes_shares_only);
    let own = json!({"Oem": {"Hp": {"Actions": {"#HpiLOVirtualMedia.InsertVirtualMedia": {"target": "/x"}}}}});
    assert!(!slot(own).takes_shares_only);
    assert!(!slot(json!({"Oem": []})).takes_shares_only);
}

#[test]
fn media_types_are_inferred_from_the_id_when_absent() {
    assert!(slot(json!({"Id": "CD1"})).can_be(SlotKind::Cd));
    assert!(slot(json!({"Id": "Slot_0"})).media_types.is_empty());
}
