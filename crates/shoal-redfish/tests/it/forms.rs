//! Request forms that some BMCs insist on, what is learned from them, and what never gets out.

use std::time::Duration;

use shoal_redfish::{
    BootOnce, Checkpoint, Exchange, Learning, MediaUrl, Options, OverrideCleared, Plan, Reason,
    Retry, Role,
};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, forget, quick, request, urls},
    model::{Family, Quirks, Tags},
};

async fn start(quirks: Quirks) -> (TestBmc, shoal_redfish::Bmc, Plan) {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.quirks = quirks);
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    (server, bmc, plan)
}

#[tokio::test]
async fn a_missing_parameter_is_added_once_and_remembered() {
    let (server, bmc, plan) = start(Quirks { needs_protocol: true, ..Quirks::default() }).await;
    let urls = urls();
    bmc.ensure_inserted(&plan, Role::Task, &urls.task.unwrap()).await.unwrap();
    bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap();
    assert_eq!(server.count("POST", "InsertMedia"), 3);

    let learned = serde_json::to_string(&bmc.learned()).unwrap();
    let (next, _, _) = start(Quirks { needs_protocol: true, ..Quirks::default() }).await;
    let options = shoal_redfish::Options {
        learning: Learning::of([serde_json::from_str(&learned).unwrap()]),
        ..quick()
    };
    let bmc = next.connect_with(options).await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap();
    assert_eq!(
        next.count("POST", "InsertMedia"),
        1,
        "what one BMC taught was not used on the next"
    );
}

#[tokio::test]
async fn an_unknown_parameter_is_dropped() {
    let (server, bmc, plan) =
        start(Quirks { rejects_write_protected: true, ..Quirks::default() }).await;
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(server.count("POST", "WriteProtected"), 1);
    assert!(server.with(|model| model.image("1").is_some()));
}

#[tokio::test]
async fn the_accepted_form_of_if_match_is_found_and_remembered() {
    let (server, bmc, plan) = start(Quirks { only_wildcard_etag: true, ..Quirks::default() }).await;
    assert_eq!(bmc.ensure_boot_once(&plan).await.unwrap(), BootOnce::Once);
    let first = server.count("PATCH", "");
    bmc.ensure_override_cleared(&plan).await.unwrap();
    assert_eq!((first, server.count("PATCH", "") - first), (4, 1));
}

#[tokio::test]
async fn an_override_that_belongs_to_the_settings_is_set_there_and_read_back() {
    let (server, bmc, plan) = start(Quirks { boot_in_settings: true, ..Quirks::default() }).await;
    assert_eq!(bmc.ensure_boot_once(&plan).await.unwrap(), BootOnce::Once);
    assert_eq!(server.with(|model| model.boot["Target"].clone()), "Cd");
    let sent = server.count("PATCH", "");
    bmc.ensure_override_cleared(&plan).await.unwrap();
    assert_eq!(server.with(|model| model.boot["Enabled"].clone()), "Disabled");
    assert_eq!(server.count("PATCH", "") - sent, 1, "the right resource was not remembered");
}

#[tokio::test]
async fn an_override_that_cannot_be_switched_off_is_pointed_at_the_disk() {
    let quirks = Quirks { cannot_disable_override: true, ..Quirks::default() };
    let (server, bmc, plan) = start(quirks).await;
    bmc.ensure_boot_once(&plan).await.unwrap();
    assert_eq!(bmc.ensure_override_cleared(&plan).await.unwrap(), OverrideCleared::PointsAtDisk);
    assert_eq!(server.with(|model| model.boot["Target"].clone()), "Hdd");
}

#[tokio::test]
async fn an_override_that_stays_is_accepted_and_said() {
    let (_, bmc, plan) = start(Quirks { once_is_continuous: true, ..Quirks::default() }).await;
    assert_eq!(bmc.ensure_boot_once(&plan).await.unwrap(), BootOnce::Continuous);
    assert_eq!(bmc.ensure_override_cleared(&plan).await.unwrap(), OverrideCleared::Cleared);
}

#[tokio::test]
async fn asynchronous_inserts_are_followed_to_their_end() {
    let (server, bmc, plan) = start(Quirks { async_inserts: true, ..Quirks::default() }).await;
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    assert_eq!(server.with(|model| model.started_with.len()), 3);
    assert_eq!(server.count("GET", "TaskMonitors"), 2);
}

#[tokio::test]
async fn a_bmc_whose_expanded_reads_fail_is_read_one_by_one() {
    let (server, bmc, plan) = start(Quirks { no_expand: true, ..Quirks::default() }).await;
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    assert_eq!(server.count("GET", "$expand"), 1);
    assert_eq!(server.with(|model| model.starts), 1);
}

