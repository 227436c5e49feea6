//! What one BMC teaches about its kind: when it is used, and when it is forgotten.

use shoal_redfish::{Bmc, Kind, Learning, MediaUrl, Options, Role, profile::Profiles};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, quick, request, urls},
    model::{Family, Quirks},
    tree::{SYSTEM, Tree, host},
};

const BLADE: &str = "/redfish/v1/Systems/2";
/// A read of the service root, as the journal has it.
const ROOT: &str = "/redfish/v1/ ";

/// A BMC that wants the protocol named.
async fn particular() -> TestBmc {
    let server = TestBmc::start(Family::Idrac).await;
    server.with(|model| model.quirks.needs_protocol = true);
    server
}

fn sharing(learning: &Learning) -> Options {
    Options { learning: learning.clone(), ..quick() }
}

async fn insert(bmc: &Bmc) {
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    bmc.ensure_inserted(&plan, Role::Boot, &boot()).await.unwrap();
}

fn boot() -> MediaUrl {
    urls().boot
}

#[tokio::test]
async fn what_one_bmc_taught_is_known_at_the_next_and_told_once_to_be_stored() {
    let learning = Learning::default();
    let first = particular().await;
    insert(&first.connect_with(sharing(&learning)).await).await;
    assert_eq!(first.count("POST", "InsertMedia"), 2);

    let changes = learning.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].kind(), "dell/15G Monolithic/6.10.30.00");
    assert!(learning.changes().is_empty());
    learning.tell_again(&changes[0]);
    assert_eq!(learning.changes(), changes);

    let second = particular().await;
    insert(&second.connect_with(sharing(&learning)).await).await;
    assert_eq!(second.count("POST", "InsertMedia"), 1);
    assert!(learning.changes().is_empty(), "nothing was new");
}

#[tokio::test]
async fn a_kind_that_was_forgotten_is_met_anew_and_not_brought_back_by_who_knew_it() {
    let learning = Learning::default();
    let first = particular().await;
    let before = first.connect_with(sharing(&learning)).await;
    let plan = before.discover().await.unwrap().plan(&request()).unwrap();
    before.ensure_inserted(&plan, Role::Boot, &boot()).await.unwrap();
    let kind = learning.all()[0].kind().to_owned();
    assert!(learning.forget(&kind) && !learning.forget(&kind) && !learning.knows(&kind));
    assert!(learning.changes().is_empty(), "what is forgotten is not stored");
    // It goes on with what it knows, learns more, and keeps that to itself.
    first.with(|model| model.quirks.only_wildcard_etag = true);
    before.ensure_boot_once(&plan).await.unwrap();
    assert!(learning.all().is_empty(), "{:?}", learning.all());

    let second = particular().await;
    insert(&second.connect_with(sharing(&learning)).await).await;
    assert_eq!(second.count("POST", "InsertMedia"), 2);
    assert!(learning.knows(&kind));
}

#[tokio::test]
async fn other_firmware_is_another_kind() {
    let learning = Learning::default();
    insert(&particular().await.connect_with(sharing(&learning)).await).await;
    let updated = particular().await;
    updated.with(|model| model.firmware = "7.10.30.00");
    insert(&updated.connect_with(sharing(&learning)).await).await;
    assert_eq!(updated.count("POST", "InsertMedia"), 2, "the older firmware's form was used");
    assert_eq!(learning.all().len(), 2);
}

#[tokio::test]
async fn a_form_that_is_refused_later_is_forgotten() {
    let learning = Learning::default();
    insert(&particular().await.connect_with(sharing(&learning)).await).await;
    learning.changes();

    let changed = TestBmc::start(Family::Idrac).await;
    changed.with(|model| model.quirks = Quirks::default());
    changed.fault(Fault::once("POST", "InsertMedia", What::Says(400, String::new(), Vec::new())));
    insert(&changed.connect_with(sharing(&learning)).await).await;

    let sent: Vec<String> = changed.journal();
    let inserts: Vec<&String> = sent.iter().filter(|line| line.contains("InsertMedia")).collect();
    assert_eq!(inserts.len(), 2, "{sent:#?}");
    let told = serde_json::to_value(learning.changes()).unwrap();
    assert_eq!(told[0]["payload"], serde_json::Value::Null, "{told}");
}

#[tokio::test]
async fn another_profile_for_the_kind_ends_what_was_learned_under_the_old_one() {
    let learning = Learning::default();
    insert(&particular().await.connect_with(sharing(&learning)).await).await;
    let directory = tempfile::tempdir().unwrap();
    let mine = "name = \"idrac9-6x\"\nrank = 99\nwhen.root = [\"Dell*\"]\n\
                media.payload.protocol = true\nmedia.payload.inserted = false\n";
    std::fs::write(directory.path().join("mine.toml"), mine).unwrap();
    let profiles = Profiles::with_overrides(directory.path()).unwrap();
    let server = particular().await;
    let bmc = server.connect_with(Options { profiles, ..sharing(&learning) }).await;
    insert(&bmc).await;
    assert_eq!(server.count("POST", "InsertMedia"), 1);
    let all = serde_json::to_string(&learning.all()).unwrap();
    assert!(!server.journal().iter().any(|line| line.contains("Inserted")), "{all}");
}

/// A connection to a BMC of which only its kind is known.
fn of_kind(server: &TestBmc, learning: &Learning, kind: &str) -> Bmc {
    let options = Options { kind: Some(kind.to_owned()), ..sharing(learning) };
    Bmc::prepare(&server.endpoint(any()), options).unwrap()
}

