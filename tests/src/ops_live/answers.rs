//! Whether every panel of every dashboard has something to show.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    plan::{Panel, Plan},
    prometheus::{Prometheus, Series},
};

/// What is wrong with the panels over the whole run: those that stayed empty although they may not,
/// with the query that found nothing, and excuses that nothing needed. What a panel shows at one
/// moment is chance, since rates look at seconds here.
pub(crate) async fn ask(
    prometheus: &Prometheus,
    plan: &Plan,
    span: Duration,
) -> Result<Vec<String>> {
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for panel in &plan.panels {
        let mut silent = Vec::new();
        for query in &panel.queries {
            asked += 1;
            let found = prometheus.range(&query.expr, span).await;
            let found = found.with_context(|| format!("{}: {}", name(panel), query.expr))?;
            if !found.iter().any(Series::has_a_number) {
                silent.push(query.expr.as_str());
            }
        }
        if let (Some(excuse), false) = (&panel.excuse, silent.is_empty()) {
            println!("empty {}: {}", name(panel), excuse.reason);
        }
        wrong.extend(judged(panel, &silent));
    }
    println!("{asked} queries of the dashboards: {} things are wrong", wrong.len());
    Ok(wrong)
}

/// What is wrong with a panel whose queries found nothing, these of them.
fn judged(panel: &Panel, silent: &[&str]) -> Vec<String> {
    match &panel.excuse {
        None => {
            silent.iter().map(|expr| format!("{} shows nothing: {expr}", name(panel))).collect()
        }
        Some(excuse) if silent.is_empty() && !excuse.by_chance => {
            vec![format!("{} is excused and shows something: take its exclusion out", name(panel))]
        }
        Some(_) => Vec::new(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Excuse;

    #[test]
    fn a_panel_shows_something_or_is_excused_with_need() {
        let excuse = |by_chance| Some(Excuse { reason: "nobody asks".into(), by_chance });
        for (excuse, silent, wrong) in [
            (None, &[] as &[&str], 0),
            (None, &["up"], 1),
            (excuse(false), &["up"], 0),
            (excuse(false), &[], 1),
            (excuse(true), &["up"], 0),
            (excuse(true), &[], 0),
        ] {
            let panel = Panel {
                dashboard: "overview".into(),
                title: "Jobs".into(),
                unit: "short".into(),
                queries: Vec::new(),
                excuse,
            };
            assert_eq!(judged(&panel, silent).len(), wrong, "{panel:?} {silent:?}");
        }
    }
}
