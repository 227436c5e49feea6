//! Export end to end: a collector made of a socket and the published protobuf types receives what
//! the layer recorded.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value, trace::v1::Span,
};
use prost::Message as _;
use tracing::{Dispatch, dispatcher::with_default, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::logs::{self, captured::Captured};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn spans_arrive_at_a_collector_with_parents_links_and_no_secrets() {
    let (endpoint, collector) = collector();
    let remote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let earlier = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01";
    let seen = recorded(&endpoint, || {
        let job = info_span!("job.attempt", job_id = "0198", token = "CANARY");
        assert!(join(&job, remote));
        assert!(follow(&job, earlier));
        let _job = job.enter();
        let mount = info_span!(
            "redfish.mount.task",
            image = "https://c/media/t/CANARY/task.iso",
            otel.kind = "client"
        );
        let seen = mount.in_scope(|| traceparent(&tracing::Span::current()));
        tracing::debug_span!("detail").in_scope(|| ());
        info_span!(target: "reqwest::connect", "noise").in_scope(|| ());
        seen
    });
    let request = collector.join().unwrap();
    let names: Vec<_> = request.1.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["redfish.mount.task", "job.attempt"]);
    let (mount, job) = (&request.1[0], &request.1[1]);
    assert_eq!(hex(&job.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&job.parent_span_id), "b7ad6b7169203331");
    assert_eq!(hex(&job.links[0].trace_id), "1af7651916cd43dd8448eb211c80319c");
    assert_eq!(mount.parent_span_id, job.span_id);
    assert_eq!(mount.kind, 3, "client");
    assert_eq!(attribute(job, "job_id"), "0198");
    assert_eq!(attribute(job, "token"), "***");
    assert_eq!(attribute(mount, "image"), "https://c/media/t/***/task.iso");
    assert_eq!(seen.unwrap(), format!("00-{}-{}-01", hex(&mount.trace_id), hex(&mount.span_id)));
    assert!(request.0.starts_with("POST /v1/traces "), "{}", request.0);
}

#[test]
fn what_a_stranger_says_of_traces_is_a_link_unless_it_is_of_our_own() {
    let (endpoint, collector) = collector();
    let ours = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let below = "00-0af7651916cd43dd8448eb211c80319c-c8ad6b7169203331-01";
    let hushed = "00-0af7651916cd43dd8448eb211c80319c-c8ad6b7169203331-00";
    let foreign = "00-1af7651916cd43dd8448eb211c80319c-d9ad6b7169203331-01";
    recorded(&endpoint, || {
        for theirs in [Some(below), Some(hushed), Some(foreign), Some("nonsense"), None] {
            let span = info_span!("report");
            assert!(join_own(&span, ours, theirs));
            span.in_scope(|| ());
        }
    });
    let told: Vec<_> = collector.join().unwrap().1;
    assert!(told.iter().all(|span| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c"));
    let seen: Vec<_> = told
        .iter()
        .map(|span| (hex(&span.parent_span_id), span.links.first().map(|it| hex(&it.span_id))))
        .collect();
    let (own, other) = ("b7ad6b7169203331".to_owned(), "c8ad6b7169203331".to_owned());
    assert_eq!(
        seen,
        [
            (other.clone(), None),
            (own.clone(), Some(other)),
            (own.clone(), Some("d9ad6b7169203331".to_owned())),
            (own.clone(), None),
            (own, None),
        ]
    );
}

#[test]
fn log_lines_inside_a_span_carry_the_ids_of_the_exported_span() {
    let (endpoint, collector) = collector();
    let (captured, json) = (Captured::default(), logs::Format::Json);
    let config = logs::Config { format: json, ..logs::Config::default() };
    let (log_layer, log) = logs::start_on(&config, Box::new(captured.clone()), false).unwrap();
    let (trace_layer, traces) = start(&Config::new(endpoint), origin()).unwrap();
    let subscriber = tracing_subscriber::registry()
        .with(trace_layer)
        .with(log_layer.with_filter(log.verbosity.clone()));
    with_default(&Dispatch::new(subscriber), || {
        info!("outside");
        info_span!("phase").in_scope(|| info!("inside"));
    });
    traces.shutdown(PATIENCE).unwrap();
    assert!(log.close(PATIENCE));
    let spans = collector.join().unwrap().1;
    let text = captured.text();
    let (outside, inside) = text.split_once('\n').unwrap();
    assert!(!outside.contains("trace_id"), "{outside}");
    for id in [
        format!("\"trace_id\":\"{}\"", hex(&spans[0].trace_id)),
        format!("\"span_id\":\"{}\"", hex(&spans[0].span_id)),
    ] {
        assert!(inside.contains(&id), "{id} is not in {inside}");
    }
}

#[test]
fn what_a_dead_collector_does_not_take_is_counted() {
    // Bound and dropped: the kernel refuses connections to a port nobody listens on. The address is
    // one at which no other test listens.
    let refusing = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (failing, _server) = collector_that_answers("500 Internal Server Error", 3);
    for endpoint in
        [format!("http://{refusing}"), format!("http://{}", silent.local_addr().unwrap()), failing]
    {
        let config = Config { timeout: Duration::from_millis(100), ..Config::new(endpoint) };
        let shown = config.endpoint.clone();
        // The client blocks, so it is used where no runtime is.
        let text = std::thread::spawn(move || lost(&config)).join().unwrap();
        assert!(text.contains("otel_spans_dropped_total 3"), "{shown}: {text}");
    }
}

/// The metrics of a thread that exports three spans one by one.
fn lost(config: &Config) -> String {
    let budget = Arc::new(Budget::new(2));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client(config).unwrap())
        .with_endpoint(format!("{}/v1/traces", config.endpoint))
        .build()
        .unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let masked = Masked::new(exporter, Arc::clone(&budget));
        let simple = opentelemetry_sdk::trace::SimpleSpanProcessor::new(masked);
        let provider =
            SdkTracerProvider::builder().with_span_processor(Counted::new(simple, budget)).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("t"));
        with_default(&Dispatch::new(tracing_subscriber::registry().with(layer)), || {
            for _ in 0..3 {
                info_span!("lost").in_scope(|| ());
            }
        });
    });
    handle.render()
}

