//! The BMC client meets every simulated BMC. The two share no types and were written from the same
//! facts, so what they agree on over HTTPS is not an error of one of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod budget;
mod habits;
mod images;
mod stand;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use shoal_redfish::{
    BootOnce, Checkpoint, Kind, Media, MediaClass, MediaFault, PlanRequest, Power, Reason,
    profile::Profiles,
};
use shoal_redfish_mock::{
    Action, Away, BootFrom, Effect, EffectKind, Ending, Event, HostScript, Persona, Rule, When,
};

use crate::stand::{Stand, forget};

/// Name, profile, class of the media plan, boot strategy.
const KNOWN: [(&str, &str, MediaClass, &str); 12] = [
    ("idrac9-6x", "idrac9-6x", MediaClass::TwoCd, "boot_once_cd"),
    ("ilo5", "ilo5", MediaClass::CdPlusUsb, "boot_once_cd"),
    ("xcc", "xcc", MediaClass::TwoCd, "boot_once_cd"),
    ("smc-x13", "smc-x13", MediaClass::TwoCd, "boot_once_usbcd"),
    ("ami-megarac", "ami-megarac", MediaClass::SingleCombined, "boot_once_cd"),
    ("idrac9-old", "idrac9-old", MediaClass::SingleCombined, "boot_once_cd"),
    ("idrac10", "idrac10", MediaClass::TwoCd, "boot_once_cd"),
    ("ilo6", "ilo6", MediaClass::CdPlusUsb, "boot_once_cd"),
    ("smc-x12", "smc-x12", MediaClass::SingleCombined, "boot_once_usbcd"),
    ("openbmc", "openbmc", MediaClass::TwoCd, "boot_once_cd"),
    ("idrac9-scp", "idrac9-scp", MediaClass::SingleCombined, "boot_once_dell_scp"),
    ("generic", "generic", MediaClass::CdPlusUsb, "boot_once_cd"),
];

