//! The whole life of a machine on its media, what it costs in requests, and how it resumes.

use shoal_redfish::{
    Bmc, Checkpoint, ForeignMedia, Kind, Media, MediaClass, Plan, PlanRequest, Power, PowerOn,
    Reason, Role, Stage, blocking,
};

use crate::{
    bmc::TestBmc,
    given::{any, forget, quick, request, urls},
    model::{Family, Slot},
};

const FAMILIES: [Family; 2] = [Family::Idrac, Family::Ilo];

/// Slots of the boot and of the task medium.
fn slots_of(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::Idrac | Family::Xcc => ("1", "2"),
        Family::Ilo => ("2", "1"),
    }
}

async fn planned(bmc: &Bmc) -> Plan {
    bmc.discover().await.unwrap().plan(&request()).unwrap()
}

#[tokio::test]
async fn both_media_are_in_when_the_host_starts_and_out_after_the_revert() {
    for family in FAMILIES {
        let server = TestBmc::start(family).await;
        let bmc = server.connect().await;
        let plan = planned(&bmc).await;
        let class = if family == Family::Idrac { MediaClass::TwoCd } else { MediaClass::CdPlusUsb };
        assert_eq!(plan.media.class, class);
        let mut checkpoint = Checkpoint::default();
        let report = bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
        assert_eq!(report.steps, ["off", "insert_task", "insert_boot", "boot_once", "power_on"]);
        let (boot, task) = slots_of(family);
        server.with(|model| {
            assert_eq!(
                model.image(boot),
                Some("https://10.0.0.5:8443/media/b/bootcapability/boot.iso")
            );
            assert_eq!(
                model.image(task),
                Some("https://10.0.0.5:8443/media/t/taskcapability/task.img")
            );
            assert_eq!((model.power, model.starts, model.started_with.len()), ("On", 1, 3));
            assert_eq!(model.started_with[2], "Cd");
        });
        let inserts: Vec<String> =
            server.journal().into_iter().filter(|line| line.contains("InsertMedia")).collect();
        assert!(inserts[0].contains("task.img") && inserts[1].contains("boot.iso"));
        bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
        bmc.close().await.unwrap();
        server.with(|model| {
            assert_eq!((model.power, model.starts), ("Off", 1));
            assert_eq!((model.image("1"), model.image("2")), (None, None));
            assert_eq!(model.boot["Enabled"], "Disabled");
            assert!(model.tokens.is_empty(), "the session was left open");
        });
    }
}

#[tokio::test]
async fn requests_and_connections_stay_within_the_budget() {
    for family in FAMILIES {
        let server = TestBmc::start(family).await;
        let bmc = server.connect().await;
        let plan = planned(&bmc).await;
        let mut checkpoint = Checkpoint::default();
        bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
        let cold = server.journal().len();
        bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
        bmc.close().await.unwrap();
        let whole = server.journal().len();
        assert!(
            cold <= 15 && whole <= 21,
            "{family:?}: {cold} to power-on, {whole} in all: {:#?}",
            server.journal()
        );
        assert_eq!((server.connections(), bmc.requests().connections), (1, 1));
        assert_eq!(bmc.requests().total, u64::try_from(whole).unwrap());

        server.with(|model| model.power = "On");
        server.forget();
        let warm = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
        warm.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
        let to_power_on = server.journal().len();
        assert!(to_power_on <= 12, "{family:?} warm: {to_power_on}: {:#?}", server.journal());
        // What a resumed connection did not need to know is read when it is asked for.
        let again = warm
            .discover()
            .await
            .unwrap()
            .plan(&PlanRequest { foreign_media: ForeignMedia::Eject, ..request() });
        assert_eq!(again.unwrap().profile, plan.profile);
    }
}

/// A connection is given back to the pool by another thread than the one that asks next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_connection_is_enough_on_several_threads_too() {
    for _ in 0..8 {
        for family in FAMILIES {
            let server = TestBmc::start(family).await;
            let bmc = server.connect().await;
            let plan = planned(&bmc).await;
            let mut checkpoint = Checkpoint::default();
            bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
            bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
            bmc.close().await.unwrap();
            assert_eq!((server.connections(), bmc.requests().connections), (1, 1), "{family:?}");
        }
    }
}

#[test]
fn a_checkpoint_of_an_earlier_release_is_read() {
    let old = r#"{"stage": "running", "origins": ["https://10.0.0.5:8443"]}"#;
    let read: Checkpoint = serde_json::from_str(old).unwrap();
    assert_eq!(read.stage(), Stage::Running);
    assert_eq!(serde_json::to_string(&read).unwrap(), old.replace(": ", ":").replace(", ", ","));
}

