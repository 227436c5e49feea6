//! Expressions of rules, dashboards and pages against the catalogue: whether what they select is
//! exported, with these labels and values, and whether what they compute of it makes sense.

use std::collections::BTreeSet;

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::Expr,
};
use serde_json::Value;

use super::{
    Corpus, Problem, alerts,
    catalogue::{Catalogue, Kind, Metric, Values},
    pages, promql,
    promql::Selector,
    series::{FOREIGN, Known, SCRAPED, Series},
};
use crate::rules::Rules;

/// Functions that want a counter, and those that want anything else.
const OF_COUNTERS: &[&str] = &["rate", "irate", "increase", "resets"];
const OF_GAUGES: &[&str] = &["delta", "idelta", "deriv", "predict_linear"];
/// Around these it does not matter how large a counter is.
const OF_PRESENCE: &[&str] =
    &["absent", "absent_over_time", "count", "group", "present_over_time", "timestamp"];
/// How names of series end, in contrast to those of columns, keys and files.
const SERIES_ENDS: &[&str] = &[
    "_total",
    "_seconds",
    "_bytes",
    "_count",
    "_fds",
    "_rate",
    "_current",
    "_stuck",
    "_slots",
    "_picking",
    "_ok",
    "_info",
    "_keys",
    "_synchronized",
    "_success",
    "_failures",
    "_free",
];
/// A rate needs two scrapes, and one may be lost: four of the example's 15 seconds.
const WINDOW_MIN_SECONDS: u64 = 60;

/// An expression and where it stands.
struct Place {
    at: String,
    expr: Expr,
}

/// Selected names, labels and values exist.
pub(super) fn names(corpus: &Corpus) -> Vec<Problem> {
    let (places, mut problems) = places(corpus);
    let known = Known::of(corpus);
    for place in &places {
        for selector in promql::selectors(&place.expr) {
            let wrong = unknown(&selector, &known);
            problems.extend(wrong.into_iter().map(|what| Problem::new(&place.at, what)));
        }
    }
    problems
}

/// Counters are taken as rates, windows hold enough scrapes, what is grouped by exists, alerts
/// compare, and their texts use labels that the result has.
pub(super) fn sense(corpus: &Corpus) -> Vec<Problem> {
    let known = Known::of(corpus);
    let mut problems = Vec::new();
    // A page may name a counter without computing anything of it.
    let computed = |place: &Place| !place.at.starts_with(super::PAGES);
    for place in places(corpus).0.into_iter().filter(computed) {
        let wrong = promql::selectors(&place.expr);
        let wrong = wrong.iter().filter_map(|selector| misused(selector, &known));
        let grouped = ungroupable(&place.expr, &known);
        problems.extend(wrong.chain(grouped).map(|what| Problem::new(&place.at, what)));
    }
    for (name, rule) in corpus.rules.iter().flat_map(Rules::alerts) {
        let Ok(expr) = promql::parse(&rule.expr) else { continue };
        if !promql::compares(&expr) && name != alerts::WATCHDOG {
            problems.push(Problem::new(name, "compares with nothing, so it always fires"));
        }
        let mut labels = promql::labels(&expr, &|selector| known.labels(selector));
        labels.extend(rule.labels.keys().cloned());
        for text in rule.annotations.values() {
            let missing = mentioned(text).into_iter().filter(|label| !labels.contains(label));
            problems.extend(missing.map(|label| {
                Problem::new(name, format!("its text uses the label {label}, which is gone"))
            }));
        }
    }
    problems
}

/// Every metric is in a rule or a panel, or a reason stands where it is not.
pub(super) fn usage(corpus: &Corpus) -> Vec<Problem> {
    let (places, _) = places(corpus);
    let used: BTreeSet<&str> = places
        .iter()
        .filter(|place| !place.at.starts_with(super::PAGES))
        .flat_map(|place| promql::selectors(&place.expr))
        .filter_map(|selector| Some(corpus.catalogue.find(selector.name)?.0))
        .collect();
    let names: BTreeSet<&str> = corpus.catalogue.names().collect();
    let explained = |name: &str| corpus.explore.get(name).is_some_and(|why| !why.is_empty());
    let unseen =
        names.iter().filter(|name| !used.contains(**name) && !explained(name)).map(|name| {
            Problem::new(
                *name,
                format!("no rule and no panel uses it: use it, or say why in {}", super::EXPLORE),
            )
        });
    let stale = corpus
        .explore
        .keys()
        .filter(|name| used.contains(name.as_str()) || !names.contains(name.as_str()));
    let stale = stale.map(|name| {
        Problem::new(super::EXPLORE, format!("{name} is used, or is no metric: take it out"))
    });
    unseen.chain(stale).collect()
}

/// All expressions that can be read, and a problem for each that cannot.
fn places(corpus: &Corpus) -> (Vec<Place>, Vec<Problem>) {
    let rules = corpus.rules.iter().flat_map(|file| {
        file.rules().map(|rule| (format!("{} {}", file.path, rule.name()), rule.expr.clone()))
    });
    let panels = corpus.dashboards.iter().flat_map(|file| {
        let mut found = Vec::new();
        if let Ok(json) = serde_json::from_str(&file.text) {
            panels(&json, &mut found);
        }
        found.into_iter().map(|text| (file.path.clone(), text))
    });
    let pages = corpus.pages.iter().flat_map(|file| {
        let blocks = pages::blocks(file, "promql").into_iter();
        let named = pages::spans(&file.text).filter(|span| names_series(span, &corpus.catalogue));
        let texts = blocks.chain(named.map(str::to_owned));
        texts.map(|text| (file.path.clone(), text)).collect::<Vec<_>>()
    });
    let (mut places, mut problems) = (Vec::new(), Vec::new());
    for (at, text) in rules.chain(panels).chain(pages) {
        match promql::parse(&promql::without_variables(&text)) {
            Ok(expr) => places.push(Place { at, expr }),
            Err(error) => problems.push(Problem::new(at, format!("{error}: {}", text.trim()))),
        }
    }
    (places, problems)
}

