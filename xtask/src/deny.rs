//! Licences, banned crates and sources, from `deny.toml`. The file keeps the format of cargo-deny,
//! which anyone may run on it; the check here needs nothing installed and no network. Advisories
//! need a database from the network and are not part of it.

use std::{collections::BTreeMap, fmt, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{
    shell, spdx,
    workspace::{self, Package},
};

#[derive(Debug, Deserialize)]
struct Rules {
    graph: Graph,
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Breach {
    Licence { package: String, licence: String },
    Banned { package: String },
    Source { package: String, source: String },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Licence { package, licence } => write!(
                f,
                "{package} is licensed {licence:?}, which deny.toml does not allow\n  \
                 fix: do without the crate; `cargo tree -i {package}` shows who wants it"
            ),
            Self::Banned { package } => write!(
                f,
                "{package} is banned\n  fix: switch off the default features that bring it; \
                 `cargo tree -i {package}` shows whose"
            ),
            Self::Source { package, source } => write!(
                f,
                "{package} comes from {source}\n  fix: use a version published on crates.io"
            ),
        }
    }
}

pub(crate) fn run(_: &[String]) -> Result<()> {
    let rules = rules()?;
    let mut packages = BTreeMap::new();
    for target in &rules.graph.targets {
        for package in workspace::resolved(target)? {
            packages.insert(package.id.clone(), package);
        }
    }
    let breaches: Vec<Breach> = packages.values().flat_map(|it| breaches(it, &rules)).collect();
    for breach in &breaches {
        println!("deny: {breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of deny.toml", breaches.len());
    }
    println!("deny: {} packages, licences, bans and sources are fine", packages.len());
    Ok(())
}

/// The platforms that deny.toml speaks of.
pub(crate) fn targets() -> Result<Vec<String>> {
    Ok(rules()?.graph.targets)
}

fn rules() -> Result<Rules> {
    let text = fs::read_to_string(shell::root().join("deny.toml")).context("read deny.toml")?;
    toml::from_str(&text).context("understand deny.toml")
}

fn breaches(package: &Package, rules: &Rules) -> Vec<Breach> {
    let mut found = Vec::new();
    let named = || format!("{}@{}", package.name, package.version);
    let licence = package.license.as_deref().unwrap_or_default();
    if !spdx::is_satisfied(licence, &rules.licenses.allow) {
        found.push(Breach::Licence { package: named(), licence: licence.to_owned() });
    }
    if rules.bans.deny.iter().any(|banned| banned.name == package.name) {
        found.push(Breach::Banned { package: named() });
    }
    // Members have no source.
    if let Some(source) = &package.source {
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !rules.sources.allow_registry.iter().any(|allowed| allowed == registry) {
            found.push(Breach::Source { package: named(), source: source.clone() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn an_allowed_crate_and_a_member_pass() {
        assert_eq!(check(&json!("MIT OR GPL-3.0"), &json!(REGISTRY), "serde"), []);
        assert_eq!(check(&json!("MIT"), &Value::Null, "shoal-core"), []);
    }

    #[test]
    fn licence_ban_and_source_are_each_named() {
        let git = "git+https://example.org/x";
        let found = check(&Value::Null, &json!(git), "openssl-sys");
        let package = "openssl-sys@1.0.0".to_owned();
        assert_eq!(
            found,
            [
                Breach::Licence { package: package.clone(), licence: String::new() },
                Breach::Banned { package: package.clone() },
                Breach::Source { package, source: git.to_owned() },
            ]
        );
    }

    fn check(licence: &Value, source: &Value, name: &str) -> Vec<Breach> {
        let package = serde_json::from_value(json!({
            "id": name, "name": name, "version": "1.0.0", "license": licence, "source": source,
            "manifest_path": "/w/Cargo.toml", "dependencies": [], "targets": [],
        }));
        breaches(&package.unwrap(), &rules().unwrap())
    }
}
