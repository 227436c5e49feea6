//! The one way a job changes: nothing is lost, nothing is told twice.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod drive;

use drive::{NOW, at, claimed, id, until};
use shoal_core::{Activity, Event, Ignored, Milestone, Report, Status, StepKey, StopAs, Workflow};
use shoal_store::{
    Error, EventFilter, Filter, MediaKind, MediaReads, ReportOutcome, Store, StoredTranscript,
};
use tokio::task::JoinSet;

fn progressed(step: &str) -> Event {
    let activity = Activity { step: Some(step.to_owned()), percent: None, bytes: None };
    Event::Progressed { attempt: 1, activity }
}

fn reported(report: Report) -> Event {
    Event::Reported { attempt: 1, report }
}

fn failed() -> Report {
    Report::Failed { step: StepKey::WorkflowPartition, unit: None, message: None }
}

async fn names(store: &Store) -> Vec<String> {
    let filter = EventFilter { job: Some(id(1)), after: 0, limit: 1000 };
    store.events(filter).await.unwrap().into_iter().map(|event| event.name).collect()
}

/// A job whose machine was switched on and may report.
async fn powered() -> Store {
    let (store, lease) = claimed(Workflow::Linux).await;
    until(&store, id(1), &lease, "await_boot").await;
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_from_eight_tasks_are_all_folded() {
    let store = powered().await;
    let before = store.job(id(1)).await.unwrap().unwrap().version;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..25 {
                let event = progressed(&format!("{task}-{number}"));
                let recorded = store.record(id(1), event, at(1), None).await.unwrap();
                assert_eq!(recorded.applied, Ok(()));
            }
        });
    }
    tasks.join_all().await;

    let after = store.job(id(1)).await.unwrap().unwrap();
    assert_eq!(after.version - before, 200);
    assert_eq!(names(&store).await.iter().filter(|name| *name == "progressed").count(), 200);
}

#[tokio::test]
async fn events_come_in_order_with_the_version_they_made() {
    let store = powered().await;
    let all = store.events(EventFilter { limit: 1000, ..EventFilter::default() }).await.unwrap();

    assert!(all.is_sorted_by(|a, b| a.id < b.id && a.version <= b.version));
    assert_eq!((all[0].name.as_str(), all[0].version), ("created", 1));
    assert_eq!(all[0].detail["actor"], "ada");
    assert!(all.iter().all(|event| event.trace_id.is_none()), "nobody traces this job: {all:?}");
    let rest = EventFilter { job: Some(id(1)), after: all[2].id, limit: 3 };
    assert_eq!(store.events(rest).await.unwrap(), all[3..6]);
    assert_eq!(store.last_events(id(1), 2).await.unwrap(), all[all.len() - 2..]);
    assert_eq!(store.last_event_id().await.unwrap(), all.last().unwrap().id);
}

#[tokio::test]
async fn unknown_job_is_an_error() {
    let store = Store::scratch().unwrap();
    let error = store.record(id(1), Event::ServerChanged, NOW, None).await.unwrap_err();
    assert!(matches!(error, Error::UnknownJob(job) if job == id(1)));
}

#[tokio::test]
async fn late_report_is_kept_once_and_changes_nothing() {
    let store = powered().await;
    let report = |identity: &str, report| {
        store.report(id(1), 1, identity.to_owned(), reported(report), at(5))
    };
    assert!(matches!(report("a", Report::Success).await.unwrap(), ReportOutcome::Recorded(_)));
    let before = store.job(id(1)).await.unwrap().unwrap();

    let late = ReportOutcome::Ignored(Ignored::LateReport);
    assert_eq!(report("b", failed()).await.unwrap(), late);
    assert_eq!(report("c", failed()).await.unwrap(), late);

    assert_eq!(store.job(id(1)).await.unwrap().unwrap(), before);
    let events = store.last_events(id(1), 50).await.unwrap();
    let late: Vec<_> = events.iter().filter(|event| event.name == "late_report").collect();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].detail["failed_step"], "workflow.partition");
}

