//! What the process around it hands to the serving part, and the one thing it wants to know back:
//! whether a failure was one of starting. Exit codes are part of the contract with service managers.

use std::{fmt, path::PathBuf, process::ExitCode};

pub use crate::reload::Origin;
use crate::{boot_medium::Unusable, listen::Activated};

/// What serving needs besides settings.
#[derive(Debug)]
pub struct ServeOptions {
    /// Where to write the ready file.
    pub ready_file: Option<PathBuf>,
    /// Sockets a service manager had opened; empty without one.
    pub activated: Activated,
    /// Changes what is logged.
    pub levels: shoal_telemetry::logs::Levels,
    /// Where the configuration is read again.
    pub origin: Origin,
    /// What the admin listener renders.
    pub metrics: shoal_telemetry::metrics::Metrics,
    /// What tells of spans that are over.
    pub spans: shoal_telemetry::traces::Spans,
    /// Name of this instance, in leases, traces and the ready file.
    pub instance: String,
}

/// Marks an error as "could not start" (exit 69), as `anyhow` context: a port is taken, another
/// process holds the database. Every other error of serving is internal (exit 70).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStarted;

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the controller could not start")
    }
}

/// How the process ends; the numbers are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or stopped as asked.
    Clean = 0,
    /// Wrong arguments or configuration; nothing was touched.
    Configuration = 64,
    /// A database or backup is damaged.
    Damaged = 65,
    /// Could not start: what is needed is taken or missing.
    Unavailable = 69,
    /// Failed while running.
    Internal = 70,
}

impl Exit {
    /// The exit of an error that ended serving.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.downcast_ref::<Unusable>().is_some() {
            Self::Configuration
        } else if error.downcast_ref::<NotStarted>().is_some() {
            Self::Unavailable
        } else {
            Self::Internal
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn only_a_marked_error_counts_as_not_started_however_deep_it_is_wrapped() {
        let marked = Err::<(), _>(anyhow!("port taken")).context(NotStarted).context("serve");

        assert_eq!(Exit::of(&marked.unwrap_err()), Exit::Unavailable);
        assert_eq!(Exit::of(&anyhow!("disk gone")), Exit::Internal);
    }
}
