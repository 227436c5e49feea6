//! Servers, jobs, and a machine that does what it is told, for all tests of this crate.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use shoal_core::{
    Command, Event, JobId, MediaClass, MediaPlan, NewJob, Next, Plan, Power, Seen, ServerSerial,
    Sight, Time, Verdict, Workflow,
};
use shoal_store::{
    Created, Frozen, Lease, Limits, MediaKind, NewRecord, Record, Recorded, Server, Store,
    TlsPolicy,
};

pub(crate) const NOW: Time = Time::from_millis(1_700_000_000_000);

pub(crate) fn at(seconds: u64) -> Time {
    NOW + Duration::from_secs(seconds)
}

pub(crate) fn id(number: u128) -> JobId {
    JobId::from_u128(0x0190_a5d2_7e1c_7cc3_8000_0000_0000_0000 + number)
}

pub(crate) fn serial(number: u128) -> ServerSerial {
    format!("SRV-{number:03}").parse().unwrap()
}

pub(crate) fn server(number: u128) -> Server {
    let tls = TlsPolicy::Pin { sha256: "ab".repeat(32) };
    Server::new(serial(number), format!("https://192.0.2.{number}"), tls)
}

pub(crate) fn plan(workflow: Workflow) -> Plan {
    let target = match workflow {
        Workflow::Linux => "install-linux.target",
        Workflow::Windows => "install-windows.target",
        Workflow::Esxi => "install-esxi.target",
        Workflow::Firmware => "supermicro-update.target",
        Workflow::Maintenance => "burn-in.target",
    };
    Plan::for_workflow(workflow, target)
}

/// Job `number` on server `number`.
pub(crate) fn new_job(number: u128, workflow: Workflow) -> NewRecord {
    let job = NewJob {
        id: id(number),
        serial: serial(number),
        plan: plan(workflow),
        created_at: NOW,
        hands_off_until: None,
    };
    NewRecord::new(job, format!("{{\"recipe\":{number}}}").into_bytes(), "ada")
}

pub(crate) async fn put(store: &Store, number: u128) {
    store.put_server(server(number), None, "ada", NOW).await.unwrap();
}

pub(crate) async fn create(store: &Store, new: NewRecord) -> Record {
    match store.create(new).await.unwrap() {
        Created::New(record) => *record,
        other => panic!("not created: {other:?}"),
    }
}

pub(crate) async fn lease(store: &Store) -> Lease {
    store.adopt("controller-1", NOW).await.unwrap().lease
}

/// A store with one claimed job, number 1.
pub(crate) async fn claimed(workflow: Workflow) -> (Store, Lease) {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    create(&store, new_job(1, workflow)).await;
    let lease = lease(&store).await;
    store.claim(&lease, &Limits::default(), NOW).await.unwrap().unwrap();
    (store, lease)
}

/// Does the next thing for a job and records it; none when the job waits or is done.
pub(crate) async fn step(store: &Store, job: JobId, lease: &Lease, now: Time) -> Option<Recorded> {
    let record = store.job(job).await.unwrap().unwrap();
    let seq = record.job.seq();
    let event = match record.job.next(now) {
        Next::Record(event) => event,
        Next::Wait { .. } | Next::Done => return None,
        Next::Do(command) => {
            if command.is_fenced() {
                let intended = Event::Intended { seq };
                store.record(job, intended, now, Some(lease.clone())).await.unwrap();
            }
            Event::Answered { seq, command, verdict: Verdict::Done { seen: seen(command) } }
        }
    };
    Some(store.record(job, event, now, Some(lease.clone())).await.unwrap())
}

/// Goes on until the job is in a phase of this name.
pub(crate) async fn until(store: &Store, job: JobId, lease: &Lease, phase: &str) -> Record {
    until_from(store, job, lease, phase, NOW).await
}

/// [`until`], at a later time.
pub(crate) async fn until_from(
    store: &Store,
    job: JobId,
    lease: &Lease,
    phase: &str,
    mut now: Time,
) -> Record {
    for _ in 0..64 {
        let record = store.job(job).await.unwrap().unwrap();
        if record.job.phase().name() == phase {
            return record;
        }
        if step(store, job, lease, now).await.is_none() {
            now = now + Duration::from_secs(10);
        }
    }
    panic!("job never reached {phase}");
}

fn seen(command: Command) -> Seen {
    match command {
        Command::ReadBmc => Seen::Bmc {
            media: MediaPlan {
                class: MediaClass::TwoCd,
                boot_slot: "CD1".to_owned(),
                task_slot: Some("CD2".to_owned()),
                spare_slots: vec!["CD3".to_owned()],
                prefetches: false,
                settle: Duration::from_secs(5),
                notes: Vec::new(),
                carried_by: "two-cd".to_owned(),
            },
        },
        Command::BuildMedium => Seen::Medium { bytes: 6 << 20, sha256: "cd".repeat(32) },
        Command::Look => Seen::Machine { sight: Sight::of(Power::On) },
        _ => Seen::Nothing,
    }
}

pub(crate) fn frozen(number: u8) -> Frozen {
    Frozen {
        boot_url: "https://198.51.100.1/media/b/boot-capability/boot.iso".to_owned(),
        task_url: Some("https://198.51.100.1/media/t/task-capability/task.iso".to_owned()),
        webhook_url: "https://shoal.example/api/v1/status-webhook/SRV-001".to_owned(),
        registry_url: Some("https://shoal.example".to_owned()),
        ca_pem: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".to_owned(),
        traceparent: Some(format!("00-{}-{}-01", "1".repeat(32), "2".repeat(16))),
        media_key: 1,
        token_key: 2,
        registry_key: Some(3),
        registry_login: None,
        expires_at: at(1_200),
        report_until: at(9_000),
        objects: vec![(MediaKind::Task, [number; 16]), (MediaKind::Boot, [number ^ 0xff; 16])],
        identities: vec![shoal_recipe::Identity {
            serial: Some("CN123".to_owned()),
            uuid: None,
            sku: Some("F54P1G3".to_owned()),
        }],
        boot_medium: Some("ef".repeat(32)),
    }
}
