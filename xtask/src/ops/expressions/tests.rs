//! Each check of expressions, shown on an expression that is wrong and one that is right.

use super::*;
use crate::ops::File;

const PAGE: &str = "| `req_total{route,code}` | counter |\n| `free_bytes{path}` | gauge |\n\
    | `took_seconds{op}` | histogram |\n\n\
    - `req_total` `code`: HTTP status code, or timeout, other\n\
    - `took_seconds` `op`: poll, reset\n- `took_seconds` buckets: 1, 5400\n";

#[test]
fn what_is_not_exported_is_found() {
    assert_eq!(
        found(names, "rate(req_count[5m]) > 0"),
        ["x.yml A: req_count is neither in the catalogue nor recorded"]
    );
    assert_eq!(found(names, "took_seconds > 0").len(), 1);
    assert!(found(names, "rate(req_total[5m]) > 0").is_empty());
}

#[test]
fn labels_and_values_that_cannot_be_are_found() {
    for wrong in [
        "rate(req_total{op=\"poll\"}[5m])",
        "rate(req_total{code=~\"6..\"}[5m])",
        "rate(took_seconds_count{op=\"pol\"}[5m])",
        "rate(took_seconds_bucket{le=\"5401\"}[5m])",
        "rate(took_seconds_count{le=\"1\"}[5m])",
    ] {
        assert_eq!(found(names, wrong).len(), 1, "{wrong}");
    }
    for right in [
        "rate(req_total{code=~\"5..\",job=\"shoal\"}[5m])",
        "rate(req_total{code!~\"2..|timeout\"}[5m])",
        "rate(took_seconds_bucket{le=~\"5400([.]0)?\"}[5m])",
        "rate(took_seconds_count{op=~\"$op\"}[5m])",
    ] {
        assert!(found(names, right).is_empty(), "{right}");
    }
}

#[test]
fn what_cannot_be_computed_so_is_found() {
    for wrong in [
        "rate(free_bytes[5m]) > 0",
        "req_total > 5",
        "deriv(req_total[5m]) > 0",
        "rate(req_total[30s]) > 0",
        "sum by (op) (rate(req_total[5m])) > 0",
        "rate(req_total[5m])",
    ] {
        assert_eq!(found(sense, wrong).len(), 1, "{wrong}");
    }
    for right in
        ["absent(req_total)", "sum by (path) (free_bytes) < 5", "changes(free_bytes[5m]) > 0"]
    {
        assert!(found(sense, right).is_empty(), "{right}");
    }
}

#[test]
fn a_text_with_a_label_the_aggregation_removed_is_found() {
    let text = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(rate(req_total[5m])) > 0\n    \
                annotations: { summary: 'at {{ $labels.route }}' }\n";
    let problems = sense(&corpus(text));
    assert_eq!(problems, [Problem::new("A", "its text uses the label route, which is gone")]);
}

#[test]
fn what_is_recorded_may_be_selected_with_the_labels_it_has() {
    let with = |alert: &str| {
        format!(
            "groups:\n- name: g\n  rules:\n  - record: rate_of\n    \
             expr: sum by (route) (rate(req_total[5m]))\n  - alert: A\n    expr: {alert}\n"
        )
    };
    assert!(names(&corpus(&with("rate_of{route=\"/x\"} > 1"))).is_empty());
    assert_eq!(names(&corpus(&with("rate_of{code=\"500\"} > 1"))).len(), 1);
    assert_eq!(sense(&corpus(&with("rate(rate_of[5m]) > 1"))).len(), 1);
}

#[test]
fn a_metric_nobody_uses_needs_a_reason_and_a_reason_needs_a_metric() {
    let mut corpus =
        corpus("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: free_bytes < 5\n");
    let dashboard =
        r#"{"panels":[{"targets":[{"expr":"sum(rate(req_total[$__rate_interval]))"}]}]}"#;
    corpus.dashboards = vec![File { path: "d.json".into(), text: dashboard.into() }];
    assert_eq!(usage(&corpus).len(), 1, "{:?}", usage(&corpus));
    corpus.explore.insert("took_seconds".into(), "only asked by hand".into());
    assert!(usage(&corpus).is_empty());
    corpus.explore.insert("free_bytes".into(), "is in an alert".into());
    corpus.explore.insert("gone".into(), "is no metric".into());
    assert_eq!(usage(&corpus).len(), 2);
}

#[test]
fn expressions_of_dashboards_and_pages_are_read_too() {
    let mut corpus = corpus("groups: []\n");
    corpus.dashboards =
        vec![File { path: "d.json".into(), text: r#"{"a":[{"expr":"nothing"}]}"#.into() }];
    corpus.pages = vec![File { path: "p.md".into(), text: "```promql\nsum(\n```\n".into() }];
    let problems = names(&corpus);
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_series_that_prose_names_must_exist() {
    let mut corpus = corpus("groups: []\n");
    let text =
        "`gone_total` grows, `req_total{code=\"5\"}` too; `took_seconds` and `task_media` do not.";
    corpus.pages = vec![File { path: "docs/runbook/p.md".into(), text: text.into() }];
    let problems: Vec<String> = names(&corpus).into_iter().map(|problem| problem.what).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("gone_total is neither"));
    assert!(problems[1].starts_with("req_total can never have code"));
}

fn found(check: fn(&Corpus) -> Vec<Problem>, expr: &str) -> Vec<String> {
    let expr = serde_json::to_string(expr).unwrap();
    let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {expr}\n");
    check(&corpus(&text)).iter().map(ToString::to_string).collect()
}

fn corpus(rules: &str) -> Corpus {
    let rules = vec![Rules::parse("x.yml", rules).unwrap()];
    Corpus { rules, catalogue: Catalogue::read(PAGE), ..Corpus::default() }
}
