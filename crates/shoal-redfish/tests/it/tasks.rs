//! The forms of a 202: whatever it names or does not name, what counts is what the slot shows.

use std::time::Duration;

use shoal_redfish::{Bmc, Kind, Options, Plan, Role};

use crate::{
    bmc::TestBmc,
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
    let short = Options { media_timeout: Duration::from_millis(50), ..quick() };
    let (server, bmc, plan) = start(Task::Endless, short).await;
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(server.count("POST", "InsertMedia"), 1);
}