#[tokio::test]
async fn every_step_run_twice_is_the_same_as_once() {
    for family in FAMILIES {
        let server = TestBmc::start(family).await;
        let bmc = server.connect().await;
        let plan = planned(&bmc).await;
        let urls = urls();
        let task = urls.task.clone().unwrap();
        for _ in 0..2 {
            bmc.ensure_off(&plan).await.unwrap();
            bmc.ensure_ejected(&plan).await.unwrap();
        }
        for _ in 0..2 {
            bmc.ensure_inserted(&plan, Role::Task, &task).await.unwrap();
            bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap();
            bmc.ensure_boot_once(&plan).await.unwrap();
        }
        assert_eq!(bmc.power_on(&plan).await.unwrap(), PowerOn::Started);
        assert_eq!(bmc.power_on(&plan).await.unwrap(), PowerOn::WasOn);
        let changes = |part| server.count("P", part);
        assert_eq!(
            (
                changes("\"ForceOff\""),
                changes("\"On\""),
                changes("InsertMedia"),
                changes("EjectMedia")
            ),
            (1, 1, 2, 0)
        );
        assert_eq!(server.count("PATCH", ""), 1);
        let cleanup = bmc.for_cleanup();
        for _ in 0..2 {
            cleanup.ensure_off(&plan).await.unwrap();
            cleanup.ensure_ejected(&plan).await.unwrap_err();
        }
        assert_eq!(
            changes("EjectMedia"),
            0,
            "images from an origin the plan does not name were ejected"
        );
    }
}

#[tokio::test]
async fn images_under_the_plans_own_prefix_are_ejected_once() {
    for family in FAMILIES {
        let server = TestBmc::start(family).await;
        server.with(|model| {
            for slot in model.slots.values_mut() {
                slot.image = Some("https://10.0.0.5:8443/media/t/older/task.iso".to_owned());
            }
            model.quirks.stale_reads = 3;
        });
        let bmc = server.connect().await;
        let wanted =
            PlanRequest { ours: vec!["https://10.0.0.5:8443/media/".to_owned()], ..request() };
        let plan = bmc.discover().await.unwrap().plan(&wanted).unwrap();
        bmc.ensure_ejected(&plan).await.unwrap();
        bmc.ensure_ejected(&plan).await.unwrap();
        assert_eq!(
            server.count("POST", "EjectMedia"),
            2,
            "a slot that still shows its old image was ejected again"
        );
    }
}

/// The state that a controller leaves when it is killed between sending an eject and seeing its
/// effect.
#[tokio::test]
async fn slots_that_refuse_an_eject_because_they_are_empty_are_seen_empty_in_the_end() {
    for family in FAMILIES {
        let server = TestBmc::start(family).await;
        let bmc = server.connect().await;
        let wanted =
            PlanRequest { ours: vec!["https://10.0.0.5:8443/media/".to_owned()], ..request() };
        let plan = bmc.discover().await.unwrap().plan(&wanted).unwrap();
        server.with(|model| {
            for slot in model.slots.values_mut() {
                let old = Some("https://10.0.0.5:8443/media/t/older/task.iso".to_owned());
                *slot = Slot { image: None, old, stale_reads: 12 };
            }
        });
        bmc.ensure_ejected(&plan).await.unwrap();
        assert!(server.with(|model| model.slots.values().all(|slot| slot.stale_reads == 0)));
    }
}

#[tokio::test]
async fn somebody_elses_image_is_refused_or_ejected_as_the_plan_says() {
    let server = TestBmc::start(Family::Ilo).await;
    let foreign = "http://172.16.0.9/rescue.iso".to_owned();
    server.with(|model| model.slots.get_mut("2").unwrap().image = Some(foreign.clone()));
    let bmc = server.connect().await;
    let discovery = bmc.discover().await.unwrap();
    let refusal = discovery.plan(&request()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ForeignMedia);
    assert!(refusal.seen.iter().any(|seen| seen.contains("http://172.16.0.9/rescue.iso")));

    let plan =
        discovery.plan(&PlanRequest { foreign_media: ForeignMedia::Eject, ..request() }).unwrap();
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.starts_with("ejects http://172.16.0.9/rescue.iso"))
    );
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(server.count("POST", "EjectMedia"), 1);
}

#[tokio::test]
async fn an_image_that_appears_after_planning_stops_the_step_before_any_change() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let plan = planned(&bmc).await;
    server.with(|model| {
        model.slots.get_mut("1").unwrap().image = Some("http://172.16.0.9/x.iso".to_owned());
    });
    let later = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
    let error = later.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::ForeignMedia { .. }), "{error}");
    assert_eq!((server.count("POST", "Actions"), server.count("PATCH", "")), (0, 0));
}

#[tokio::test]
async fn an_image_the_host_might_boot_instead_is_dealt_with_although_its_slot_is_not_used() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| {
        model.slots.get_mut("2").unwrap().image = Some("http://172.16.0.9/x.iso".to_owned());
    });
    let bmc = server.connect().await;
    let discovery = bmc.discover().await.unwrap();
    let one = PlanRequest { media: Media::Combined, ..request() };
    assert_eq!(discovery.plan(&one).unwrap_err().reason, Reason::ForeignMedia);
    let one = PlanRequest { foreign_media: ForeignMedia::Eject, ..one };
    let plan = discovery.plan(&one).unwrap();
    assert_eq!(plan.media.class, MediaClass::SingleCombined);
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    let started_with = server.with(|model| model.started_with.clone());
    assert_eq!(started_with, ["https://10.0.0.5:8443/media/b/bootcapability/boot.iso", "Cd"]);
}

