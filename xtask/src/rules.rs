//! The rule files of Prometheus in `ops/alerts`: the checks read them, the live proof writes them
//! again with short spans, and both must mean the same by them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::shell;

const DIRECTORY: &str = "ops/alerts";

/// One rule file. What is not known here is refused, since a file that is written again would lose it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    /// Where it is, relative to the root.
    #[serde(skip)]
    pub(crate) path: String,
    /// The comment the file begins with.
    #[serde(skip)]
    pub(crate) about: String,
    pub(crate) groups: Vec<Group>,
}

/// Rules that run in order.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<String>,
    pub(crate) rules: Vec<Rule>,
}

/// An alert or a recorded series.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alert: Option<String>,
    pub(crate) expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_firing_for: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Every rule file, by name.
///
/// # Errors
/// When one is none, or there is none.
pub(crate) fn read() -> Result<Vec<Rules>> {
    let directory = shell::root().join(DIRECTORY);
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
        .with_context(|| format!("list {DIRECTORY}"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    ensure!(!paths.is_empty(), "{DIRECTORY} holds no rules");
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path);
            let text = text.with_context(|| format!("read {}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Rules::parse(format!("{DIRECTORY}/{name}"), &text)
        })
        .collect()
}

impl Rules {
    pub(crate) fn parse(path: impl Into<String>, text: &str) -> Result<Self> {
        let path = path.into();
        let rules: Self =
            yaml_serde::from_str(text).with_context(|| format!("understand {path}"))?;
        let about: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        Ok(Self { path, about: about.join(" "), ..rules })
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// The alerts with their names, in the order of the file.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules().filter_map(|rule| Some((rule.alert.as_deref()?, rule)))
    }
}

impl Rule {
    /// What the rule makes: an alert or a series.
    pub(crate) fn name(&self) -> &str {
        self.alert.as_deref().or(self.record.as_deref()).unwrap_or_default()
    }

    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_again_is_the_same_file() {
        for rules in read().unwrap() {
            // Every JSON document is a YAML document.
            let written = serde_json::to_string(&rules).unwrap();
            let again = Rules::parse(rules.path.clone(), &written).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), written);
            assert!(rules.rules().all(|rule| !rule.name().is_empty()), "{}", rules.path);
        }
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let file = |more: &str| {
            format!(
                "# A.\n# B.\ngroups:\n- name: g\n  rules:\n  - {{ alert: A, expr: up{more} }}\n"
            )
        };
        let rules = Rules::parse("x.yml", &file("")).unwrap();
        assert_eq!((rules.about.as_str(), rules.alerts().count()), ("A. B.", 1));
        assert!(Rules::parse("x.yml", &file(", until: 5m")).is_err());
    }
}
