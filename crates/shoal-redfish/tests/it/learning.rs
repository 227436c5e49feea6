//! What one BMC teaches about its kind: when it is used, and when it is forgotten.

use shoal_redfish::{Bmc, Learning, MediaUrl, Options, Role, profile::Profiles};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, quick, request, urls},
    model::{Family, Quirks},
};

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
        assert_eq!(second.count("GET", "/redfish/v1/ "), 0);
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
