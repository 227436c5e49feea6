//! Every change of a life, struck by everything that can happen to its answer: the state is right in
//! the end, or the error says that it is unknown, and no change is ever sent again before a look.

use shoal_redfish::{Bmc, Checkpoint, Error, Kind, Stage};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{forget, impatient, quick, request, unsettled, urls},
    model::{Family, Reply},
};

const FAMILIES: [Family; 3] = [Family::Idrac, Family::Ilo, Family::Xcc];

/// A change, and how many of the kind go before it.
type Change = (&'static str, &'static str, usize);

/// The changes of a whole life: off, insert, insert, override, on, off, eject, eject.
fn changes(family: Family) -> [Change; 8] {
    let [insert, eject] = match family {
        Family::Xcc => [("PATCH", "VirtualMedia", 0), ("PATCH", "VirtualMedia", 2)],
        Family::Idrac | Family::Ilo => [("POST", "InsertMedia", 0), ("POST", "EjectMedia", 0)],
    };
    let second = |(method, path, after)| (method, path, after + 1);
    let boot = if family == Family::Idrac { "System.Embedded.1" } else { "Systems/1" };
    [
        ("POST", "Reset", 0),
        insert,
        second(insert),
        ("PATCH", boot, 0),
        ("POST", "Reset", 1),
        ("POST", "Reset", 2),
        eject,
        second(eject),
    ]
}

async fn life(bmc: &Bmc, checkpoint: &mut Checkpoint) -> Result<(), Error> {
    let plan = bmc.discover().await?.plan(&request()).unwrap();
    bmc.apply(&plan, &urls(), checkpoint, &mut forget).await?;
    bmc.revert(&plan, checkpoint, &mut forget).await.map(drop)
}

fn assert_all_is_done(server: &TestBmc, why: &str) {
    server.with(|model| {
        assert_eq!((model.starts, model.started_with.len()), (1, 3), "{why}");
        assert_eq!((model.power, model.image("1"), model.image("2")), ("Off", None, None), "{why}");
    });
}

/// How often each kind of change was sent: off, insert, on, eject. To an XCC, also without the tag
/// that it turns out to want.
fn sent(server: &TestBmc) -> [usize; 4] {
    ["\"ForceOff\"", "InsertMedia", "\"On\"", "EjectMedia"].map(|part| server.count("POST", part))
}

/// How often each of them took effect.
fn done(server: &TestBmc) -> [u32; 4] {
    server.with(|model| [model.offs, model.inserts, model.starts, model.ejects])
}

fn fails_after(_: &Reply) -> (Vec<u8>, bool) {
    (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}".to_vec(), false)
}

fn is_a_gateway_that_gave_up(_: &Reply) -> (Vec<u8>, bool) {
    (b"HTTP/1.1 504 X\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>".to_vec(), true)
}

#[tokio::test]
async fn an_effect_whose_answer_was_lost_broken_or_wrong_is_seen_and_not_made_twice() {
    for what in [
        What::LoseAnswer,
        What::Truncated,
        What::BrokenJson,
        What::Html,
        What::Huge,
        What::Otherwise(fails_after),
        What::Otherwise(is_a_gateway_that_gave_up),
    ] {
        for family in FAMILIES {
            for (method, path, after) in changes(family) {
                let server = TestBmc::start(family).await;
                let bmc = server.connect_with(quick()).await;
                server.fault(Fault { after, ..Fault::once(method, path, what.clone()) });
                let why = format!("{what:?} {family:?} {path} {after}");
                life(&bmc, &mut Checkpoint::default())
                    .await
                    .unwrap_or_else(|error| panic!("{why}: {error}"));
                assert_all_is_done(&server, &why);
                assert_eq!(done(&server), [2, 2, 1, 2], "{why}: {:#?}", server.journal());
                if family != Family::Xcc {
                    assert_eq!(sent(&server), [2, 2, 1, 2], "{why}: {:#?}", server.journal());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_change_that_had_no_effect_is_repeated_after_a_look_but_a_power_on_is_not() {
    for what in [What::DropRequest, What::Status(500, None), What::Status(502, None)] {
        for family in FAMILIES {
            for change @ (method, path, after) in changes(family) {
                let server = TestBmc::start(family).await;
                // A switch-off is repeated when it was looked for often enough, which takes its time.
                let off = path == "Reset" && after != 1;
                let options = if off { unsettled() } else { impatient() };
                let bmc = server.connect_with(options).await;
                server.fault(Fault { after, ..Fault::once(method, path, what.clone()) });
                let why = format!("{what:?} {family:?} {path} {after}");
                let mut checkpoint = Checkpoint::default();
                let ended = life(&bmc, &mut checkpoint).await;
                if change == ("POST", "Reset", 1) {
                    let error = ended.unwrap_err();
                    assert!(error.may_have_taken_effect(), "{why}: {error}");
                    assert_eq!(
                        (server.count("POST", "\"On\""), checkpoint.stage()),
                        (1, Stage::PowerOnIntended),
                        "{why}"
                    );
                    continue;
                }
                ended.unwrap_or_else(|error| panic!("{why}: {error}"));
                assert_all_is_done(&server, &why);
                looked_between(&server.journal(), &why);
            }
        }
    }
}

/// No change follows the same change without a read in between.
fn looked_between(journal: &[String], why: &str) {
    for pair in journal.windows(2) {
        let change = pair[0].starts_with('P');
        assert!(!(change && pair[0] == pair[1]), "{why}: sent blindly: {}", pair[0]);
    }
}

/// A BMC that says no has done nothing, and one that says when is asked again then.
#[tokio::test]
async fn a_change_refused_for_now_is_sent_again_and_one_that_is_forbidden_is_not() {
    for family in FAMILIES {
        for (method, path, after) in changes(family) {
            for status in [503, 429] {
                let server = TestBmc::start(family).await;
                let bmc = server.connect_with(impatient()).await;
                let refuses = What::Status(status, Some("0".into()));
                server.fault(Fault { after, times: 7, ..Fault::once(method, path, refuses) });
                let why = format!("{status} {family:?} {path} {after}");
                life(&bmc, &mut Checkpoint::default())
                    .await
                    .unwrap_or_else(|error| panic!("{why}: {error}"));
                assert_all_is_done(&server, &why);
            }
            let server = TestBmc::start(family).await;
            let bmc = server.connect_with(impatient()).await;
            server.fault(Fault {
                after,
                times: 99,
                ..Fault::once(method, path, What::Status(403, None))
            });
            let error = life(&bmc, &mut Checkpoint::default()).await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (&Kind::Auth, Some(403)), "{path} {after}");
            assert!(
                !error.may_have_taken_effect() && error.next_step().contains("privilege"),
                "{error}"
            );
            assert!(
                server.with(|model| model.logins) <= 1,
                "a missing privilege is no reason to log in again"
            );
        }
    }
}
