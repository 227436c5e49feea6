//! What a recording hides, and what it keeps.

use serde_json::json;

use super::*;

fn rewritten(body: &Value) -> String {
    let mut rewriter = Rewriter::default();
    rewriter.learn(body);
    rewriter.body(body).to_string()
}

#[test]
fn the_same_original_has_the_same_substitute_everywhere() {
    let body = json!({
        "SerialNumber": "MXQ302099S", "HostName": "ILOMXQ302099S.site", "UUID": "34383350-3131-584D-5133-303230393953",
        "Name": "iLO of mxq302099s at 10.1.2.3, 7c:c2:55:50:a8:ff", "Note": "urn:uuid:34383350-3131-584d-5133-303230393953",
        "@odata.id": "/redfish/v1/Systems/MXQ302099S",
    });
    let text = rewritten(&body).to_ascii_lowercase();
    for original in ["mxq302099s", "10.1.2.3", "7c:c2:55", "34383350", "site"] {
        assert!(!text.contains(original), "{original} is still there: {text}");
    }
    assert_eq!(text.matches("5ca1ab1e-").count(), 2);
    assert_eq!(text.matches("recorded0002").count(), 3, "{text}");
}

#[test]
fn secrets_and_what_makers_add_are_dropped() {
    let body = json!({
        "Password": "hunter2", "UserName": "root", "Oem": {"Contoso": {"Owner": "Jo", "Code": 7, "PostState": "InPost",
        "Actions": {"#A.B": {"target": "/x"}}}}, "SessionToken": "abc", "Password@odata.type": "x",
    });
    let text = rewritten(&body);
    for original in ["hunter2", "root", "Jo", "7", "abc"] {
        assert!(!text.contains(original), "{original} is still there: {text}");
    }
    assert!(text.contains("InPost") && text.contains("\"target\":\"/x\""), "{text}");
}

#[test]
fn versions_types_masks_and_placeholders_stay() {
    let body = json!({
        "FirmwareVersion": "2.86.86.86", "SubnetMask": "255.255.255.0", "UUID": "00000000-0000-0000-0000-000000000000",
        "SerialNumber": "To be filled by O.E.M.", "@odata.type": "#VirtualMedia.v1_4_1.VirtualMedia", "Model": "Default",
    });
    assert_eq!(rewritten(&body), body.to_string());
}

#[test]
fn an_image_keeps_its_protocol_and_suffix_only() {
    let body = json!({"Image": "https://media.site:8443/m/capability/customer.img", "ImageName": "customer.img"});
    let text = rewritten(&body);
    assert!(
        !text.contains("site") && !text.contains("capab") && !text.contains("customer"),
        "{text}"
    );
    assert!(text.contains("https://host-") && text.contains(".img"), "{text}");
}

#[test]
fn short_names_are_replaced_in_their_own_property_only() {
    let body = json!({"SerialNumber": "A1", "SKU": "A1", "AssetTag": "B", "Name": "Slot A1", "HostName": "n/a"});
    let text = rewritten(&body);
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&read["SKU"], &read["Name"]), (&read["SerialNumber"], &json!("Slot A1")), "{text}");
    assert!(read["SKU"] != "A1" && read["AssetTag"] != "B" && read["SKU"] != read["AssetTag"]);
    assert_eq!(read["HostName"], "n/a");
}

#[test]
fn where_a_machine_stands_and_who_looks_after_it_is_dropped() {
    let body = json!({
        "Location": {"PostalAddress": {"City": "Bern"}, "Placement": {"Rack": "R7"}}, "Id": "1",
        "PhysicalLocation": {"Placement": {"Row": "North"}, "PostalAddress": {"Street": "Gasse"}},
        "Contacts": [{"ContactName": "Jo"}],
    });
    let text = rewritten(&body);
    for original in ["Bern", "R7", "North", "Gasse", "Jo"] {
        assert!(!text.contains(original), "{original} is still there: {text}");
    }
    assert!(text.contains(r#""Id":"1""#), "{text}");
}