#[tokio::test]
async fn properties_of_the_wrong_type_are_told_and_do_not_matter() {
    let server = TestBmc::start(Family::Ilo).await;
    server.with(|model| model.quirks.odd_types = true);
    let discovery = server.connect().await.discover().await.unwrap();
    assert!(
        discovery.diagnostics.iter().any(|note| note.contains("Model is not a text")),
        "{:?}",
        discovery.diagnostics
    );
    assert!(discovery.plan(&request()).is_ok());
}

#[tokio::test]
async fn neither_transcript_nor_errors_nor_plan_show_a_secret() {
    let (server, bmc, plan) = start(Quirks::default()).await;
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
    server.with(|model| model.quirks.rejects_write_protected = true);
    let stray = MediaUrl::parse("http://other/m/straycapability/x.iso").unwrap();
    let error = bmc.ensure_inserted(&plan, Role::Boot, &stray).await.unwrap_err();
    let shown = format!(
        "{} {error} {error:?} {bmc:?} {plan:?}",
        serde_json::to_string(&bmc.transcript()).unwrap()
    );
    for secret in
        ["correct horse", "token-1", "bootcapability", "taskcapability", "straycapability"]
    {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
    assert!(shown.contains("https://10.0.0.5:8443/…/boot.iso"));
}

#[tokio::test]
async fn a_failure_takes_along_what_was_said_before_it() {
    let server = TestBmc::start(Family::Idrac).await;
    server.fault(Fault { times: 9, ..Fault::once("GET", "/redfish/v1/", What::Status(404, None)) });
    let refused = shoal_redfish::Bmc::connect(server.endpoint(any()), quick()).await.unwrap_err();
    let said = refused.transcript();
    assert_eq!((said.len(), said[0].status, said[0].path.as_str()), (1, Some(404), "/redfish/v1/"));
    server.heal();
    // The waits after a refusal are short enough for the transcript to hold the refusal still.
    let power_timeout = Duration::from_millis(20);
    let bmc = server.connect_with(Options { power_timeout, ..quick() }).await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    let refuse = || Fault { times: 20, ..Fault::once("P", "", What::Status(400, None)) };
    for method in ["POST", "PATCH"] {
        server.fault(Fault { method, ..refuse() });
    }
    let heard = |error: shoal_redfish::Error| {
        let numbers = |exchanges: &[Exchange]| -> Vec<u64> {
            exchanges.iter().map(|exchange| exchange.number).collect()
        };
        let said = error.transcript();
        assert_eq!(numbers(said), numbers(&bmc.transcript()), "{error}");
        assert!(said.iter().any(|exchange| exchange.status == Some(400)), "{error}");
        let told = serde_json::to_string(said).unwrap() + &format!("{error:?}");
        assert!(!told.contains("capability") && !told.contains("correct horse"), "{told}");
    };
    heard(bmc.ensure_off(&plan).await.unwrap_err());
    heard(bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap_err());
    heard(bmc.ensure_boot_once(&plan).await.unwrap_err());
    let mut checkpoint = Checkpoint::default();
    heard(bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap_err());
}

#[tokio::test]
async fn every_rule_for_if_match_is_met_and_remembered() {
    for (tags, first) in
        [(Tags::Checked, 1), (Tags::Strong, 2), (Tags::Unwanted, 4), (Tags::Required, 1)]
    {
        let (server, bmc, plan) =
            start(Quirks { tags, no_expand: true, ..Quirks::default() }).await;
        assert_eq!(bmc.ensure_boot_once(&plan).await.unwrap(), BootOnce::Once, "{tags:?}");
        assert_eq!(server.count("PATCH", ""), first, "{tags:?}: {:#?}", server.journal());
        bmc.ensure_override_cleared(&plan).await.unwrap();
        assert_eq!(server.count("PATCH", "") - first, 1, "{tags:?} was not remembered");
    }
}

#[tokio::test]
async fn an_action_that_wants_a_tag_gets_any() {
    let (server, bmc, plan) = start(Quirks { tagged_actions: true, ..Quirks::default() }).await;
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    assert_eq!(server.with(|model| (model.starts, model.started_with.len())), (1, 3));
}

#[tokio::test]
async fn an_override_refused_during_post_is_set_when_post_is_over() {
    let (server, bmc, plan) = start(Quirks { in_post: 3, ..Quirks::default() }).await;
    assert_eq!(bmc.ensure_boot_once(&plan).await.unwrap(), BootOnce::Once);
    assert_eq!(
        (server.count("PATCH", ""), server.with(|model| model.boot["Target"].clone())),
        (4, "Cd".to_owned())
    );
    let short = Options { busy_timeout: Duration::from_millis(20), ..quick() };
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.quirks.in_post = u32::MAX);
    let bmc = server.connect_with(short).await;
    let error = bmc.ensure_boot_once(&plan).await.unwrap_err();
    assert_eq!(error.retry(), Retry::AfterPowerOff, "{error}");
}

