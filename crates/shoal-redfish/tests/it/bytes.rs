//! Answers that are hardly HTTP: old versions of it, wrong lengths, bodies without an end, redirects,
//! connections that close without a word. A read is read in the end, and a change is made once.

use std::time::Duration;

use serde_json::json;
use shoal_redfish::{Bmc, Checkpoint, Kind, Options};
use tokio::time::Instant;

use crate::{
    bmc::{Fault, TestBmc, What, bytes},
    given::{StoppedTime, forget, impatient, quick, request, urls},
    model::{Family, Reply},
};

/// For ever, as far as a test is concerned.
const ALWAYS: usize = usize::MAX;

fn on_every_request(what: What) -> Fault {
    Fault { times: ALWAYS, ..Fault::once("", "", what) }
}

async fn whole_life(bmc: &Bmc) {
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
    bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    bmc.close().await.unwrap();
}

fn assert_each_change_once(server: &TestBmc, why: &str) {
    let sent = |part| server.count("P", part);
    let counts = (
        sent("\"ForceOff\""),
        sent("InsertMedia"),
        sent("\"On\""),
        sent("EjectMedia"),
        server.count("PATCH", ""),
    );
    assert_eq!(
        counts,
        (2, 2, 1, 2, 2 - usize::from(counts.4 == 1)),
        "{why}: {:#?}",
        server.journal()
    );
    assert_eq!(server.with(|model| (model.starts, model.power)), (1, "Off"), "{why}");
}

/// The head of an answer and its body, apart.
fn parts(reply: &Reply) -> (String, Vec<u8>) {
    let whole = bytes(reply);
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(whole[..end].to_vec()).unwrap(), whole[end..].to_vec())
}

fn without_length(head: &str) -> String {
    let lines = head.lines().filter(|line| !line.starts_with("Content-Length") && !line.is_empty());
    lines.fold(String::new(), |head, line| head + line + "\r\n")
}

fn in_http_1_0(reply: &Reply) -> (Vec<u8>, bool) {
    let (head, body) = parts(reply);
    let head = without_length(&head).replace("HTTP/1.1", "HTTP/1.0");
    ([format!("{head}\r\n").as_bytes(), &body].concat(), true)
}

fn and_closes_without_a_word(reply: &Reply) -> (Vec<u8>, bool) {
    (bytes(reply), true)
}

fn in_chunks_of_one_byte(reply: &Reply) -> (Vec<u8>, bool) {
    let (head, body) = parts(reply);
    if reply.status == 204 {
        return (bytes(reply), false);
    }
    let head = format!("{}Transfer-Encoding: chunked\r\n\r\n", without_length(&head));
    let chunks = body.iter().flat_map(|byte| [b"1\r\n".as_slice(), &[*byte], b"\r\n"].concat());
    (head.into_bytes().into_iter().chain(chunks).chain(*b"0\r\n\r\n").collect(), false)
}

#[tokio::test]
async fn old_http_closing_connections_and_tiny_chunks_change_nothing_but_the_connections() {
    for (what, why) in [
        (in_http_1_0 as fn(&Reply) -> (Vec<u8>, bool), "HTTP/1.0"),
        (and_closes_without_a_word, "closed after each answer"),
        (in_chunks_of_one_byte, "chunks of one byte"),
    ] {
        for family in [Family::Idrac, Family::Ilo] {
            let server = TestBmc::start(family).await;
            server.fault(on_every_request(What::Otherwise(what)));
            whole_life(&server.connect().await).await;
            assert_each_change_once(&server, why);
        }
    }
}

fn longer_than_it_is(reply: &Reply) -> (Vec<u8>, bool) {
    let (head, body) = parts(reply);
    let head = format!("{}Content-Length: {}\r\n\r\n", without_length(&head), body.len() + 9);
    ([head.as_bytes(), &body].concat(), true)
}

fn shorter_than_it_is(reply: &Reply) -> (Vec<u8>, bool) {
    let (head, body) = parts(reply);
    let told = body.len().saturating_sub(3);
    let head = format!("{}Content-Length: {told}\r\n\r\n", without_length(&head));
    ([head.as_bytes(), &body].concat(), false)
}

fn of_no_number(reply: &Reply) -> (Vec<u8>, bool) {
    let (head, body) = parts(reply);
    let head = format!("{}Content-Length: some\r\n\r\n", without_length(&head));
    ([head.as_bytes(), &body].concat(), false)
}

/// Each strikes every read and every change of a life once, at one place after the other.
#[tokio::test]
async fn a_wrong_length_is_read_again_and_never_makes_a_change_twice() {
    for (what, why) in [
        (longer_than_it_is as fn(&Reply) -> (Vec<u8>, bool), "too long"),
        (shorter_than_it_is, "too short"),
        (of_no_number, "no number"),
    ] {
        for after in 0..24 {
            let server = TestBmc::start(Family::Ilo).await;
            server.fault(Fault { after, ..Fault::once("", "", What::Otherwise(what)) });
            whole_life(&server.connect().await).await;
            assert_each_change_once(&server, &format!("{why}, request {after}"));
        }
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_left_at_the_limit() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    server.fault(Fault::once("GET", "/redfish/v1/Systems", What::Endless));
    let error = bmc.discover().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Protocol { what: "the body is larger than 4 MiB" });
}