#[tokio::test]
async fn the_expected_machine_is_matched_by_service_tag_and_others_are_refused() {
    let server = TestBmc::start(Family::Idrac).await;
    let discovery = server.connect().await.discover().await.unwrap();
    let expecting = |serial: &str| {
        discovery.plan(&PlanRequest { expected_serial: Some(serial.to_owned()), ..request() })
    };
    assert!(expecting("tag4242").is_ok());
    assert!(expecting("4c4c4544-0035-3410-8050-c6c04f314733").is_ok());
    assert!(matches!(expecting("OTHER1").unwrap_err().reason, Reason::WrongMachine { .. }));
}

#[tokio::test]
async fn a_plan_for_another_machine_changes_nothing() {
    let elsewhere = TestBmc::start(Family::Idrac).await;
    let mut plan = planned(&elsewhere.connect().await).await;
    plan.identity.sku = Some("TAG9999".to_owned());
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = Bmc::resume(&server.endpoint(any()), quick(), &plan).unwrap();
    let error =
        bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::WrongMachine { .. }), "{error}");
    assert_eq!((server.count("POST", "Actions"), server.count("PATCH", "")), (0, 0));
}

#[tokio::test]
async fn plan_and_checkpoint_survive_being_stored() {
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect().await;
    let plan = planned(&bmc).await;
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
    let mut saved = Vec::new();
    let mut save = |checkpoint: &Checkpoint| {
        saved.push(serde_json::to_string(checkpoint)?);
        Ok(())
    };
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut save).await.unwrap();
    let stages: Vec<Stage> = saved
        .iter()
        .map(|text| serde_json::from_str::<Checkpoint>(text).unwrap().stage())
        .collect();
    // Before the first change, and before each medium.
    let mut expected = vec![Stage::Preparing; 3];
    expected.extend([Stage::PowerOnIntended, Stage::Running]);
    assert_eq!(stages, expected);
    assert!(
        saved.iter().all(|text| !text.contains("capability")),
        "a checkpoint carries an image address"
    );
}

#[tokio::test]
async fn a_run_that_stopped_around_the_power_on_never_sends_it_again_by_itself() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let plan = planned(&bmc).await;
    let mut intended = None;
    let mut crash = |checkpoint: &Checkpoint| {
        if checkpoint.stage() == Stage::PowerOnIntended {
            intended = Some(checkpoint.clone());
            return Err(std::io::Error::other("the program dies here"));
        }
        Ok(())
    };
    let error =
        bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut crash).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Checkpoint { .. }));

    let mut resumed = intended.unwrap();
    let error = bmc.apply(&plan, &urls(), &mut resumed, &mut forget).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::PowerOnUnsure);
    assert_eq!(server.count("POST", "\"On\""), 0);

    let mut seen_on = resumed.clone();
    server.with(|model| model.power = "On");
    bmc.apply(&plan, &urls(), &mut seen_on, &mut forget).await.unwrap();
    assert_eq!((seen_on.stage(), server.count("POST", "\"On\"")), (Stage::Running, 0));

    server.with(|model| model.power = "Off");
    resumed.rearm();
    bmc.apply(&plan, &urls(), &mut resumed, &mut forget).await.unwrap();
    assert_eq!((resumed.stage(), server.count("POST", "\"On\"")), (Stage::Running, 1));
}

#[test]
fn the_blocking_facade_drives_a_whole_life_without_a_runtime_of_the_caller() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(TestBmc::start(Family::Ilo));
    let bmc = blocking::Bmc::connect(server.endpoint(any()), quick()).unwrap();
    let plan = bmc.discover().unwrap().plan(&request()).unwrap();
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).unwrap();
    assert_eq!(bmc.look().unwrap().power, Power::On);
    bmc.revert(&plan, &mut checkpoint, &mut forget).unwrap();
    bmc.close().unwrap();
    assert_eq!(server.with(|model| (model.power, model.starts)), ("Off", 1));
}

/// An embedding program runs steps on a multi-threaded runtime, so their futures must move freely.
#[tokio::test(flavor = "multi_thread")]
async fn steps_run_as_tasks_of_a_multi_threaded_runtime() {
    let server = TestBmc::start(Family::Idrac).await;
    let bmc = server.connect().await;
    let task = tokio::spawn(async move {
        let plan = planned(&bmc).await;
        let mut checkpoint = Checkpoint::default();
        bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
        let cleanup = bmc.for_cleanup();
        cleanup.ensure_off(&plan).await.unwrap();
        cleanup.ensure_slots_ejected(&plan, &[]).await.unwrap();
        cleanup.ensure_override_cleared(&plan).await.unwrap();
        bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
        bmc.close().await.unwrap();
    });
    task.await.unwrap();
    assert_eq!(server.with(|model| (model.power, model.starts)), ("Off", 1));
}
