//! The reference page of the metrics, written from the catalogue so that it cannot disagree
//! with it.

use std::fmt::Write as _;

use super::{GROUPS, Kind, Label, Metric, Start, Values};

/// The Markdown page `docs/reference/metrics.md`.
///
/// Each table row starts with the metric's name and its label names in the form
/// `` `name{label,label}` ``, which is what the repository's checks read.
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         This page is generated from the catalogue in `crates/shoal-telemetry`; \
         `cargo xtask generate` writes it.\n\
         The admin listener serves these at `/metrics`.\n\
         A label shows only the values listed here, whatever a user or a BMC sends.\n",
    );
    for (title, metrics) in GROUPS {
        section(&mut page, title, metrics).unwrap_or_default();
    }
    page
}

fn section(page: &mut String, title: &str, metrics: &[Metric]) -> std::fmt::Result {
    writeln!(page, "\n## {title}\n")?;
    writeln!(page, "| metric | type | unit | meaning | at start | source |")?;
    writeln!(page, "|---|---|---|---|---|---|")?;
    for metric in metrics {
        let start = match metric.start {
            Start::Zero => "zero",
            Start::Listed(_) => "zero, some combinations",
            Start::Known => "as found",
        };
        let word = metric.kind.word();
        let (name, unit, help) = (shape(metric), metric.unit.word(), metric.help);
        writeln!(page, "| `{name}` | {word} | {unit} | {help} | {start} | {} |", metric.source)?;
    }
    writeln!(page)?;
    for metric in metrics {
        for label in metric.labels {
            writeln!(page, "- `{}` `{}`: {}", metric.name, label.name, values(label))?;
        }
        if let Kind::Histogram(edges) = metric.kind {
            let edges: Vec<String> = edges.iter().map(ToString::to_string).collect();
            writeln!(page, "- `{}` buckets: {}", metric.name, edges.join(", "))?;
        }
    }
    Ok(())
}

fn shape(metric: &Metric) -> String {
    if metric.labels.is_empty() {
        return metric.name.to_owned();
    }
    let names: Vec<&str> = metric.labels.iter().map(|label| label.name).collect();
    format!("{}{{{}}}", metric.name, names.join(","))
}

fn values(label: &Label) -> String {
    match label.values {
        Values::Closed { values, .. } => values.join(", "),
        Values::Code => {
            "HTTP status code, or timeout, connect, lost, tls, protocol, other".to_owned()
        }
        Values::Configured => "set at start by configuration or by the code itself".to_owned(),
    }
}
