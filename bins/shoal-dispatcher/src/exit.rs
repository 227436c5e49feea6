//! Exit codes are the only word of the dispatcher that always gets out, so they are a contract.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The target was started.
    Done = 0,
    /// No task medium was found in time, or two different ones. Cannot be reported.
    NoMedium = 10,
    /// The task medium could not be mounted. Cannot be reported.
    Mount = 11,
    /// `recipe.schema.json` is missing, unreadable or of a version that this image does not know.
    Schema = 12,
    /// `job.json` or `recipe.json` is missing, unreadable or not JSON.
    RecipeUnreadable = 13,
    /// The recipe is not valid, or asks for a target that this image does not have.
    RecipeInvalid = 14,
    /// Files below `run/provision` could not be written.
    Write = 15,
    /// `systemctl` could not be run or could not start the target.
    Systemctl = 16,
    /// The privileges for mounting and writing are missing.
    Privileges = 17,
    /// The medium belongs to another machine, or strictness asked for a certainty there is not.
    WrongMachine = 18,
    /// A fault in the dispatcher itself.
    Panic = 20,
    /// The command line is wrong (`EX_USAGE` of sysexits).
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a run stopped, in the words of `failure.json`. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The unit at fault, when it is known.
    pub(crate) unit: Option<String>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, unit: None, message: message.into() }
    }

    /// The step key for reports: that of the unit at fault if it is one of the known steps, else
    /// the dispatcher's own.
    pub(crate) fn step(&self) -> String {
        let stem = self.unit.as_deref().and_then(|unit| unit.strip_suffix(".service"));
        match stem.filter(|stem| STEPS.contains(stem)) {
            Some(stem) => format!("workflow.{stem}"),
            None => "workflow.dispatcher".to_owned(),
        }
    }
}

/// Units of the maintenance OS that are steps of the taxonomy under the same name.
pub(crate) const STEPS: [&str; 7] = [
    "partition",
    "image-linux",
    "bootloader-linux",
    "config-drive",
    "image-windows",
    "bootloader-windows",
    "firmware",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_unit_gives_its_own_step_and_any_other_the_dispatchers() {
        let step = |unit: &str| {
            Failure { unit: Some(unit.into()), ..Failure::new(Exit::Systemctl, "") }.step()
        };

        assert_eq!(step("partition.service"), "workflow.partition");
        assert_eq!(step("image-linux.service"), "workflow.image-linux");
        assert_eq!(step("cups.service"), "workflow.dispatcher");
        assert_eq!(step("partition.mount"), "workflow.dispatcher");
        assert_eq!(Failure::new(Exit::Write, "").step(), "workflow.dispatcher");
    }
}
