//! What was written once must load for ever. The files in `stored/` are never rewritten: with
//! `SHOAL_GENERATE` set, files that are missing are added.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod drive;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use drive::{NOW, at, claimed, create, frozen, id, new_job, put, server};
use serde::{Serialize, de::DeserializeOwned};
use shoal_core::{Command, Event, Fault, Job, Milestone, Report, Verdict, Workflow};
use shoal_store::{Error, Frozen, Limits, Scheme, Server, Store, TlsPolicy};

/// Every phase there is, by name. A phase that is added needs a stored job.
const PHASES: [&str; 20] = [
    "queued",
    "discover",
    "build",
    "power_off",
    "clear_media",
    "insert_task",
    "insert_boot",
    "boot_once",
    "power_on",
    "await_boot",
    "await_report",
    "await_flash",
    "await_installer",
    "settle",
    "clean_power",
    "clean_media",
    "clean_override",
    "deliver",
    "held",
    "complete",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stored").join(format!("{name}.json"))
}

/// Reads a stored file, which must survive being written and read again.
fn load<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, today: &T) -> T {
    let path = path(name);
    if !path.exists() && std::env::var_os("SHOAL_GENERATE").is_some() {
        let mut text = serde_json::to_string_pretty(today).unwrap();
        text.push('\n');
        fs::write(&path, text).unwrap();
    }
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; run this test with SHOAL_GENERATE=1"));
    let loaded: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let again: T = serde_json::from_str(&serde_json::to_string(&loaded).unwrap()).unwrap();
    assert_eq!(loaded, again, "{name}");
    loaded
}

/// A job as it was in every phase it went through.
async fn stations(workflow: Workflow) -> BTreeMap<&'static str, Job> {
    let (store, lease) = claimed(workflow).await;
    let mut seen = BTreeMap::new();
    let mut now = NOW;
    for _ in 0..64 {
        let job = store.job(id(1)).await.unwrap().unwrap().job;
        let name = job.phase().name();
        let hint = match name {
            "await_boot" => Some(Event::MediaRead { attempt: 1, milestone: Milestone::TaskRead }),
            "await_report" | "await_flash" => {
                Some(Event::Reported { attempt: 1, report: Report::Success })
            }
            "await_installer" => {
                Some(Event::MediaRead { attempt: 1, milestone: Milestone::Payload })
            }
            _ => None,
        };
        seen.insert(name, job);
        if drive::step(&store, id(1), &lease, now).await.is_none() {
            if let Some(event) = hint {
                store.record(id(1), event, now, None).await.unwrap();
            }
            now = now + std::time::Duration::from_secs(30);
        }
    }
    seen
}

/// A queued job, and one that is held.
async fn ends() -> [(&'static str, Job); 2] {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    let queued = create(&store, new_job(1, Workflow::Linux)).await.job;
    let lease = drive::lease(&store).await;
    let seq = store.claim(&lease, &Limits::default(), NOW).await.unwrap().unwrap().job.seq();
    let fault = Fault::operator("the BMC refuses the password").because("401");
    let refused =
        Event::Answered { seq, command: Command::ReadBmc, verdict: Verdict::Refused { fault } };
    let held = store.record(id(1), refused, at(1), Some(lease)).await.unwrap().record.job;
    [("queued", queued), ("held", held)]
}

#[tokio::test]
async fn stored_job_of_every_phase_loads() {
    let mut jobs = stations(Workflow::Linux).await;
    for workflow in [Workflow::Firmware, Workflow::Esxi] {
        for (name, job) in stations(workflow).await {
            jobs.entry(name).or_insert(job);
        }
    }
    jobs.extend(ends().await);
    assert_eq!(
        jobs.keys().copied().collect::<BTreeSet<_>>(),
        PHASES.into_iter().collect::<BTreeSet<_>>()
    );

    for (phase, today) in &jobs {
        let loaded = load(&format!("job-{phase}"), today);
        assert_eq!(loaded.phase().name(), *phase);
        assert_eq!(loaded.schema(), 1);
        assert_eq!(loaded.id(), id(1));
    }
}

#[test]
fn stored_servers_load() {
    let mut full = server(1);
    full.vendor_hint = Some("dell".to_owned());
    full.media_scheme = Some(Scheme::Http);
    full.allow_plain_media = true;
    full.media_host = Some("198.51.100.9".to_owned());
    full.labels.insert("rack".to_owned(), "a1".to_owned());
    full.quarantine = Some("smells".to_owned());
    assert_eq!(load::<Server>("server-full", &full), full);
    assert_eq!(load::<Server>("server-pin", &server(1)), server(1));
    let mut other = server(1);
    other.tls = TlsPolicy::Ca { pem: "-----BEGIN CERTIFICATE-----\n".to_owned() };
    assert_eq!(load::<Server>("server-ca", &other), other);
    other.tls = TlsPolicy::Insecure { reason: "lab".to_owned() };
    assert_eq!(load::<Server>("server-insecure", &other), other);
}

#[test]
fn stored_attempts_load() {
    assert_eq!(load::<Frozen>("frozen-full", &frozen(1)), frozen(1));
    let mut least = frozen(1);
    least.task_url = None;
    least.registry_url = None;
    least.traceparent = None;
    least.registry_key = None;
    least.identities = Vec::new();
    least.boot_medium = None;
    assert_eq!(load::<Frozen>("frozen-least", &least), least);
}

#[tokio::test]
async fn job_of_a_newer_release_is_refused_and_not_misread() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let open = || {
        let key = shoal_store::SealingKey::from_bytes([1; 32]);
        let sealing = shoal_store::Sealing::new(key);
        Store::open(shoal_store::Options { path: path.clone(), instance: "c".to_owned(), sealing })
    };
    let store = open().unwrap();
    put(&store, 1).await;
    create(&store, new_job(1, Workflow::Linux)).await;
    store.close().await.unwrap();
    for change in ["json_set(body, '$.schema', 2)", "json_remove(body, '$.position')"] {
        let connection = shoal_sqlite::rusqlite::Connection::open(&path).unwrap();
        connection.execute(&format!("UPDATE jobs SET body = {change}"), []).unwrap();
        drop(connection);

        let store = open().unwrap();
        let error = store.job(id(1)).await.unwrap_err();
        assert!(matches!(error, Error::NewerJob { found: 2 }), "{error}");
        store.close().await.unwrap();
    }
}
