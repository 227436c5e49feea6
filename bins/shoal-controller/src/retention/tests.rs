//! One pass over a store and a directory of task media.

use std::{fs, path::Path, time::SystemTime};

use shoal_core::{Event, JobId, NewJob, Plan, StopAs, Workflow};
use shoal_store::{AuditFilter, NewRecord, Server, TlsPolicy};

use super::*;
use crate::{
    addresses::Addresses,
    boot_medium::BootMedia,
    effects::Making,
    keys::MediaKeys,
    settings::{Settings, Sources},
    tls::Tls,
};

const NOW: Time = Time::from_millis(1_700_000_000_000);

/// Media are kept for two days after a job's end, history for ten.
fn settings(directory: &Path) -> Settings {
    let set = vec![
        format!("STORAGE_ROOT={}", directory.display()),
        "CONTROLLER_HTTP_ADDR=192.0.2.7:8443".to_owned(),
        "JOB_RETENTION_DAYS=2".to_owned(),
        "JOB_HISTORY_DAYS=10".to_owned(),
    ];
    Settings::load(&Sources { set, ..Sources::default() }).unwrap().settings
}

async fn retention(store: &Store, directory: &Path) -> Retention {
    let settings = settings(directory);
    let clock = Clock::new(|| NOW, || Duration::ZERO);
    let making = Making {
        directory: directory.join("tasks"),
        addresses: Addresses {
            public: None,
            media_https: None,
            media_http: None,
            api: ([127, 0, 0, 1], 1).into(),
            plain: None,
        },
        keys: MediaKeys::load(store, &clock).await.unwrap(),
        tls: Arc::new(Tls::open(&settings, SystemTime::now()).unwrap()),
        boot: BootMedia::open(&settings.media, directory).await.unwrap(),
        in_force: InForce::new(settings.clone()),
    };
    let mediums = Arc::new(Mediums::new(store.clone(), making, clock.clone()));
    let ledger = Ledger::new(store.clone(), clock.clone());
    Retention { store: store.clone(), mediums, in_force: InForce::new(settings), clock, ledger }
}

/// A job that came as many days ago, and was ended then if it was.
async fn job(store: &Store, number: u32, days: u32, ended: bool) -> JobId {
    let (id, at) = (JobId::from_u128(number.into()), earlier(NOW, DAY * days));
    let serial: shoal_core::ServerSerial = format!("S{number}").parse().unwrap();
    let tls = TlsPolicy::Insecure { reason: "a test".to_owned() };
    let server = Server::new(serial.clone(), "https://192.0.2.1", tls);
    store.put_server(server, None, "ada", at).await.unwrap();
    let new = NewJob {
        id,
        serial,
        plan: Plan::for_workflow(Workflow::Linux, "install-linux.target"),
        created_at: at,
        hands_off_until: None,
    };
    store.create(NewRecord::new(new, b"{}".to_vec(), "ada")).await.unwrap();
    if ended {
        let cancel = Event::StopRequested { stop: StopAs::Cancelled, force: false };
        store.record(id, cancel, at, None).await.unwrap();
    }
    id
}

#[tokio::test]
async fn files_of_jobs_go_when_they_are_old_and_never_while_a_job_is_active() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::scratch().unwrap();
    let active = job(&store, 1, 100, false).await;
    let fresh = job(&store, 2, 1, true).await;
    let old = job(&store, 3, 3, true).await;
    let forgotten = job(&store, 4, 11, true).await;
    let unknown = JobId::from_u128(5);
    let file = |job: JobId| directory.path().join("tasks").join(job.to_string()).join("task.iso");
    for job in [active, fresh, old, forgotten, unknown] {
        fs::create_dir_all(file(job).parent().unwrap()).unwrap();
        fs::write(file(job), "medium").unwrap();
    }
    let stray = directory.path().join("tasks/notes.txt");
    fs::write(&stray, "an operator's").unwrap();

    retention(&store, directory.path()).await.pass().await;

    let kept = |jobs: &[JobId]| jobs.iter().map(|job| file(*job).exists()).collect::<Vec<_>>();
    assert_eq!(kept(&[active, fresh]), [true, true]);
    assert_eq!(kept(&[old, forgotten, unknown]), [false, false, false]);
    assert!(stray.exists());
    let mut rows = Vec::new();
    for id in [active, fresh, old, forgotten] {
        rows.push(store.job(id).await.unwrap().is_some());
    }
    assert_eq!(rows, [true, true, true, false], "history is kept for longer than files");
    let audited = store.audited(AuditFilter::default()).await.unwrap();
    let targets: Vec<&str> = audited.iter().map(|it| it.entry.target.as_str()).collect();
    assert_eq!(targets, ["S3", "S3", "S2", "S2"], "older entries were forgotten");
}

#[tokio::test]
async fn media_that_cannot_be_listed_were_not_looked_after() {
    let (store, directory) = (Store::scratch().unwrap(), tempfile::tempdir().unwrap());
    let retention = retention(&store, directory.path()).await;
    let before = store.chores().await.unwrap();
    fs::write(directory.path().join("tasks"), "").unwrap();
    retention.pass().await;
    assert_eq!(store.chores().await.unwrap(), before);

    fs::remove_file(directory.path().join("tasks")).unwrap();
    fs::create_dir(directory.path().join("tasks")).unwrap();
    retention.pass().await;
    assert_eq!(store.chores().await.unwrap().done(Chore::TaskCollection), Some(NOW));
}
