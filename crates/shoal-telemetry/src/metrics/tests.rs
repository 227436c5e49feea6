//! What a scrape shows, checked against the catalogue both ways.

use std::collections::{BTreeMap, BTreeSet};

use metrics::{counter, gauge, histogram, with_local_recorder};

use super::*;
use crate::catalogue::{Label, Start, Values, find};

struct Scrape {
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    series: BTreeSet<String>,
}

#[test]
fn a_fresh_scrape_and_the_catalogue_agree_both_ways() {
    let (recorder, metrics) = build(Config { disks: vec!["/".into()] }).unwrap();
    let scrape = with_local_recorder(&recorder, || read(&metrics.render()));
    for (name, word) in &scrape.types {
        let metric = find(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        assert_eq!(metric.kind.word(), word, "{name}");
        assert_eq!(scrape.helps.get(name).map(String::as_str), Some(metric.help), "{name}");
    }
    for metric in catalogue::all() {
        if !matches!(metric.start, Start::Known) {
            assert!(scrape.types.contains_key(metric.name), "{} is absent", metric.name);
        }
    }
    assert!(scrape.series.contains("job_total{status=\"failed\"}"));
    assert!(scrape.series.contains("webhook_auth_failures_total{reason=\"missing\"}"));
    assert!(scrape.series.contains("job_transitions_total{from=\"none\",to=\"queued\"}"));
    assert!(!scrape.series.contains("job_transitions_total{from=\"complete\",to=\"queued\"}"));
}

#[test]
fn every_histogram_is_rendered_with_its_buckets_and_never_as_a_summary() {
    let (recorder, metrics) = build(Config::default()).unwrap();
    let text = with_local_recorder(&recorder, || {
        for metric in catalogue::all() {
            if let Kind::Histogram(_) = metric.kind {
                let labels: Vec<_> = (metric.labels.iter())
                    .map(|label| (label.name, example(label).to_owned()))
                    .collect();
                histogram!(metric.name, &labels).record(1.0);
            }
        }
        metrics.render()
    });
    let scrape = read(&text);
    for metric in catalogue::all() {
        if let Kind::Histogram(edges) = metric.kind {
            assert_eq!(scrape.types.get(metric.name).map(String::as_str), Some("histogram"));
            let last = edges.last().unwrap();
            assert!(
                text.lines().any(|line| line.starts_with(&format!("{}_bucket", metric.name))
                    && line.contains(&format!("le=\"{last}\""))),
                "{} lacks the edge {last}",
                metric.name
            );
        }
    }
}

#[test]
fn a_thousand_hostile_label_values_add_no_series() {
    let (recorder, metrics) = build(Config::default()).unwrap();
    with_local_recorder(&recorder, || {
        counter!("job_failures_total", "failed_step" => "x", "task_target" => "y").increment(1);
        counter!("redfish_requests_total", "op" => "x", "code" => "x", "vendor" => "x")
            .increment(1);
        let before = read(&metrics.render()).series;
        for turn in 0..1000 {
            let evil = format!("evil-{turn}\n}}");
            counter!("job_failures_total", "failed_step" => evil.clone(), "task_target" => evil.clone())
                .increment(1);
            counter!("redfish_requests_total", "op" => evil.clone(), "code" => evil.clone(), "vendor" => evil)
                .increment(1);
        }
        let text = metrics.render();
        assert_eq!(read(&text).series, before);
        assert!(
            text.contains("job_failures_total{failed_step=\"other\",task_target=\"other\"} 1001")
        );
    });
}

#[test]
fn what_the_catalogue_does_not_declare_is_refused_and_counted() {
    let (recorder, metrics) = build(Config::default()).unwrap();
    with_local_recorder(&recorder, || {
        counter!("made_up_total").increment(1);
        gauge!("job_total", "status" => "queued").set(7.0);
        counter!("job_total").increment(1);
        counter!("job_total", "phase" => "Queued").increment(1);
        counter!("job_total", "status" => "AwaitReport").increment(1);
        let text = metrics.render();
        assert!(!text.contains("made_up"));
        assert!(!text.contains("Queued") && !text.contains("AwaitReport"));
        assert!(text.contains("job_total{status=\"queued\"} 0"));
        assert!(text.contains("metrics_refused_total{reason=\"undeclared\"} 1"));
        assert!(text.contains("metrics_refused_total{reason=\"kind\"} 1"));
        assert!(text.contains("metrics_refused_total{reason=\"labels\"} 3"));
    });
}

#[test]
fn a_scrape_shows_the_process_and_the_disks_it_was_asked_about() {
    let (recorder, metrics) =
        build(Config { disks: vec!["/".into(), "/nonexistent-shoal".into()] }).unwrap();
    let text = with_local_recorder(&recorder, || metrics.render());
    let value = |series: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{series} ")));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("open_fds") >= 3.0);
    assert!(value("disk_size_bytes{path=\"/\"}") >= value("disk_free_bytes{path=\"/\"}"));
    assert!(!text.contains("/nonexistent-shoal"), "an unknown disk is not a full disk");
}

#[test]
fn upkeep_ends_when_its_owner_goes() {
    let (_recorder, metrics) = build(Config::default()).unwrap();
    let upkeep = spawn_upkeep(metrics.handle).unwrap();
    drop(upkeep);
}

fn example(label: &Label) -> &'static str {
    match label.values {
        Values::Closed { values, .. } => values[0],
        Values::Code | Values::Configured => "200",
    }
}

fn read(text: &str) -> Scrape {
    let mut scrape =
        Scrape { types: BTreeMap::new(), helps: BTreeMap::new(), series: BTreeSet::new() };
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').unwrap();
            scrape.types.insert(name.to_owned(), word.to_owned());
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            scrape.helps.insert(name.to_owned(), help.to_owned());
        } else {
            scrape.series.insert(line.rsplit_once(' ').unwrap().0.to_owned());
        }
    }
    scrape
}
