//! Slots that refuse, and the spare ones that take over: each medium is in one slot, and nobody else's
//! is taken for ours.

use shoal_redfish::{
    Bmc, Checkpoint, ForeignMedia, Learning, Media, Options, Plan, PlanRequest, Role,
};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, forget, impatient, quick, request, urls},
    model::Family,
};

const FIRST: &str = "/1/Actions/VirtualMedia.InsertMedia";
const SECOND: &str = "/2/Actions/VirtualMedia.InsertMedia";

fn one() -> PlanRequest {
    PlanRequest { media: Media::Combined, ours: vec!["/media/".to_owned()], ..request() }
}

/// One medium, planned for the first of two slots; the second is spare.
async fn planned(options: Options, request: &PlanRequest) -> (TestBmc, Bmc, Plan) {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect_with(options).await;
    let plan = bmc.discover().await.unwrap().plan(request).unwrap();
    assert!(plan.media.boot_slot.path.ends_with("/1"));
    assert!(plan.media.spare_slots[0].path.ends_with("/2"));
    (server, bmc, plan)
}

fn refuse(path: &'static str) -> Fault {
    Fault { times: 50, ..Fault::once("POST", path, What::Status(400, None)) }
}

fn images(server: &TestBmc) -> (bool, bool) {
    server.with(|model| (model.image("1").is_some(), model.image("2").is_some()))
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_is_none_of_the_slot() {
    let (server, bmc, plan) = planned(impatient(), &one()).await;
    server.fault(Fault::once("POST", FIRST, What::DropRequest));
    server.fault(refuse(FIRST));
    let error = bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap_err();
    assert!(error.may_have_taken_effect(), "{error}");
    assert_eq!((error.status(), server.count("POST", SECOND)), (Some(400), 0));
    assert!(serde_json::to_value(bmc.learned()).unwrap().get("refusing").is_none());
}

#[tokio::test]
async fn an_insert_that_took_effect_late_is_not_repeated_in_other_forms() {
    let (server, bmc, plan) = planned(impatient(), &one()).await;
    let late = Fault {
        times: 2,
        ..Fault::once(
            "GET",
            "/VirtualMedia/1",
            What::Otherwise(|reply| {
                let mut reply = crate::model::Reply::new(reply.status, reply.body.clone());
                reply.body["Image"] = serde_json::Value::Null;
                reply.body["Inserted"] = false.into();
                (crate::bmc::bytes(&reply), false)
            }),
        )
    };
    server.fault(late);
    server.fault(Fault::once("POST", FIRST, What::LoseAnswer));
    server.fault(refuse(FIRST));
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!((images(&server), server.count("POST", FIRST)), ((true, false), 2));
}

#[tokio::test]
async fn a_spare_slot_that_an_earlier_run_filled_is_emptied_before_the_next() {
    let (server, bmc, plan) = planned(quick(), &one()).await;
    server.fault(refuse(FIRST));
    let unsettable = Fault { times: 50, ..Fault::once("PATCH", "", What::Status(400, None)) };
    server.fault(unsettable);
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap_err();
    assert_eq!(images(&server), (false, true));
    // This time the planned slot takes it, and the one who asks knows nothing of its refusal.
    server.heal();
    let later = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
    let stored = serde_json::to_string(&checkpoint).unwrap();
    let mut checkpoint = serde_json::from_str(&stored).unwrap();
    let report = later.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
    assert_eq!((images(&server), report.moved.len()), ((true, false), 0));
    assert_eq!(server.with(|model| model.started_with.len()), 2, "one medium and the target");
}

#[tokio::test]
async fn a_strangers_file_of_the_same_name_is_not_ours_before_we_put_it_there() {
    let (server, _, plan) = planned(quick(), &one()).await;
    let bmc = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
    server.with(|model| model.slots.get_mut("1").unwrap().image = Some("boot.iso".to_owned()));
    let mut checkpoint = Checkpoint::default();
    for _ in 0..2 {
        let error = bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap_err();
        assert_eq!(error.kind().code(), "foreign_media");
    }
    assert_eq!(server.with(|model| model.ejects), 0);
}

#[tokio::test]
async fn where_the_spare_slot_refuses_too_the_planned_one_is_asked_again() {
    let (server, bmc, plan) = planned(quick(), &one()).await;
    server.fault(refuse(FIRST));
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(images(&server), (false, true));
    bmc.ensure_ejected(&plan).await.unwrap();
    server.heal();
    server.fault(refuse(SECOND));
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(images(&server), (true, false));
    assert!(serde_json::to_value(bmc.learned()).unwrap().get("refusing").is_none());
}

#[tokio::test]
async fn what_somebody_puts_into_a_spare_slot_is_ejected_where_the_plan_may() {
    for (foreign_media, left) in [(ForeignMedia::Eject, false), (ForeignMedia::Refuse, true)] {
        let (server, bmc, plan) = planned(quick(), &PlanRequest { foreign_media, ..one() }).await;
        let image = Some("http://172.16.0.9/isos/rescue.iso".to_owned());
        server.with(|model| model.slots.get_mut("2").unwrap().image = image);
        let other = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
        other.ensure_ejected(&plan).await.unwrap();
        assert_eq!(images(&server), (false, left));
        drop(bmc);
    }
}

#[tokio::test]
async fn a_plan_does_not_bring_back_a_kind_that_was_forgotten_before_a_restart() {
    let (server, _, plan) = planned(quick(), &one()).await;
    let learning = Learning::default();
    let options = Options { learning: learning.clone(), ..quick() };
    let after_restart = Bmc::resume(&server.endpoint(any()), options, &plan).unwrap();
    server.fault(refuse(FIRST));
    after_restart.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert!(serde_json::to_value(after_restart.learned()).unwrap().get("refusing").is_some());
    assert!(learning.all().is_empty(), "{:?}", learning.all());
}

#[tokio::test]
async fn a_list_of_slots_that_is_short_for_once_teaches_nothing() {
    let (server, _, plan) = planned(quick(), &one()).await;
    let bmc = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
    let short = What::Says(200, String::new(), b"{\"Members\": []}".to_vec());
    server.fault(Fault::once("GET", "/VirtualMedia", short));
    bmc.ensure_ejected(&plan).await.unwrap();
    assert_eq!(serde_json::to_value(bmc.learned()).unwrap()["no_expand"], false);
}
