//! The files are as the code says, the dashboards are in order, and every check can fail.

use std::fs;

use super::{
    all, directory, lint,
    model::{Panel, Unit},
    render,
};

#[test]
fn every_dashboard_is_current() {
    for dashboard in all() {
        let path = directory().join(format!("{}.json", dashboard.name));
        let text = render::file(&dashboard);
        if std::env::var_os("SHOAL_GENERATE").is_some() {
            fs::create_dir_all(directory()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == text, "{} is not current: cargo xtask generate", path.display());
    }
}

#[test]
fn the_dashboards_are_in_order() {
    let problems = lint::all(&all()).unwrap();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn no_file_is_left_of_a_dashboard_that_is_gone() {
    let names: Vec<&str> = all().iter().map(|it| it.name).collect();
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let dashboards = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let strange: Vec<_> = dashboards
        .filter(|path| !names.contains(&path.file_stem().unwrap().to_str().unwrap()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// The rules that a panel breaks.
fn broken(panel: &Panel) -> Vec<&'static str> {
    let mut rules: Vec<&str> = lint::panel(panel).unwrap().iter().map(|it| it.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn well() -> Panel {
    Panel::lines("Requests", "How many there are.", Unit::PerSecond)
        .query("sum(rate(http_requests_total{$S}[$__rate_interval]))", "all")
}

#[test]
fn each_check_of_a_panel_finds_what_it_looks_for() {
    assert!(broken(&well()).is_empty());
    let with = |expr: &str| Panel { targets: Vec::new(), ..well() }.query(expr, "all");
    assert_eq!(broken(&with("sum(rate(http_requests_total[$__rate_interval]))")), ["selectors"]);
    assert_eq!(broken(&with("sum(rate(http_requests_total{$S}[5m]))")), ["ranges"]);
    assert_eq!(broken(&with("sum(http_requests_total{$S})")), ["counters"]);
    assert_eq!(broken(&with("rate(disk_free_bytes{$S}[$__range])")), ["counters"]);
    assert_eq!(broken(&with("sum(rate(http_requests_total{$S}))")), ["syntax"]);
    assert_eq!(broken(&Panel { targets: Vec::new(), ..well() }), ["targets"]);
    assert_eq!(broken(&Panel { about: "Requests", ..well() }), ["text"]);
    assert_eq!(broken(&Panel { page: "Nowhere", ..well() }), ["pages"]);
    assert_eq!(broken(&well().page_above("ShoalHttp5xxHigh", 0.02)), ["limits"]);
    assert!(broken(&well().page_above("ShoalHttp5xxHigh", 0.01)).is_empty());
    assert_eq!(broken(&well().warn_above("ShoalNothing", 1.0)), ["limits", "pages"]);
}

#[test]
fn two_dashboards_of_one_name_and_a_fixed_source_are_found() {
    let mut twice = all();
    twice.extend(all());
    let problems = lint::all(&twice).unwrap();
    assert_eq!(problems.iter().filter(|it| it.rule == "ids").count(), all().len());
}
