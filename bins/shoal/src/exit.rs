//! Exit codes are what scripts read, so they are a contract, and this is the one place that has it.

use std::process::ExitCode;

/// How a run of the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// What was asked for was done; watched jobs succeeded.
    Done = 0,
    /// A watched job ended, and not with success; a probe or a dry run found what would fail; a check
    /// found damage; a wait was given up.
    NotSucceeded = 1,
    /// The command line, the configuration or a file named there is wrong, or what it asks for was
    /// not confirmed.
    Usage = 2,
    /// The controller refused, or the check of a recipe or a list here did before it.
    Refused = 3,
    /// There is no such job, server, key, token or artifact.
    NotFound = 4,
    /// The state of the job, server or installation does not allow it now.
    Conflict = 5,
    /// The controller was not reached or is not ready, or its certificate is not trusted.
    Unreachable = 6,
    /// No valid credentials, or a role that may not do this.
    Denied = 7,
    /// The controller or this program is at fault.
    Internal = 70,
}

impl Exit {
    /// Every exit code, in order.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::NotSucceeded,
        Self::Usage,
        Self::Refused,
        Self::NotFound,
        Self::Conflict,
        Self::Unreachable,
        Self::Denied,
        Self::Internal,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; watched jobs succeeded",
            Self::NotSucceeded => {
                "a watched job ended without success, a probe or dry run found what would fail, a \
                 check found damage, or a wait was given up"
            }
            Self::Usage => "wrong command line, configuration or file, or not confirmed",
            Self::Refused => "refused by the controller, or by the check here before it",
            Self::NotFound => "no such job, server, key, token or artifact",
            Self::Conflict => {
                "not possible in the present state of the job, server or installation"
            }
            Self::Unreachable => {
                "controller not reached or not ready, or its certificate not trusted"
            }
            Self::Denied => "no valid credentials, or a role that may not do this",
            Self::Internal => "fault of the controller or of this program",
        }
    }

    /// The list for `--help`.
    pub(crate) fn list() -> String {
        let lines = Self::ALL.map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
