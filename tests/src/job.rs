//! A job as the API shows it, and the request for one.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the tests look at of a job. `whole` is everything.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    /// Id.
    pub job_id: String,
    /// The server.
    pub server_serial: String,
    /// Status.
    pub status: String,
    /// Phase.
    pub phase: String,
    /// Outcome, once there is one.
    pub outcome: Option<String>,
    /// The step that failed.
    pub failed_step: Option<String>,
    /// One line about the outcome.
    pub message: Option<String>,
    /// Installs started.
    pub attempt: u32,
    /// Why it waits for an operator.
    pub held: Option<String>,
    /// What cleanup could not finish.
    pub warnings: Vec<String>,
    /// What was seen that proves something.
    pub evidence: Evidence,
    /// The answer as it came.
    #[serde(skip)]
    pub whole: Value,
}

/// What was seen that proves something.
#[derive(Clone, Debug, Deserialize)]
pub struct Evidence {
    /// Milestones, and when each was seen first.
    pub milestones: BTreeMap<String, String>,
}

impl Job {
    pub(crate) fn read(body: Value) -> Result<Self> {
        let job: Self = serde_json::from_value(body.clone())
            .with_context(|| format!("understand the job {body}"))?;
        Ok(Self { whole: body, ..job })
    }

    /// Whether it is complete and its outcome is success.
    pub fn succeeded(&self) -> bool {
        self.ended_as("succeeded")
    }

    /// Whether it is complete with that outcome.
    pub fn ended_as(&self, outcome: &str) -> bool {
        self.status == "complete" && self.outcome.as_deref() == Some(outcome)
    }

    /// Its end in one line.
    pub fn story(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        format!(
            "{} in {}, outcome {}, failed_step {}, held {}, attempt {}, warnings {:?}: {}",
            self.status,
            self.phase,
            text(&self.outcome),
            text(&self.failed_step),
            text(&self.held),
            self.attempt,
            self.warnings,
            text(&self.message),
        )
    }
}

/// What a job installs, by its documented example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Workflow {
    /// Linux from an image.
    Linux,
    /// Windows from an image.
    Windows,
    /// ESXi by its own installer.
    Esxi,
    /// A firmware update.
    Firmware,
}

impl Workflow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Linux, Self::Windows, Self::Esxi, Self::Firmware];

    /// Its name in the configuration and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
            Self::Esxi => "esxi",
            Self::Firmware => "firmware",
        }
    }

    /// A request for the documented job on a server.
    pub fn job(self, serial: &str) -> Result<Value> {
        let example = match self {
            Self::Linux => include_str!("../../schemas/examples/linux.json"),
            Self::Windows => include_str!("../../schemas/examples/windows.json"),
            Self::Esxi => include_str!("../../schemas/examples/esxi.json"),
            Self::Firmware => include_str!("../../schemas/examples/firmware.json"),
        };
        let recipe: Value = serde_json::from_str(example)
            .with_context(|| format!("read schemas/examples/{}.json", self.name()))?;
        Ok(json!({"server_serial": serial, "recipe": recipe}))
    }
}

/// A request for the documented Linux job on a server.
pub fn linux_job(serial: &str) -> Result<Value> {
    Workflow::Linux.job(serial)
}
