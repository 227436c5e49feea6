//! Log lines as they leave the process: parsed back from the bytes on the stream.

use std::sync::mpsc;

use serde_json::Value;
use tracing::{Dispatch, dispatcher::with_default, error, info, info_span, warn};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use super::{captured::Captured, *};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_line_is_one_flat_object_with_the_literal_names_in_order() {
    let text = logged(&json(), || {
        let job = info_span!("job", job_id = "0198", server_serial = "ABC123", worker_id = "a/1");
        let _job = job.enter();
        let _step = info_span!("step", step = "redfish.reset").entered();
        info!(code = "204", duration_ms = 12, op = "reset", retries = 3_u8, "reset \"sent\"\n");
    });
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    let names: Vec<&str> = [
        "time",
        "level",
        "job_id",
        "server_serial",
        "step",
        "worker_id",
        "op",
        "code",
        "duration_ms",
        "message",
        "retries",
        "target",
    ]
    .into();
    let mut last = 0;
    for name in &names {
        let at = text.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(at >= last, "{name} is out of order: {text}");
        last = at;
    }
    assert_eq!(line.as_object().unwrap().len(), names.len());
    assert!(line.as_object().unwrap().values().all(|value| !value.is_object()));
    assert_eq!(line["level"], "info");
    assert_eq!(line["code"], "204");
    assert_eq!(line["duration_ms"], 12);
    assert_eq!(line["job_id"], "0198");
    assert_eq!(line["step"], "redfish.reset");
    assert_eq!(line["message"], "reset \"sent\"\n");
    line["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
}

#[test]
fn the_nearest_value_wins_and_fields_recorded_later_are_inherited() {
    let lines = json_lines(|| {
        let outer = info_span!("outer", step = "a", code = tracing::field::Empty);
        let _outer = outer.enter();
        outer.record("code", 503);
        let _inner = info_span!("inner", step = "b").entered();
        info!("from the span");
        info!(step = "c", "from the event");
    });
    assert_eq!(lines[0]["step"], "b");
    assert_eq!(lines[0]["code"], 503);
    assert_eq!(lines[1]["step"], "c");
}

#[test]
fn secrets_never_reach_the_stream() {
    let canary = "CANARY7f3a";
    let text = logged(&json(), || {
        let span = info_span!("s", bmc_password = canary, token = canary);
        let _span = span.enter();
        warn!(authorization = %format!("Bearer {canary}"), user_data = canary, "first");
        warn!(unattend_xml = ?canary, ks_cfg = canary, user_data_sha256 = "00ff", "second");
        warn!(url = %format!("https://c:1/media/t/{canary}/task.iso"), "third");
        error!("GET https://root:{canary}@bmc/media/b/{canary}/boot.iso with Basic {canary}");
        let broken = io::Error::other(format!("no /media/t/{canary}/task.iso"));
        error!(error = &broken as &dyn std::error::Error, "fourth");
    });
    assert_eq!(text.lines().count(), 5);
    assert!(!text.contains(canary), "{text}");
    assert!(text.contains("\"user_data_sha256\":\"00ff\""));
    assert!(text.contains("/media/t/***/task.iso"));
}

#[test]
fn an_error_is_logged_with_its_whole_chain() {
    #[derive(Debug, thiserror::Error)]
    #[error("insert the task medium")]
    struct Outer(#[source] io::Error);
    let lines = json_lines(|| {
        let failed = Outer(io::Error::other("connection reset"));
        error!(error = &failed as &dyn std::error::Error, "step failed");
    });
    assert_eq!(lines[0]["error"], "insert the task medium: connection reset");
}

#[test]
fn fields_named_like_ours_do_not_replace_ours() {
    let lines = json_lines(|| info!(level = 9, time = "noon", otel.kind = "client", "m"));
    assert_eq!(lines[0]["level"], "info");
    assert_eq!(lines[0]["level_"], 9);
    assert_eq!(lines[0]["time_"], "noon");
    assert!(lines[0].get("otel.kind").is_none());
}

#[test]
fn what_is_for_the_span_alone_is_in_no_line() {
    let lines = json_lines(|| {
        let span = info_span!("s", http.route = "/jobs", otel.name = "GET /jobs", request_id = "r");
        span.in_scope(|| info!("m"));
    });
    let names: Vec<_> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["level", "message", "request_id", "target", "time"]);
}

#[test]
fn a_burst_of_ten_thousand_lines_finds_room_while_the_stream_is_stuck() {
    let (release, blocked) = mpsc::channel::<()>();
    let shared = Captured::default();
    let (entered, _started) = mpsc::channel::<()>();
    let stream = Blocking { blocked, entered: Some(entered), then: shared.clone() };
    let (layer, log) = start_on(&json(), Box::new(stream), false).unwrap();
    with_default(&Dispatch::new(tracing_subscriber::registry().with(layer)), || {
        let job = info_span!("job", job_id = "0198", server_serial = "ABC", worker_id = "a/1");
        let _job = job.enter();
        for number in 0..10_000 {
            info!(step = "redfish.reset", op = "reset", code = "204", duration_ms = number, "m");
        }
    });
    assert_eq!(log.queue.dropped(), 0);
    drop(release);
    assert!(log.close(PATIENCE));
    assert_eq!(shared.text().lines().count(), 10_000);
}

#[test]
fn a_huge_value_is_cut_and_says_so() {
    let lines = json_lines(|| info!(body = "ä".repeat(100_000), "m"));
    let body = lines[0]["body"].as_str().unwrap();
    assert!(body.len() < 9000 && body.ends_with("(200000 bytes)"), "{}", body.len());
}

#[test]
fn readable_lines_cannot_be_forged_and_have_colours_only_on_a_terminal() {
    let human = Config { format: Format::Human, ..Config::default() };
    let emit = || info!(job_id = "0198", note = "two words", "line\n12:00 error forged \x1b[31m");
    let plain = logged(&human, emit);
    assert_eq!(plain.lines().count(), 1);
    assert!(!plain.contains('\x1b'), "{plain}");
    assert!(plain.contains("info  line\\n12:00"), "{plain}");
    assert!(plain.contains("job_id=0198 note=\"two words\""), "{plain}");
    let coloured = logged_on(&human, true, emit);
    assert!(coloured.contains("\x1b[32minfo"), "{coloured:?}");
}

#[test]
fn the_level_changes_while_running_and_spans_keep_their_identity() {
    let (shared, config) = (Captured::default(), json());
    let (layer, log) = start_on(&config, Box::new(shared.clone()), false).unwrap();
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(log.verbosity.clone()));
    with_default(&Dispatch::new(subscriber), || {
        log.verbosity.set("warn".parse().unwrap());
        let _job = info_span!("job", job_id = "0198").entered();
        info!("hidden");
        warn!("shown");
        log.verbosity.set("warn,shoal_telemetry=trace".parse().unwrap());
        tracing::trace!("detail");
    });
    assert!(log.close(PATIENCE));
    let lines = parse(&shared.text());
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["shown", "detail"]);
    assert!(lines.iter().all(|line| line["job_id"] == "0198"));
}

