//! What the proof is told by whoever knows the rules and the dashboards.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::receiver::Alert;

/// The alerts and the panels.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    alerts: BTreeMap<String, Expected>,
    pub(crate) panels: Vec<Panel>,
}

/// What an alert must arrive with.
#[derive(Debug, Deserialize)]
struct Expected {
    labels: BTreeMap<String, String>,
    runbook_url: String,
}

/// A panel and its queries.
#[derive(Debug, Deserialize)]
pub(crate) struct Panel {
    pub(crate) dashboard: String,
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) queries: Vec<Query>,
    pub(crate) excuse: Option<Excuse>,
}

/// Why a panel has nothing to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Excuse {
    pub(crate) reason: String,
    /// Whether it shows something in some runs.
    pub(crate) by_chance: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Query {
    pub(crate) expr: String,
    pub(crate) legend: String,
}

impl Plan {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// The alert arrived as its rule says: who is called, how urgently, and with which page.
    pub(crate) fn check(&self, name: &str, alert: &Alert) -> Result<()> {
        let expected = self.alerts.get(name).with_context(|| format!("no rule is {name}"))?;
        for (label, value) in &expected.labels {
            let arrived = alert.labels.get(label);
            ensure!(arrived == Some(value), "{label} arrived as {arrived:?} instead of {value}");
        }
        for label in ["severity", "sev", "escalation"] {
            ensure!(expected.labels.contains_key(label), "the rule has no {label}");
        }
        let page = alert.annotations.get("runbook_url");
        ensure!(page == Some(&expected.runbook_url), "the page arrived as {page:?}");
        let words = ["summary", "description"].map(|word| alert.annotations.get(word));
        // A template that failed says so in the text.
        let well = |text: &&String| !text.is_empty() && !text.contains("error expanding");
        ensure!(words.iter().all(|it| it.as_ref().is_some_and(well)), "it says {words:?}");
        Ok(())
    }
}
