//! Every habit a simulated BMC knows, one at a time. Each stops a client that only knows how things
//! should be, which the simulation's own tests show from the same table; none stops this one.

use std::time::Duration;

use serde::Deserialize;
use shoal_redfish::{
    Bmc, Checkpoint, Credentials, Endpoint, ForeignMedia, Kind, Learned, Options, PlanRequest,
    Reason, Role, Secret, Tls,
};
use shoal_redfish_mock::{BootFrom, Effect, EffectKind, Event, HostScript, Journal, Persona};
use tokio::task::JoinSet;

use crate::stand::{Stand, forget, options};

/// Machines that live at a time.
const AT_ONCE: usize = 8;

/// One entry of the table of habits.
#[derive(Deserialize)]
struct Habit {
    title: String,
    client: String,
    change: toml::Table,
}

#[derive(Deserialize)]
struct Habits {
    habit: Vec<Habit>,
}

impl Habit {
    async fn stand(&self) -> Stand {
        like_generic(self.change.clone()).await
    }
}

async fn like_generic(mut change: toml::Table) -> Stand {
    change.insert("like".to_owned(), "generic".into());
    let second = Duration::from_secs(1);
    let script = HostScript { post: second, os_start: second, ..HostScript::default() };
    Stand::like(Persona::from_toml(&change.to_string()).unwrap(), script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_habit_stops_a_client_that_knows_better() {
    let table = include_str!("../../../crates/shoal-redfish-mock/habits.toml");
    let table: Habits = toml::from_str(table).unwrap();
    let mut failures = Vec::new();
    let mut lives = JoinSet::new();
    for habit in table.habit {
        if lives.len() == AT_ONCE {
            failures.extend(lives.join_next().await.and_then(Result::unwrap));
        }
        lives.spawn(async move {
            let ended = life(&habit).await;
            ended.err().map(|why| format!("{}: {why}", habit.title))
        });
    }
    failures.extend(lives.join_all().await.into_iter().flatten());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A whole life on a machine that is on, or a refusal which leaves it as it is.
async fn life(habit: &Habit) -> Result<(), String> {
    let stand = habit.stand().await;
    stand.switch_on().await;
    let bmc = stand.connect().await;
    let discovery = bmc.discover().await.map_err(|error| error.to_string())?;
    let plan = match discovery.plan(&stand.request()) {
        Ok(plan) => plan,
        Err(refusal) => {
            assert_eq!(refusal.reason.code(), habit.client, "{}: {refusal}", habit.title);
            let session = |effect: &Effect| effect.kind() == EffectKind::Login;
            let touched = !stand.mock.journal().effects().iter().all(session);
            assert!(!touched && stand.mock.state().on, "{}", habit.title);
            return Ok(());
        }
    };
    let class = serde_json::to_value(plan.media.class).unwrap();
    assert_eq!(class, habit.client.as_str(), "{}", habit.title);
    let mut checkpoint = Checkpoint::default();
    let urls = stand.urls(plan.media.class);
    let applied = bmc.apply(&plan, &urls, &mut checkpoint, &mut forget).await;
    applied.map_err(|error| format!("{error}: {:?}", error.message_ids()))?;
    stand.wait(|event| *event == Event::Booted(BootFrom::BootMedium)).await;
    stand.wait(|event| matches!(event, Event::TaskMediumFound { .. })).await;
    let reverted = bmc.revert(&plan, &mut checkpoint, &mut forget).await;
    reverted.map_err(|error| format!("{error}: {:?}", error.message_ids()))?;
    bmc.close().await.map_err(|error| error.to_string())?;
    let state = stand.mock.state();
    let clean = !state.on
        && state.sessions == 0
        && state.boot.enabled == "Disabled"
        && state.slots.iter().all(|slot| slot.image.is_none());
    let journal = stand.mock.journal();
    let once = journal.count(EffectKind::PowerOn) == 1;
    if clean && once { Ok(()) } else { Err(format!("{state:?} {:?}", journal.effects())) }
}

/// Three slots, of which the first refuses every image with this status, and the last with that.
fn console_first(status: u16, last: &str) -> toml::Table {
    let slot = |id: u8, refuses: &str| {
        format!("{{ id = \"{id}\", under = [\"system\"], media_types = [\"CD\"]{refuses} }}")
    };
    let slots = [slot(0, &format!(", refuses = {status}")), slot(1, ""), slot(2, last)];
    toml::from_str(&format!("slots = [{}]", slots.join(", "))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_refuses_is_passed_by_once_for_the_next_of_its_kind() {
    for status in [400, 404, 405] {
        let stand = like_generic(console_first(status, "")).await;
        let bmc = stand.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        let spares: Vec<_> = plan
            .media
            .spare_slots
            .iter()
            .map(|slot| slot.path.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(spares, ["2"]);
        let urls = stand.urls(plan.media.class);
        let mut checkpoint = Checkpoint::default();
        let applied = bmc.apply(&plan, &urls, &mut checkpoint, &mut forget).await.unwrap();
        let steps =
            ["off", "insert_task", "boot_slot_refused", "insert_boot", "boot_once", "power_on"];
        assert_eq!(applied.steps, steps);
        let used = plan.media.spare_slots[0].path.clone();
        assert_eq!(applied.moved, [(Role::Boot, used.clone())]);
        assert!(applied.warnings.iter().any(|told| told.contains(&used)), "{applied:?}");
        let journal = stand.mock.journal();
        let refused = |journal: &Journal| {
            journal.entries().iter().filter(|entry| entry.path.contains("/0/Actions/")).count()
        };
        let tried = refused(journal);
        // What refused once is not asked again, and neither is who has never met it.
        bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap();
        assert_eq!(refused(journal), tried);
        let next = stand.resume(&plan, bmc.learned()).discover().await.unwrap();
        let after =
            next.plan(&PlanRequest { foreign_media: ForeignMedia::Eject, ..stand.request() });
        let after = after.unwrap();
        assert!(after.slots().iter().all(|slot| !slot.path.ends_with("/0")), "{after:?}");
        // Somebody who knows no more than the plan finds it there all the same.
        stand.resume(&plan, Learned::default()).ensure_ejected(&plan).await.unwrap();
        assert!(stand.mock.state().slots.iter().all(|slot| slot.image.is_none()), "{status}");
        bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_slot_refuses_none_is_left_with_an_image_and_the_first_refusal_is_told() {
    let stand = like_generic(console_first(404, ", refuses = 405")).await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    let urls = stand.urls(plan.media.class);
    let refused = bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap_err();
    assert_eq!((refused.status(), refused.path().contains("/0/")), (Some(404), true), "{refused}");
    assert!(!refused.may_have_taken_effect());
    assert!(stand.mock.state().slots.iter().all(|slot| slot.image.is_none()));
    // An image that no slot can open says nothing about slots.
    let stand = like_generic(console_first(400, "")).await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    let missing = stand.images.url("missing.iso");
    bmc.ensure_inserted(&plan, Role::Boot, &missing).await.unwrap_err();
    let told = serde_json::to_value(bmc.learned()).unwrap();
    assert!(told.get("refusing").is_none(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_media_that_are_off_are_switched_on_before_or_after_planning() {
    for hides_slots in [true, false] {
        let change = format!(
            "system.id = \"Self\"\nmanager.id = \"Self\"\n\
             media.delivered_off = {{ hides_slots = {hides_slots}, takes_ms = 3000 }}"
        );
        let stand = like_generic(toml::from_str(&change).unwrap()).await;
        let bmc = stand.connect().await;
        let mut discovery = bmc.discover().await.unwrap();
        if hides_slots {
            let refusal = discovery.plan(&stand.request()).unwrap_err();
            assert_eq!(refusal.reason, Reason::MediaOff);
            assert!(bmc.ensure_media_on(&discovery).await.unwrap());
            discovery = bmc.discover().await.unwrap();
            assert!(!bmc.ensure_media_on(&discovery).await.unwrap());
        }
        let plan = discovery.plan(&stand.request()).unwrap();
        let warned = plan.warnings.iter().any(|warning| warning.contains("remote media are off"));
        assert_eq!(warned, !hides_slots);
        let urls = stand.urls(plan.media.class);
        bmc.apply(&plan, &urls, &mut Checkpoint::default(), &mut forget).await.unwrap();
        let journal = stand.mock.journal();
        for (kind, times) in [(EffectKind::MediaEnabled, 1), (EffectKind::Insert, 2)] {
            assert_eq!(journal.count(kind), times, "{hides_slots}");
        }
        let inserts = journal.entries().into_iter().filter(|it| it.path.contains("InsertMedia"));
        assert_eq!(inserts.count(), 2, "{hides_slots}: something was inserted in vain");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_ours_in_the_slot_where_we_put_it_and_a_strangers_anywhere_else() {
    let stand = like_generic(toml::from_str("media.shows_image = \"name\"").unwrap()).await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    let urls = stand.urls(plan.media.class);
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls, &mut checkpoint, &mut forget).await.unwrap();
    let stored = serde_json::to_string(&checkpoint).unwrap();
    let eject = PlanRequest { foreign_media: ForeignMedia::Eject, ..stand.request() };
    let stranger = stand.connect().await;
    let other = stranger.discover().await.unwrap().plan(&eject).unwrap();
    stranger.ensure_ejected(&other).await.unwrap();
    stranger.ensure_inserted(&other, Role::Boot, &stand.images.url("combined.iso")).await.unwrap();

    let mut checkpoint: Checkpoint = serde_json::from_str(&stored).unwrap();
    let later = stand.resume(&plan, bmc.learned());
    let refused = later.revert(&plan, &mut checkpoint, &mut forget).await.unwrap_err();
    assert!(matches!(refused.kind(), Kind::ForeignMedia { .. }), "{refused}");
    stranger.ensure_inserted(&other, Role::Boot, &urls.boot).await.unwrap();
    let later = stand.resume(&plan, bmc.learned());
    later.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();

    // Who has no checkpoint may name the files of the plan instead.
    stranger.ensure_inserted(&other, Role::Boot, &urls.boot).await.unwrap();
    let later = stand.resume(&plan, bmc.learned());
    assert!(later.ensure_ejected(&plan).await.is_err());
    let mut named = stand.request();
    named.ours.push("boot.iso".to_owned());
    let foreign = bmc.discover().await.unwrap().plan(&named).unwrap_err();
    assert_eq!(foreign.reason, Reason::ForeignMedia);
    stranger.ensure_ejected(&other).await.unwrap();
    let plan = bmc.discover().await.unwrap().plan(&named).unwrap();
    bmc.ensure_inserted(&plan, Role::Boot, &urls.boot).await.unwrap();
    bmc.ensure_ejected(&plan).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_not_locked_by_wrong_credentials() {
    let stand = like_generic(toml::from_str("sessions.locks_after = 3").unwrap()).await;
    let bmc = Bmc::connect(stand.endpoint("wrong"), options()).await.unwrap();
    for _ in 0..3 {
        let refused = bmc.discover().await.unwrap_err();
        assert!(matches!(refused.kind(), Kind::Auth | Kind::LockedOut), "{refused}");
    }
    // A client that tries until it is tired would have locked it: the right password still works.
    stand.connect().await.discover().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_closes_every_connection_costs_connections_and_nothing_else() {
    let stand = like_generic(toml::from_str("connections.kept = false").unwrap()).await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    let mut checkpoint = Checkpoint::default();
    let urls = stand.urls(plan.media.class);
    bmc.apply(&plan, &urls, &mut checkpoint, &mut forget).await.unwrap();
    let journal = stand.mock.journal();
    assert_eq!(journal.connections(), journal.requests());
    assert_eq!(journal.count(EffectKind::PowerOn), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_said() {
    let stand = like_generic(toml::from_str("manager.clock_ahead_seconds = 86400").unwrap()).await;
    let plan = stand.connect().await.discover().await.unwrap().plan(&stand.request()).unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("ahead of ours")), "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_names_no_address_is_taken_by_its_fingerprint_alone() {
    let stand = Stand::of("generic").await;
    let account = Credentials::new("admin", Secret::new("password"));
    let bmc = stand.connect().await;
    let certificate = bmc.certificate().unwrap();
    assert_eq!(certificate.sha256.to_string(), stand.mock.cert_sha256());
    let other = Tls::Pin("00".repeat(32).parse().unwrap());
    let endpoint = Endpoint::new(&stand.mock.url(), other, account).unwrap();
    let refused = Bmc::connect(endpoint, Options { retries: 0, ..options() }).await.unwrap_err();
    assert!(matches!(refused.kind(), Kind::Tls(_)), "{refused}");
}
