//! Who gets a job, and which job a worker gets.

mod drive;

use std::{collections::BTreeSet, time::Duration};

use drive::{NOW, at, create, id, lease, new_job, put, serial, server, until};
use shoal_core::{Event, Status, StopAs, Workflow};
use shoal_store::{
    Created, Error, Filter, Idempotency, Limits, NewRecord, Place, ServerChange, Store,
};
use tokio::task::JoinSet;

fn keyed(number: u128, key: &str, request: u8) -> NewRecord {
    let idempotency = Idempotency { key: key.to_owned(), request_sha256: [request; 32] };
    NewRecord { idempotency: Some(idempotency), ..new_job(number, Workflow::Linux) }
}

#[tokio::test]
async fn server_must_exist_and_be_free_and_take_jobs() {
    let store = Store::scratch().unwrap();
    let new = || new_job(1, Workflow::Linux);
    assert!(matches!(store.create(new()).await.unwrap(), Created::UnknownServer));

    let mut quarantined = server(1);
    quarantined.quarantine = Some("smells".to_owned());
    store.put_server(quarantined, None, "ada", NOW).await.unwrap();
    let answer = store.create(new()).await.unwrap();
    assert!(matches!(answer, Created::Quarantined(why) if why == "smells"));

    let change = store.put_server(server(1), None, "ada", NOW).await.unwrap();
    assert_eq!(change, ServerChange::Updated);
    let answer = store.create(new()).await.unwrap();
    assert!(matches!(answer, Created::Quarantined(why) if why == "smells"), "it is still there");
    store.quarantine(&server(1).serial, None, "ada", NOW).await.unwrap();
    create(&store, new()).await;
    let mut second = new();
    second.job.id = id(2);
    let answer = store.create(second).await.unwrap();
    assert!(matches!(answer, Created::ActiveJob(active) if active == id(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_requests_for_one_server_give_one_job() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    let mut tasks = JoinSet::new();
    for number in 10..26 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut new = new_job(1, Workflow::Linux);
            new.job.id = id(number);
            matches!(store.create(new).await.unwrap(), Created::New(_))
        });
    }
    let created = tasks.join_all().await.into_iter().filter(|new| *new).count();

    assert_eq!(created, 1);
    assert_eq!(store.unfinished().await.unwrap().len(), 1);
}

#[tokio::test]
async fn same_key_and_request_give_the_same_job_whatever_became_of_it() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    create(&store, keyed(1, "k", 1)).await;

    let mut again = keyed(1, "k", 1);
    again.job.id = id(2);
    let answer = store.create(again.clone()).await.unwrap();
    assert!(matches!(answer, Created::Existing(record) if record.job.id() == id(1)));

    let stop = Event::StopRequested { stop: StopAs::Cancelled, force: false };
    store.record(id(1), stop, NOW, None).await.unwrap();
    let answer = store.create(again.clone()).await.unwrap();
    assert!(matches!(answer, Created::Existing(record) if record.job.is_complete()));

    // Without its key the same request is a new job now.
    again.idempotency = None;
    assert_eq!(create(&store, again).await.job.id(), id(2));
}