#[test]
fn a_level_that_would_silence_everything_by_a_typo_is_refused() {
    for bad in ["verbose", "", "info,,debug", "=debug", "shoal=loud"] {
        assert!(bad.parse::<Level>().is_err(), "{bad:?}");
    }
    for good in ["off", "INFO", "warn, shoal_redfish=debug"] {
        assert!(good.parse::<Level>().is_ok(), "{good:?}");
    }
}

#[test]
fn a_blocked_stream_costs_lines_and_never_the_caller() {
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, started) = mpsc::channel::<()>();
    let shared = Captured::default();
    let stream = Blocking { blocked, entered: Some(entered), then: shared.clone() };
    let queue = Queue::start(Box::new(stream), 100).unwrap();
    queue.push(b"first\n");
    started.recv_timeout(PATIENCE).unwrap();
    // The writer now holds the first line and cannot go on; ten lines of ten bytes fit behind it.
    for _ in 0..25 {
        queue.push(b"123456789\n");
    }
    assert_eq!(queue.dropped(), 15);
    assert!(!queue.close(Duration::ZERO), "closing is bounded while the stream is stuck");
    drop(release);
    assert!(queue.close(PATIENCE));
    assert_eq!(shared.text().lines().count(), 11);
    queue.push(b"late\n");
    assert_eq!(queue.dropped(), 16);
}

#[test]
fn a_stream_that_refuses_lines_has_them_counted() {
    let queue = Queue::start(Box::new(Refusing), 1000).unwrap();
    queue.push(b"one\n");
    queue.push(b"two\n");
    queue.close(PATIENCE);
    assert_eq!(queue.dropped(), 2);
}

fn json() -> Config {
    Config { format: Format::Json, ..Config::default() }
}

fn json_lines(emit: impl FnOnce()) -> Vec<Value> {
    parse(&logged(&json(), emit))
}

fn parse(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn logged(config: &Config, emit: impl FnOnce()) -> String {
    logged_on(config, false, emit)
}

fn logged_on(config: &Config, terminal: bool, emit: impl FnOnce()) -> String {
    let shared = Captured::default();
    let (layer, log) = start_on(config, Box::new(shared.clone()), terminal).unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    with_default(&Dispatch::new(subscriber), emit);
    assert!(log.close(PATIENCE));
    shared.text()
}

/// Says that the first write has begun, then waits until its counterpart is dropped.
struct Blocking {
    blocked: mpsc::Receiver<()>,
    entered: Option<mpsc::Sender<()>>,
    then: Captured,
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(entered) = self.entered.take() {
            entered.send(()).unwrap();
            let _released = self.blocked.recv();
        }
        self.then.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Refusing;

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