#[tokio::test]
async fn report_that_came_too_early_counts_when_it_comes_again() {
    let (store, lease) = claimed(Workflow::Linux).await;
    let report = || store.report(id(1), 1, "a".to_owned(), reported(Report::Success), at(5));
    assert_eq!(report().await.unwrap(), ReportOutcome::Ignored(Ignored::Unexpected));
    until(&store, id(1), &lease, "await_boot").await;

    assert!(matches!(report().await.unwrap(), ReportOutcome::Recorded(_)));
    assert_eq!(report().await.unwrap(), ReportOutcome::Duplicate);
    assert!(names(&store).await.contains(&"unexpected".to_owned()));
}

#[tokio::test]
async fn last_32_reports_are_recognised_and_older_ones_are_not() {
    let store = powered().await;
    let report = async |number: u32| {
        let event = progressed(&format!("step-{number}"));
        store.report(id(1), 1, format!("d{number}"), event, at(1)).await.unwrap()
    };
    for number in 0..33 {
        assert!(matches!(report(number).await, ReportOutcome::Recorded(_)), "{number}");
    }
    for number in 1..33 {
        assert_eq!(report(number).await, ReportOutcome::Duplicate, "{number}");
    }
    assert!(matches!(report(0).await, ReportOutcome::Recorded(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_repeats_of_one_report_are_recorded_once() {
    let store = powered().await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            let event = reported(Report::Success);
            store.report(id(1), 1, "a".to_owned(), event, at(5)).await.unwrap()
        });
    }
    let answers = tasks.join_all().await;

    let recorded = answers.iter().filter(|it| matches!(it, ReportOutcome::Recorded(_))).count();
    let duplicate = answers.iter().filter(|it| **it == ReportOutcome::Duplicate).count();
    assert_eq!((recorded, duplicate), (1, 15));
}

#[tokio::test]
async fn milestone_is_stored_before_its_bytes_may_flow() {
    let store = powered().await;
    let read = Event::MediaRead { attempt: 1, milestone: Milestone::BootImageRead };
    let recorded = store.record(id(1), read.clone(), at(3), None).await.unwrap();
    assert_eq!(recorded.applied, Ok(()));
    let stored = store.job(id(1)).await.unwrap().unwrap();
    assert_eq!(stored.job.evidence().milestones[&Milestone::BootImageRead], at(3));

    let again = store.record(id(1), read, at(4), None).await.unwrap();
    assert_eq!((again.applied, again.record.version), (Err(Ignored::Duplicate), stored.version));
}

#[tokio::test]
async fn subscriber_hears_of_every_commit_even_if_its_caller_hung_up() {
    let store = powered().await;
    let mut changes = store.subscribe();
    {
        let mut caller = Box::pin(store.record(id(1), progressed("a"), at(1), None));
        // One poll hands the change over; then the caller goes away, whether it was answered or not.
        let _ = std::future::poll_fn(|cx| std::task::Poll::Ready(caller.as_mut().poll(cx))).await;
    }
    let change = changes.recv().await.unwrap();

    let stored = store.job(id(1)).await.unwrap().unwrap();
    assert_eq!((change.job, change.version), (id(1), stored.version));
    assert_eq!(change.status, Status::Provisioning);
    assert_eq!(change.event_id, store.last_event_id().await.unwrap());
}

#[tokio::test]
async fn old_complete_jobs_are_forgotten_with_their_history_and_others_stay() {
    let store = Store::scratch().unwrap();
    for number in 1..=3 {
        drive::put(&store, number).await;
        drive::create(&store, drive::new_job(number, Workflow::Linux)).await;
    }
    store.freeze(id(1), 1, drive::frozen(1)).await.unwrap();
    for (number, ended_at) in [(1, at(10)), (2, at(20))] {
        let stop = Event::StopRequested { stop: StopAs::Cancelled, force: false };
        store.record(id(number), stop, ended_at, None).await.unwrap();
    }

    assert_eq!(store.prune_jobs(at(20)).await.unwrap(), 1);

    let left: Vec<_> = store.jobs(Filter::default()).await.unwrap();
    assert_eq!(left.iter().map(|it| it.job.id()).collect::<Vec<_>>(), [id(3), id(2)]);
    assert!(names(&store).await.is_empty());
    assert_eq!(store.object([1; 16]).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_read_of_media_adds_up_over_writes_and_goes_with_its_job() {
    let store = Store::scratch().unwrap();
    drive::put(&store, 1).await;
    drive::create(&store, drive::new_job(1, Workflow::Linux)).await;
    store.freeze(id(1), 1, drive::frozen(1)).await.unwrap();
    assert_eq!(store.reads(id(1), 1).await.unwrap(), []);
    let (task, unknown) = ([1; 16], [77; 16]);
    store.add_reads(vec![(task, MediaReads::of(0, 10, at(1)))]).await.unwrap();
    let more = MediaReads::of(10, 10, at(2));
    store.add_reads(vec![(unknown, more.clone()), (task, more)]).await.unwrap();

    let reads = store.reads(id(1), 1).await.unwrap();
    let [(MediaKind::Task, task)] = &reads[..] else { panic!("{reads:?}") };
    assert_eq!(task.ranges().collect::<Vec<_>>(), [(0, 20)]);
    assert_eq!((task.bytes(), task.last_at()), (20, at(2)));
    assert_eq!(store.reads(id(1), 2).await.unwrap(), []);
}

#[tokio::test]
async fn the_newest_transcript_of_each_step_of_an_attempt_is_kept_and_no_more_than_some() {
    let (store, _) = claimed(Workflow::Linux).await;
    let said = |attempt, step, second, fault: &str| StoredTranscript {
        attempt,
        step,
        at: at(second),
        fault: fault.to_owned(),
        exchanges: "[]".to_owned(),
    };
    store.set_transcript(id(1), said(1, StepKey::RedfishReset, 1, "first")).await.unwrap();
    store.set_transcript(id(1), said(1, StepKey::RedfishMountTask, 2, "other")).await.unwrap();
    store.set_transcript(id(1), said(1, StepKey::RedfishReset, 3, "second")).await.unwrap();
    store.set_transcript(id(2), said(1, StepKey::RedfishReset, 4, "no such job")).await.unwrap();

    let kept = store.transcripts(id(1)).await.unwrap();
    let faults: Vec<&str> = kept.iter().map(|kept| kept.fault.as_str()).collect();
    assert_eq!(faults, ["other", "second"]);
    assert!(store.transcripts(id(2)).await.unwrap().is_empty());

    for attempt in 2..40 {
        let step = StepKey::RedfishReset;
        store.set_transcript(id(1), said(attempt, step, 10, "again")).await.unwrap();
    }
    let kept = store.transcripts(id(1)).await.unwrap();
    assert_eq!(kept.len(), 16);
    assert_eq!(kept.last().unwrap().attempt, 39, "the newest went first");
}

#[tokio::test]
async fn the_processes_that_had_a_job_are_kept_and_its_run_is_told_once() {
    let store = powered().await;
    let version = store.job(id(1)).await.unwrap().unwrap().version;
    let take_up = |span: &str| store.taken_up(id(1), span.to_owned());
    assert_eq!(take_up("first").await.unwrap(), Vec::<String>::new());
    assert_eq!(take_up("second").await.unwrap(), ["first"]);
    assert_eq!(store.tell_run(id(1)).await.unwrap(), Some(vec!["first".into(), "second".into()]));
    assert_eq!(store.tell_run(id(1)).await.unwrap(), None);
    for number in 0..40 {
        take_up(&format!("{number}")).await.unwrap();
    }
    let before = take_up("last").await.unwrap();
    assert_eq!((before.len(), before[0].as_str()), (32, "8"), "the oldest go first");
    assert_eq!(store.job(id(1)).await.unwrap().unwrap().version, version);
    // A job that is not there has no trace, and nobody fails over it.
    assert!(store.taken_up(id(9), "x".to_owned()).await.unwrap().is_empty());
    assert_eq!(store.tell_run(id(9)).await.unwrap(), Some(Vec::new()));
}
