//! A BMC may say anything at all in place of any resource. What comes of it is an inventory or an
//! error of a known kind, soon, and never a panic.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_redfish::{Bmc, Error, Options};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, quick, request},
    model::Family,
};

/// Longest that an honest client could want for a BMC that answers at once; a loop takes for ever.
const LONGEST: Duration = Duration::from_mins(1);

proptest! {
    // Each case is a BMC of its own and up to a dozen exchanges.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn anything_in_place_of_a_resource_is_an_inventory_or_a_known_error(
        family in prop_oneof![Just(Family::Idrac), Just(Family::Ilo)],
        faults in proptest::collection::vec(fault(), 1..4),
    ) {
        let (connected, looked) = run(async move {
            let bmc = TestBmc::start(family).await;
            for fault in faults {
                bmc.fault(fault);
            }
            let options = Options { retries: 1, ..quick() };
            let client = match Bmc::connect(bmc.endpoint(any()), options).await {
                Ok(client) => client,
                Err(error) => return (Some(error), None),
            };
            (None, Some(client.discover().await.map(|seen| {
                // That there is no plan is an answer as well.
                let plan = seen.plan(&request());
                format!("{seen:?} {plan:?}")
            })))
        });
        for error in connected.iter().chain(looked.iter().filter_map(|looked| looked.as_ref().err())) {
            check(error)?;
        }
        if let Some(Ok(told)) = looked {
            prop_assert!(!told.contains("correct horse"), "{}", told);
        }
    }
}

fn check(error: &Error) -> Result<(), TestCaseError> {
    let told = format!("{error} {error:?}");
    prop_assert!(!error.kind().to_string().is_empty());
    prop_assert!(!told.contains("correct horse"), "the password is told: {}", told);
    prop_assert!(error.body().is_none_or(|body| body.len() <= 4096), "a body of any size is kept");
    Ok(())
}

fn run<T>(look: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(LONGEST, look).await.expect("a BMC that answers keeps nobody waiting")
    })
}

/// Some resource, from some read on, replaced by something.
fn fault() -> impl Strategy<Value = Fault> {
    let path = prop_oneof![
        Just("/redfish/v1"),
        Just("/Systems"),
        Just("/Systems/"),
        Just("/Managers/"),
        Just("/VirtualMedia"),
        Just("/VirtualMedia/"),
        Just("/Sessions"),
    ];
    let method = prop_oneof![4 => Just("GET"), 1 => Just("POST"), 1 => Just("")];
    (path, method, 0..2_usize, 1..20_usize, says())
        .prop_map(|(path, method, after, times, what)| Fault { method, path, after, times, what })
}

fn says() -> impl Strategy<Value = What> {
    let status = prop_oneof![
        6 => Just(200),
        1 => proptest::sample::select(vec![201, 202, 204, 301, 302, 400, 401, 403, 404, 405, 409, 412, 429, 500, 501, 503]),
    ];
    let headers = prop_oneof![
        6 => Just(String::new()),
        1 => Just("Retry-After: 18446744073709551615\r\n".to_owned()),
        1 => Just("Retry-After: Sun, 06 Nov 9999999999999999 08:49:37 GMT\r\n".to_owned()),
        1 => Just("Location: /redfish/v1/Systems\r\n".to_owned()),
        1 => Just("Location: https://192.0.2.1/elsewhere\r\n".to_owned()),
        1 => "[ -~]{0,40}".prop_map(|tag| format!("ETag: {tag}\r\nAllow: {tag}\r\nX-Auth-Token: {tag}\r\n")),
    ];
    let body = prop_oneof![
        6 => json_like().prop_map(|value| value.to_string().into_bytes()),
        1 => proptest::collection::vec(proptest::num::u8::ANY, 0..64),
    ];
    (status, headers, body).prop_map(|(status, headers, body)| What::Says(status, headers, body))
}

/// JSON of the names that Redfish uses and of values that are often nearly right.
fn json_like() -> impl Strategy<Value = Value> {
    let text = proptest::sample::select(vec![
        "/redfish/v1/Systems",
        "/redfish/v1/Systems/1",
        "/redfish/v1/Managers/1/VirtualMedia/1",
        "/redfish/v1/Systems/System.Embedded.1",
        "//evil/",
        "https://192.0.2.1/",
        "#",
        "",
        "On",
        "Off",
        "PoweringOn",
        "Once",
        "Cd",
        "CD",
        "USBStick",
        "UEFI",
        "iLO 5",
        "Dell",
        "Base.1.8.ServiceTemporarilyUnavailable",
        "99999999999999999999",
        "9223372036854775807-01-01T00:00:00Z",
    ]);
    let leaf = prop_oneof![
        4 => text.prop_map(Value::from),
        1 => Just(Value::Null),
        1 => proptest::bool::ANY.prop_map(Value::from),
        1 => proptest::num::i64::ANY.prop_map(Value::from),
        1 => "\\PC{0,12}".prop_map(Value::from),
    ];
    let name = proptest::sample::select(vec![
        "@odata.id",
        "Members",
        "Systems",
        "Managers",
        "Links",
        "Sessions",
        "ManagedBy",
        "Chassis",
        "VirtualMedia",
        "PowerState",
        "SerialNumber",
        "SKU",
        "UUID",
        "Boot",
        "Actions",
        "Model",
        "#ComputerSystem.Reset",
        "target",
        "ResetType@Redfish.AllowableValues",
        "MediaTypes",
        "@Redfish.ActionInfo",
        "@Redfish.Settings",
        "SettingsObject",
        "Inserted",
        "Image",
        "Vendor",
        "BootSourceOverrideTarget",
        "BootSourceOverrideTarget@Redfish.AllowableValues",
        "DateTime",
        "BootSourceOverrideEnabled",
        "BootSourceOverrideMode",
        "#VirtualMedia.InsertMedia",
        "#VirtualMedia.EjectMedia",
        "error",
        "@Message.ExtendedInfo",
        "MessageId",
        "MessageArgs",
        "TaskState",
        "ProtocolFeaturesSupported",
        "ExpandQuery",
        "NoLinks",
        "Oem",
        "Hpe",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..7)
                .prop_map(|members| json!(members)),
        ]
    })
}
