//! What operators do to the queue, and what holds jobs back in it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod drive;

use std::{collections::BTreeMap, time::Duration};

use drive::{NOW, at, create, id, lease, new_job, put, serial, server, until};
use shoal_core::{Event, JobId, OutcomeKind, Report, Status, StopAs, Workflow};
use shoal_store::{
    AuditFilter, Created, Credentials, Error, HeldBack, ImportCounts, Lease, Limits, NewRecord,
    Prioritised, Secret, ServerImport, Store,
};

const CANCEL: Event = Event::StopRequested { stop: StopAs::Cancelled, force: false };

/// Job `number` on server 1, in the place of job `old`.
fn instead(number: u128, old: u128) -> NewRecord {
    let mut new = new_job(1, Workflow::Linux);
    new.job.id = id(number);
    new.job.created_at = at(1);
    NewRecord { replaces: Some(id(old)), retry_of: Some(id(old)), ..new }
}

async fn claim(store: &Store, lease: &Lease, limits: &Limits) -> Option<JobId> {
    store.claim(lease, limits, at(20)).await.unwrap().map(|record| record.job.id())
}

async fn reason(store: &Store, number: u128, limits: &Limits) -> Option<HeldBack> {
    store.held_back(vec![id(number)], limits, at(20)).await.unwrap().remove(&id(number))
}

#[tokio::test]
async fn a_replacement_waits_for_the_end_of_the_job_before_it() {
    let limits = Limits::default();
    let (store, lease) = drive::claimed(Workflow::Linux).await;
    until(&store, id(1), &lease, "insert_boot").await;

    let new = create(&store, instead(2, 1)).await;

    assert_eq!((new.after_job, new.lineage), (Some(id(1)), id(1)));
    let old = store.job(id(1)).await.unwrap().unwrap().job;
    assert_eq!(old.outcome().unwrap().kind, OutcomeKind::Cancelled);
    assert_eq!(claim(&store, &lease, &limits).await, None);
    let waits = HeldBack::AfterJob { job: id(1), held: false };
    assert_eq!(reason(&store, 2, &limits).await, Some(waits));
    let active = store.active_on(&serial(1)).await.unwrap().unwrap();
    assert_eq!(active.job.id(), id(1), "reports and deletes still meet the old one");

    until(&store, id(1), &lease, "complete").await;

    assert_eq!(reason(&store, 2, &limits).await, None);
    assert_eq!(claim(&store, &lease, &limits).await, Some(id(2)));
    let events = store.last_events(id(2), 10).await.unwrap();
    assert!(events.iter().any(|event| event.name == "room_made"));
}

#[tokio::test]
async fn one_job_at_most_waits_for_another() {
    let (store, lease) = drive::claimed(Workflow::Linux).await;
    until(&store, id(1), &lease, "insert_boot").await;
    create(&store, instead(2, 1)).await;

    let second = store.create(instead(3, 1)).await.unwrap();
    assert!(matches!(second, Created::AlreadyReplaced(waiting) if waiting == id(2)));
    let plain = NewRecord { replaces: None, ..instead(3, 1) };
    let plain = store.create(plain).await.unwrap();
    assert!(matches!(plain, Created::ActiveJob(active) if active == id(1)));

    // The one that waits may itself be replaced, and then its replacement waits in its stead.
    let third = create(&store, instead(3, 2)).await;
    assert_eq!(third.after_job, Some(id(2)));
    let third = store.job(id(3)).await.unwrap().unwrap();
    assert_eq!(third.after_job, Some(id(1)));
    assert!(store.job(id(2)).await.unwrap().unwrap().job.is_complete());

    // Or be cancelled, and leaves its place to another.
    store.record(id(3), CANCEL, at(2), None).await.unwrap();
    assert_eq!(create(&store, instead(4, 1)).await.after_job, Some(id(1)));
}

#[tokio::test]
async fn replacing_a_queued_job_takes_its_place_at_once() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    create(&store, new_job(1, Workflow::Linux)).await;

    create(&store, instead(2, 1)).await;

    assert!(store.job(id(1)).await.unwrap().unwrap().job.is_complete());
    assert_eq!(store.job(id(2)).await.unwrap().unwrap().after_job, None);
    // Once the old one is complete there is nothing to wait for, but still one job at a time.
    let late = store.create(instead(3, 1)).await.unwrap();
    assert!(matches!(late, Created::ActiveJob(active) if active == id(2)));
}

#[tokio::test]
async fn a_replacement_is_told_that_the_job_before_it_is_held() {
    let (store, lease) = drive::claimed(Workflow::Firmware).await;
    until(&store, id(1), &lease, "await_boot").await;
    let read = Event::MediaRead { attempt: 1, milestone: shoal_core::Milestone::BootImageRead };
    store.record(id(1), read, at(1), None).await.unwrap();
    let mut new = instead(2, 1);
    new.job.plan = drive::plan(Workflow::Firmware);

    create(&store, new).await;

    let waits = HeldBack::AfterJob { job: id(1), held: true };
    assert_eq!(reason(&store, 2, &Limits::default()).await, Some(waits));
}

