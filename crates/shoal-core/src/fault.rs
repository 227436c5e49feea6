//! Why a command was refused, in the engine's own words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{step::StepKey, time::millis};

/// A command did not take effect, and what that means for the job.
///
/// Protocol errors are mapped to faults in one place outside this crate; the engine knows no HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// Who can mend it.
    pub class: FaultClass,
    /// One line for people: what failed and what to do next.
    pub summary: String,
    /// Longer technical text, never secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The step that failed, where it is finer than the command's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepKey>,
}

/// Who can mend a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum FaultClass {
    /// Time: try again, not before `after`.
    Transient {
        /// The shortest wait asked for by the other side; zero leaves it to the engine's backoff.
        #[serde(rename = "after_ms", with = "millis")]
        after: Duration,
    },
    /// A person: the job is held until one decides.
    Operator,
    /// Nobody: the job fails.
    Permanent,
}

impl Fault {
    /// A fault that time may mend.
    pub fn transient(summary: impl Into<String>) -> Self {
        Self::of(FaultClass::Transient { after: Duration::ZERO }, summary)
    }

    /// A fault only a person can mend.
    pub fn operator(summary: impl Into<String>) -> Self {
        Self::of(FaultClass::Operator, summary)
    }

    /// A fault nothing will mend.
    pub fn permanent(summary: impl Into<String>) -> Self {
        Self::of(FaultClass::Permanent, summary)
    }

    /// The same fault, blamed on a finer step than the command's own.
    #[must_use]
    pub fn at(mut self, step: StepKey) -> Self {
        self.step = Some(step);
        self
    }

    /// The same fault with technical detail.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn of(class: FaultClass, summary: impl Into<String>) -> Self {
        Self { class, summary: summary.into(), detail: None, step: None }
    }
}
