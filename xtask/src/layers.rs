//! Who may depend on whom inside the workspace. The table is the architecture's layer picture;
//! cargo's own manifests are checked against it, so the picture cannot rot.

use std::fmt;

use anyhow::{Result, bail};

use crate::workspace::{self, Package};

/// Each crate and the workspace crates it may name, whether for building, testing or building
/// scripts. A crate that is not listed may not exist.
const LAYERS: &[(&str, &[&str])] = &[
    // Leaves: usable by strangers, aware of nothing here.
    ("shoal-recipe", &[]),
    ("shoal-redfish", &[]),
    ("shoal-redfish-mock", &[]),
    ("shoal-iso", &[]),
    ("shoal-media", &[]),
    ("shoal-webhook", &[]),
    ("shoal-sqlite", &[]),
    ("shoal-telemetry", &[]),
    // What a job is, what is kept of it, who moves it.
    ("shoal-core", &["shoal-recipe"]),
    ("shoal-store", &["shoal-core", "shoal-recipe", "shoal-sqlite"]),
    ("shoal-engine", &["shoal-core", "shoal-store"]),
    ("shoal-oci", &["shoal-sqlite"]),
    ("shoal-install", &["shoal-recipe"]),
    (
        "shoal-api",
        &[
            "shoal-core",
            "shoal-engine",
            "shoal-media",
            "shoal-recipe",
            "shoal-store",
            "shoal-telemetry",
            "shoal-webhook",
        ],
    ),
    // Programs.
    (
        "shoal-controller",
        &[
            "shoal-api",
            "shoal-core",
            "shoal-engine",
            "shoal-iso",
            "shoal-media",
            "shoal-oci",
            "shoal-recipe",
            "shoal-redfish",
            "shoal-redfish-mock",
            "shoal-sqlite",
            "shoal-store",
            "shoal-telemetry",
            "shoal-webhook",
        ],
    ),
    ("shoal-dispatcher", &["shoal-recipe"]),
    ("shoal-tool", &["shoal-install", "shoal-recipe", "shoal-webhook"]),
    ("shoal", &["shoal-recipe"]),
];

/// Packages that look at everything from outside.
const FREE: &[&str] = &["shoal-tests", "xtask"];

/// One edge or crate the table does not allow.
#[derive(Debug, PartialEq, Eq)]
enum Breach {
    Unlisted { package: String },
    Edge { from: String, to: String, kind: String },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted { package } => write!(
                f,
                "{package} is not in the layer table\n  fix: add a row to xtask/src/layers.rs and \
                 write an ADR saying which second consumer or heavy dependency the crate serves"
            ),
            Self::Edge { from, to, kind } => write!(
                f,
                "{from} may not depend on {to} ({kind})\n  fix: translate at the crate above both \
                 (protocol types become core types in shoal-controller only), or pass the value \
                 in; a new arrow in the architecture needs an ADR and a row in \
                 xtask/src/layers.rs"
            ),
        }
    }
}

pub(crate) fn run(_: &[String]) -> Result<()> {
    let packages = workspace::members()?;
    let breaches = breaches(&packages);
    for breach in &breaches {
        println!("layers: {breach}");
    }
    if !breaches.is_empty() {
        bail!("{} dependencies break the layers", breaches.len());
    }
    println!("layers: {} packages keep to the table", packages.len());
    Ok(())
}

fn breaches(packages: &[Package]) -> Vec<Breach> {
    let mut found = Vec::new();
    for package in packages.iter().filter(|package| !FREE.contains(&package.name.as_str())) {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
            found.push(Breach::Unlisted { package: package.name.clone() });
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some())
        {
            // A crate may name itself to test its own features.
            let itself = dependency.name == package.name;
            if !itself && !allowed.contains(&dependency.name.as_str()) {
                found.push(Breach::Edge {
                    from: package.name.clone(),
                    to: dependency.name.clone(),
                    kind: dependency.kind.clone().unwrap_or_else(|| "normal".to_owned()),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_arrow_outside_the_table_is_named_whatever_its_kind() {
        let packages = [
            package("shoal-core", &[("shoal-recipe", None), ("shoal-store", Some("dev"))]),
            package("shoal-iso", &[("serde", None)]),
            package("xtask", &[("shoal-core", None)]),
        ];
        assert_eq!(
            breaches(&packages),
            [Breach::Edge {
                from: "shoal-core".into(),
                to: "shoal-store".into(),
                kind: "dev".into()
            }]
        );
    }

    #[test]
    fn a_crate_nobody_decided_on_is_named() {
        let found = breaches(&[package("shoal-utils", &[])]);
        assert_eq!(found, [Breach::Unlisted { package: "shoal-utils".into() }]);
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (name, below) in LAYERS {
            let mut reached: Vec<&str> = below.to_vec();
            let mut next = 0;
            while let Some(current) = reached.get(next).copied() {
                assert_ne!(current, *name, "{name} reaches itself");
                let deeper = LAYERS.iter().find(|(other, _)| *other == current).unwrap().1;
                for crate_name in deeper {
                    if !reached.contains(crate_name) {
                        reached.push(crate_name);
                    }
                }
                next += 1;
            }
        }
    }

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(name, kind)| {
                let path = (name.starts_with("shoal")).then(|| format!("/w/{name}"));
                json!({ "name": name, "kind": kind, "path": path })
            })
            .collect();
        serde_json::from_value(json!({
            "id": name, "name": name, "version": "0.1.0", "license": null, "source": null,
            "manifest_path": "/w/Cargo.toml", "dependencies": dependencies, "targets": [],
        }))
        .unwrap()
    }
}
