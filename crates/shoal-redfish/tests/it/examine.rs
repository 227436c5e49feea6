//! What an operator is told about a BMC: all of it when it is well, and what to do when it is not.

use shoal_redfish::{
    Bmc, Credentials, Endpoint, Examination, LoginForm, LoginState, MediaClass, PlanRequest, Role,
    Secret, TlsPolicy, blocking,
};
use tokio::net::TcpListener;

use crate::{
    bmc::TestBmc,
    given::{any, quick, request},
    model::{Family, Quirks},
    tree::{SYSTEM, Tree, host},
};

fn codes(report: &Examination) -> Vec<&str> {
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}

fn expecting(serial: &str) -> PlanRequest {
    PlanRequest { expected_serial: Some(serial.to_owned()), ..request() }
}

#[tokio::test]
async fn a_bmc_that_is_well_is_told_whole_and_left_as_it_was() {
    for (family, class, serial, is) in [
        (Family::Idrac, MediaClass::TwoCd, "tag4242", "sku"),
        (Family::Ilo, MediaClass::CdPlusUsb, "BOARD77", "serial_number"),
    ] {
        let server = TestBmc::start(family).await;
        let bmc = Bmc::prepare(&server.endpoint(any()), quick()).unwrap();

        let examined = bmc.examine(&expecting(serial)).await;
        bmc.close().await.unwrap();

        let report = examined.report;
        assert!(report.ready && report.reachable && examined.discovery.is_some(), "{report:#?}");
        assert_eq!(report.tls.policy, TlsPolicy::None);
        assert_eq!(
            (report.login.state, report.login.form),
            (LoginState::Accepted, Some(LoginForm::Session))
        );
        let machine = report.machine.as_ref().unwrap();
        assert_eq!(machine.expected_is.as_deref(), Some(is));
        assert_eq!(report.media_plan.as_ref().unwrap().class, class);
        let mut chosen: Vec<Role> = report.slots.iter().filter_map(|slot| slot.chosen).collect();
        chosen.sort_by_key(|role| *role == Role::Boot);
        assert_eq!(chosen, [Role::Task, Role::Boot]);
        assert_eq!(report.boot.as_ref().unwrap().strategy, "boot_once_cd");
        assert_eq!(u64::try_from(server.journal().len() - 1).unwrap(), report.requests);
        assert_eq!((server.count("PATCH", ""), server.count("POST", "Actions")), (0, 0));
        assert!(server.with(|model| model.tokens.is_empty()), "the session was left open");
        let page = report.to_string();
        for told in ["ready to be provisioned", serial, "boot medium", "task medium", is] {
            assert!(page.contains(told), "{told} is not on the page:\n{page}");
        }
        let stored = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Examination>(&stored).unwrap(), report);
    }
}

#[tokio::test]
async fn all_that_somebody_could_mend_is_told_at_once_with_the_plan_behind_it() {
    let server = TestBmc::start(Family::Ilo).await;
    let foreign = "https://172.16.0.9/secretpath/rescue.iso".to_owned();
    server.with(|model| model.slots.get_mut("2").unwrap().image = Some(foreign));
    let bmc = Bmc::prepare(&server.endpoint(any()), quick()).unwrap();

    let report = bmc.examine(&expecting("OTHER1")).await.report;

    assert_eq!(codes(&report), ["wrong_machine", "foreign_media"]);
    assert!(!report.ready && report.media_plan.is_some());
    assert!(report.problems.iter().all(|problem| !problem.next_step.is_empty()));
    let page = report.to_string();
    assert!(page.contains("not ready, 2 problems") && page.contains("once the problems"), "{page}");
    assert!(!page.contains("secretpath"), "an image's address is shown: {page}");
}

#[tokio::test]
async fn a_bmc_that_is_not_there_is_an_answer() {
    let gone = TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
    let account = Credentials::new("admin", Secret::new("correct horse"));
    let endpoint = Endpoint::new(&format!("https://{gone}"), any(), account).unwrap();
    let bmc = Bmc::prepare(&endpoint, quick()).unwrap();

    let report = bmc.examine(&request()).await.report;

    assert_eq!(codes(&report), ["unreachable"]);
    assert!(!report.reachable && !report.ready);
    assert_eq!((report.login.state, report.tls.accepted), (LoginState::NotTried, None));
}

#[tokio::test]
async fn a_refused_login_is_told_and_the_second_one_stops_all_others() {
    let server = TestBmc::start(Family::Idrac).await;
    let account = Credentials::new("admin", Secret::new("wrong"));
    let endpoint = Endpoint::new(&server.url, any(), account).unwrap();
    let bmc = Bmc::prepare(&endpoint, quick()).unwrap();
    for (state, refused, code) in [
        (LoginState::Refused, 1, "auth"),
        (LoginState::Refused, 2, "auth"),
        (LoginState::Stopped, 2, "locked_out"),
    ] {
        let report = bmc.examine(&request()).await.report;
        assert_eq!((report.login.state, report.login.refused), (state, refused));
        assert_eq!((codes(&report), report.reachable), (vec![code], true));
    }
    assert_eq!(server.count("POST", "Sessions"), 2);
}

#[tokio::test]
async fn a_full_session_table_is_seen_in_the_form_of_the_login() {
    let server = TestBmc::start(Family::Ilo).await;
    server.with(|model| model.quirks = Quirks { session_limit: true, ..Quirks::default() });
    let report = server.connect().await.examine(&request()).await.report;
    assert_eq!(report.login.form, Some(LoginForm::Basic));
    assert!(report.ready, "{report}");
}

#[test]
fn the_blocking_facade_examines_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(TestBmc::start(Family::Ilo));
    let bmc = blocking::Bmc::prepare(&server.endpoint(any()), quick()).unwrap();
    assert!(bmc.examine(&request()).report.ready);
    bmc.close().unwrap();
}

#[tokio::test]
async fn the_machine_that_is_named_is_examined_among_several_and_compared_only_there() {
    let blade = "/redfish/v1/Systems/2";
    let two = || {
        let mut tree = Tree::plain();
        tree.list("/redfish/v1/Systems", &[host(SYSTEM, "SN0001"), host(blade, "SN0002")]);
        tree
    };
    for (tree, name, system, problems) in [
        (two(), "SN0002", blade, &[] as &[&str]),
        (two(), "SN0003", SYSTEM, &["wrong_machine"]),
        (Tree::plain(), "SN0003", SYSTEM, &[]),
    ] {
        let bmc = tree.serve().await.connect().await;
        let wanted = PlanRequest { machine: Some(name.to_owned()), ..request() };
        let report = bmc.examine(&wanted).await.report;
        assert_eq!(codes(&report), problems, "{name}");
        let machine = report.machine.as_ref().unwrap();
        assert_eq!((machine.system.as_str(), machine.expected.as_ref()), (system, None));
        assert!(report.media_plan.is_some(), "the refusal hides the plan behind it");

        // A name that is expected too is one finding.
        let both = PlanRequest { expected_serial: Some(name.to_owned()), ..wanted };
        let findings = usize::from(name != "SN0002");
        assert_eq!(codes(&bmc.examine(&both).await.report).len(), findings, "{name}");
    }
}
