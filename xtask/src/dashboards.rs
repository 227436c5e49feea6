//! The dashboards, as data: what an operator looks at, in seven pages. They are written here and not
//! by hand, so that every panel has the same selectors, links and layout, and so that the checks and
//! the live proof ask the very queries that an operator sees.

mod exclusions;
mod host;
mod layout;
mod lint;
mod media;
mod model;
mod overview;
mod preview;
mod query;
mod redfish;
mod registry;
mod render;
mod slos;
mod webhooks;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::shell;
pub(crate) use exclusions::Exclusions;
use model::Dashboard;
pub(crate) use query::concrete;

/// Where the pages of the runbook are read.
const RUNBOOK: &str = "https://github.com/shoal-provision/shoal/blob/main/docs/runbook";

/// Every dashboard, in the order an operator opens them.
pub(crate) fn all() -> Vec<Dashboard> {
    vec![
        overview::dashboard(),
        redfish::dashboard(),
        webhooks::dashboard(),
        media::dashboard(),
        registry::dashboard(),
        host::dashboard(),
        slos::dashboard(),
    ]
}

/// The directory of the generated files.
fn directory() -> PathBuf {
    shell::root().join("ops/dashboards")
}

/// What changes are marked by, by name.
pub(crate) fn changes() -> impl Iterator<Item = (&'static str, String)> {
    render::CHANGES.iter().map(|(name, _, series)| (*name, render::change(series)))
}

/// Where the marks of changes are counted among the dashboards.
pub(crate) const CHANGES: &str = "changes";

/// What an exclusion calls each panel, and each mark of changes.
fn panels(dashboards: &[Dashboard]) -> impl Iterator<Item = String> {
    let panels = dashboards.iter().flat_map(|it| it.panels().map(|panel| (it.name, panel.title)));
    let changes = changes().map(|(name, _)| (CHANGES, name));
    panels.chain(changes).map(|(dashboard, title)| exclusions::panel(dashboard, title))
}

/// The panels that a live run may leave empty are among these.
pub(crate) fn may_be_empty() -> Result<Exclusions> {
    Exclusions::read()
}

/// `cargo xtask dashboards`: checks them, and draws what a run of `ops-live` kept.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            let problems = lint::all(&all())?;
            for problem in &problems {
                println!("dashboards: {problem}");
            }
            if !problems.is_empty() {
                bail!("{} problems in the dashboards", problems.len());
            }
            println!("dashboards: {} are in order", all().len());
            Ok(())
        }
        [flag, kept, page] if flag == "--preview" => preview::write(kept.as_ref(), page.as_ref()),
        _ => bail!("usage: cargo xtask dashboards [--preview KEPT.json PAGE.html]"),
    }
}
