//! `cargo xtask ops-live`: prepares what the live proof of the alerts needs, and starts it. The rules
//! are the repository's own with every span made short, so that half an hour passes in a minute; the
//! thresholds stay as they are.

mod scale;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::{
    dashboards, programs,
    rules::{self, Rules},
    shell, workspace,
};

/// What stands for `$__rate_interval` at a scrape a second, and for the time shown.
const RATE_INTERVAL: &str = "10s";
const SHOWN: &str = "15m";

/// What the proof is told, beside the rules.
#[derive(Serialize)]
struct Plan {
    /// Each alert with the labels and the page that it must arrive with.
    alerts: BTreeMap<String, Expected>,
    panels: Vec<Asked>,
}

#[derive(Serialize)]
struct Expected {
    labels: BTreeMap<String, String>,
    runbook_url: String,
}

/// A panel and its queries.
#[derive(Serialize)]
struct Asked {
    dashboard: String,
    title: String,
    unit: &'static str,
    queries: Vec<Query>,
    excuse: Option<Excuse>,
}

/// Why a panel has nothing to show.
#[derive(Serialize)]
struct Excuse {
    reason: String,
    /// Whether it shows something in some runs.
    by_chance: bool,
}

impl Excuse {
    fn of(exclusions: &dashboards::Exclusions, dashboard: &str, title: &str) -> Option<Self> {
        let found = exclusions.of_panel(dashboard, title)?;
        Some(Self { reason: found.reason.clone(), by_chance: found.by_chance })
    }
}

#[derive(Serialize)]
struct Query {
    expr: String,
    legend: String,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut words = vec!["--rules".to_owned()];
    let home = workspace::target_directory()?.join("ops-live");
    let (rules, plan) = prepare(&home)?;
    words.extend([path(&rules), "--plan".to_owned(), path(&plan)]);
    words.extend(arguments.iter().cloned());
    programs::start("shoal-ops-live", &words)
}

/// The stage of the test run: what shows within two minutes.
pub(crate) fn briefly() -> Result<()> {
    run(&["--brief".to_owned()])
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Writes the shortened rules and the plan, and lets promtool read the rules.
fn prepare(home: &Path) -> Result<(PathBuf, PathBuf)> {
    if shell::find("promtool").is_none() {
        bail!("promtool is not installed: apt-get install -y prometheus");
    }
    let rules = home.join("rules");
    if rules.exists() {
        fs::remove_dir_all(&rules).with_context(|| format!("empty {}", rules.display()))?;
    }
    fs::create_dir_all(&rules).with_context(|| format!("make {}", rules.display()))?;
    let mut files = rules::read()?;
    let mut promtool = shell::program("promtool");
    promtool.args(["check", "rules"]);
    for file in &mut files {
        scale::file(file)?;
        let name = Path::new(&file.path).file_name().context("a file of rules without a name")?;
        let path = rules.join(name);
        // Every JSON document is a YAML document.
        write(&path, &serde_json::to_string_pretty(&file)?)?;
        promtool.arg(path);
    }
    shell::read(&mut promtool).context("the shortened rules are none")?;
    let plan = home.join("plan.json");
    let told = Plan { alerts: expected(&files)?, panels: panels()? };
    write(&plan, &serde_json::to_string_pretty(&told)?)?;
    Ok((rules, plan))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn expected(files: &[Rules]) -> Result<BTreeMap<String, Expected>> {
    let mut expected = BTreeMap::new();
    for (name, rule) in files.iter().flat_map(Rules::alerts) {
        let labels = rule.labels.clone();
        ensure!(!labels.is_empty(), "{name} has no labels");
        let runbook_url = rule.annotations.get("runbook_url").cloned();
        let runbook_url = runbook_url.with_context(|| format!("{name} has no page"))?;
        expected.insert(name.to_owned(), Expected { labels, runbook_url });
    }
    Ok(expected)
}

fn panels() -> Result<Vec<Asked>> {
    let silent = dashboards::may_be_empty()?;
    let dashboards = dashboards::all();
    let panels = dashboards.iter().flat_map(|it| it.panels().map(move |panel| (it.name, panel)));
    let asked = panels.map(|(dashboard, panel)| Asked {
        dashboard: dashboard.to_owned(),
        title: panel.title.to_owned(),
        unit: panel.unit.word(),
        queries: panel
            .targets
            .iter()
            .map(|target| Query {
                expr: dashboards::concrete(&target.expr, RATE_INTERVAL, SHOWN),
                legend: target.legend.to_owned(),
            })
            .collect(),
        excuse: Excuse::of(&silent, dashboard, panel.title),
    });
    let changes = dashboards::changes().map(|(name, expr)| Asked {
        dashboard: dashboards::CHANGES.to_owned(),
        title: name.to_owned(),
        unit: "short",
        queries: vec![Query {
            expr: dashboards::concrete(&expr, RATE_INTERVAL, SHOWN),
            legend: name.to_owned(),
        }],
        excuse: Excuse::of(&silent, dashboards::CHANGES, name),
    });
    Ok(asked.chain(changes).collect())
}
