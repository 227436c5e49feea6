//! The forms of a 202: whatever it names or does not name, what counts is what the slot shows.

use std::time::Duration;

use shoal_redfish::{Bmc, Kind, Options, Plan, Restart, Role};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{impatient, quick, request, urls},
    model::{Family, Quirks, Task},
};

async fn start(task: Task, options: Options) -> (TestBmc, Bmc, Plan) {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| {
        model.quirks = Quirks { async_inserts: true, task, ..Quirks::default() };
    });
    let bmc = server.connect_with(options).await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    (server, bmc, plan)
}

#[tokio::test]
async fn every_form_of_an_accepted_insert_ends_with_the_image_seen_in() {
    for (task, looks) in [
        (Task::Located, 1),
        (Task::LocatedElsewhere, 1),
        (Task::Named, 1),
        (Task::Embodied, 1),
        (Task::Unnamed, 0),
        (Task::Vanished, 3),
        (Task::Late, 3),
    ] {
        let (server, bmc, plan) = start(task, quick()).await;
        bmc.ensure_inserted(&plan, Role::Boot, &urls().boot)
            .await
            .unwrap_or_else(|error| panic!("{task:?}: {error}"));
        assert!(server.with(|model| model.image("1").is_some()), "{task:?}");
        assert_eq!(
            (server.count("POST", "InsertMedia"), server.count("GET", "TaskMonitors")),
            (1, looks),
            "{task:?}"
        );
    }
}

#[tokio::test]
async fn a_task_that_fails_says_why_in_every_form_that_can_be_asked() {
    for task in [Task::Located, Task::Named, Task::Embodied, Task::Late] {
        let (server, bmc, plan) = start(task, impatient()).await;
        server.with(|model| model.quirks.insert_task_fails = true);
        let error = bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::MediaRejected(_)), "{task:?}: {error}");
        assert_eq!(server.count("POST", "InsertMedia"), 1, "{task:?}");
    }
}

#[tokio::test]
async fn an_accepted_insert_that_never_shows_is_an_error_although_the_bmc_was_content() {
    for task in [Task::Unnamed, Task::Vanished] {
        let (server, bmc, plan) = start(task, impatient()).await;
        server.with(|model| model.quirks.insert_task_fails = true);
        let error = bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::VerifyFailed { .. }), "{task:?}: {error}");
    }
}

/// The image is in, whatever its task says, so a task that hangs does no harm.
#[tokio::test]
async fn a_task_without_an_end_is_left_for_a_look() {
    // Long enough for the insert itself to be answered, however busy this machine is.
    let media_timeout = Duration::from_secs(5);
    let short = Options { media_timeout, poll_most: Duration::from_secs(1), ..quick() };
    let (server, bmc, plan) = start(Task::Endless, short).await;
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(server.count("POST", "InsertMedia"), 1);
}

/// The insert was accepted, so a refused look at its task is no refusal of the insert.
#[tokio::test]
async fn a_task_that_may_not_be_looked_at_has_its_slot_read_before_anything_is_sent_again() {
    for fails in [false, true] {
        let (server, bmc, plan) = start(Task::Located, impatient()).await;
        server.with(|model| model.quirks.insert_task_fails = fails);
        let refused = What::Says(400, String::new(), Vec::new());
        server.fault(Fault { times: 99, ..Fault::once("GET", "TaskMonitors", refused) });
        server.forget();
        let inserted = bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await;
        assert_eq!(inserted.is_ok(), !fails);
        assert!(inserted.err().is_none_or(|error| error.may_have_taken_effect()));
        let sent = server.journal();
        let is_insert = |at: &usize| sent[*at].contains("InsertMedia");
        let inserts: Vec<usize> = (0..sent.len()).filter(is_insert).collect();
        assert_eq!(inserts.len(), if fails { 3 } else { 1 }, "{sent:#?}");
        for pair in inserts.windows(2) {
            let slot = |line: &String| line.starts_with("GET") && line.contains("VirtualMedia/1 ");
            assert!(sent[pair[0]..pair[1]].iter().any(slot), "{sent:#?}");
            let body = |at: usize| sent[at].split_once(' ').unwrap().1;
            assert_eq!(body(pair[0]), body(pair[1]), "another form of what was not refused");
        }
    }
}

#[tokio::test]
async fn a_restart_whose_task_cannot_be_looked_at_may_have_happened_and_is_sent_once() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let seen = bmc.discover().await.unwrap();
    let monitor = "Location: /redfish/v1/TaskService/TaskMonitors/9\r\n".to_owned();
    server.fault(Fault::once("POST", "Reset", What::Says(202, monitor, Vec::new())));
    server.fault(Fault { times: 99, ..Fault::once("GET", "TaskMonitors", What::LoseAnswer) });
    let error = bmc.restart(&seen, Restart::Forced).await.unwrap_err();
    assert!(error.may_have_taken_effect(), "{error}");
    assert_eq!(server.count("POST", "Reset"), 1);
}
