//! Power as BMCs tell it: states between on and off, none at all, late ones, refusals that only say
//! that there was nothing to do, and reset types told somewhere else.

use serde_json::{Value, json};
use shoal_redfish::{Bmc, Checkpoint, Kind, Power, PowerOn, Restart};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, forget, impatient, quick, request, urls},
    model::Family,
};

#[tokio::test]
async fn states_between_are_waited_out_and_an_unknown_one_is_no_reason_to_switch_on() {
    for shown in [
        vec![json!("PoweringOff"), json!("PoweringOff")],
        vec![Value::Null, json!("Paused"), json!("On")],
        vec![json!(7), json!("")],
    ] {
        let server = TestBmc::start(Family::Ilo).await;
        let bmc = server.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
        bmc.ensure_off(&plan).await.unwrap();
        server.with(|model| {
            model.quirks.power_shown = [vec![json!("PoweringOff")], shown.clone()].concat();
        });
        // Another connection, which has not seen it go off.
        let bmc = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
        let started = bmc.power_on(&plan).await.unwrap();
        let passed_by_on = shown.contains(&json!("On"));
        let expected = if passed_by_on { PowerOn::WasOn } else { PowerOn::Started };
        assert_eq!(
            (started, server.count("POST", "\"On\"")),
            (expected, usize::from(!passed_by_on)),
            "{shown:?}"
        );
    }
}

#[tokio::test]
async fn a_power_state_that_lags_is_waited_for_and_the_switch_is_sent_once() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    let later = |state: &str, reads| vec![json!(state); reads];
    server.with(|model| model.quirks.power_shown = later("On", 4));
    bmc.ensure_off(&plan).await.unwrap();
    server.with(|model| {
        model.quirks.power_shown = [later("Off", 4), later("PoweringOn", 1)].concat();
    });
    assert_eq!(bmc.power_on(&plan).await.unwrap(), PowerOn::Started);
    assert_eq!((server.count("POST", "\"ForceOff\""), server.count("POST", "\"On\"")), (1, 1));
    server.with(|model| model.quirks.power_shown = vec![Value::Null]);
    assert_eq!(bmc.look().await.unwrap().power, Power::Unknown);
}

/// The host went off by itself between the look and the switch, and the BMC says so by refusing.
#[tokio::test]
async fn a_refusal_to_switch_off_what_is_off_is_the_goal() {
    for status in [400, 409] {
        let server = TestBmc::start(Family::Ilo).await;
        let bmc = server.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
        server.with(|model| {
            model.power = "Off";
            model.quirks.power_shown = vec![json!("On"); 3];
        });
        server
            .fault(Fault { times: 9, ..Fault::once("POST", "Reset", What::Status(status, None)) });
        bmc.ensure_off(&plan).await.unwrap();
    }
}

#[tokio::test]
async fn reset_types_told_by_a_document_of_their_own_are_used() {
    let server = TestBmc::start(Family::Ilo).await;
    server.with(|model| model.quirks.action_info = true);
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    assert_eq!((server.count("POST", "\"ForceOn\""), server.with(|model| model.starts)), (1, 1));
}

#[tokio::test]
async fn a_restart_is_sent_once_and_seen_where_the_bmc_tells_it() {
    for tells_resets in [false, true] {
        for (what, sure) in [(None, true), (Some(What::LoseAnswer), false)] {
            let server = TestBmc::start(Family::Idrac).await;
            server.with(|model| model.quirks.tells_resets = tells_resets);
            let bmc = server.connect().await;
            let seen = bmc.discover().await.unwrap();
            assert_eq!(seen.restarts(), [Restart::Forced]);
            if let Some(what) = what {
                server.fault(Fault::once("POST", "Reset", what));
            }
            match bmc.restart(&seen, Restart::Forced).await {
                Ok(()) => assert!(sure),
                Err(error) => assert!(!sure && error.may_have_taken_effect(), "{error}"),
            }
            assert_eq!(
                (server.count("POST", "Reset"), server.with(|model| model.restarts)),
                (1, 1)
            );
            let error = bmc.restart(&seen, Restart::PowerCycle).await.unwrap_err();
            assert!(matches!(error.kind(), Kind::Unsupported { .. }), "{error}");
            server.with(|model| model.power = "Off");
            let error = bmc.restart(&seen, Restart::Forced).await.unwrap_err();
            assert!(matches!(error.kind(), Kind::Busy(_)), "{error}");
            assert_eq!(server.count("POST", "Reset"), 1);
        }
    }
}

/// A BMC that accepts and does nothing is found out where it tells when it was last reset.
#[tokio::test]
async fn a_restart_that_does_not_show_is_an_error() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.quirks.tells_resets = true);
    let bmc = server.connect_with(impatient()).await;
    let seen = bmc.discover().await.unwrap();
    server.fault(Fault::once("POST", "Reset", What::Moves(204, "/redfish/v1/".to_owned())));
    let error = bmc.restart(&seen, Restart::Forced).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::VerifyFailed { .. }) && error.may_have_taken_effect());
}
