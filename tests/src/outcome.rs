//! How jobs ended, as a table for people.

use std::time::Duration;

/// One row.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Id of the job.
    pub job: String,
    /// The server's serial.
    pub server: String,
    /// Kind of BMC.
    pub persona: String,
    /// What was installed.
    pub workflow: &'static str,
    /// Succeeded, failed or cancelled.
    pub outcome: String,
    /// The step that failed.
    pub failed_step: Option<String>,
    /// From the request to complete.
    pub duration: Duration,
    /// Whether this is what was to happen.
    pub expected: bool,
}

const HEAD: [&str; 8] =
    ["JOB", "SERVER", "PERSONA", "WORKFLOW", "OUTCOME", "FAILED STEP", "SECONDS", "AS EXPECTED"];

/// The rows with a head, columns aligned, each line ended.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(outcomes.iter().map(cells));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; HEAD.len()]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn cells(outcome: &Outcome) -> [String; HEAD.len()] {
    [
        outcome.job.clone(),
        outcome.server.clone(),
        outcome.persona.clone(),
        outcome.workflow.to_owned(),
        outcome.outcome.clone(),
        outcome.failed_step.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{:.1}", outcome.duration.as_secs_f64()),
        if outcome.expected { "yes" } else { "NO" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |job: &str, expected| Outcome {
            job: job.to_owned(),
            server: "SN1".to_owned(),
            persona: "ilo5".to_owned(),
            workflow: "linux",
            outcome: "succeeded".to_owned(),
            failed_step: None,
            duration: Duration::from_millis(4250),
            expected,
        };
        let table = table(&[row("0199", true), row("0199-longer", false)]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[1],
            "0199         SN1     ilo5     linux     succeeded  -            4.2      yes"
        );
        assert!(lines[2].starts_with("0199-longer  SN1") && lines[2].ends_with("NO"));
    }
}
