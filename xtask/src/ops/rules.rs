//! The rule files of Prometheus as far as the checks read them; promtool reads the rest.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::File;

/// One rule file.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) path: String,
    /// The comment the file begins with.
    pub(super) about: String,
    pub(super) groups: Vec<Group>,
}

#[derive(Debug, Clone, Deserialize)]
struct Content {
    groups: Vec<Group>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Group {
    pub(super) rules: Vec<Rule>,
}

/// An alert or a recorded series.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rule {
    pub(super) record: Option<String>,
    pub(super) alert: Option<String>,
    pub(super) expr: String,
    #[serde(rename = "for")]
    pub(super) pending: Option<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Rules {
    pub(super) fn read(file: &File) -> Result<Self> {
        let content: Content = yaml_serde::from_str(&file.text)
            .with_context(|| format!("understand {}", file.path))?;
        let about: Vec<&str> =
            file.text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        Ok(Self { path: file.path.clone(), about: about.join(" "), groups: content.groups })
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// The alerts with their names, in the order of the file.
    pub(super) fn alerts(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules().filter_map(|rule| Some((rule.alert.as_deref()?, rule)))
    }
}

impl Rule {
    /// What the rule makes: an alert or a series.
    pub(super) fn name(&self) -> &str {
        self.alert.as_deref().or(self.record.as_deref()).unwrap_or_default()
    }

    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}
