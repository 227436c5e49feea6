//! What the metrics hear of a job.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod drive;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
};

use drive::{NOW, at, claimed, create, id, new_job, put, until};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use shoal_core::{Event, Milestone, Report, Status, StopAs, Workflow};
use shoal_store::Store;

/// Sums of counters, and number and sum of histogram values, by series.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, (u64, f64)>>>);

struct Series(Ledger, String);

impl Series {
    fn add(&self, count: u64, value: f64) {
        let mut ledger = self.0.0.lock().unwrap();
        let entry = ledger.entry(self.1.clone()).or_default();
        entry.0 += count;
        entry.1 += value;
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.add(value, 0.0);
    }

    fn absolute(&self, _: u64) {
        unreachable!("the store only increments")
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.add(1, value);
    }
}

impl Ledger {
    fn series(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Series(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
    }

    fn of(&self, name: &str) -> Vec<(String, u64)> {
        let ledger = self.0.lock().unwrap();
        let named = ledger.iter().filter(|(series, _)| series.starts_with(&format!("{name}{{")));
        named
            .map(|(series, (count, _))| (series.trim_start_matches(name).to_owned(), *count))
            .collect()
    }

    fn sum(&self, series: &str) -> f64 {
        self.0.lock().unwrap()[series].1
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}

/// What was measured while the future ran; all of it on this thread.
fn measured(future: impl Future<Output = ()>) -> Ledger {
    let ledger = Ledger::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    metrics::with_local_recorder(&ledger, || runtime.block_on(future));
    ledger
}

fn series(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(labels, count)| ((*labels).to_owned(), *count)).collect()
}

#[test]
fn whole_job_is_counted_once_in_every_status() {
    let ledger = measured(async {
        let (store, lease) = claimed(Workflow::Linux).await;
        until(&store, id(1), &lease, "await_boot").await;
        let read = Event::MediaRead { attempt: 1, milestone: Milestone::BootImageRead };
        store.record(id(1), read, at(100), None).await.unwrap();
        let report = Event::Reported { attempt: 1, report: Report::Success };
        store.record(id(1), report.clone(), at(1_900), None).await.unwrap();
        store.record(id(1), report, at(1_901), None).await.unwrap();
        drive::until_from(&store, id(1), &lease, "complete", at(2_000)).await;
    });

    assert_eq!(
        ledger.of("job_total"),
        series(&[
            ("{status=complete}", 1),
            ("{status=provisioning}", 1),
            ("{status=queued}", 1),
            ("{status=succeeded}", 1),
        ])
    );
    assert_eq!(
        ledger.of("job_transitions_total"),
        series(&[
            ("{from=none,to=queued}", 1),
            ("{from=provisioning,to=succeeded}", 1),
            ("{from=queued,to=provisioning}", 1),
            ("{from=succeeded,to=complete}", 1),
        ])
    );
    let linux = "task_target=install-linux.target";
    let duration = format!("{{outcome=succeeded,{linux}}}");
    assert_eq!(ledger.of("job_duration_seconds"), series(&[(&duration, 1)]));
    assert!((ledger.sum(&format!("job_duration_seconds{duration}")) - 1_900.0).abs() < 1e-9);
    assert_eq!(ledger.of("job_failures_total"), series(&[]));
    let stretches = ["boot", "cleanup", "detect", "install", "iso", "mount", "wait"];
    let stretches: Vec<_> = stretches.map(|it| format!("{{phase={it},{linux}}}")).into();
    assert_eq!(
        ledger.of("provisioning_phase_duration_seconds"),
        stretches.iter().map(|labels| (labels.clone(), 1)).collect::<Vec<_>>()
    );
    let install = format!("provisioning_phase_duration_seconds{{phase=install,{linux}}}");
    assert!((ledger.sum(&install) - 1_800.0).abs() < 1e-9);
    let cleanup = format!("provisioning_phase_duration_seconds{{phase=cleanup,{linux}}}");
    assert!((ledger.sum(&cleanup) - 100.0).abs() < 1e-9);
}

#[test]
fn job_that_needs_no_cleanup_still_passes_through_its_outcome() {
    let ledger = measured(async {
        let store = Store::scratch().unwrap();
        put(&store, 1).await;
        create(&store, new_job(1, Workflow::Maintenance)).await;
        let stop = Event::StopRequested { stop: StopAs::Failed, force: false };
        store.record(id(1), stop, at(7), None).await.unwrap();
    });

    assert_eq!(
        ledger.of("job_transitions_total"),
        series(&[
            ("{from=failed,to=complete}", 1),
            ("{from=none,to=queued}", 1),
            ("{from=queued,to=failed}", 1),
        ])
    );
    assert_eq!(
        ledger.of("job_failures_total"),
        series(&[("{failed_step=redfish.discover,task_target=other}", 1)])
    );
}

#[test]
fn ignored_events_and_refused_requests_count_nothing() {
    let ledger = measured(async {
        let (store, _) = claimed(Workflow::Linux).await;
        let report = Event::Reported { attempt: 1, report: Report::Success };
        store.record(id(1), report, NOW, None).await.unwrap();
        let mut second = new_job(1, Workflow::Linux);
        second.job.id = id(2);
        store.create(second).await.unwrap();
    });

    assert_eq!(
        ledger.of("job_total"),
        series(&[("{status=provisioning}", 1), ("{status=queued}", 1)])
    );
    assert_eq!(ledger.of("job_duration_seconds"), series(&[]));
}

#[tokio::test]
async fn a_change_is_told_although_whoever_asked_for_it_has_gone() {
    let store = Store::scratch().unwrap();
    put(&store, 1).await;
    let mut changes = store.subscribe();

    let mut asked = Box::pin(store.create(new_job(1, Workflow::Linux)));
    // Once is enough for it to be asked; the answer may or may not be there already.
    let _ = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
    drop(asked);

    let change = changes.recv().await.unwrap();
    assert_eq!((change.job, change.status), (id(1), Status::Queued));
}