#[tokio::test]
async fn key_of_another_request_is_refused_and_that_of_another_actor_is_another_key() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    put(&store, 2).await;
    create(&store, keyed(1, "k", 1)).await;

    assert!(matches!(store.create(keyed(2, "k", 2)).await.unwrap(), Created::KeyReused));
    let of_bob = NewRecord { actor: "bob".into(), ..keyed(2, "k", 2) };
    assert_eq!(create(&store, of_bob).await.job.id(), id(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_repeats_of_one_request_give_one_job() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    let mut tasks = JoinSet::new();
    for number in 10..26 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut new = keyed(1, "k", 1);
            new.job.id = id(number);
            match store.create(new).await.unwrap() {
                Created::New(record) | Created::Existing(record) => record.job.id(),
                other => unreachable!("{other:?}"),
            }
        });
    }
    let told: BTreeSet<_> = tasks.join_all().await.into_iter().collect();

    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn failed_admission_leaves_nothing_behind() {
    let store = Store::scratch().unwrap();
    assert!(matches!(store.create(keyed(1, "k", 1)).await.unwrap(), Created::UnknownServer));
    put(&store, 1).await;

    // The key was not used up by the refusal.
    assert_eq!(create(&store, keyed(1, "k", 2)).await.job.id(), id(1));
    assert_eq!(store.events(shoal_store::EventFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_claimers_get_each_job_once() {
    let store = Store::scratch().unwrap();
    for number in 1..=40 {
        put(&store, number).await;
        create(&store, new_job(number, Workflow::Linux)).await;
    }
    let lease = lease(&store).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (store, lease) = (store.clone(), lease.clone());
        tasks.spawn(async move {
            let mut mine = Vec::new();
            while let Some(record) = store.claim(&lease, &Limits::default(), NOW).await.unwrap() {
                mine.push(record.job.id());
            }
            mine
        });
    }
    let claimed: Vec<_> = tasks.join_all().await.concat();

    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test]
async fn queue_goes_by_priority_then_age_and_passes_over_quarantined_servers() {
    let store = Store::scratch().unwrap();
    for (number, priority, age) in [(1, 0, 5), (2, 0, 3), (3, 7, 9), (4, 9, 0)] {
        put(&store, number).await;
        let mut new = NewRecord { priority, ..new_job(number, Workflow::Linux) };
        new.job.created_at = at(age);
        create(&store, new).await;
    }
    let mut four = server(4);
    four.quarantine = Some("wait".to_owned());
    store.put_server(four, None, "ada", at(10)).await.unwrap();
    let lease = lease(&store).await;
    let limits = Limits::default();
    let place = |number| store.queue(id(number), &limits, at(20));
    assert_eq!(
        place(1).await.unwrap(),
        Some(Place { position: 4, ahead_active: 0, starts_in: None })
    );

    let mut order = Vec::new();
    while let Some(record) = store.claim(&lease, &Limits::default(), at(20)).await.unwrap() {
        order.push(record.job.id());
    }

    assert_eq!(order, [id(3), id(2), id(1)]);
    assert_eq!(
        place(4).await.unwrap(),
        Some(Place { position: 1, ahead_active: 3, starts_in: None })
    );
    assert_eq!(place(3).await.unwrap(), None);
}

#[tokio::test]
async fn adopted_jobs_are_lost_to_the_lease_before() {
    let (store, old) = drive::claimed(Workflow::Linux).await;
    store.alive(at(60)).await.unwrap();
    let adopted = store.adopt("controller-2", at(90)).await.unwrap();
    assert_eq!((adopted.lease.epoch, adopted.gap), (old.epoch + 1, Duration::from_secs(30)));

    let seq = store.job(id(1)).await.unwrap().unwrap().job.seq();
    let answer = || Event::Answered {
        seq,
        command: shoal_core::Command::ReadBmc,
        verdict: shoal_core::Verdict::Unknown { detail: "cut off".to_owned() },
    };
    for stale in [Some(old.clone()), None] {
        let error = store.record(id(1), answer(), at(91), stale).await.unwrap_err();
        assert!(matches!(error, Error::LeaseLost));
    }
    assert!(matches!(
        store.claim(&old, &Limits::default(), at(91)).await.unwrap_err(),
        Error::LeaseLost
    ));
    // Facts are facts whoever saw them, and the new lease acts.
    store.record(id(1), Event::Resumed { gap: adopted.gap }, at(91), None).await.unwrap();
    let recorded = store.record(id(1), answer(), at(91), Some(adopted.lease)).await.unwrap();
    assert_eq!(recorded.applied, Ok(()));
}

#[tokio::test]
async fn gap_is_found_again_until_somebody_is_alive() {
    let store = Store::scratch().unwrap();
    assert_eq!(store.adopt("c", at(0)).await.unwrap().gap, Duration::ZERO);
    store.alive(at(10)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.adopt("c", at(25)).await.unwrap().gap, Duration::from_secs(15));
    }
    store.alive(at(25)).await.unwrap();
    assert_eq!(store.adopt("c", at(26)).await.unwrap().gap, Duration::from_secs(1));
}

#[tokio::test]
async fn next_job_waits_for_the_first_boot_of_the_last_one() {
    let (store, lease) = drive::claimed(Workflow::Windows).await;
    until(&store, id(1), &lease, "await_boot").await;
    let report = Event::Reported { attempt: 1, report: shoal_core::Report::Success };
    store.record(id(1), report, NOW, None).await.unwrap();
    let last = until(&store, id(1), &lease, "complete").await;
    let free_at = last.job.first_boot_until().unwrap();
    assert_eq!(store.server(&serial(1)).await.unwrap().unwrap().hands_off_until, Some(free_at));

    let mut next = new_job(1, Workflow::Windows);
    next.job.id = id(2);
    next.job.created_at = at(60);
    next.retry_of = Some(id(1));
    let next = create(&store, next).await;
    assert_eq!(next.lineage, id(1));
    assert!(store.claim(&lease, &Limits::default(), at(61)).await.unwrap().is_none());
    assert_eq!(
        store.claim(&lease, &Limits::default(), free_at).await.unwrap().unwrap().job.id(),
        id(2)
    );
}

#[tokio::test]
async fn retries_of_retries_belong_to_the_first_job() {
    let store = Store::scratch().unwrap();
    for number in 1..=3 {
        put(&store, number).await;
        let retry_of = (number > 1).then(|| id(number - 1));
        let new = NewRecord { retry_of, ..new_job(number, Workflow::Linux) };
        assert_eq!(create(&store, new).await.lineage, id(1));
    }
}

#[tokio::test]
async fn pages_of_jobs_meet_without_gap_or_overlap() {
    let store = Store::scratch().unwrap();
    for number in 1..=7 {
        put(&store, number).await;
        let mut new = new_job(number, Workflow::Linux);
        // Several of the same age, so that the id has to decide.
        new.job.created_at = at(u64::try_from(number).unwrap() / 3);
        create(&store, new).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let filter = Filter { after, limit: 2, ..Filter::default() };
        let page = store.jobs(filter).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.job.id());
        seen.extend(page.iter().map(|record| record.job.id()));
    }

    assert_eq!(seen, (1..=7).rev().map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn filters_choose_by_status_server_target_age_and_stuckness() {
    let store = Store::scratch().unwrap();
    for (number, workflow) in [(1, Workflow::Linux), (2, Workflow::Esxi), (3, Workflow::Linux)] {
        put(&store, number).await;
        let mut new = new_job(number, workflow);
        new.job.created_at = at(u64::try_from(number).unwrap());
        create(&store, new).await;
    }
    let lease = lease(&store).await;
    store.claim(&lease, &Limits::default(), at(10)).await.unwrap().unwrap();
    let ids = async |filter: Filter| {
        let found = store.jobs(filter).await.unwrap();
        found.into_iter().map(|record| record.job.id()).collect::<Vec<_>>()
    };
    let all = Filter::default;

    assert_eq!(ids(Filter { status: Some(Status::Queued), ..all() }).await, [id(3), id(2)]);
    assert_eq!(ids(Filter { serial: Some(serial(2)), ..all() }).await, [id(2)]);
    let esxi = Some("install-esxi.target".to_owned());
    assert_eq!(ids(Filter { target: esxi, ..all() }).await, [id(2)]);
    assert_eq!(ids(Filter { since: Some(at(3)), ..all() }).await, [id(3)]);
    assert_eq!(ids(Filter { stuck_at: Some(at(20)), ..all() }).await, []);
    assert_eq!(ids(Filter { stuck_at: Some(at(20_000)), ..all() }).await, [id(1)]);
    let queued_and_stuck =
        Filter { stuck_at: Some(at(20_000)), status: Some(Status::Queued), ..all() };
    assert_eq!(ids(queued_and_stuck).await, []);
    let stop = Event::StopRequested { stop: StopAs::Cancelled, force: false };
    store.record(id(2), stop, at(30), None).await.unwrap();
    let complete = Filter { status: Some(Status::Complete), ..all() };
    assert_eq!(ids(complete.clone()).await, [id(2)]);
    assert_eq!(ids(Filter { serial: Some(serial(2)), ..complete }).await, [id(2)]);
    let queued = Filter { status: Some(Status::Queued), serial: Some(serial(3)), ..all() };
    assert_eq!(ids(queued).await, [id(3)]);
    let counts = store.counts().await.unwrap();
    assert!(counts.contains(&(Status::Provisioning, "install-linux.target".to_owned(), 1)));
    assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), 3);
}
