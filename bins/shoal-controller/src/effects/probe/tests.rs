//! Looks at simulated BMCs over HTTPS, and the breaker in front of their accounts.

use std::{sync::Arc, time::Duration};

use shoal_api::{Asked, LoginState, NotProbed, Prober, Stranger};
use shoal_core::{Plan, ServerSerial, Workflow};
use shoal_engine::system_clock;
use shoal_redfish::{Learning, profile::Profiles};
use shoal_redfish_mock::{Config, HostConfig, Mock, Persona};
use shoal_store::{Credentials, Logins, Secret, Server, ServerRecord, Store, TlsPolicy};

use super::Looks;
use crate::{
    addresses::Addresses,
    boot_medium::BootMedia,
    effects::{Bmcs, Offered, bmc::is_ambiguous},
    settings,
};

const SERIAL: &str = "SN0001";

struct Scene {
    mock: Mock,
    store: Store,
    looks: Looks,
    _scratch: tempfile::TempDir,
}

impl Scene {
    async fn new(persona: &str) -> Self {
        Self::of(Persona::built_in(persona).unwrap()).await
    }

    async fn of(persona: Persona) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let host = HostConfig::new(scratch.path());
        let mock = Mock::start(Config::new(persona, SERIAL, host)).await.unwrap();
        let store = Store::scratch().unwrap();
        let looks = looks(&store);
        let scene = Self { mock, store, looks, _scratch: scratch };
        scene.put(&scene.mock.url(), "password").await;
        scene
    }

    /// Puts the server; the mock's own password is in its configuration.
    async fn put(&self, address: &str, password: &str) {
        let tls = TlsPolicy::Pin { sha256: self.mock.cert_sha256() };
        let server = Server::new(serial(), address, tls);
        let password = Secret::new(password.to_owned());
        let credentials = Credentials { user: "admin".to_owned(), password };
        let now = self.looks.bmcs.now();
        self.store.put_server(server, Some(credentials), "test", now).await.unwrap();
    }

    async fn server(&self) -> ServerRecord {
        self.store.server(&serial()).await.unwrap().unwrap()
    }

    async fn probe(&self) -> shoal_api::Probe {
        self.looks.probe(self.server().await).await.unwrap()
    }

    async fn asked(&self, live: bool) -> Asked {
        let plan = Plan::for_workflow(Workflow::Linux, "install-linux.target");
        Asked { server: self.server().await, plan, boot_url: None, live }
    }
}

fn serial() -> ServerSerial {
    SERIAL.parse().unwrap()
}

/// As another controller over the same store would look.
fn looks(store: &Store) -> Looks {
    let settings = timing(Duration::from_secs(30));
    let addresses = Addresses {
        public: None,
        media_https: Some("https://192.0.2.1:8443/".parse().unwrap()),
        media_http: None,
        api: ([127, 0, 0, 1], 8443).into(),
        plain: None,
    };
    let offered = Offered { http: false, boot: BootMedia::default(), addresses };
    let bmcs = Bmcs::new(store.clone(), &settings, Learning::default(), offered, system_clock());
    Looks::new(store.clone(), Arc::new(bmcs))
}

fn timing(timeout: Duration) -> settings::Redfish {
    settings::Redfish { timeout, retries: 0, insecure: false, profiles: Profiles::builtin() }
}

