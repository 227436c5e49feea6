//! Why a task medium could not be built, for metrics and for the engine.

use std::io;

use shoal_core::Fault;

use crate::{addresses::NoAddress, effects::fault::chain};

/// Why a task medium could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BuildError {
    /// The store failed.
    #[error("failed to read or store the attempt's inputs")]
    Store(#[from] shoal_store::Error),
    /// The job's recipe is gone or cannot be read.
    #[error("the stored recipe cannot be used: {0}")]
    Recipe(String),
    /// An address of the controller cannot be used.
    #[error("{0}")]
    Address(String),
    /// No address of the controller leads from the server's BMC to it now.
    #[error(transparent)]
    NoAddress(#[from] NoAddress),
    /// The files do not make a medium.
    #[error("failed to lay out the task medium")]
    Layout(#[from] shoal_iso::Error),
    /// The directory of task media failed.
    #[error("failed to write the task medium")]
    Write(#[source] io::Error),
    /// The same inputs came to other bytes: never served.
    #[error("the task medium came out with another digest than when it was first built")]
    Differs,
}

impl BuildError {
    /// The reason label of `iso_build_failures_total`.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => "disk_full",
            Self::Store(error) if error.is_full() => "disk_full",
            Self::Write(_) | Self::Store(_) => "io",
            Self::Recipe(_) | Self::Address(_) | Self::NoAddress(_) | Self::Layout(_) => "input",
            Self::Differs => "tool",
        }
    }

    /// In the engine's words: disks may be emptied, inputs do not change by waiting.
    pub(crate) fn into_fault(self) -> Fault {
        let detail = chain(&self);
        let summary = match &self {
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => {
                "the task medium directory is full; free space and the job goes on".to_owned()
            }
            other => other.to_string(),
        };
        let passes = match &self {
            Self::Write(_) | Self::Store(_) => true,
            Self::NoAddress(error) => error.is_transient(),
            Self::Recipe(_) | Self::Address(_) | Self::Layout(_) | Self::Differs => false,
        };
        if passes { Fault::transient(summary) } else { Fault::permanent(summary) }.because(detail)
    }
}
