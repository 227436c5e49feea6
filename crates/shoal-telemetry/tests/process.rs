//! The whole of telemetry in one process, installed the way a binary installs it. One test, since
//! a process has one recorder and one subscriber.

use std::time::Duration;

use shoal_telemetry::{Config, Error, Telemetry};

#[test]
fn one_call_installs_everything_and_a_second_one_is_refused() {
    let mut config = Config::new("shoal-test", "1.2.3");
    config.disks.push("/".into());
    let guard = Telemetry::init(config.clone()).unwrap();
    assert!(matches!(Telemetry::init(config), Err(Error::Metrics(_))));

    metrics::counter!("job_total", "status" => "queued").increment(2);
    tracing::info!(job_id = "0198", "job queued");
    let panicked = std::thread::spawn(|| panic!("on purpose")).join();
    assert!(panicked.is_err());

    let text = guard.metrics().render();
    for line in [
        "job_total{status=\"queued\"} 2",
        "panics_total 1",
        "shoal_build_info{version=\"1.2.3\",revision=\"unknown\"} 1",
        "log_lines_dropped_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let names = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .map(ToOwned::to_owned)
            .collect()
    };
    for name in names(&text) {
        assert!(shoal_telemetry::catalogue::find(&name).is_some(), "{name} is not declared");
    }
    guard.set_level("debug".parse().unwrap());
    guard.shutdown(Duration::from_secs(30));
    tracing::info!("too late");
}
