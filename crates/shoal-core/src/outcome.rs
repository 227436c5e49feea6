//! How a job ended, and what cleanup could not finish.

use serde::{Deserialize, Serialize};

use crate::{step::StepKey, time::Time};

/// How a job ended. The first outcome wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// Succeeded, failed or cancelled.
    pub kind: OutcomeKind,
    /// When the outcome was recorded.
    pub at: Time,
    /// The step that failed; only with [`OutcomeKind::Failed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<StepKey>,
    /// The failed unit exactly as the maintenance OS sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// One line for people.
    pub message: String,
}

/// The three ways a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The machine runs what the recipe asked for.
    Succeeded,
    /// It does not, and `failed_step` says where it stopped.
    Failed,
    /// Somebody ended the job.
    Cancelled,
}

impl OutcomeKind {
    /// All three, for label sets.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word used in the API, SQL, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Something cleanup could not finish; the job is complete all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The machine could not be switched off.
    PowerLeftOn,
    /// A medium may still be in a slot; the server's next job must clear it first.
    MediaLeft,
    /// The one-time boot setting may still be armed.
    OverrideLeft,
    /// The machine could not be switched on into its installed system.
    NotDelivered,
}

impl Warning {
    /// The word used in the API, SQL and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerLeftOn => "power_left_on",
            Self::MediaLeft => "media_left",
            Self::OverrideLeft => "override_left",
            Self::NotDelivered => "not_delivered",
        }
    }
}