fn codes(findings: &[shoal_api::Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[tokio::test]
async fn a_healthy_bmc_is_told_whole_and_left_without_change_or_session() {
    for (persona, class) in [("idrac9-6x", "two_cd"), ("ilo5", "cd_plus_usb")] {
        let scene = Scene::new(persona).await;

        let probe = scene.probe().await;

        assert!(probe.reachable && probe.problems.is_empty(), "{probe:#?}");
        assert_eq!((probe.tls.accepted, probe.login.state), (Some(true), LoginState::Accepted));
        assert_eq!(probe.profile.unwrap().name, persona);
        let machine = probe.machine.unwrap();
        assert_eq!(machine.recorded, "first_seen");
        assert!(machine.serial_is.is_some(), "{machine:?}");
        let plan = serde_json::to_value(probe.media_plan.unwrap()).unwrap();
        assert_eq!(plan["class"], class);
        let chosen: Vec<_> = probe.slots.iter().filter_map(|slot| slot.chosen.clone()).collect();
        assert_eq!(chosen.len(), 2, "{:?}", probe.slots);
        assert!(probe.slots.iter().all(|slot| !slot.because.is_empty()));
        assert_eq!(scene.mock.state().sessions, 0, "the session was left open");
        let sent = ["POST", "PATCH", "DELETE"].map(|word| scene.mock.journal().requests_by(word));
        assert_eq!(sent, [1, 0, 1], "more was sent than a login and its end");
        assert_eq!(scene.probe().await.machine.unwrap().recorded, "same");
        scene.mock.shutdown().await;
    }
}

#[tokio::test]
async fn a_dry_run_rests_on_the_newest_probe_and_says_so() {
    let scene = Scene::new("ilo5").await;
    let before = scene.looks.forecast(scene.asked(false).await).await.unwrap();
    assert_eq!((before.probed_at, before.media_plan), (None, None));
    assert!(before.notes[0].contains("never looked at"), "{:?}", before.notes);
    let live = scene.looks.forecast(scene.asked(true).await).await.unwrap();
    assert!(live.probed_at.is_some() && live.problems.is_empty());
    let requests = scene.mock.journal().requests();

    let last = scene.looks.forecast(scene.asked(false).await).await.unwrap();

    assert_eq!(scene.mock.journal().requests(), requests, "the BMC was asked");
    assert_eq!(last.media_plan, live.media_plan);
    let mut esxi = scene.asked(false).await;
    esxi.boot_url = Some("http://192.0.2.9/esxi.iso".to_owned());
    let plain = scene.looks.forecast(esxi).await.unwrap();
    assert!(plain.media_plan.is_some(), "{:?}", plain.problems);
    scene.put("https://192.0.2.77", "other").await;
    let moved = scene.looks.forecast(scene.asked(false).await).await.unwrap();
    assert_eq!(moved.probed_at, None);
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn a_bmc_that_is_not_there_is_an_answer_with_a_next_step() {
    let scene = Scene::new("ilo5").await;
    let gone = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
    scene.put(&format!("https://{gone}"), "any").await;

    let probe = scene.probe().await;

    assert!(!probe.reachable);
    assert_eq!(codes(&probe.problems), ["unreachable"]);
    assert!(!probe.problems[0].next_step.is_empty());
    let forecast = scene.looks.forecast(scene.asked(false).await).await.unwrap();
    assert_eq!(codes(&forecast.problems), ["unreachable"]);
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn two_refused_logins_stop_all_of_them_across_restarts_until_somebody_says_so() {
    let scene = Scene::new("ilo5").await;
    scene.put(&scene.mock.url(), "wrong").await;
    assert_eq!(scene.probe().await.login.refused, 1);
    let restarted = looks(&scene.store);
    let second = restarted.probe(scene.server().await).await.unwrap();
    assert_eq!((second.login.state, second.login.refused), (LoginState::Refused, 2));
    assert!(scene.store.logins(&serial()).await.unwrap().stopped_at.is_some());
    let logins = scene.mock.journal().requests_by("POST");

    for looks in [&scene.looks, &restarted, &self::looks(&scene.store)] {
        let probe = looks.probe(scene.server().await).await.unwrap();
        assert!(probe.reachable);
        assert_eq!(codes(&probe.problems), ["logins_stopped"]);
        let turn = looks.bmcs.turn(&serial()).await.unwrap();
        turn.let_through().unwrap_err();
    }

    assert_eq!(scene.mock.journal().requests_by("POST"), logins, "a login was tried");
    assert!(scene.store.retry_login(&serial(), "olga", scene.looks.bmcs.now()).await.unwrap());
    assert_eq!(scene.probe().await.login.refused, 1);
    scene.put(&scene.mock.url(), "password").await;
    assert_eq!(scene.store.logins(&serial()).await.unwrap(), Logins::default());
    assert_eq!(scene.probe().await.login.state, LoginState::Accepted);
    assert_eq!(scene.store.logins(&serial()).await.unwrap(), Logins::default());
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn another_machine_is_shown_and_never_taken_over() {
    let scene = Scene::new("ilo5").await;
    let first = scene.probe().await.machine.unwrap().seen;
    scene.mock.replace_bmc("SN9999").unwrap();
    scene.put(&scene.mock.url(), "password").await;

    for _ in 0..2 {
        let probe = scene.probe().await;
        let machine = probe.machine.unwrap();
        assert_eq!(machine.recorded, "mismatch");
        assert_eq!(machine.expected.as_ref(), Some(&first));
        assert!(codes(&probe.problems).contains(&"other_machine"));
    }
    assert_eq!(scene.server().await.hardware, Some(first));
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn a_probe_waits_for_its_turn_and_gives_up_without_asking_the_bmc() {
    let scene = Scene::new("ilo5").await;
    let turn = scene.looks.bmcs.turn(&serial()).await.unwrap();
    let requests = scene.mock.journal().requests();
    scene.looks.bmcs.configure(&timing(Duration::from_millis(1)));
    let refused = scene.looks.probe(scene.server().await).await.unwrap_err();
    assert!(matches!(refused, NotProbed::Busy), "{refused}");
    assert_eq!(scene.mock.journal().requests(), requests);
    drop(turn);
    scene.mock.shutdown().await;
}

fn stranger(scene: &Scene, trusted: bool, known: bool) -> Stranger {
    Stranger {
        bmc_address: scene.mock.url(),
        tls: trusted.then(|| TlsPolicy::Pin { sha256: scene.mock.cert_sha256() }),
        credentials: known.then(|| Credentials {
            user: "admin".to_owned(),
            password: Secret::new("password".to_owned()),
        }),
    }
}

#[tokio::test]
async fn a_stranger_is_told_whole_where_trust_and_account_were_named() {
    let scene = Scene::new("ilo5").await;
    scene.put("https://192.0.2.77", "other").await;

    let probe = scene.looks.examine(stranger(&scene, true, true)).await.unwrap();

    assert!(probe.reachable && probe.problems.is_empty(), "{probe:#?}");
    assert_eq!(probe.profile.unwrap().name, "ilo5");
    let machine = probe.machine.unwrap();
    assert_eq!(machine.recorded, "unknown");
    assert_eq!(machine.seen.serial.as_deref(), Some(SERIAL));
    assert!(probe.media_plan.is_some() && probe.requests > 0);
    assert_eq!(scene.mock.state().sessions, 0, "the session was left open");
    assert_eq!(scene.store.probe(&serial()).await.unwrap(), None, "something was kept");
    assert_eq!(scene.store.learned().await.unwrap(), [], "a stranger was believed");
    assert_eq!(scene.looks.bmcs.learning.all(), [], "a stranger was believed");
    assert_eq!(scene.server().await.hardware, None);
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn a_stranger_that_has_not_proved_who_it_is_shows_its_certificate_and_is_sent_nothing() {
    let scene = Scene::new("ilo5").await;
    scene.put("https://192.0.2.77", "other").await;
    for (trusted, known, code) in [
        (false, false, "trust_unknown"),
        (false, true, "trust_unknown"),
        (true, false, "no_account"),
    ] {
        let probe = scene.looks.examine(stranger(&scene, trusted, known)).await.unwrap();

        assert_eq!(codes(&probe.problems), [code]);
        assert_eq!(probe.tls.sha256, Some(scene.mock.cert_sha256()));
        assert_eq!((probe.reachable, probe.tls.accepted), (true, None));
        let pin = probe.tls.key_sha256.unwrap();
        assert_eq!(trusted, !probe.problems[0].next_step.contains(&pin));
    }
    assert_eq!(scene.mock.journal().requests(), 0, "something was sent");
    let insecure = TlsPolicy::Insecure { reason: "a lab".to_owned() };
    let stranger = Stranger { tls: Some(insecure), ..stranger(&scene, true, true) };
    let probe = scene.looks.examine(stranger).await.unwrap();
    assert_eq!(codes(&probe.problems), ["configuration"]);
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn a_bmc_with_a_server_is_no_stranger_however_its_address_is_written() {
    let scene = Scene::new("ilo5").await;
    let asked = stranger(&scene, true, true);
    let slashed = Stranger { bmc_address: format!("{}/", asked.bmc_address), ..asked.clone() };
    for stranger in [asked, slashed] {
        let probe = scene.looks.examine(stranger).await.unwrap();
        assert_eq!(codes(&probe.problems), ["registered"]);
        assert!(probe.problems[0].next_step.contains(SERIAL));
    }
    assert_eq!(scene.mock.journal().requests(), 0, "something was sent");
    scene.mock.shutdown().await;
}

#[tokio::test]
async fn of_several_machines_behind_one_bmc_the_named_one_is_meant_or_none() {
    let habits = "[oddities]\nother_system = \"NODE-B\"\nother_boots = true";
    for (serial, expected) in [("SN0001", Some("/redfish/v1/Systems/1")), ("SN0003", None)] {
        let persona = Persona::with_habits("like = \"ilo5\"\nname = \"chassis\"", habits).unwrap();
        let scene = Scene::of(persona).await;
        let serial: ServerSerial = serial.parse().unwrap();
        let record = scene.server().await;
        let server = Server { serial: serial.clone(), ..record.server };
        let credentials = scene.store.credentials(&self::serial()).await.unwrap();
        let now = scene.looks.bmcs.now();
        scene.store.put_server(server, credentials, "test", now).await.unwrap();
        let server = scene.store.server(&serial).await.unwrap().unwrap();

        let probe = scene.looks.probe(server).await.unwrap();
        let turn = scene.looks.bmcs.turn(&serial).await.unwrap();
        let found = scene.looks.bmcs.discover(&turn).await.ok().unwrap();

        let refused = codes(&probe.problems) == ["wrong_machine"];
        assert_eq!(refused, expected.is_none(), "{:?}", probe.problems);
        assert_eq!(is_ambiguous(&found, &serial), expected.is_none());
        let known = scene.store.server(&serial).await.unwrap().unwrap().hardware;
        assert_eq!(known.is_some(), expected.is_some(), "a guess was recorded");
        if let Some(system) = expected {
            assert_eq!(found.system, system);
            assert_eq!(known.unwrap().serial.as_deref(), Some("SN0001"));
        }
        scene.mock.shutdown().await;
    }
}
