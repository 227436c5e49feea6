//! Servers, attempts and the audit log.

mod drive;

use std::collections::BTreeMap;

use drive::{NOW, at, claimed, create, frozen, id, new_job, put, serial, server, until};
use shoal_core::{Event, Fault, Report, Verdict, Workflow};
use shoal_store::{
    Actor, AuditEntry, AuditFilter, Credentials, Deleted, Error, Hardware, HardwareCheck,
    MediaKind, MediumCheck, Secret, ServerChange, Store, TlsPolicy,
};

fn hardware(serial: &str, firmware: &str) -> Hardware {
    Hardware {
        serial: Some(serial.to_owned()),
        firmware: Some(firmware.to_owned()),
        ..Hardware::default()
    }
}

#[tokio::test]
async fn put_without_credentials_keeps_the_stored_ones() {
    let store = Store::scratch().unwrap();
    let credentials = Credentials { user: "root".to_owned(), password: Secret::from("calvin") };
    let put = |given, now| store.put_server(server(1), given, "ada", now);
    assert_eq!(put(Some(credentials), NOW).await.unwrap(), ServerChange::Created);
    assert_eq!(put(None, at(1)).await.unwrap(), ServerChange::Updated);

    let stored = store.credentials(&serial(1)).await.unwrap().unwrap();
    assert_eq!((stored.user.as_str(), stored.password.expose().as_str()), ("root", "calvin"));
    let record = store.server(&serial(1)).await.unwrap().unwrap();
    assert_eq!((record.server, record.created_at, record.updated_at), (server(1), NOW, at(1)));
    assert!(store.credentials(&serial(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn putting_a_server_ends_its_jobs_wait_for_better_times() {
    let (store, lease) = claimed(Workflow::Linux).await;
    let seq = store.job(id(1)).await.unwrap().unwrap().job.seq();
    let verdict = Verdict::Refused { fault: Fault::transient("the BMC is busy") };
    let refused = Event::Answered { seq, command: shoal_core::Command::ReadBmc, verdict };
    let waiting = store.record(id(1), refused, NOW, Some(lease)).await.unwrap().record;
    assert!(waiting.job.waiting_for(NOW).is_some());

    put(&store, 1).await;

    assert!(store.job(id(1)).await.unwrap().unwrap().job.waiting_for(NOW).is_none());
}

#[tokio::test]
async fn server_with_an_unfinished_job_cannot_be_deleted() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    create(&store, new_job(1, Workflow::Linux)).await;
    let one = serial(1);
    let delete = || store.delete_server(&one, "ada", NOW);
    assert_eq!(delete().await.unwrap(), Deleted::Busy(id(1)));

    let stop = Event::StopRequested { stop: shoal_core::StopAs::Cancelled, force: false };
    store.record(id(1), stop, NOW, None).await.unwrap();
    assert_eq!(delete().await.unwrap(), Deleted::Deleted);
    assert_eq!(delete().await.unwrap(), Deleted::Unknown);
    assert!(store.job(id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn servers_are_listed_by_serial_in_pages() {
    let store = Store::scratch().unwrap();
    for number in [3, 1, 2] {
        put(&store, number).await;
    }
    let listed = async |after, limit| {
        let page = store.servers(after, limit).await.unwrap();
        page.into_iter().map(|record| record.server.serial).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 2).await, [serial(1), serial(2)]);
    assert_eq!(listed(Some(serial(2)), 2).await, [serial(3)]);
}

#[tokio::test]
async fn another_machine_is_noticed_and_firmware_may_change() {
    let store = Store::scratch().unwrap();
    let one = serial(1);
    let check = |seen, now| store.set_hardware(&one, seen, now);
    let unknown = store.set_hardware(&serial(1), Hardware::default(), NOW).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownServer(_)));
    put(&store, 1).await;

    assert_eq!(check(hardware("CN1", "1.0"), at(1)).await.unwrap(), HardwareCheck::FirstSeen);
    assert_eq!(check(hardware("cn1 ", "2.0"), at(2)).await.unwrap(), HardwareCheck::Same);
    let mut more = Hardware { uuid: Some("u-1".to_owned()), ..Hardware::default() };
    assert_eq!(check(more.clone(), at(3)).await.unwrap(), HardwareCheck::Same);
    more.uuid = Some("u-2".to_owned());
    let recorded = Hardware { uuid: Some("u-1".to_owned()), ..hardware("CN1", "2.0") };
    let mismatch = HardwareCheck::Mismatch { recorded: recorded.clone() };
    assert_eq!(check(more, at(4)).await.unwrap(), mismatch);

    let stored = store.server(&serial(1)).await.unwrap().unwrap();
    assert_eq!((stored.hardware, stored.hardware_at), (Some(recorded), Some(at(3))));
}

#[tokio::test]
async fn slots_a_job_could_not_empty_are_left_to_the_next_one() {
    let (store, lease) = claimed(Workflow::Linux).await;
    until(&store, id(1), &lease, "await_boot").await;
    let report = Event::Reported { attempt: 1, report: Report::Success };
    store.record(id(1), report, NOW, None).await.unwrap();
    let record = until(&store, id(1), &lease, "clean_media").await;
    let verdict = Verdict::Refused { fault: Fault::permanent("the slot does not answer") };
    let shoal_core::Next::Do(command) = record.job.next(at(30)) else { unreachable!() };
    let refused = Event::Answered { seq: record.job.seq(), command, verdict };
    store.record(id(1), refused, at(30), Some(lease.clone())).await.unwrap();
    assert!(store.residue(&serial(1)).await.unwrap().is_empty());
    until(&store, id(1), &lease, "complete").await;

    assert_eq!(store.residue(&serial(1)).await.unwrap(), ["CD1", "CD2", "CD3"]);
    assert_eq!(store.server(&serial(1)).await.unwrap().unwrap().residue, ["CD1", "CD2", "CD3"]);
    store.clear_residue(&serial(1)).await.unwrap();
    assert!(store.residue(&serial(1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn first_freeze_of_an_attempt_wins() {
    let (store, _) = claimed(Workflow::Linux).await;
    assert_eq!(store.frozen(id(1), 1).await.unwrap(), None);
    assert_eq!(store.freeze(id(1), 1, frozen(1)).await.unwrap(), frozen(1));
    assert_eq!(store.freeze(id(1), 1, frozen(2)).await.unwrap(), frozen(1));
    assert_eq!(store.freeze(id(1), 2, frozen(3)).await.unwrap(), frozen(3));
    assert_eq!(store.frozen(id(1), 1).await.unwrap(), Some(frozen(1)));
    let unknown = store.freeze(id(2), 1, frozen(4)).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownJob(_)));

    let object = store.object([1; 16]).await.unwrap().unwrap();
    assert_eq!((object.job, object.attempt, object.kind), (id(1), 1, MediaKind::Task));
    assert_eq!(store.object([2; 16]).await.unwrap(), None);
    assert_eq!(store.object([0xfc; 16]).await.unwrap().unwrap().kind, MediaKind::Boot);
}

#[tokio::test]
async fn only_the_first_open_of_a_medium_is_kept() {
    let (store, _) = claimed(Workflow::Linux).await;
    store.freeze(id(1), 1, frozen(1)).await.unwrap();
    store.opened([1; 16], at(5)).await.unwrap();
    store.opened([1; 16], at(9)).await.unwrap();

    assert_eq!(store.object([1; 16]).await.unwrap().unwrap().opened_at, Some(at(5)));
    assert_eq!(store.object([0xfe; 16]).await.unwrap().unwrap().opened_at, None);
}

#[tokio::test]
async fn medium_that_differs_from_the_one_built_before_is_told_apart() {
    let (store, _) = claimed(Workflow::Linux).await;
    let built = |bytes, sha256| store.medium_built(id(1), 1, bytes, sha256);
    let early = built(10, "aa").await.unwrap_err();
    assert!(matches!(early, Error::UnknownAttempt { attempt: 1, .. }));
    store.freeze(id(1), 1, frozen(1)).await.unwrap();

    assert_eq!(built(10, "aa").await.unwrap(), MediumCheck::First);
    assert_eq!(built(10, "aa").await.unwrap(), MediumCheck::Same);
    let differs = MediumCheck::Differs { stored: (10, "aa".to_owned()) };
    assert_eq!(built(10, "bb").await.unwrap(), differs);
    assert_eq!(built(11, "aa").await.unwrap(), differs);
}

#[tokio::test]
async fn audit_log_tells_who_accepted_an_unverified_bmc() {
    let store = Store::scratch().unwrap();
    let mut insecure = server(1);
    insecure.tls = TlsPolicy::Insecure { reason: "lab".to_owned() };
    store.put_server(insecure, None, "ada", NOW).await.unwrap();
    let entry = AuditEntry {
        actor: Actor { name: "bob".to_owned(), address: "192.0.2.7".parse().ok() },
        action: "job.cancel".to_owned(),
        target: "x".to_owned(),
        detail: String::new(),
        ok: false,
    };
    store.audit(entry.clone(), at(1)).await.unwrap();

    let log = store.audited(AuditFilter::default()).await.unwrap();
    assert_eq!((&log[0].entry, log[0].at), (&entry, at(1)));
    assert_eq!(
        (log[1].entry.actor.name.as_str(), log[1].entry.detail.as_str()),
        ("ada", "insecure: lab")
    );
    assert_eq!(
        store
            .audited(AuditFilter { before: Some(log[0].id), ..AuditFilter::default() })
            .await
            .unwrap(),
        log[1..]
    );
}

#[tokio::test]
async fn installation_events_are_listed_since_a_time() {
    let store = Store::scratch().unwrap();
    let detail = BTreeMap::from([("version".to_owned(), "0.1.0".to_owned())]);
    store.installation_event("start", BTreeMap::new(), at(1)).await.unwrap();
    let second = store.installation_event("start", detail.clone(), at(2)).await.unwrap();

    let listed = store.installation_events(at(2)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, &listed[0].detail), (second, &detail));
}
