//! The rules in `ops/alerts`, as far as other tasks need them: what is recorded, what an alert compares
//! with, and the text of both.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::shell;

/// One file of rules.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct File {
    /// Where it was read.
    #[serde(skip)]
    pub(crate) path: PathBuf,
    pub(crate) groups: Vec<Group>,
}

/// Rules that run in order.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<String>,
    pub(crate) rules: Vec<Rule>,
}

/// A recording rule or an alert. What is not read here is kept as it is.
#[derive(Debug, Deserialize, Serialize)]
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
    #[serde(flatten)]
    pub(crate) rest: serde_json::Map<String, serde_json::Value>,
}

/// Every file of rules, by name.
///
/// # Errors
/// When one is no file of rules, or there is none.
pub(crate) fn read() -> Result<Vec<File>> {
    let directory = shell::root().join("ops/alerts");
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
        .with_context(|| format!("list {}", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    ensure!(!paths.is_empty(), "{} holds no rules", directory.display());
    paths.iter().map(|path| file(path)).collect()
}

fn file(path: &Path) -> Result<File> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let file: File =
        yaml_serde::from_str(&text).with_context(|| format!("understand {}", path.display()))?;
    Ok(File { path: path.to_owned(), ..file })
}

/// Every rule of these files.
pub(crate) fn rules(files: &[File]) -> impl Iterator<Item = &Rule> {
    files.iter().flat_map(|file| &file.groups).flat_map(|group| &group.rules)
}