/// Whether inline code of a page names a series, so that it can be looked up. A histogram may be
/// called by its own name, under which it is not scraped.
fn names_series(span: &str, catalogue: &Catalogue) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let (name, rest) = span.split_at(span.find(|c| !word(c)).unwrap_or(span.len()));
    let unit = SERIES_ENDS.iter().any(|end| name.ends_with(end));
    unit && (rest.is_empty() || rest.starts_with('{')) && !catalogue.names().any(|it| it == span)
}

/// Every member `expr`, wherever panels, annotations and rows put it.
fn panels(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            if let Some(text) = members.get("expr").and_then(Value::as_str) {
                found.push(text.to_owned());
            }
            members.values().for_each(|value| panels(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| panels(value, found)),
        _ => (),
    }
}

fn unknown(selector: &Selector<'_>, known: &Known<'_>) -> Vec<String> {
    let name = selector.name;
    let (labels, metric) = match known.find(name) {
        None => return vec![format!("{name} is neither in the catalogue nor recorded")],
        Some(Series::Foreign) => return Vec::new(),
        Some(Series::Recorded(labels)) => (labels.iter().cloned().collect::<BTreeSet<_>>(), None),
        Some(Series::Exported(metric)) => (metric.labels.keys().cloned().collect(), Some(metric)),
    };
    let mut wrong = Vec::new();
    for matcher in selector.matchers {
        let label = matcher.name.as_str();
        let edge = label == "le" && name.ends_with("_bucket");
        if !labels.contains(label) && !SCRAPED.contains(&label) && !edge {
            wrong.push(format!("{name} has no label {label}"));
        } else if metric.is_some_and(|metric| !possible(matcher, metric)) {
            let shown = format!("{label}{}{:?}", matcher.op, matcher.value);
            wrong.push(format!("{name} can never have {shown}"));
        }
    }
    wrong
}

/// Whether some value of the label fits, or would fit if the matcher were not negated.
fn possible(matcher: &Matcher, metric: &Metric) -> bool {
    // What a dashboard's reader chooses.
    if matcher.value.contains('$') || matcher.value.is_empty() {
        return true;
    }
    let codes: Vec<String>;
    let values = match metric.labels.get(&matcher.name) {
        None if matcher.name == "le" => &metric.buckets,
        None | Some(Values::Open) => return true,
        Some(Values::Closed(values)) => values,
        Some(Values::Code(words)) => {
            codes = (100..600).map(|code| code.to_string()).chain(words.iter().cloned()).collect();
            &codes
        }
    };
    let fits = |value: &String| match &matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => *value == matcher.value,
        MatchOp::Re(_) => matcher.is_match(value),
        MatchOp::NotRe(_) => !matcher.is_match(value),
    };
    values.iter().any(fits)
}

fn misused(selector: &Selector<'_>, known: &Known<'_>) -> Option<String> {
    let name = selector.name;
    let counter = match known.find(name)? {
        Series::Exported(metric) => metric.kind != Kind::Gauge,
        Series::Recorded(_) | Series::Foreign => false,
    };
    let inside = |set: &[&str]| selector.within.iter().any(|it| set.contains(&it.as_str()));
    if inside(OF_COUNTERS) && !counter {
        return Some(format!("a rate of {name}, which is no counter"));
    }
    if counter && inside(OF_GAUGES) {
        return Some(format!("{name} is a counter: take its rate or increase"));
    }
    let range = selector.range.map(|range| range.as_secs());
    if counter && !inside(OF_COUNTERS) && !inside(OF_PRESENCE) && range.is_none() {
        return Some(format!(
            "{name} is a counter and begins at 0 again: take its rate or increase"
        ));
    }
    (range.is_some_and(|seconds| seconds < WINDOW_MIN_SECONDS)).then(|| {
        format!("a window of {name} below {WINDOW_MIN_SECONDS} s may hold less than two scrapes")
    })
}

/// Aggregations by a label that what they aggregate does not have.
fn ungroupable(expr: &Expr, known: &Known<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Expr::Aggregate(aggregate) = expr {
        let inner = promql::labels(&aggregate.expr, &|selector| known.labels(selector));
        let foreign = promql::selectors(expr).iter().any(|it| FOREIGN.contains(&it.name));
        let gone = promql::grouped_by(aggregate).into_iter();
        let gone = gone.filter(|label| !foreign && !inner.contains(label));
        wrong.extend(gone.map(|label| format!("groups by {label}, which is not there")));
    }
    for child in promql::children(expr) {
        wrong.extend(ungroupable(child, known));
    }
    wrong
}

/// The labels a text mentions as `$labels.name`.
fn mentioned(text: &str) -> Vec<String> {
    let word = |rest: &str| {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
    };
    text.split("$labels.").skip(1).map(word).collect()
}

#[cfg(test)]
mod tests;
