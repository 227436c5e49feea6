//! Whether every panel of every dashboard has something to show.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    plan::{Panel, Plan},
    prometheus::Prometheus,
};

/// The panels that stay empty although they may not, with the query that found nothing.
pub(crate) async fn ask(prometheus: &Prometheus, plan: &Plan) -> Result<Vec<String>> {
    let (mut empty, mut asked, mut excused) = (Vec::new(), 0, 0);
    for panel in &plan.panels {
        for query in &panel.queries {
            asked += 1;
            let found = prometheus.query(&query.expr).await;
            let found = found.with_context(|| format!("{}: {}", name(panel), query.expr))?;
            match &panel.may_be_empty {
                _ if !found.is_empty() => {}
                Some(reason) => {
                    excused += 1;
                    println!("empty {}: {reason}", name(panel));
                }
                None => empty.push(format!("{} shows nothing: {}", name(panel), query.expr)),
            }
        }
    }
    println!("{asked} queries of the dashboards: {excused} may be empty, {} are", empty.len());
    Ok(empty)
}

fn name(panel: &Panel) -> String {
    format!("{} / {}", panel.dashboard, panel.title)
}

/// Writes what every panel drew over the run.
pub(crate) async fn keep(
    prometheus: &Prometheus,
    plan: &Plan,
    span: Duration,
    file: &Path,
) -> Result<()> {
    let mut panels = Vec::new();
    for panel in &plan.panels {
        let mut lines = Vec::new();
        for query in &panel.queries {
            for series in prometheus.range(&query.expr, span).await? {
                let name = legend(&query.legend, &series.metric);
                lines.push(json!({"name": name, "points": series.values}));
            }
        }
        panels.push(json!({
            "dashboard": panel.dashboard, "title": panel.title, "unit": panel.unit, "lines": lines,
        }));
    }
    let text = Value::Array(panels).to_string();
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// The name of a series, its labels put in.
fn legend(template: &str, labels: &std::collections::BTreeMap<String, String>) -> String {
    labels.iter().fold(template.to_owned(), |text, (label, value)| {
        text.replace(&format!("{{{{{label}}}}}"), value)
    })
}
