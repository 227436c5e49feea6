//! The metrics by name and label, as a dashboard would find them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use shoal_redfish::Checkpoint;

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{forget, impatient, request, urls},
    model::Family,
};

/// Remembers which series exist, not their values.
#[derive(Clone, Default)]
struct Series(Arc<Mutex<BTreeSet<String>>>);

impl Series {
    fn add(&self, key: &Key) {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        self.0.lock().unwrap().insert(format!("{}{{{}}}", key.name(), labels.join(",")));
    }
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.add(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.add(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.add(key);
        Histogram::noop()
    }
}

#[tokio::test]
async fn every_request_is_counted_under_the_step_it_served() {
    let series = Series::default();
    let _guard = metrics::set_default_local_recorder(&series);
    let server = TestBmc::start(Family::Ilo).await;
    server.fault(Fault::once("GET", "/redfish/v1/Systems", What::Status(503, Some("0".into()))));
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
    bmc.look().await.unwrap();
    bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    bmc.close().await.unwrap();
    let seen = series.0.lock().unwrap().clone();
    for expected in [
        "redfish_requests_total{op=discover,code=503,vendor=hpe}",
        "redfish_requests_total{op=discover,code=200,vendor=hpe}",
        "redfish_requests_total{op=session,code=201,vendor=hpe}",
        "redfish_requests_total{op=mount.task,code=204,vendor=hpe}",
        "redfish_requests_total{op=mount.maintenance,code=204,vendor=hpe}",
        "redfish_requests_total{op=boot-override,code=200,vendor=hpe}",
        "redfish_requests_total{op=reset,code=204,vendor=hpe}",
        "redfish_requests_total{op=poll,code=200,vendor=hpe}",
        "redfish_requests_total{op=cleanup.reset,code=204,vendor=hpe}",
        "redfish_requests_total{op=cleanup.unmount,code=204,vendor=hpe}",
        "redfish_request_duration_seconds{op=reset,vendor=hpe}",
        "redfish_retries_total{op=discover,vendor=hpe}",
        "redfish_profile_selected_total{vendor=hpe,profile=ilo5}",
        "redfish_poll_duration_seconds{vendor=hpe}",
    ] {
        assert!(seen.contains(expected), "{expected} is missing: {seen:#?}");
    }
}

#[tokio::test]
async fn a_reset_that_never_shows_is_counted() {
    let series = Series::default();
    let _guard = metrics::set_default_local_recorder(&series);
    let server = TestBmc::start(Family::Ilo).await;
    let bmc = server.connect_with(impatient()).await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    server.fault(Fault { times: 99, ..Fault::once("POST", "Reset", What::DropRequest) });
    bmc.ensure_off(&plan).await.unwrap_err();
    let seen = series.0.lock().unwrap().clone();
    assert!(seen.contains("redfish_poll_timeouts_total{vendor=hpe}"), "{seen:#?}");
}
