//! A BMC that restarts at any moment of a life: it drops a request, is not ready for a while, has
//! forgotten its sessions and refuses even right credentials now and then.

use std::time::Duration;

use shoal_redfish::{Checkpoint, Kind, Options, Stage};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{forget, request, unsettled, urls},
    model::Family,
};

fn restarts_after(server: &TestBmc, after: usize) {
    let any = |times, what| Fault { times, ..Fault::once("", "", what) };
    server.fault(Fault { after, ..Fault::once("", "", What::Restart) });
    server.fault(any(9, What::Status(503, Some("0".into()))));
    server.fault(any(2, What::Html));
    server.fault(Fault {
        times: 2,
        ..Fault::once("", "/redfish/v1/Systems", What::Status(401, None))
    });
    server.fault(Fault::once("", "VirtualMedia", What::Status(401, None)));
}

#[tokio::test]
async fn a_life_goes_on_through_a_restart_of_the_bmc_or_says_where_it_stopped() {
    let mut survived = 0;
    for family in [Family::Idrac, Family::Ilo, Family::Xcc] {
        for after in 1..24 {
            let server = TestBmc::start(family).await;
            // A power-on whose request met the restart never shows.
            let options = Options { power_timeout: Duration::from_secs(5), ..unsettled() };
            let bmc = server.connect_with(options).await;
            let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
            restarts_after(&server, after);
            let mut checkpoint = Checkpoint::default();
            let why = |error| panic!("{family:?} {after}: {error} {:#?}", server.journal());
            if let Err(error) = bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await {
                // Only of a power-on can nobody say whether it happened.
                assert!(error.may_have_taken_effect(), "{family:?} {after}: {error}");
                assert_eq!(checkpoint.stage(), Stage::PowerOnIntended);
                assert_eq!(server.count("POST", "\"On\""), 1);
                let again =
                    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap_err();
                assert_eq!(again.kind(), &Kind::PowerOnUnsure);
                continue;
            }
            assert_eq!(server.with(|model| (model.starts, model.started_with.len())), (1, 3));
            bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap_or_else(why);
            server.with(|model| {
                assert_eq!((model.power, model.image("1"), model.image("2")), ("Off", None, None));
            });
            // A logout that meets the restart is not needed any more.
            let _ = bmc.close().await;
            assert_eq!(server.with(|model| model.tokens.len()), 0, "a session was left open");
            survived += 1;
        }
    }
    assert!(survived > 3 * 20, "only {survived} lives went on");
}
