//! What the API asks of whoever knows the configuration: what a request amounts to. It exists so
//! that budgets, addresses and defaults are decided in one place, for POST and dry run alike.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use shoal_core::{OnFailure, Plan, ServerSerial};
use shoal_recipe::{HttpUrl, Lint, Parsed, Problem};

/// A request for a job, parsed and admitted.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The machine.
    pub serial: ServerSerial,
    /// What to do with it, and what deserves a second look in that.
    pub recipe: Parsed,
    /// A boot medium other than the configured one.
    pub maintenance_iso_url: Option<HttpUrl>,
    /// Higher goes first, -100 to 100.
    pub priority: i32,
    /// The caller's own words, at most 32.
    pub labels: BTreeMap<String, String>,
    /// What becomes of the machine if the job fails.
    pub on_failure: OnFailure,
}

/// What a request was resolved to.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What the engine follows; carries the budgets.
    pub plan: Plan,
    /// The boot medium's outside address; none for the controller's own media.
    pub boot_url: Option<String>,
    /// What deserves a second look, the recipe's own lints included.
    pub warnings: Vec<Warning>,
}

/// One warning of a plan. It never refuses a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RequestWarning")]
pub struct Warning {
    /// Stable for programs.
    pub code: String,
    /// JSON Pointer into the request; empty for the request as a whole.
    pub path: String,
    /// What to look at, for people.
    pub message: String,
}

/// Resolves requests. Called for each POST of a job, on the async runtime: it must not block.
pub trait Planner: Send + Sync + 'static {
    /// What `request` amounts to, on whichever server.
    ///
    /// # Errors
    ///
    /// Why it cannot be done whatever the BMC says, with paths into the request's body.
    fn plan(&self, request: &JobRequest) -> Result<Planned, Vec<Problem>>;
}

impl From<&Lint> for Warning {
    fn from(lint: &Lint) -> Self {
        Self {
            code: lint.code.as_str().to_owned(),
            path: format!("/recipe{}", lint.path),
            message: lint.message.clone(),
        }
    }
}
