//! The metrics by name and label, as a dashboard would find them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use shoal_redfish::{Bmc, Checkpoint, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    bmc::{Fault, TestBmc, What},
    given::{any, forget, impatient, quick, request, urls},
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

/// Adds up what is counted, by series.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Sums {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    /// The sum of every series whose text has all of these parts.
    fn of(&self, parts: &[&str]) -> usize {
        let sums = self.0.lock().unwrap();
        let fitting = sums.iter().filter(|(name, _)| parts.iter().all(|part| name.contains(part)));
        let sum: u64 = fitting.map(|(_, sum)| sum.load(Ordering::Relaxed)).sum();
        usize::try_from(sum).unwrap()
    }
}

/// A histogram of which only the number of values counts.
struct Values(Arc<AtomicU64>);

impl HistogramFn for Values {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.cell(key))))
    }
}

#[tokio::test]
async fn requests_durations_and_repetitions_are_counted_as_the_bmc_counts_them() {
    let sums = Sums::default();
    let _guard = metrics::set_default_local_recorder(&sums);
    let server = TestBmc::start(Family::Ilo).await;
    // One of each: refused for now, broken off, unreadable, moved, refused token, lost change.
    server.fault(Fault::once("GET", "/redfish/v1/Systems", What::Status(503, Some("0".into()))));
    server.fault(Fault::once("GET", "/redfish/v1/Systems", What::DropRequest));
    server.fault(Fault::once("GET", "/redfish/v1/Managers", What::Html));
    server.fault(Fault::once("GET", "/redfish/v1/", What::Moves(302, "/redfish/v1".into())));
    server.fault(Fault::once("POST", "Reset", What::Status(401, None)));
    server.fault(Fault::once("POST", "InsertMedia", What::LoseAnswer));
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    let mut checkpoint = Checkpoint::default();
    bmc.apply(&plan, &urls(), &mut checkpoint, &mut forget).await.unwrap();
    bmc.revert(&plan, &mut checkpoint, &mut forget).await.unwrap();
    bmc.close().await.unwrap();
    let received = server.journal().len();
    assert_eq!(sums.of(&["redfish_requests_total"]), received);
    assert_eq!(sums.of(&["redfish_request_duration_seconds"]), received);
    assert_eq!(bmc.requests().total, u64::try_from(received).unwrap());
    let coded = |code: &str| sums.of(&["redfish_requests_total", &format!("code={code},")]);
    assert_eq!((coded("503"), coded("302"), coded("401"), coded("lost")), (1, 1, 1, 2));
    // 503, broken off, unreadable, refused token; the lost insert was seen to be in.
    assert_eq!(sums.of(&["redfish_retries_total"]), 4);
    assert_eq!(sums.of(&["redfish_retries_total", "op=reset"]), 1);
}

#[tokio::test]
async fn a_request_without_an_answer_is_counted_by_what_became_of_it() {
    let sums = Sums::default();
    let _guard = metrics::set_default_local_recorder(&sums);
    // An address of its own, at which nobody else can come to listen.
    let gone = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
    let server = TestBmc::start(Family::Ilo).await;
    let once = Options { retries: 0, ..quick() };
    let nobody = server.at(format!("http://{gone}")).endpoint(any());
    Bmc::connect(nobody, once.clone()).await.unwrap_err();
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let no_tls = server.at(format!("https://{address}")).endpoint(any());
    Bmc::connect(no_tls, once.clone()).await.unwrap_err();
    for what in [What::Huge, What::DropRequest] {
        server.fault(Fault::once("GET", "/redfish/v1/", what));
        Bmc::connect(server.endpoint(any()), once.clone()).await.unwrap_err();
    }
    server.fault(Fault::once("GET", "/redfish/v1/", What::Stalls));
    let short = Options { request_timeout: Duration::from_secs(5), ..once };
    Bmc::connect(server.endpoint(any()), short).await.unwrap_err();
    for (code, times) in [("connect", 1), ("tls", 1), ("timeout", 1), ("protocol", 1), ("lost", 1)]
    {
        let label = format!("code={code},");
        assert_eq!(sums.of(&["redfish_requests_total", &label]), times, "{code}");
    }
    assert_eq!(sums.of(&["redfish_retries_total"]), 0);
}

/// Collects the fields of finished request spans.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "redfish.request"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        let mut spans = self.0.lock().unwrap();
        spans.push(fields);
        Id::from_u64(u64::try_from(spans.len()).unwrap())
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Fields(&mut self.0.lock().unwrap()[index]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn every_request_has_one_span_that_says_what_and_how_it_ended_and_no_secret() {
    // Whether anybody listens is asked when the code is passed for the first time, on whichever
    // thread that is: another test would answer that nobody does, for this one too. One that was
    // about to answer when this one began has done so by the time a BMC has started: asked again.
    let server = TestBmc::start(Family::Idrac).await;
    server.connect().await.close().await.unwrap();
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let server = TestBmc::start(Family::Idrac).await;
    tracing::callsite::rebuild_interest_cache();
    server.fault(Fault::once("GET", "/Managers", What::Status(503, Some("0".into()))));
    server.fault(Fault::once("POST", "InsertMedia", What::Says(
        400,
        String::new(),
        br#"{"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.8.ActionParameterUnknown", "MessageArgs": ["WriteProtected"]}]}}"#.to_vec(),
    )));
    let bmc = server.connect().await;
    let plan = bmc.discover().await.unwrap().plan(&request()).unwrap();
    bmc.apply(&plan, &urls(), &mut Checkpoint::default(), &mut forget).await.unwrap();
    let spans = spans.0.lock().unwrap().clone();
    assert_eq!(spans.len(), server.journal().len());
    for span in &spans {
        for field in ["bmc", "vendor", "op", "method", "path", "code", "duration_ms"] {
            assert!(span.contains_key(field), "{field} is missing: {span:?}");
        }
    }
    let refused = spans.iter().find(|span| span["code"] == "400").unwrap();
    assert_eq!(refused["message_id"], "Base.1.8.ActionParameterUnknown");
    assert!(spans.iter().all(|span| !span["path"].contains('?')), "{spans:?}");
    let again: Vec<_> =
        spans.iter().filter(|span| span["http.request.resend_count"] != "0").collect();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!((again[0]["op"].as_str(), again[0]["code"].as_str()), ("discover", "200"));
    assert_eq!((refused["op"].as_str(), refused["vendor"].as_str()), ("mount.task", "dell"));
    let told = format!("{spans:?}");
    assert!(
        !told.contains("correct horse") && !told.contains("capability") && !told.contains("token-")
    );
}
