//! Which alerts promtool's unit tests show firing, and which they show silent. An alert that was
//! only ever seen silent may be unable to fire, and the other way round.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Corpus, File, Problem, alerts::WATCHDOG};
use crate::rules::Rules;

/// One file of unit tests.
#[derive(Debug)]
pub(super) struct Tests {
    pub(super) path: String,
    content: Content,
}

#[derive(Debug, Deserialize)]
struct Content {
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    #[serde(default)]
    promql_expr_test: Vec<Asked>,
    #[serde(default)]
    alert_rule_test: Vec<Alerted>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    expr: String,
    #[serde(default)]
    exp_samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    labels: String,
}

#[derive(Debug, Deserialize)]
struct Alerted {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<yaml_serde::Value>,
}

impl Tests {
    pub(super) fn read(file: &File) -> Result<Self> {
        let content = yaml_serde::from_str(&file.text)
            .with_context(|| format!("understand {}", file.path))?;
        Ok(Self { path: file.path.clone(), content })
    }

    /// Each alert that is asked about, and whether it is expected to fire.
    fn asked(&self) -> impl Iterator<Item = (&str, bool)> {
        let series = self.content.tests.iter().flat_map(|test| &test.promql_expr_test);
        let series = series.filter_map(|asked| {
            let (_, rest) = asked.expr.split_once("ALERTS{alertname=\"")?;
            let (name, _) = rest.split_once('"')?;
            let firing = |sample: &Sample| sample.labels.contains("alertstate=\"firing\"");
            Some((name, asked.exp_samples.iter().any(firing)))
        });
        let alerts = self.content.tests.iter().flat_map(|test| &test.alert_rule_test);
        series.chain(alerts.map(|it| (it.alertname.as_str(), !it.exp_alerts.is_empty())))
    }
}

/// Each alert fires in one test and is silent in another, and tests are about alerts that exist.
pub(super) fn both_ways(corpus: &Corpus) -> Vec<Problem> {
    let asked = || corpus.tests.iter().flat_map(|file| file.asked().map(move |it| (file, it)));
    let alerts: BTreeSet<&str> =
        corpus.rules.iter().flat_map(Rules::alerts).map(|(name, _)| name).collect();
    let mut problems = Vec::new();
    for name in &alerts {
        let ways = [(true, "no test shows it firing"), (false, "no test shows it silent")];
        // One that always fires cannot be silent.
        let possible = if *name == WATCHDOG { 1 } else { ways.len() };
        for (fires, what) in ways.into_iter().take(possible) {
            if !asked().any(|(_, it)| it == (*name, fires)) {
                problems.push(Problem::new(*name, what));
            }
        }
    }
    let strange = asked().filter(|(_, (name, _))| !alerts.contains(name));
    problems.extend(strange.map(|(file, (name, _))| {
        Problem::new(&file.path, format!("asks about {name}, which is no alert"))
    }));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "tests:\n- promql_expr_test:\n  \
        - { expr: 'ALERTS{alertname=\"A\"}', eval_time: 5m, exp_samples: [{ labels: 'ALERTS{alertstate=\"firing\"}', value: 1 }] }\n  \
        - { expr: 'ALERTS{alertname=\"A\"}', eval_time: 1m, exp_samples: [{ labels: 'ALERTS{alertstate=\"pending\"}', value: 1 }] }\n";

    #[test]
    fn firing_and_pending_are_both_ways() {
        assert!(both_ways(&corpus("A", TESTS)).is_empty());
    }

    #[test]
    fn an_alert_seen_one_way_only_is_found() {
        for word in ["pending", "firing"] {
            let tests = TESTS.replace(word, if word == "firing" { "pending" } else { "firing" });
            assert_eq!(both_ways(&corpus("A", &tests)).len(), 1, "{word}");
        }
    }

    #[test]
    fn a_test_of_no_alert_is_found() {
        // B is untested in both ways, and both questions are about nothing.
        assert_eq!(both_ways(&corpus("B", TESTS)).len(), 4);
    }

    fn corpus(alert: &str, tests: &str) -> Corpus {
        let file = File { path: "x.yml".into(), text: tests.to_owned() };
        let rules = format!("groups:\n- name: g\n  rules:\n  - {{ alert: {alert}, expr: up }}\n");
        Corpus {
            rules: vec![Rules::parse("x.yml", &rules).unwrap()],
            tests: vec![Tests::read(&file).unwrap()],
            ..Corpus::default()
        }
    }
}
