//! What a controller tells at `/metrics`, and what its reference page promises: both read as text, as
//! a stranger's program would.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// The page that is generated from the catalogue.
const PAGE: &str = include_str!("../../docs/reference/metrics.md");

/// A listener that hangs has nothing to tell.
const LONGEST: Duration = Duration::from_mins(1);

/// One metric of the reference page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// The names of its labels.
    pub labels: BTreeSet<String>,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it means.
    pub help: String,
}

/// Every metric of the reference page.
pub fn declared() -> Vec<Declared> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (shape, rest) = row.split_once('`')?;
        let mut cells = rest.split('|').map(str::trim).skip(1);
        let (kind, _unit, help) = (cells.next()?, cells.next()?, cells.next()?);
        let (name, labels) = shape.split_once('{').unwrap_or((shape, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        Some(Declared {
            name: name.to_owned(),
            labels: labels.map(str::to_owned).collect(),
            kind: kind.to_owned(),
            help: help.to_owned(),
        })
    })
    .collect()
}

/// One reading of a controller's metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape {
    /// Types by metric.
    pub kinds: BTreeMap<String, String>,
    /// Meanings by metric.
    pub helps: BTreeMap<String, String>,
    /// Values by series: a name, its labels in braces.
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    /// How files with a scrape end.
    pub const EXTENSION: &'static str = "prom";

    /// The text at an administrative listener.
    ///
    /// # Errors
    /// When it is not answered in time.
    pub async fn fetch(admin: &str) -> Result<String> {
        let http = reqwest::Client::builder().no_proxy().timeout(LONGEST).build()?;
        let answer = http.get(format!("{admin}/metrics")).send().await?.error_for_status()?;
        answer.text().await.context("read the metrics")
    }

    /// Understands the text exposition format.
    ///
    /// # Errors
    /// When a line is none of it.
    pub fn read(text: &str) -> Result<Self> {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let wrong = || format!("not understood: {line}");
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').with_context(wrong)?;
                scrape.kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').with_context(wrong)?;
                scrape.helps.insert(name.to_owned(), help.to_owned());
            } else {
                let (series, value) = line.rsplit_once(' ').with_context(wrong)?;
                let value: f64 = value.parse().with_context(wrong)?;
                let before = scrape.series.insert(series.to_owned(), value);
                ensure!(before.is_none(), "twice: {series}");
            }
        }
        Ok(scrape)
    }

    /// The value of one series, written as it is scraped.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The series of one metric, those of a histogram's parts included: labels and value.
    pub fn of<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let parts: &[&str] = match self.kinds.get(metric).map(String::as_str) {
            Some("histogram") => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        self.series.iter().filter_map(move |(series, value)| {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let part = name.strip_prefix(metric)?;
            parts.contains(&part).then(|| (labels.trim_end_matches('}'), *value))
        })
    }

    /// What differs from the reference page, a line each: names, types, meanings, label names.
    pub fn differences(&self) -> Vec<String> {
        let page = declared();
        let mut found = Vec::new();
        for name in self.kinds.keys().filter(|name| page.iter().all(|it| it.name != **name)) {
            found.push(format!("{name} is not on the page"));
        }
        for metric in &page {
            let name = &metric.name;
            match self.kinds.get(name) {
                None => found.push(format!("{name} is absent")),
                Some(kind) if *kind != metric.kind => found.push(format!("{name} is a {kind}")),
                Some(_) => {}
            }
            if self.helps.get(name).is_some_and(|help| *help != metric.help) {
                found.push(format!("{name} has another meaning"));
            }
            let odd = self.of(name).find(|(labels, _)| names(labels) != metric.labels);
            found.extend(odd.map(|(labels, _)| format!("{name} has labels {labels}")));
        }
        found
    }
}

/// The names of labels, without the edge of a bucket.
fn names(labels: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = labels;
    while let Some((name, after)) = rest.split_once("=\"") {
        names.insert(name.trim_start_matches(',').to_owned());
        // A quote inside a value is escaped.
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = end.and_then(|end| after.get(end + 1..)).unwrap_or("");
    }
    names.remove("le");
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_read() {
        let page = declared();
        let total = page.iter().find(|it| it.name == "job_transitions_total").unwrap();
        assert_eq!(total.kind, "counter");
        assert_eq!(total.labels, ["from", "to"].map(str::to_owned).into());
        assert!(page.len() > 80 && page.iter().all(|it| it.help.ends_with('.')), "{page:?}");
    }

    #[test]
    fn what_differs_from_the_page_is_told() {
        let text = "# HELP job_total Something else.\n# TYPE job_total gauge\n\
                    job_total{phase=\"a\\\"b,x\"} 1\n# TYPE made_up counter\nmade_up 3\n\
                    # TYPE iso_size_bytes histogram\niso_size_bytes_bucket{le=\"1\"} 0\n";
        let found = Scrape::read(text).unwrap().differences();
        for wanted in [
            "made_up is not on the page",
            "job_total is a gauge",
            "job_total has another meaning",
            "job_total has labels phase=\"a\\\"b,x\"",
            "job_duration_seconds is absent",
        ] {
            assert!(found.iter().any(|line| line == wanted), "{wanted}: {found:?}");
        }
        assert!(found.iter().all(|line| !line.starts_with("iso_size_bytes")), "{found:?}");
    }

    #[test]
    fn a_series_that_comes_twice_is_wrong() {
        assert!(Scrape::read("a 1\na 1\n").is_err());
        assert!(Scrape::read("a\n").is_err());
    }
}
