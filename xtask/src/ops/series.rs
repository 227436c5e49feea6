//! What is known of a series by its name alone: that it is exported, recorded by a rule, or made by
//! Prometheus itself, and which labels it then has.

use std::collections::BTreeMap;

use promql_parser::parser::VectorSelector;

use super::{
    Corpus,
    catalogue::{Catalogue, Metric},
    promql,
    promql::Labels,
};
use crate::rules::Rules;

/// Series that Prometheus and its blackbox exporter make. `ALERTS` carries any label.
pub(super) const FOREIGN: &[&str] = &["up", "probe_success", "ALERTS"];
/// Labels that every scraped series gets.
pub(super) const SCRAPED: &[&str] = &["job", "instance"];
/// What is known of a series by its name.
pub(super) enum Series<'a> {
    Exported(&'a Metric),
    Recorded(&'a Labels),
    Foreign,
}

/// What selectors are looked up in.
pub(super) struct Known<'a> {
    catalogue: &'a Catalogue,
    recorded: BTreeMap<String, Labels>,
}

impl<'a> Known<'a> {
    /// Everything the catalogue declares and the rules record.
    pub(super) fn of(corpus: &'a Corpus) -> Self {
        let mut known = Self { catalogue: &corpus.catalogue, recorded: BTreeMap::new() };
        // Twice, since a recorded series may be made of one of a later file.
        for rule in corpus.rules.iter().chain(&corpus.rules).flat_map(Rules::rules) {
            let (Some(name), Ok(expr)) = (&rule.record, promql::parse(&rule.expr)) else {
                continue;
            };
            let mut labels = promql::labels(&expr, &|selector| known.labels(selector));
            labels.extend(rule.labels.keys().cloned());
            known.recorded.entry(name.clone()).or_default().extend(labels);
        }
        known
    }

    pub(super) fn find(&self, name: &str) -> Option<Series<'_>> {
        if let Some(labels) = self.recorded.get(name) {
            return Some(Series::Recorded(labels));
        }
        if FOREIGN.contains(&name) {
            return Some(Series::Foreign);
        }
        self.catalogue.find(name).map(|(_, metric)| Series::Exported(metric))
    }

    pub(super) fn labels(&self, selector: &VectorSelector) -> Labels {
        let name = selector.name.as_deref().unwrap_or_default();
        let scraped = || SCRAPED.iter().map(|label| (*label).to_owned());
        match self.find(name) {
            Some(Series::Exported(metric)) => {
                let edge = name.ends_with("_bucket").then(|| "le".to_owned());
                metric.labels.keys().cloned().chain(scraped()).chain(edge).collect()
            }
            Some(Series::Recorded(labels)) => labels.clone(),
            Some(Series::Foreign) | None => scraped().collect(),
        }
    }
}
