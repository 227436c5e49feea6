//! What every alert has to say: how bad it is, whom it concerns, what it means, and which page of
//! the runbook tells what to do.

use std::collections::BTreeSet;

use super::{Corpus, Problem, pages, stem};
use crate::rules::Rules;

/// Fires always, so that its absence can be noticed.
pub(super) const WATCHDOG: &str = "ShoalWatchdog";
/// Where the pages are published. Fixed, since a unit test cannot expand what Prometheus puts in.
const PAGES_URL: &str = "https://github.com/shoal-provision/shoal/blob/main/docs/runbook/";

pub(super) const SEVERITIES: &[&str] = &["page", "ticket", "warn"];
pub(super) const ESCALATIONS: &[&str] = &["sre", "provisioning", "network", "security"];

/// `severity`, `sev` and `escalation` are of closed sets and fit together.
pub(super) fn labels(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, rule) in corpus.rules.iter().flat_map(Rules::alerts) {
        let mut wrong = |what: String| problems.push(Problem::new(name, what));
        if !name.starts_with("Shoal") {
            wrong("its name must begin with Shoal, since receivers serve others too".to_owned());
        }
        let (severity, sev) = (rule.label("severity"), rule.label("sev"));
        if !SEVERITIES.contains(&severity) {
            wrong(format!("severity {severity:?} is none of {}", SEVERITIES.join(", ")));
        }
        if !ESCALATIONS.contains(&rule.label("escalation")) {
            let given = rule.label("escalation");
            wrong(format!("escalation {given:?} is none of {}", ESCALATIONS.join(", ")));
        }
        if !["1", "2", "3", "4"].contains(&sev) {
            wrong(format!("sev {sev:?} is none of 1 to 4"));
        } else if SEVERITIES.contains(&severity) && (severity == "page") != (sev <= "2") {
            wrong(format!(
                "severity {severity} and sev {sev} contradict: 1 and 2 page, others wait"
            ));
        }
        if !seen.insert((name, rule.label("slo"), rule.label("long"))) {
            wrong("stands twice".to_owned());
        }
    }
    problems
}

/// A summary, a description that says more, and the address of the page.
pub(super) fn annotations(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, rule) in corpus.rules.iter().flat_map(Rules::alerts) {
        let text = |key: &str| rule.annotations.get(key).map_or("", String::as_str);
        for key in ["summary", "description"].iter().filter(|key| text(key).is_empty()) {
            problems.push(Problem::new(name, format!("has no {key}")));
        }
        if !text("summary").is_empty() && text("description").starts_with(text("summary")) {
            problems.push(Problem::new(name, "its description repeats its summary"));
        }
        let page = text("runbook_url").strip_prefix(PAGES_URL);
        let page = page.map(|rest| rest.split_once('#').unwrap_or((rest, "")));
        match page {
            Some((file, anchor)) if file == format!("{name}.md") => {
                let page =
                    corpus.pages.iter().find(|page| page.path.ends_with(&format!("/{file}")));
                let there = anchor.is_empty()
                    || page.is_some_and(|page| pages::anchors(&page.text).contains(anchor));
                if !there {
                    problems.push(Problem::new(name, format!("its page has no heading #{anchor}")));
                }
            }
            _ => problems.push(Problem::new(
                name,
                format!("its runbook_url must be {PAGES_URL}{name}.md, with a heading or without"),
            )),
        }
    }
    problems
}

/// Alerts that pages and example configurations name exist.
pub(super) fn mentions(corpus: &Corpus) -> Vec<Problem> {
    let alerts: BTreeSet<&str> =
        corpus.rules.iter().flat_map(Rules::alerts).map(|(name, _)| name).collect();
    let mut problems = Vec::new();
    for file in corpus.pages.iter().chain(&corpus.examples) {
        let words = file.text.split(|c: char| !c.is_ascii_alphanumeric());
        let named = words.filter(|word| word.len() > "Shoal".len() && word.starts_with("Shoal"));
        let gone: BTreeSet<&str> = named.filter(|word| !alerts.contains(word)).collect();
        problems.extend(
            gone.into_iter()
                .map(|name| Problem::new(&file.path, format!("names {name}, which is no alert"))),
        );
    }
    problems
}

