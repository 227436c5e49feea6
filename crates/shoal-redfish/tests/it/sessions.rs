//! One login for everything, one renewal, and no account locked by us.

use shoal_redfish::Kind;

use crate::{
    bmc::{Fault, TestBmc, What},
    given::request,
    model::Family,
};

#[tokio::test]
async fn one_login_serves_concurrent_reads() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    let looks = tokio::join!(bmc.look(), bmc.look(), bmc.look());
    assert!(looks.0.is_ok() && looks.1.is_ok() && looks.2.is_ok());
    assert_eq!(server.with(|model| model.logins), 1);
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_the_request_repeated() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    server.fault(Fault::once("POST", "Reset", What::Status(401, None)));
    bmc.ensure_off(&plan).await.unwrap();
    assert_eq!(server.with(|model| (model.logins, model.power)), (2, "Off"));
    bmc.close().await.unwrap();
    assert!(server.with(|model| model.tokens.is_empty()), "the refused session was left open");
}

#[tokio::test]
async fn wrong_credentials_are_tried_twice_and_then_nothing_is_sent() {
    for no_sessions in [false, true] {
        let server = TestBmc::start(Family::Ilo).await;
        server.with(|model| {
            (model.quirks.reject_logins, model.quirks.no_sessions) = (true, no_sessions);
        });
        let bmc = server.connect().await;
        for _ in 0..2 {
            assert_eq!(bmc.discover().await.unwrap_err().kind(), &Kind::Auth);
        }
        let sent = server.journal().len();
        for _ in 0..3 {
            assert_eq!(bmc.discover().await.unwrap_err().kind(), &Kind::LockedOut);
        }
        assert_eq!((sent, server.journal().len()), (3, 3), "{:?}", server.journal());
        server.with(|model| model.quirks.reject_logins = false);
        bmc.reset_lockout().await;
        bmc.discover().await.unwrap();
    }
}

#[tokio::test]
async fn tokens_that_are_always_refused_stop_after_two_rounds() {
    let server = TestBmc::start(Family::Ilo).await;
    server.with(|model| model.quirks.reject_tokens = true);
    let bmc = server.connect().await;
    for _ in 0..2 {
        assert_eq!(bmc.discover().await.unwrap_err().kind(), &Kind::Auth);
    }
    assert_eq!(bmc.discover().await.unwrap_err().kind(), &Kind::LockedOut);
    assert!(server.with(|model| model.logins) <= 2);
}

#[tokio::test]
async fn without_a_session_service_or_a_free_session_basic_authentication_is_used() {
    for no_sessions in [false, true] {
        let server = TestBmc::start(Family::Idrac).await;
        server.with(|model| {
            (model.quirks.no_sessions, model.quirks.session_limit) = (no_sessions, true);
        });
        let bmc = server.connect().await;
        bmc.discover().await.unwrap();
        bmc.close().await.unwrap();
        assert_eq!(server.with(|model| model.logins), u32::from(!no_sessions));
        assert_eq!(server.count("DELETE", ""), 0);
    }
}

#[tokio::test]
async fn a_guarded_service_root_is_read_with_basic_authentication_and_then_a_session_is_opened() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.quirks.guarded_root = true);
    server.connect().await.discover().await.unwrap();
    assert_eq!(server.with(|model| model.logins), 1);
}

#[tokio::test]
async fn a_closed_connection_can_be_used_again() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    bmc.look().await.unwrap();
    bmc.close().await.unwrap();
    bmc.look().await.unwrap();
    assert_eq!(server.with(|model| model.logins), 2);
}