#[tokio::test]
async fn a_replacement_waits_for_the_first_boot_of_what_was_installed_meanwhile() {
    let limits = Limits::default();
    let (store, lease) = drive::claimed(Workflow::Windows).await;
    until(&store, id(1), &lease, "await_boot").await;
    let report = Event::Reported { attempt: 1, report: Report::Success };
    store.record(id(1), report, NOW, None).await.unwrap();
    create(&store, instead(2, 1)).await;
    let old = until(&store, id(1), &lease, "complete").await.job;
    assert_eq!(old.outcome().unwrap().kind, OutcomeKind::Succeeded, "the first outcome wins");

    assert_eq!(claim(&store, &lease, &limits).await, None);
    let until = old.first_boot_until().unwrap();
    assert_eq!(reason(&store, 2, &limits).await, Some(HeldBack::FirstBoot { until }));
    // The clock is set back by an hour; so is what is waited for.
    store.step_servers(-3_600_000).await.unwrap();
    assert_eq!(claim(&store, &lease, &limits).await, Some(id(2)));
}

#[tokio::test]
async fn one_bmc_carries_one_job_however_its_address_is_written() {
    let limits = Limits::default();
    let store = Store::scratch().unwrap();
    for (number, address) in [(1, "https://BMC-7.example/"), (2, "https://bmc-7.example")] {
        let mut server = server(number);
        server.bmc_address = address.to_owned();
        store.put_server(server, None, "ada", NOW).await.unwrap();
        create(&store, new_job(number, Workflow::Linux)).await;
    }
    let lease = lease(&store).await;

    assert_eq!(claim(&store, &lease, &limits).await, Some(id(1)));
    assert_eq!(claim(&store, &lease, &limits).await, None);
    assert_eq!(reason(&store, 2, &limits).await, Some(HeldBack::BmcBusy { job: id(1) }));
    store.record(id(1), CANCEL, at(2), None).await.unwrap();
    until(&store, id(1), &lease, "complete").await;
    assert_eq!(claim(&store, &lease, &limits).await, Some(id(2)));
}

#[tokio::test]
async fn labels_and_the_total_bound_how_many_are_under_way() {
    let per_label = BTreeMap::from([("rack".to_owned(), 2)]);
    let limits = Limits { per_label, active: 4, ..Limits::default() };
    let store = Store::scratch().unwrap();
    for number in 1..=8 {
        let mut server = server(number);
        let rack =
            ["a1", "a1", "a1", "b2", "", "b2", "b2", "b2"][usize::try_from(number).unwrap() - 1];
        if !rack.is_empty() {
            server.labels.insert("rack".to_owned(), rack.to_owned());
        }
        store.put_server(server, None, "ada", NOW).await.unwrap();
        create(&store, new_job(number, Workflow::Linux)).await;
    }
    let lease = lease(&store).await;

    let mut claimed = Vec::new();
    while let Some(job) = claim(&store, &lease, &limits).await {
        claimed.push(job);
    }

    assert_eq!(claimed, [id(1), id(2), id(4), id(5)]);
    let full = HeldBack::LabelFull { label: "rack".to_owned(), value: "a1".to_owned(), limit: 2 };
    assert_eq!(reason(&store, 3, &limits).await, Some(full));
    assert_eq!(reason(&store, 6, &limits).await, Some(HeldBack::AllFull { limit: 4 }));
    let more = Limits { active: 5, ..limits };
    assert_eq!(claim(&store, &lease, &more).await, Some(id(6)));
}

#[tokio::test]
async fn priority_moves_a_queued_job_and_no_other() {
    let store = Store::scratch().unwrap();
    for number in 1..=2 {
        put(&store, number).await;
        create(&store, new_job(number, Workflow::Linux)).await;
    }
    let lease = lease(&store).await;

    let moved = store.prioritise(id(2), 9, "ada", at(3)).await.unwrap();

    assert!(
        matches!(moved, Prioritised::Done(record) if (record.priority, record.version) == (9, 2))
    );
    assert_eq!(claim(&store, &lease, &Limits::default()).await, Some(id(2)));
    let late = store.prioritise(id(2), 1, "ada", at(4)).await.unwrap();
    assert_eq!(late, Prioritised::NotQueued(Status::Provisioning));
    let unknown = store.prioritise(id(9), 1, "ada", at(4)).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownJob(_)));
}

