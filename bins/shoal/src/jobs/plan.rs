//! What a request would become, as the controller answers a dry run.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::screen::Screen;
use crate::span::span;
use crate::table::Cell;
use crate::wire::{Detail, Finding, MediaPlan};
use crate::words;

/// The answer to a dry run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Preview {
    server_serial: String,
    plan: Plan,
    budgets: Map<String, Value>,
    media_plan: Option<MediaPlan>,
    probe_age_seconds: Option<u64>,
    pub(super) problems: Vec<Finding>,
    notes: Vec<String>,
    warnings: Vec<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Plan {
    workflow: String,
    task_target: String,
    on_failure: String,
    boot_url: Option<String>,
    boot_evidence: Option<bool>,
    max_attempts: Option<u32>,
}

impl Preview {
    /// Prints it.
    pub(super) fn show(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        screen.pairs(&self.facts())?;
        if let Some(plan) = &self.media_plan {
            screen.heading("MEDIA PLAN")?;
            let mut facts = words::media(plan);
            let age = self.probe_age_seconds.map(|age| format!("{} ago", span(age)));
            facts.extend(age.map(|age| ("BMC seen", Cell::new(age))));
            screen.pairs(&facts)?;
        }
        let budgets = words::budgets(&self.budgets);
        if !budgets.is_empty() {
            screen.heading("BUDGETS")?;
            screen.table(&["BUDGET", "SPAN", "BOUNDS"], &budgets)?;
        }
        words::findings(&self.problems, screen)?;
        let warnings = self.warnings.iter();
        let warnings: Vec<_> =
            warnings.map(|it| format!("{}: {} ({})", it.path, it.message, it.code)).collect();
        words::remarks("WARNINGS", &warnings, screen)?;
        words::remarks("NOTES", &self.notes, screen)
    }

    fn facts(&self) -> Vec<(&'static str, Cell)> {
        let Plan { workflow, task_target, on_failure, boot_url, boot_evidence, max_attempts } =
            &self.plan;
        let boot = boot_url.as_deref().unwrap_or("the controller's own medium");
        let evidence =
            boot_evidence.filter(|seen| !seen).map(|_| "reads of the boot medium prove nothing");
        let facts = [
            ("server", self.server_serial.clone()),
            ("target", task_target.clone()),
            ("workflow", workflow.clone()),
            ("boots from", boot.to_owned()),
            ("evidence", evidence.unwrap_or_default().to_owned()),
            ("on failure", words::on_failure(on_failure).to_owned()),
            ("attempts", max_attempts.map(|most| format!("at most {most}")).unwrap_or_default()),
        ];
        let said = facts.into_iter().filter(|(_, text)| !text.is_empty());
        said.map(|(name, text)| (name, Cell::new(text))).collect()
    }
}
