//! What cargo knows about the workspace, for the commands that check it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell;

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
}

/// The members alone; needs neither network nor lock file.
pub(crate) fn members() -> Result<Vec<Package>> {
    Ok(metadata(&["--no-deps"])?.packages)
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    Ok(metadata(&["--no-deps"])?.target_directory)
}

/// Every package that is built for `platform`, with all features.
pub(crate) fn resolved(platform: &str) -> Result<Vec<Package>> {
    let metadata = metadata(&["--all-features", "--locked", "--filter-platform", platform])?;
    let nodes = metadata.resolve.context("cargo metadata resolved nothing")?.nodes;
    let mut packages = metadata.packages;
    packages.retain(|package| nodes.iter().any(|node| node.id == package.id));
    Ok(packages)
}

fn metadata(arguments: &[&str]) -> Result<Metadata> {
    let mut command = shell::cargo(&["metadata", "--format-version", "1"]);
    let text = shell::read(command.args(arguments))?;
    serde_json::from_str(&text).context("understand cargo metadata")
}
