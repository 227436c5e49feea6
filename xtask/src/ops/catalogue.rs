//! The catalogue of metrics as its generated page tells it, so that this program need not be built
//! with the exporters.

use std::collections::BTreeMap;

/// Metrics by name.
#[derive(Debug, Default)]
pub(super) struct Catalogue(BTreeMap<String, Metric>);

#[derive(Debug, Default, Clone)]
pub(super) struct Metric {
    pub(super) kind: Kind,
    pub(super) labels: BTreeMap<String, Values>,
    /// Upper edges of a histogram, as written.
    pub(super) buckets: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Gauge,
    Counter,
    Histogram,
}

/// What a label can say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Values {
    Closed(Vec<String>),
    /// An HTTP status code or a reason for having none.
    Code(Vec<String>),
    #[default]
    Open,
}

impl Catalogue {
    /// Reads the rows ``| `name{label,…}` | kind |`` and the lists of values and buckets below them.
    pub(super) fn read(page: &str) -> Self {
        let mut metrics = BTreeMap::new();
        for line in page.lines() {
            if let Some((name, metric)) = row(line) {
                metrics.insert(name, metric);
            } else if let Some(rest) = line.strip_prefix("- `") {
                detail(&mut metrics, rest);
            }
        }
        Self(metrics)
    }

    /// The metric that a scraped name belongs to: a histogram shows itself as three.
    pub(super) fn find(&self, scraped: &str) -> Option<(&str, &Metric)> {
        if let Some((name, metric)) = self.0.get_key_value(scraped) {
            return (metric.kind != Kind::Histogram).then_some((name.as_str(), metric));
        }
        let base =
            ["_bucket", "_count", "_sum"].iter().find_map(|end| scraped.strip_suffix(end))?;
        let (name, metric) = self.0.get_key_value(base)?;
        (metric.kind == Kind::Histogram).then_some((name.as_str(), metric))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn row(line: &str) -> Option<(String, Metric)> {
    let (shape, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
    let kind = match rest.split(' ').next()? {
        "counter" => Kind::Counter,
        "histogram" => Kind::Histogram,
        _ => Kind::Gauge,
    };
    let (name, labels) = shape.split_once('{').unwrap_or((shape, ""));
    let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
    let labels = labels.map(|label| (label.to_owned(), Values::Open)).collect();
    Some((name.to_owned(), Metric { kind, labels, buckets: Vec::new() }))
}

/// `` name` `label`: a, b `` or `` name` buckets: 1, 2 ``.
fn detail(metrics: &mut BTreeMap<String, Metric>, rest: &str) {
    let Some((name, rest)) = rest.split_once("` ") else { return };
    let Some(metric) = metrics.get_mut(name) else { return };
    let Some((what, values)) = rest.split_once(": ") else { return };
    let list = || values.split(", ").map(str::to_owned).collect::<Vec<_>>();
    if what == "buckets" {
        metric.buckets = list();
        return;
    }
    let values = match values {
        open if open.starts_with("set at start") => Values::Open,
        code if code.starts_with("HTTP status code, or ") => {
            Values::Code(list().into_iter().skip(1).map(|it| word(&it)).collect())
        }
        _ => Values::Closed(list()),
    };
    metric.labels.insert(what.trim_matches('`').to_owned(), values);
}

fn word(text: &str) -> String {
    text.strip_prefix("or ").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "| metric | type |\n|---|---|\n\
        | `a_total{code,kind}` | counter | count |\n| `b_seconds` | histogram | seconds |\n\n\
        - `a_total` `code`: HTTP status code, or timeout, connect, other\n\
        - `a_total` `kind`: task, boot\n- `b_seconds` buckets: 1, 2.5\n";

    #[test]
    fn kinds_labels_values_and_buckets_are_read() {
        let catalogue = Catalogue::read(PAGE);
        let (_, a) = catalogue.find("a_total").unwrap();
        assert_eq!(a.kind, Kind::Counter);
        assert_eq!(a.labels["kind"], Values::Closed(vec!["task".into(), "boot".into()]));
        let words = ["timeout", "connect", "other"].map(str::to_owned).to_vec();
        assert_eq!(a.labels["code"], Values::Code(words));
        assert_eq!(catalogue.find("b_seconds_bucket").unwrap().1.buckets, ["1", "2.5"]);
    }

    #[test]
    fn a_histogram_is_not_scraped_under_its_own_name() {
        let catalogue = Catalogue::read(PAGE);
        assert!(catalogue.find("b_seconds").is_none());
        assert!(catalogue.find("a_total_count").is_none());
    }
}