#[test]
fn a_collector_that_says_nothing_holds_up_neither_those_who_tell_nor_the_end() {
    // Connections are taken by the kernel and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (layer, traces) = start(&Config::new(endpoint), origin()).unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    with_default(&Dispatch::new(subscriber), || {
        for _ in 0..QUEUE_SPANS + 1000 {
            info_span!("told").in_scope(|| ());
        }
    });
    // No more are kept than there is room for, and none of these was delivered.
    let lost = traces.shutdown(Duration::from_millis(50)).unwrap_err();
    assert_eq!(lost, Lost { spans: QUEUE_SPANS });
}

#[test]
fn what_is_over_is_told_with_its_own_times_and_what_lasts_is_not_told() {
    let (endpoint, collector) = collector();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let at = |seconds| std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let past = Past {
        name: "job.run".into(),
        start: at(1_000),
        end: at(8_200),
        attributes: vec![("outcome", "failed".to_owned()), ("token", "CANARY".to_owned())],
        links: vec![parent.to_owned(), "nonsense".to_owned()],
        failed: Some("redfish.reset"),
    };
    let (layer, traces) = start(&Config::new(endpoint), origin()).unwrap();
    with_default(&Dispatch::new(tracing_subscriber::registry().with(layer)), || {
        info_span!("job", job_id = "0198").in_scope(|| ());
    });
    let spans = traces.spans();
    assert!(spans.are_exported());
    assert_eq!(spans.tell("nonsense", past.clone()), None);
    assert_eq!(spans.tell(unsampled, past.clone()), None);
    assert_eq!(Spans::default().tell(parent, past.clone()), None);
    let own = spans.tell(parent, past).unwrap();
    traces.shutdown(PATIENCE).unwrap();
    let told = collector.join().unwrap().1;
    let [run] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (run.start_time_unix_nano, run.end_time_unix_nano),
        (1_000 * SECOND, 8_200 * SECOND)
    );
    assert_eq!(hex(&run.parent_span_id), "b7ad6b7169203331");
    assert_eq!(own, format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", hex(&run.span_id)));
    assert_eq!(run.links.len(), 1);
    assert_eq!(attribute(run, "error.type"), "redfish.reset");
    assert_eq!(attribute(run, "token"), "***");
    assert_eq!(run.status.as_ref().unwrap().code, 2, "error");
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn an_endpoint_that_is_no_url_is_refused_by_name() {
    let config = Config::new("collector:4318");
    let refused = start::<tracing_subscriber::Registry>(&config, origin());
    let error = refused.err().unwrap();
    assert!(error.to_string().contains("collector:4318"), "{error}");
}

/// Runs `emit` under the trace layer and the log layer, then shuts the exporter down.
fn recorded<T>(endpoint: &str, emit: impl FnOnce() -> T) -> T {
    let (layer, traces) = start(&Config::new(endpoint), origin()).unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    let dispatch = Dispatch::new(subscriber);
    let result = with_default(&dispatch, emit);
    traces.shutdown(PATIENCE).unwrap();
    result
}

fn origin() -> Origin {
    Origin { service: "shoal-test", version: "1".into(), instance: "i".into() }
}

/// A collector that takes one export; joined, it gives the request line and the spans.
fn collector() -> (String, std::thread::JoinHandle<(String, Vec<Span>)>) {
    let (endpoint, served) = collector_that_answers("200 OK", 1);
    (endpoint, std::thread::spawn(move || served.join().unwrap().remove(0)))
}

type Exports = Vec<(String, Vec<Span>)>;

fn collector_that_answers(
    status: &'static str,
    exports: usize,
) -> (String, std::thread::JoinHandle<Exports>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        (0..exports).map(|_| receive(listener.accept().unwrap().0, status)).collect()
    });
    (endpoint, served)
}

fn receive(mut stream: TcpStream, status: &str) -> (String, Vec<Span>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        head.push(line);
    }
    let length = head
        .iter()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
        })
        .unwrap();
    let mut body = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
    assert!(!body.windows(6).any(|window| window == b"CANARY"));
    let export = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let service = &export.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert!(service.iter().any(|attribute| attribute.key == "service.name"));
    let spans = export.resource_spans.into_iter().flat_map(|r| r.scope_spans);
    (head.remove(0), spans.flat_map(|scope| scope.spans).collect())
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key).unwrap();
    match found.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