#[tokio::test]
async fn where_cd_is_a_physical_drive_the_virtual_one_is_imported_and_taken_back() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| {
        model.firmware = "4.20.20.20";
        (model.quirks.boot_by_import, model.quirks.jobs_running) = (true, 2);
    });
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    assert_eq!(
        (plan.profile.name.as_str(), plan.boot.strategy.as_str()),
        ("idrac9-scp", "boot_once_dell_scp")
    );
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
    let import = "ImportSystemConfiguration";
    assert_eq!(server.with(|model| model.started_with.last().cloned()), Some("VCD-DVD".to_owned()));
    assert_eq!(server.count("POST", import), 3, "a job that runs is waited for");
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);

    // A boot that never came leaves it set, and cleaning up takes it back, once.
    bmc.ensure_off(&plan).await.unwrap();
    bmc.ensure_boot_once(&plan).await.unwrap();
    bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    assert_eq!(server.with(|model| model.first_device.clone()), ("Normal".to_owned(), false));
    assert_eq!(server.count("POST", import), 5);
    bmc.ensure_override_cleared(&plan).await.unwrap();
    assert_eq!(server.count("POST", import), 5, "what is clear is not cleared again");
}

#[tokio::test]
async fn an_old_idrac_without_the_import_is_refused_before_anything_is_changed() {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.firmware = "4.20.20.20");
    let refusal = server.connect().await.discover().await.unwrap().plan(&request()).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoBootTarget);
    assert_eq!(server.count("P", "Actions"), 0);
}

/// Whatever form the echo has, an image's place stays with us.
#[tokio::test]
async fn an_image_that_is_echoed_without_its_host_is_hidden_in_errors_and_transcripts() {
    let path = "/media/b/bootcapability/boot.iso";
    let info =
        serde_json::json!([{"MessageId": "IDRAC.2.8.RAC0720", "Message": format!("no {path}")}]);
    let told = serde_json::json!({"error": {"@Message.ExtendedInfo": info}}).to_string();
    // One is cut in the middle of the place, unless it is hidden before.
    let page = format!("{}{path}", " ".repeat(2048 - 15));
    for (status, echo) in [(400, told), (403, page)] {
        let (server, bmc, plan) = start(Quirks::default()).await;
        let says = What::Says(status, String::new(), echo.into_bytes());
        server.fault(Fault { times: 9, ..Fault::once("POST", "InsertMedia", says) });
        let error = bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap_err();
        let transcript = serde_json::to_string(&bmc.transcript()).unwrap();
        for told in [error.body().unwrap(), &format!("{error:?}"), &transcript] {
            assert!(!told.contains("bootcap"), "{told}");
        }
        assert!(error.body().unwrap().contains('…'), "{error:?}");
    }
}

#[tokio::test]
async fn a_form_of_the_override_that_had_no_effect_is_not_learned() {
    let server = TestBmc::start(Family::Idrac).await;
    let learning = Learning::default();
    let options =
        Options { power_timeout: Duration::from_millis(5), learning: learning.clone(), ..quick() };
    let bmc = server.connect_with(options).await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    server.fault(Fault { times: 2, ..Fault::once("PATCH", "", What::Status(200, None)) });
    let error = bmc.ensure_boot_once(&plan).await.unwrap_err();
    assert_eq!((error.kind().code(), server.count("PATCH", "")), ("verify_failed", 2));
    let told = serde_json::to_value(learning.all()).unwrap();
    assert_eq!(told[0]["full_boot"], false, "{told}");
}

#[tokio::test]
async fn what_was_sent_to_change_something_is_counted_without_logins() {
    let (server, _, plan) = start(Quirks::default()).await;
    let bmc = server.connect().await;
    server.forget();
    server.fault(Fault::once("GET", "/Systems", What::Status(400, None)));
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap_err();
    assert_eq!((server.count("POST", "Sessions"), bmc.requests().changes), (1, 0));
    server.heal();
    server.fault(Fault::once("POST", "InsertMedia", What::LoseAnswer));
    bmc.ensure_inserted(&plan, Role::Boot, &urls().boot).await.unwrap();
    assert_eq!(bmc.requests().changes, 1);
}