#[test]
fn every_built_in_persona_is_met() {
    let known: BTreeSet<&str> = KNOWN.iter().map(|(name, ..)| *name).collect();
    assert_eq!(Persona::names().collect::<BTreeSet<_>>(), known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_every_kind_is_planned_booted_once_and_left_clean() {
    for (persona, profile, class, strategy) in KNOWN {
        let stand = Stand::of(persona).await;
        let bmc = stand.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        assert_eq!(plan.profile.name, profile);
        assert_eq!((plan.media.class, plan.boot.strategy.as_str()), (class, strategy), "{persona}");

        let urls = stand.urls(class);
        let mut checkpoint = Checkpoint::default();
        let applied = bmc.apply(&plan, &urls, &mut checkpoint, &mut forget).await;
        applied.unwrap_or_else(|error| panic!("{persona}: {error}: {:?}", error.message_ids()));
        stand.wait(|event| *event == Event::Booted(BootFrom::BootMedium)).await;
        let combined = class == MediaClass::SingleCombined;
        stand
            .wait(|event| {
                matches!(event, Event::TaskMediumFound { overlaid, .. } if *overlaid == combined)
            })
            .await;
        bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
        bmc.close().await.unwrap();

        let state = stand.mock.state();
        assert!(!state.on && state.sessions == 0, "{persona}: {state:?}");
        assert!(state.slots.iter().all(|slot| slot.image.is_none()), "{persona}: {state:?}");
        assert_eq!(state.boot.enabled, "Disabled", "{persona}");
        let media = if combined { 1 } else { 2 };
        let journal = stand.mock.journal();
        for (kind, times) in [
            (EffectKind::Insert, media),
            (EffectKind::Eject, media),
            (EffectKind::BootOnce, overrides(persona)),
            (EffectKind::PowerOn, 1),
            (EffectKind::PowerOff, 1),
        ] {
            assert_eq!(journal.count(kind), times, "{persona} {kind:?}: {:?}", journal.effects());
        }
        // The task medium goes in first, so that the boot medium is the newest.
        let first =
            journal.effects().into_iter().find(|effect| effect.kind() == EffectKind::Insert);
        let slot = plan.slot(shoal_redfish::Role::Task).unwrap_or(&plan.media.boot_slot);
        let slot = slot.path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(first, Some(Effect::Insert { slot }), "{persona}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_done_twice_is_done_once() {
    for (persona, _, class, _) in KNOWN {
        let stand = Stand::of(persona).await;
        let bmc = stand.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        let urls = stand.urls(class);
        for _ in 0..2 {
            bmc.ensure_off(&plan).await.unwrap();
            if let Some(task) = &urls.task {
                bmc.ensure_inserted(&plan, shoal_redfish::Role::Task, task).await.unwrap();
            }
            bmc.ensure_inserted(&plan, shoal_redfish::Role::Boot, &urls.boot).await.unwrap();
            assert_eq!(bmc.ensure_boot_once(&plan).await.unwrap(), BootOnce::Once);
        }
        for _ in 0..2 {
            bmc.ensure_ejected(&plan).await.unwrap();
            bmc.ensure_override_cleared(&plan).await.unwrap();
        }
        let journal = stand.mock.journal();
        let media = usize::from(urls.task.is_some()) + 1;
        for (kind, times) in [
            (EffectKind::Insert, media),
            (EffectKind::Eject, media),
            (EffectKind::BootOnce, overrides(persona)),
            (EffectKind::BootCleared, 1),
            (EffectKind::PowerOff, 0),
        ] {
            assert_eq!(journal.count(kind), times, "{persona} {kind:?}: {:?}", journal.effects());
        }
        bmc.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_runs_is_switched_off_first_on_every_bmc() {
    for (persona, _, class, _) in KNOWN {
        let stand = Stand::of(persona).await;
        stand.switch_on().await;
        let bmc = stand.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        let mut checkpoint = Checkpoint::default();
        bmc.apply(&plan, &stand.urls(class), &mut checkpoint, &mut forget).await.unwrap();
        stand.wait(|event| *event == Event::Booted(BootFrom::BootMedium)).await;
        let powers: Vec<Effect> =
            stand.mock.journal().effects().into_iter().filter(is_power).collect();
        assert_eq!(powers, [Effect::PowerOff, Effect::PowerOn], "{persona}");
        bmc.close().await.unwrap();
    }
}

/// How often the next boot is redirected: what is imported counts beside what the system is told.
fn overrides(persona: &str) -> usize {
    if persona == "idrac9-scp" { 2 } else { 1 }
}

fn is_power(effect: &Effect) -> bool {
    matches!(effect.kind(), EffectKind::PowerOn | EffectKind::PowerOff | EffectKind::Restart)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_media_are_refused_where_there_is_one_slot() {
    let stand = Stand::of("ami-megarac").await;
    let bmc = stand.connect().await;
    let request = PlanRequest { media: Media::Two, ..stand.request() };
    let refusal = bmc.discover().await.unwrap().plan(&request).unwrap_err();
    assert!(matches!(refusal.reason, Reason::NoSecondSlot), "{refusal}");
    assert_eq!(stand.mock.journal().effects(), [Effect::Login]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_an_x13_would_forget_is_told_each_time() {
    let stand = Stand::of("smc-x13").await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    bmc.ensure_boot_once(&plan).await.unwrap();
    assert_eq!(stand.mock.state().boot.mode.as_deref(), Some("UEFI"));
    bmc.ensure_override_cleared(&plan).await.unwrap();
    assert_eq!(stand.mock.state().boot.mode.as_deref(), Some("UEFI"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_opened_is_never_taken_for_inserted() {
    for (persona, expected) in [
        ("xcc", Some(MediaFault::Unreachable)),
        ("ami-megarac", Some(MediaFault::Unreachable)),
        // Accepted, and then nothing: only the slot's own state tells.
        ("smc-x13", None),
    ] {
        let stand = Stand::of(persona).await;
        let bmc = stand.connect_with(impatient()).await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        let missing = stand.images.url("missing.iso");
        let error =
            bmc.ensure_inserted(&plan, shoal_redfish::Role::Boot, &missing).await.unwrap_err();
        match expected {
            Some(fault) => assert_eq!(*error.kind(), Kind::MediaRejected(fault), "{persona}"),
            None => assert!(matches!(error.kind(), Kind::VerifyFailed { .. }), "{error}"),
        }
        assert_eq!(stand.mock.journal().count(EffectKind::Insert), 0);
    }
}

/// The profile of Supermicro with less time for an accepted change to show.
fn impatient() -> Arc<Profiles> {
    let directory = tempfile::tempdir().unwrap();
    let shipped = Profiles::builtin();
    let mut profile = shipped.iter().find(|profile| profile.name == "smc-x13").unwrap().clone();
    profile.media.settle_seconds = 1;
    let text = toml::to_string(&profile).unwrap();
    std::fs::write(directory.path().join("smc-x13.toml"), text).unwrap();
    Profiles::with_overrides(directory.path()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bmc_pretends_is_ejected_like_anything_else() {
    for (persona, _, class, _) in KNOWN {
        let stand = Stand::of(persona).await;
        let bmc = stand.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        let lie = Rule::always(When::Intends(EffectKind::Insert), Action::PretendInsert);
        stand.mock.faults().add(lie);
        let urls = stand.urls(class);
        bmc.ensure_inserted(&plan, shoal_redfish::Role::Boot, &urls.boot).await.unwrap();
        stand.mock.faults().clear();
        bmc.ensure_ejected(&plan).await.unwrap();
        // Once more, and truly.
        bmc.ensure_inserted(&plan, shoal_redfish::Role::Boot, &urls.boot).await.unwrap();
        assert_eq!(stand.mock.journal().count(EffectKind::Insert), 1, "{persona}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_is_away_for_a_while_is_waited_for() {
    let stand = Stand::of("xcc").await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    for away in [Away::Refused, Away::Reset] {
        let known = stand.mock.events().len() as u64;
        // A fifth of a second of ours.
        stand.mock.leave(Duration::from_millis(200 * u64::from(Stand::SPEED)), away);
        stand.wait_since(known, Event::BmcAway).await;
        bmc.ensure_off(&plan).await.unwrap();
        assert_eq!(bmc.look().await.unwrap().power, Power::Off);
        stand.wait_since(known, Event::BmcBack).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_bmc_costs_a_login_and_the_media() {
    let stand = Stand::of("xcc").await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    let urls = stand.urls(MediaClass::TwoCd);
    bmc.ensure_inserted(&plan, shoal_redfish::Role::Boot, &urls.boot).await.unwrap();
    stand.mock.restart_bmc(Duration::from_millis(1));
    stand.wait(|event| *event == Event::BmcBack).await;
    bmc.ensure_inserted(&plan, shoal_redfish::Role::Boot, &urls.boot).await.unwrap();
    let journal = stand.mock.journal();
    assert_eq!(journal.count(EffectKind::Login), 2);
    assert_eq!(journal.count(EffectKind::Insert), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bmc_is_not_talked_to() {
    let stand = Stand::of("smc-x13").await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    stand.mock.replace_bmc("SN9999").unwrap();
    stand.wait(|event| *event == Event::BmcBack).await;
    let pinned = bmc.ensure_off(&plan).await.unwrap_err();
    assert!(matches!(pinned.kind(), Kind::Tls(_)), "{pinned}");
    // Whoever trusts the new certificate sees another machine before anything is sent.
    let trusting = stand.connect().await;
    let other = trusting.ensure_off(&plan).await.unwrap_err();
    assert!(matches!(other.kind(), Kind::WrongMachine { .. }), "{other}");
    assert_eq!(stand.mock.journal().count(EffectKind::PowerOff), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsure_power_state_is_seen_as_such() {
    let stand = Stand::of("smc-x13").await;
    let bmc = stand.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
    for value in [serde_json::Value::Null, "Paused".into(), 7.into()] {
        let action = Action::Rewrite { pointer: "/PowerState".to_owned(), value };
        stand.mock.faults().add(Rule::once(When::request("GET", &plan.system), action));
    }
    for _ in 0..3 {
        assert_eq!(bmc.look().await.unwrap().power, Power::Unknown);
    }
    assert_eq!(bmc.look().await.unwrap().power, Power::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_switches_itself_off_is_seen_off_on_every_bmc() {
    for (persona, _, class, _) in KNOWN {
        let script = HostScript::ending(Ending::PowerOffAtEnd);
        let stand = Stand::with(persona, script).await;
        let bmc = stand.connect().await;
        let plan = bmc.discover().await.unwrap().plan(&stand.request()).unwrap();
        let mut checkpoint = Checkpoint::default();
        bmc.apply(&plan, &stand.urls(class), &mut checkpoint, &mut forget).await.unwrap();
        stand.wait(|event| matches!(event, Event::TaskMediumFound { .. })).await;
        stand.mock.cut_mains(None);
        // The power state lags, therefore the step and not a single look.
        bmc.ensure_off(&plan).await.unwrap();
        assert_eq!(bmc.look().await.unwrap().power, Power::Off, "{persona}");
        bmc.close().await.unwrap();
    }
}