#[tokio::test]
async fn a_known_kind_is_read_without_its_root_and_collections() {
    for family in [Family::Idrac, Family::Ilo] {
        let learning = Learning::default();
        let first = TestBmc::start(family).await;
        let bmc = first.connect_with(sharing(&learning)).await;
        let whole = bmc.discover().await.unwrap().plan(&request()).unwrap();
        let kind = bmc.learned().kind().to_owned();
        // As another process would know it.
        let stored = serde_json::to_string(&learning.all()).unwrap();
        let learning = Learning::of(serde_json::from_str::<Vec<_>>(&stored).unwrap());

        let second = TestBmc::start(family).await;
        let bmc = of_kind(&second, &learning, &kind);
        let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();

        assert_eq!(plan, whole);
        let (cold, warm) = (first.journal(), second.journal());
        assert!(warm.len() < cold.len(), "{family:?}: {cold:#?} {warm:#?}");
        assert_eq!(second.count("GET", ROOT), 0);
    }
}

#[tokio::test]
async fn a_bmc_of_another_kind_than_expected_is_read_whole() {
    let learning = Learning::default();
    let first = TestBmc::start(Family::Idrac).await;
    let bmc = first.connect_with(sharing(&learning)).await;
    bmc.discover().await.unwrap();
    let kind = bmc.learned().kind().to_owned();

    let updated = TestBmc::start(Family::Idrac).await;
    updated.with(|model| model.firmware = "7.10.30.00");
    let found = of_kind(&updated, &learning, &kind).discover().await.unwrap();
    assert_eq!(found.firmware.as_deref(), Some("7.10.30.00"));
    assert!(found.plan(&request()).is_ok());

    let other = TestBmc::start(Family::Ilo).await;
    let found = of_kind(&other, &learning, &kind).discover().await.unwrap();
    assert_eq!(found.profile.name, "ilo5");
    assert!(found.plan(&request()).is_ok());
}

fn chassis_of_two() -> Tree {
    let mut tree = Tree::plain();
    tree.list("/redfish/v1/Systems", &[host(SYSTEM, "SN0001"), host(BLADE, "SN0002")]);
    tree
}

/// What is known after one read of a BMC, and the BMC's kind.
async fn known_of(server: &TestBmc) -> (Learning, String) {
    let learning = Learning::default();
    let bmc = server.connect_with(sharing(&learning)).await;
    bmc.discover().await.unwrap();
    let kind = bmc.learned().kind().to_owned();
    (learning, kind)
}

#[tokio::test]
async fn the_place_of_one_machine_of_several_is_not_taken_for_that_of_others() {
    for way in ["likeliest", "path", "name"] {
        let learning = Learning::default();
        let bmc = chassis_of_two().serve().await.connect_with(sharing(&learning)).await;
        let found = match way {
            "likeliest" => bmc.discover().await,
            "path" => bmc.discover_system(BLADE).await,
            _ => bmc.discover_machine("SN0002").await,
        };
        assert_eq!(found.unwrap().other_systems.len(), 1);
        let told = serde_json::to_value(learning.all()).unwrap();
        assert_eq!(told[0]["layout"], "varies", "{way}: {told}");
    }
}

#[tokio::test]
async fn a_machine_that_is_named_is_looked_for_where_its_kind_keeps_it() {
    let (learning, kind) = known_of(&TestBmc::start(Family::Idrac).await).await;
    let second = TestBmc::start(Family::Idrac).await;
    let found = of_kind(&second, &learning, &kind).discover_machine("tag4242").await.unwrap();
    assert_eq!(found.named_by("TAG4242"), Some("sku"));
    assert_eq!(second.count("GET", ROOT), 0, "{:#?}", second.journal());
}

#[tokio::test]
async fn a_machine_of_another_name_at_the_known_place_is_looked_for_everywhere_once() {
    let (learning, kind) = known_of(&Tree::plain().serve().await).await;
    let two = chassis_of_two().serve().await;
    let found = of_kind(&two, &learning, &kind).discover_machine("SN0002").await.unwrap();
    assert_eq!((found.system.as_str(), two.count("GET", ROOT)), (BLADE, 1));

    // The only machine is taken whatever it is called, for its caller to compare.
    let (learning, kind) = known_of(&Tree::plain().serve().await).await;
    let one = Tree::plain().serve().await;
    let found = of_kind(&one, &learning, &kind).discover_machine("SN0003").await.unwrap();
    assert_eq!((found.system.as_str(), found.named_by("SN0003")), (SYSTEM, None));
    assert_eq!((one.count("GET", ROOT), one.count("GET", &format!("{SYSTEM} "))), (1, 1));
}

#[tokio::test]
async fn a_known_place_that_cannot_be_read_is_no_reason_to_give_up_unless_we_are_not_let_in() {
    let plain = || Tree::plain().serve();
    for (status, reads, code) in [(500, 1, "found"), (405, 1, "found"), (403, 0, "auth")] {
        let (learning, kind) = known_of(&plain().await).await;
        let server = plain().await;
        server.fault(Fault::once("GET", SYSTEM, What::Status(status, None)));
        let options = Options { retries: 0, kind: Some(kind), ..sharing(&learning) };
        let bmc = Bmc::prepare(&server.endpoint(any()), options).unwrap();
        let found = bmc.discover().await;
        let seen = found.as_ref().map_or_else(|error| error.kind().code(), |_| "found");
        assert_eq!((seen, server.count("GET", ROOT)), (code, reads), "{status}");
        assert!(!matches!(found, Err(error) if *error.kind() != Kind::Auth));
    }
}