/// Each alert has a page that says the same of it, and each page has its alert.
pub(super) fn pages(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut paged = BTreeSet::new();
    for page in corpus.pages.iter().filter(|page| !page.path.ends_with("/README.md")) {
        let front = match pages::front(page) {
            Ok(front) => front,
            Err(error) => {
                problems.push(Problem::new(&page.path, format!("{error:#}")));
                continue;
            }
        };
        if front.alerts != [stem(&page.path)] {
            problems.push(Problem::new(&page.path, "`alerts` must be the one it is named after"));
        }
        for alert in &front.alerts {
            paged.insert(alert.clone());
            let mut rules = corpus.rules.iter().flat_map(Rules::alerts).filter(|it| it.0 == alert);
            let mut wrong = |what: &str| problems.push(Problem::new(&page.path, what));
            match rules.next() {
                None => wrong("there is no such alert"),
                Some((_, rule)) => {
                    if rule.label("severity") != front.severity || rule.label("sev") != front.sev {
                        wrong("severity or sev is not that of the rule");
                    }
                    let owners = corpus.rules.iter().flat_map(Rules::alerts);
                    let mut owners = owners.filter(|it| it.0 == alert);
                    if owners.all(|(_, rule)| rule.label("escalation") != front.owner) {
                        wrong("owner is not the escalation of the rule");
                    }
                }
            }
        }
    }
    let alerts: BTreeSet<&str> =
        corpus.rules.iter().flat_map(Rules::alerts).map(|it| it.0).collect();
    let pageless = alerts.into_iter().filter(|name| !paged.contains(*name));
    problems.extend(
        pageless.map(|name| {
            Problem::new(name, format!("has no page: write {}/{name}.md", super::PAGES))
        }),
    );
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::File;

    const RULE: &str = "groups:\n- name: g\n  rules:\n  - alert: ShoalX\n    expr: up == 0\n    \
        labels: { severity: page, sev: '1', escalation: sre }\n    annotations:\n      \
        summary: it is down\n      description: nobody answers\n      runbook_url: URLShoalX.md#meaning\n";
    const PAGE: &str = "---\nalerts: [ShoalX]\nrunbook: ['6.1']\nseverity: page\nsev: '1'\nowner: sre\n---\n# ShoalX\n## Meaning\n";

    #[test]
    fn a_whole_alert_with_its_page_is_fine() {
        let corpus = corpus(RULE, PAGE);
        assert!(labels(&corpus).is_empty());
        assert!(annotations(&corpus).is_empty(), "{:?}", annotations(&corpus));
        assert!(super::pages(&corpus).is_empty(), "{:?}", super::pages(&corpus));
    }

    #[test]
    fn labels_outside_the_sets_are_found() {
        for (from, to) in [
            ("severity: page", "severity: critical"),
            ("sev: '1'", "sev: '3'"),
            ("sev: '1'", "sev: '5'"),
            ("escalation: sre", "escalation: dba"),
            ("alert: ShoalX", "alert: X"),
        ] {
            assert_eq!(labels(&corpus(&RULE.replace(from, to), PAGE)).len(), 1, "{to}");
        }
    }

    #[test]
    fn texts_and_addresses_that_do_not_help_are_found() {
        for (from, to) in [
            ("summary: it is down", "summary: ''"),
            ("description: nobody answers", "description: it is down indeed"),
            ("URLShoalX.md#meaning", "URLShoalY.md"),
            ("URLShoalX.md#meaning", "'{{ externalURL }}/ShoalX.md'"),
            ("#meaning", "#nowhere"),
        ] {
            assert_eq!(annotations(&corpus(&RULE.replace(from, to), PAGE)).len(), 1, "{to}");
        }
    }

    #[test]
    fn an_alert_without_page_and_a_page_without_alert_are_found() {
        let mut lonely = corpus(RULE, PAGE);
        lonely.pages.clear();
        assert_eq!(super::pages(&lonely).len(), 1);
        let orphan = corpus("groups: []\n", PAGE);
        assert_eq!(super::pages(&orphan).len(), 1);
        let other = corpus(RULE, &PAGE.replace("owner: sre", "owner: network"));
        assert_eq!(super::pages(&other).len(), 1);
    }

    #[test]
    fn names_of_alerts_that_are_gone_are_found() {
        let mut corpus = corpus(RULE, PAGE);
        let text = "inhibit: [alertname=\"ShoalX\", alertname=~\"Shoal.+\"]".to_owned();
        corpus.examples = vec![File { path: "a.yml".into(), text }];
        assert_eq!(mentions(&corpus), []);
        corpus.examples[0].text.push_str("ShoalXHigh");
        assert_eq!(mentions(&corpus).len(), 1);
    }

    fn corpus(rules: &str, page: &str) -> Corpus {
        let text = rules.replace("URL", PAGES_URL);
        let rules = vec![Rules::parse("x.yml", &text).unwrap()];
        let page = File { path: "docs/runbook/ShoalX.md".into(), text: page.into() };
        Corpus { rules, pages: vec![page], ..Corpus::default() }
    }
}