#[tokio::test]
async fn quarantine_keeps_a_queued_job_and_is_in_its_history() {
    let limits = Limits::default();
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    create(&store, new_job(1, Workflow::Linux)).await;
    let lease = lease(&store).await;
    let mut changes = store.subscribe();

    store.quarantine(&serial(1), Some("fan 3".to_owned()), "ada", at(1)).await.unwrap();

    assert_eq!(changes.recv().await.unwrap().status, Status::Queued);
    assert_eq!(claim(&store, &lease, &limits).await, None);
    let why = HeldBack::Quarantined { reason: "fan 3".to_owned() };
    assert_eq!(reason(&store, 1, &limits).await, Some(why));
    store.quarantine(&serial(1), None, "ada", at(2)).await.unwrap();
    assert_eq!(changes.recv().await.unwrap().job, id(1), "whoever looks at the queue is woken");
    assert_eq!(claim(&store, &lease, &limits).await, Some(id(1)));
    let events = store.last_events(id(1), 10).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names[..3], ["created", "quarantined", "quarantine_lifted"]);
}

#[tokio::test]
async fn the_wait_is_estimated_from_complete_jobs_of_the_same_target() {
    let limits = Limits { workers: 1, ..Limits::default() };
    let (store, lease) = drive::claimed(Workflow::Linux).await;
    store.record(id(1), CANCEL, at(60), None).await.unwrap();
    until(&store, id(1), &lease, "complete").await;
    for number in 2..=4 {
        put(&store, number).await;
        create(&store, new_job(number, Workflow::Linux)).await;
    }
    put(&store, 5).await;
    create(&store, new_job(5, Workflow::Esxi)).await;
    store.claim(&lease, &limits, at(70)).await.unwrap().unwrap();
    let starts = async |number| {
        let place = store.queue(id(number), &limits, at(70)).await.unwrap().unwrap();
        (place.position, place.starts_in.map(|wait| wait.as_secs()))
    };

    assert_eq!(starts(3).await, (1, Some(30)));
    assert_eq!(starts(4).await, (2, Some(90)));
    assert_eq!(starts(5).await, (3, None), "no job of that target is complete");
    store.quarantine(&serial(3), Some("wait".to_owned()), "ada", at(71)).await.unwrap();
    assert_eq!(starts(3).await, (1, None), "nobody knows how long an operator takes");
}

fn login(password: &str) -> Credentials {
    Credentials { user: "root".to_owned(), password: Secret::new(password.to_owned()) }
}

#[tokio::test]
async fn an_import_is_done_as_a_whole_or_not_at_all() {
    let store = Store::scratch().unwrap();
    store.put_server(server(1), Some(login("old")), "ada", NOW).await.unwrap();
    let mut moved = server(1);
    moved.bmc_address = "https://192.0.2.99".to_owned();

    let bare = vec![(moved.clone(), None), (server(2), Some(login("x"))), (server(3), None)];
    let refused = store.import(bare, "ada", at(1)).await.unwrap();
    assert_eq!(refused, ServerImport::WithoutCredentials(vec![2]));
    assert!(store.server(&serial(2)).await.unwrap().is_none());

    let all = || {
        vec![(moved.clone(), None), (server(2), Some(login("x"))), (server(3), Some(login("y")))]
    };
    let done = store.import(all(), "ada", at(2)).await.unwrap();
    let counts = ImportCounts { created: 2, updated: 1, unchanged: 0 };
    assert_eq!(done, ServerImport::Done(counts));
    let kept = store.credentials(&serial(1)).await.unwrap().unwrap();
    assert_eq!(kept.password.expose(), "old");
    let again = store.import(all(), "ada", at(3)).await.unwrap();
    let counts = ImportCounts { unchanged: 3, ..ImportCounts::default() };
    assert_eq!(again, ServerImport::Done(counts));
    assert_eq!(store.server(&serial(3)).await.unwrap().unwrap().updated_at, at(2));
    let rotated = store.import(vec![(server(3), Some(login("z")))], "ada", at(4)).await.unwrap();
    assert_eq!(rotated, ServerImport::Done(ImportCounts { updated: 1, ..ImportCounts::default() }));
}

#[tokio::test]
async fn leases_given_back_are_not_stolen() {
    let (store, lease) = drive::claimed(Workflow::Linux).await;
    let next = store.adopt("controller-2", at(1)).await.unwrap();
    assert_eq!(next.stolen, 1);
    // What the former owner gives back is not its own any more.
    store.release(&lease).await.unwrap();
    let next = store.adopt("controller-3", at(2)).await.unwrap();
    assert_eq!(next.stolen, 1);
    store.release(&next.lease).await.unwrap();
    assert_eq!(store.adopt("controller-4", at(3)).await.unwrap().stolen, 0);
}

#[tokio::test]
async fn the_audit_log_ends_where_history_does() {
    let store = Store::scratch().unwrap();
    for (number, days) in [(1, 0), (2, 10)] {
        let now = NOW + Duration::from_hours(24 * days);
        store.put_server(server(number), None, "ada", now).await.unwrap();
    }

    let pruned = store.prune_audit(NOW + Duration::from_hours(24)).await.unwrap();

    assert_eq!(pruned, 1);
    let left = store.audited(AuditFilter::default()).await.unwrap();
    assert_eq!(
        left.iter().map(|entry| entry.entry.target.as_str()).collect::<Vec<_>>(),
        ["SRV-002"]
    );
}
