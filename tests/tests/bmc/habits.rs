//! Every habit a simulated BMC knows, one at a time. Each stops a client that only knows how things
//! should be, which the simulation's own tests show from the same table; none stops this one.

use std::time::Duration;

use serde::Deserialize;
use shoal_redfish::{
    Bmc, Checkpoint, Credentials, Endpoint, ForeignMedia, Kind, Options, Secret, Tls,
};
use shoal_redfish_mock::{BootFrom, Effect, EffectKind, Event, HostScript, Persona};
use tokio::task::JoinSet;

use crate::stand::{Stand, forget, options};

/// Machines that live at a time.
const AT_ONCE: usize = 8;

/// One entry of the table of habits.
#[derive(Deserialize)]
struct Habit {
    title: String,
    client: String,
    #[serde(default)]
    ejects_anything: bool,
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
    let mut request = stand.request();
    if habit.ejects_anything {
        request.foreign_media = ForeignMedia::Eject;
    }
    let plan = match discovery.plan(&request) {
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
