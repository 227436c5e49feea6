//! Outages, refusals and answers that are not Redfish: what passes is outlived, what does not is told
//! with what is known.

use shoal_redfish::{Checkpoint, Kind, Retry};
use std::time::Duration;

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{forget, quick, request, urls},
    model::Family,
};

const FAMILIES: [Family; 2] = [Family::Idrac, Family::Ilo];

#[tokio::test]
async fn a_power_on_that_the_bmc_refuses_for_a_while_is_asked_for_again() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.quirks.power_on_conflicts = 2);
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    assert_eq!((server.with(|model| model.starts), server.count("POST", "\"On\"")), (1, 3));
}

#[tokio::test]
async fn reads_outlive_dropped_connections_outages_and_broken_bodies() {
    for what in [
        What::DropRequest,
        What::LoseAnswer,
        What::Truncated,
        What::BrokenJson,
        What::Status(500, None),
        What::Status(503, Some("0".into())),
    ] {
        let server = TestBmc::start(Family::Ilo).await;
        let bmc = server.connect().await;
        server.fault(Fault { times: 2, ..Fault::once("GET", "/redfish/v1/Systems", what.clone()) });
        bmc.discover().await.unwrap_or_else(|error| panic!("{what:?}: {error}"));
    }
}

#[tokio::test]
async fn a_web_page_instead_of_json_is_a_protocol_error() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    server.fault(Fault { times: 9, ..Fault::once("GET", "/redfish/v1/Systems", What::Html) });
    let error = bmc.discover().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Protocol { what: "the body is HTML" });
    assert!(error.body().unwrap().contains("Please log in"));
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_not_read_to_its_end() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    server.fault(Fault::once("GET", "/redfish/v1/Systems", What::Huge));
    let error = bmc.discover().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Protocol { what: "the body is larger than 4 MiB" });
}

#[tokio::test]
async fn a_long_retry_after_is_handed_to_the_caller_instead_of_waited_out() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    server.fault(Fault {
        times: 9,
        ..Fault::once("GET", "/redfish/v1/Systems", What::Status(503, Some("3600".into())))
    });
    let error = bmc.discover().await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_hours(1)));
    assert_eq!(server.count("GET", "/redfish/v1/Systems"), 1);
}

#[tokio::test]
async fn changes_refused_with_an_outage_are_sent_again() {
    for family in FAMILIES {
        let server = TestBmc::start(family).await;
        let bmc = server.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
        for path in ["Reset", "InsertMedia"] {
            server.fault(Fault::once("POST", path, What::Status(503, Some("0".into()))));
        }
        bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
        assert_eq!((server.with(|model| model.starts), server.count("POST", "\"On\"")), (1, 1));
    }
}

#[tokio::test]
async fn an_insert_that_fails_as_a_task_says_why() {
    let server = TestBmc::start(Family::Idrac).await;
    server
        .with(|model| (model.quirks.async_inserts, model.quirks.insert_task_fails) = (true, true));
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    let error =
        bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap_err();
    assert_eq!(error.message_ids(), ["Base.1.8.SourceDoesNotExist"]);
    assert!(matches!(error.kind(), Kind::MediaRejected(_)), "{error}");
}

#[tokio::test]
async fn a_bmc_that_cannot_be_reached_has_certainly_done_nothing() {
    let server = TestBmc::start(Family::Idrac).await;
    let plan = server.connect().await.discover().await.unwrap().plan(&request()).unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
    let endpoint = server.at(format!("http://{gone}")).endpoint(crate::given::any());
    let bmc = shoal_redfish::Bmc::resume(&endpoint, quick(), &plan).unwrap();
    let error = bmc.power_on(&plan).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unreachable);
    assert!(!error.may_have_taken_effect() && error.is_transient());
}