/// A change whose answer never ends has been made, so it is looked for and not sent again.
#[tokio::test]
async fn bodies_that_never_come_cost_one_timeout_and_no_second_change() {
    let options = || Options {
        request_timeout: Duration::from_secs(2),
        media_timeout: Duration::from_secs(2),
        ..quick()
    };
    for (method, path, after) in [
        ("GET", "Systems", 0),
        ("POST", "Reset", 0),
        ("POST", "InsertMedia", 1),
        ("PATCH", "Systems", 0),
        ("POST", "Reset", 1),
    ] {
        let server = TestBmc::start(Family::Idrac).await;
        server.fault(Fault { after, ..Fault::once(method, path, What::Stalls) });
        whole_life(&server.connect_with(options()).await).await;
        assert_each_change_once(&server, &format!("{method} {path}"));
    }
}

#[tokio::test]
async fn redirects_within_the_bmc_are_followed_and_others_are_not() {
    let server = TestBmc::start(Family::Ilo).await;
    for status in [301, 302, 307, 308] {
        server.fault(Fault::once(
            "GET",
            "/redfish/v1/",
            What::Moves(status, "/redfish/v1".to_owned()),
        ));
        server.connect().await.discover().await.unwrap();
    }
    server.fault(Fault {
        times: ALWAYS,
        ..Fault::once(
            "GET",
            "/Systems",
            What::Moves(302, "https://192.0.2.1/redfish/v1/Systems".to_owned()),
        )
    });
    let bmc = server.connect().await;
    let error = bmc.discover().await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Protocol { what: "a redirect away from the BMC" });
}

/// A BMC that sends a change elsewhere has not made it.
#[tokio::test]
async fn a_change_follows_only_a_redirect_that_means_the_same_change() {
    let reset = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
    for (status, times, sent) in [(308, 1, 2), (307, 1, 2), (302, 1, 1)] {
        let server = TestBmc::start(Family::Ilo).await;
        let bmc = server.connect_with(impatient()).await;
        let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
        server.fault(Fault {
            times,
            ..Fault::once("POST", "Reset", What::Moves(status, format!("{reset}?again")))
        });
        let switched = bmc.ensure_off(&plan).await;
        assert_eq!(server.count("POST", "Reset"), sent, "{status}");
        match switched {
            Ok(()) => assert_eq!(server.with(|model| model.power), "Off"),
            Err(error) => assert!(!error.may_have_taken_effect(), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_retry_after_date_is_told_on_the_clock_of_the_bmc_which_may_be_years_off() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    let headers =
        "Date: Thu, 01 Jan 2004 00:00:00 GMT\r\nRetry-After: Thu, 01 Jan 2004 01:00:00 GMT\r\n";
    let body = json!({"error": {"code": "Base.1.8.GeneralError"}}).to_string().into_bytes();
    server.fault(Fault {
        times: ALWAYS,
        ..Fault::once("GET", "/Systems", What::Says(429, headers.to_owned(), body))
    });
    let error = bmc.discover().await.unwrap_err();
    assert_eq!(error.retry(), shoal_redfish::Retry::After(Duration::from_hours(1)));
    assert_eq!(
        server.count("GET", "/redfish/v1/Systems"),
        1,
        "a wish of an hour was not passed on"
    );
}

#[tokio::test]
async fn a_redirect_does_not_give_a_request_more_time() {
    let limit = Duration::from_secs(10);
    let server = TestBmc::start(Family::Ilo).await;
    let options = Options { request_timeout: limit, retries: 0, ..quick() };
    let bmc = server.connect_with(options).await;
    server.forget();
    server.fault(Fault::once(
        "GET",
        "/redfish/v1/",
        What::Moves(307, "/redfish/v1/elsewhere".to_owned()),
    ));
    server.fault(Fault::once("GET", "/redfish/v1/elsewhere", What::Stalls));
    let clock = StoppedTime::new();
    let started = Instant::now();
    let passing = async {
        // The way to the redirect takes most of the time.
        tokio::time::advance(limit * 3 / 4).await;
        server.counted("GET", "/elsewhere", 1).await;
        clock.goes_on().await;
    };
    tokio::select! {
        biased;
        reached = bmc.reach() => {
            assert!(matches!(reached.unwrap_err().kind(), Kind::Timeout { .. }));
        }
        () = passing => panic!("it goes on for ever"),
    }
    assert!(started.elapsed() < limit * 3 / 2, "{:?}", started.elapsed());
}
