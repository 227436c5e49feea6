//! One login for everything, one renewal, and no account locked by us.

use std::time::Duration;

use shoal_redfish::{Kind, Options};
use tokio::time::Instant;

use crate::{
    bmc::{Fault, TestBmc, What, bytes},
    given::{StoppedTime, quick, request},
    model::{Family, Reply},
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

#[tokio::test]
async fn twenty_callers_share_one_login_and_one_renewal() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    bmc.look().await.unwrap();
    for renewals in 0..3 {
        let callers: Vec<_> = (0..20).map(|_| bmc.clone()).collect();
        let looks = callers.into_iter().map(|bmc| tokio::spawn(async move { bmc.look().await }));
        for look in looks.collect::<Vec<_>>() {
            look.await.unwrap().unwrap();
        }
        assert_eq!(server.with(|model| model.logins), 1 + renewals);
        server.with(|model| model.tokens.clear());
    }
}

#[tokio::test]
async fn twenty_callers_of_a_new_connection_share_its_login() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    let looks =
        (0..20).map(|_| bmc.clone()).map(|bmc| tokio::spawn(async move { bmc.look().await }));
    for look in looks.collect::<Vec<_>>() {
        look.await.unwrap().unwrap();
    }
    assert_eq!((server.with(|model| model.logins), server.connections() <= 2), (1, true));
}

#[tokio::test]
async fn whoever_drops_the_last_handle_has_logged_out() {
    for session_elsewhere in [false, true] {
        let server = TestBmc::start(Family::Ilo).await;
        server.with(|model| model.quirks.session_elsewhere = session_elsewhere);
        let bmc = server.connect().await;
        let other = bmc.clone();
        other.look().await.unwrap();
        drop(bmc);
        assert_eq!(server.with(|model| model.tokens.len()), 1, "another handle is still held");
        drop(other);
        server.until(|model| model.tokens.is_empty()).await;
        assert_eq!(server.count("DELETE", "/redfish/v1/SessionService/Sessions/1"), 1);
    }
}

/// A restarted BMC refuses even what it has issued a moment ago.
#[tokio::test]
async fn stray_refusals_are_outlived_and_cost_one_login() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    server.fault(Fault { times: 3, ..Fault::once("POST", "Reset", What::Status(401, None)) });
    bmc.ensure_off(&plan).await.unwrap();
    assert_eq!(server.with(|model| (model.logins, model.power)), (2, "Off"));
    assert_eq!((bmc.refused_logins().await, server.count("POST", "Reset")), (0, 4));
}

#[tokio::test]
async fn a_login_refused_once_although_it_was_right_before_is_tried_once_more() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    bmc.look().await.unwrap();
    server.with(|model| model.tokens.clear());
    server.fault(Fault::once("POST", "Sessions", What::Status(401, None)));
    bmc.look().await.unwrap();
    assert_eq!(bmc.refused_logins().await, 0);
    // A password that was changed meanwhile is tried twice and not a third time.
    server.with(|model| (model.tokens.clear(), model.quirks.reject_logins = true));
    let before = server.count("POST", "Sessions");
    assert_eq!(bmc.look().await.unwrap_err().kind(), &Kind::Auth);
    assert_eq!(bmc.look().await.unwrap_err().kind(), &Kind::LockedOut);
    assert_eq!(server.count("POST", "Sessions") - before, 2);
}

#[tokio::test]
async fn a_login_whose_answer_breaks_off_after_its_head_leaves_no_session_behind() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    server.fault(Fault::once("POST", "Sessions", What::Otherwise(breaks_off)));
    bmc.look().await.unwrap();
    bmc.close().await.unwrap();
    assert_eq!(server.with(|model| (model.logins, model.tokens.len())), (1, 0));
}

fn breaks_off(reply: &Reply) -> (Vec<u8>, bool) {
    let told =
        String::from_utf8(bytes(reply)).unwrap().replace("Content-Length: 2", "Content-Length: 99");
    (told.into_bytes(), true)
}

/// Each may have opened a session, and a BMC has eight.
#[tokio::test]
async fn logins_whose_answer_was_lost_are_not_sent_for_ever() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    server.fault(Fault { times: 99, ..Fault::once("POST", "Sessions", What::LoseAnswer) });
    assert_eq!(bmc.look().await.unwrap_err().kind(), &Kind::Unreachable);
    assert_eq!(server.with(|model| model.logins), 3);
}

#[tokio::test]
async fn a_full_session_table_of_a_bmc_without_basic_authentication_is_what_it_says() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| (model.quirks.session_limit, model.quirks.no_basic) = (true, true));
    let bmc = server.connect().await;
    let error = bmc.look().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::SessionLimit);
    assert!(error.is_transient());
    server.with(|model| model.quirks.session_limit = false);
    bmc.look().await.unwrap();
}

#[tokio::test]
async fn a_full_session_table_counts_one_refusal_at_most_and_never_stops_us() {
    let told = br#"{"error": {"code": "Base.1.8.SessionLimitExceeded"}}"#;
    for status in [400, 503] {
        let server = TestBmc::start(Family::Idrac).await;
        server.with(|model| model.quirks.no_basic = true);
        let full = What::Says(status, String::new(), told.to_vec());
        server.fault(Fault { times: 4, ..Fault::once("POST", "Sessions", full) });
        let bmc = server.connect().await;
        for _ in 0..4 {
            assert_eq!(bmc.look().await.unwrap_err().kind(), &Kind::SessionLimit, "{status}");
            assert_eq!(bmc.refused_logins().await, 1);
        }
        assert_eq!(server.count("GET", "/Systems"), 1, "Basic was tried again after its refusal");
        bmc.look().await.unwrap();
        assert_eq!(bmc.refused_logins().await, 0);
    }
}

#[tokio::test]
async fn a_token_refused_to_somebody_in_a_hurry_is_no_refused_login() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    server.with(|model| model.quirks.reject_tokens = true);
    let hurried = bmc.within(Duration::from_mins(1));
    for _ in 0..3 {
        assert_eq!(hurried.discover().await.unwrap_err().kind(), &Kind::Auth);
    }
    assert_eq!(bmc.refused_logins().await, 0);
    server.with(|model| model.quirks.reject_tokens = false);
    bmc.discover().await.unwrap();
    bmc.close().await.unwrap();
    assert!(server.with(|model| model.tokens.is_empty()), "a refused session was left open");
}

#[tokio::test]
async fn the_logouts_of_several_sessions_share_one_limit() {
    let limit = Duration::from_secs(10);
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect_with(Options { request_timeout: limit, ..quick() }).await;
    bmc.discover().await.unwrap();
    server.fault(Fault::once("GET", "/Systems", What::Status(401, None)));
    bmc.look().await.unwrap();
    let silence = What::Otherwise(nothing);
    server.fault(Fault { times: 2, ..Fault::once("DELETE", "Sessions", silence) });
    let clock = StoppedTime::new();
    let started = Instant::now();
    let passing = async {
        server.counted("DELETE", "Sessions", 1).await;
        // A timer may come a moment after its time.
        tokio::time::advance(limit + Duration::from_secs(1)).await;
        server.counted("DELETE", "Sessions", 2).await;
        clock.goes_on().await;
    };
    tokio::select! {
        biased;
        closed = bmc.close() => closed.unwrap_err(),
        () = passing => panic!("it goes on for ever"),
    };
    assert!(started.elapsed() < limit * 3 / 2, "{:?}", started.elapsed());
    assert_eq!(server.count("DELETE", "Sessions"), 2);
}

fn nothing(_: &Reply) -> (Vec<u8>, bool) {
    (Vec::new(), false)
}
