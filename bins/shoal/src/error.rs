//! Everything that can go wrong, as data: which exit code it means, and what the operator can do
//! next.

use std::fmt;
use std::io;
use std::path::PathBuf;

use shoal_recipe::Problem;

use crate::exit::Exit;
use crate::tls::TlsFault;
use crate::wire::Refusal;

/// A problem of a recipe, with the line of the file where that could be told.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) line: Option<usize>,
    pub(crate) problem: Problem,
}

/// Something wrong with one entry of a list of servers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Counted from 1; 0 for the list as a whole.
    pub(crate) line: usize,
    /// The server, where it can be told.
    pub(crate) serial: Option<String>,
    pub(crate) message: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}", self.line)?;
            if let Some(serial) = &self.serial {
                write!(f, " ({serial})")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why the program could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} does not hold a secret on its one line", path.display())]
    SecretFile { path: PathBuf },
    #[error("failed to read a password from the terminal")]
    Prompt(#[source] io::Error),
    #[error("{} cannot serve for --credentials-from: {why}", path.display())]
    CredentialsFile { path: PathBuf, why: &'static str },
    #[error("{about}, and nobody can be asked whether that is meant")]
    Unasked { about: String, source: io::Error },
    #[error("not confirmed; nothing was done")]
    Declined,
    #[error("{} is not a usable configuration: line {line}: {message}", path.display())]
    Configuration { path: PathBuf, line: usize, message: String },
    #[error("there is no profile {name:?} in {}", path.display())]
    NoProfile { name: String, known: Vec<String>, path: PathBuf },
    #[error("no controller is named")]
    NoUrl,
    #[error("{url:?} is not the address of a controller: {why}")]
    BadUrl { url: String, why: &'static str },
    #[error("{url} would be called without TLS")]
    PlainUrl { url: String },
    #[error("{what}: {why}")]
    BadValue { what: String, why: &'static str },
    #[error("{file} has {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })]
    Recipe { file: String, problems: Vec<Located> },
    #[error("{file} has {} problem{}", misfits.len(), if misfits.len() == 1 { "" } else { "s" })]
    List { file: String, misfits: Vec<Misfit> },
    #[error("{call}: {refusal}")]
    Refused { call: String, status: u16, refusal: Box<Refusal> },
    #[error("the server {0} exists")]
    ServerExists(String),
    #[error("there is no API token with the id or name {0:?}")]
    NoToken(String),
    #[error("{} was made, and its text could not be kept in {}", what, path.display())]
    Lost { what: String, undo: String, path: PathBuf, source: io::Error },
    #[error("the drain was ended by somebody else, or by a restart of the controller")]
    DrainEnded,
    #[error("{0} when the time was over")]
    StillBusy(String),
    #[error("run {id} failed: {why}")]
    RunFailed { id: String, why: String },
    #[error("run {id} is under way still")]
    RunUnderWay { id: String },
    #[error("the dry run told nothing that could be confirmed")]
    NothingToConfirm,
    #[error("a catalogue is rebuilt with the controller stopped")]
    RebuildOffline,
    #[error(transparent)]
    Copy(#[from] crate::registry::CopyError),
    #[error("failed to reach {url}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} is not trusted: {fault}")]
    Tls { url: String, fault: TlsFault },
    #[error("{call} was sent and not answered; it may have taken effect")]
    Unanswered { call: String, again: String, source: Transport },
    #[error("the stream of {url} was lost {times} times in a row")]
    StreamLost { url: String, times: u32 },
    #[error("{call} was answered with something unexpected: {why}")]
    BadAnswer { call: String, why: String },
    #[error("failed to write output")]
    Output(#[from] io::Error),
}

/// Why an answer did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Transport {
    #[error(transparent)]
    Http(reqwest::Error),
    #[error("the answer has more than {limit} bytes")]
    TooLarge { limit: usize },
}

impl Error {
    /// The exit code this means.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::File { .. }
            | Self::SecretFile { .. }
            | Self::CredentialsFile { .. }
            | Self::Unasked { .. }
            | Self::Declined
            | Self::Prompt(_)
            | Self::Configuration { .. }
            | Self::NoProfile { .. }
            | Self::NoUrl
            | Self::BadUrl { .. }
            | Self::PlainUrl { .. }
            | Self::BadValue { .. } => Exit::Usage,
            Self::Recipe { .. } | Self::List { .. } => Exit::Refused,
            Self::StillBusy(_) | Self::RunUnderWay { .. } => Exit::NotSucceeded,
            Self::Copy(error) => error.exit(),
            Self::NoToken(_) => Exit::NotFound,
            Self::Refused { status, .. } => match status {
                401 | 403 => Exit::Denied,
                404 => Exit::NotFound,
                409 => Exit::Conflict,
                400..=499 => Exit::Refused,
                502..=504 => Exit::Unreachable,
                _ => Exit::Internal,
            },
            Self::ServerExists(_)
            | Self::DrainEnded
            | Self::NothingToConfirm
            | Self::RebuildOffline => Exit::Conflict,
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Unanswered { .. }
            | Self::StreamLost { .. } => Exit::Unreachable,
            Self::BadAnswer { .. }
            | Self::Lost { .. }
            | Self::Output(_)
            | Self::RunFailed { .. } => Exit::Internal,
        }
    }

    /// Whether whoever read the output has gone, as `head` does; nobody wants to be told.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What the operator can do next, as one sentence without full stop.
    pub(crate) fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::File { .. } | Self::BadValue { .. } | Self::Declined | Self::Output(_) => {
                return None;
            }
            Self::CredentialsFile { .. } => {
                "write the two lines BMC_USER=NAME and BMC_PASSWORD=PASSWORD"
            }
            Self::Unasked { .. } => "add --yes if it is meant",
            Self::Configuration { .. } => "docs/cli.md shows what a configuration may contain",
            Self::SecretFile { .. } => {
                "put the token or password on the first line, and nothing else"
            }
            Self::Prompt(_) => "name a file with --token-file or --password-file",
            Self::NoProfile { known, .. } if known.is_empty() => "the file has no profiles",
            Self::NoProfile { known, .. } => {
                return Some(format!("choose one of: {}", known.join(", ")));
            }
            Self::NoUrl => {
                "give --url https://CONTROLLER, set SHOAL_URL, or write a profile into the \
                 configuration file"
            }
            Self::BadUrl { .. } => "it looks like https://controller.example:8443",
            Self::PlainUrl { .. } => {
                "use https://, or write plain_http = true into a profile if the network between is \
                 trusted with your credentials"
            }
            Self::Recipe { .. } => "correct the recipe; nothing was sent",
            Self::List { .. } => "correct the list; nothing was changed",
            Self::NoToken(_) => "shoal tokens list shows them",
            Self::Lost { undo, .. } => return Some(undo.clone()),
            Self::DrainEnded => "shoal drain status shows how it is now",
            Self::StillBusy(_) => "wait on with shoal drain status --wait",
            Self::Refused { status, refusal, .. } => return refused(*status, refusal),
            Self::ServerExists(_) => "add --replace to write its whole record anew",
            Self::RunFailed { .. } => "look into the controller's log, and repeat the command",
            Self::RunUnderWay { id } => {
                return Some(format!("shoal registry runs shows it; --stop {id} ends it"));
            }
            Self::NothingToConfirm => {
                "if the catalogue was rebuilt, wait for the grace period after the start; else a plain \
                 shoal registry gc is enough"
            }
            Self::RebuildOffline => {
                "look with shoal registry check first; if the catalogue is lost or damaged, stop the \
                 controller, move registry.db out of REGISTRY_STORAGE, run shoal-controller registry \
                 rebuild, start it again, and confirm a collection with shoal registry gc --confirm"
            }
            Self::Copy(error) => return error.next_step(),
            Self::Unreachable { .. } => {
                "check the address, and whether the controller runs: its \
                 /livez answers without login"
            }
            Self::Tls { fault, .. } => return Some(fault.next_step()),
            Self::Unanswered { again, .. } => return Some(again.clone()),
            Self::StreamLost { .. } => {
                "the job goes on without being watched; run jobs watch again"
            }
            Self::BadAnswer { .. } => {
                "check that the address is a controller's and not older than this program"
            }
        };
        Some(step.to_owned())
    }
}

fn refused(status: u16, refusal: &Refusal) -> Option<String> {
    let step = match (status, refusal.error.as_str()) {
        (401, _) => {
            "give --token-file FILE or --user NAME; if you did, the token or password is not valid"
        }
        (403, _) => "ask for a role that may do this",
        (_, "conflict.active_job") => {
            "shoal jobs list --server SERIAL shows the unfinished job; watch it to its end, or cancel it"
        }
        (404, "not_found.server") => "shoal servers list shows the known ones",
        (404, "not_found.repository" | "not_found.manifest") => {
            "shoal registry list shows the repositories, shoal registry show REPO its tags"
        }
        (404, "not_found.upload") => "shoal registry uploads shows those that have not ended",
        (404, "not_found.run") => {
            "shoal registry runs shows what is remembered; repeat the command"
        }
        (_, "conflict.registry_busy") => "shoal registry runs shows what is under way",
        (_, "conflict.registry_off") => {
            "set ENABLE_REGISTRY=true on the controller, or use the registry that is used instead"
        }
        (_, "conflict.gc_unconfirmed") => {
            "shoal registry gc --dry-run tells what would go, and the word that confirms it"
        }
        (404, "not_found.job") => "shoal jobs list shows the known ones",
        (_, "conflict.quarantined") => "shoal servers release SERIAL puts it back into use",
        (422, _) => "use another --idempotency-key for another request",
        (500.., _) => {
            return refusal
                .request_id
                .as_ref()
                .map(|id| format!("look for request {id} in the controller's log"));
        }
        _ => return None,
    };
    Some(step.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_success_and_is_not_lamented() {
        let closed = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let full = Error::from(io::Error::from(io::ErrorKind::StorageFull));

        assert_eq!((closed.exit(), closed.is_closed_pipe()), (Exit::Internal, true));
        assert_eq!((full.exit(), full.is_closed_pipe()), (Exit::Internal, false));
    }
}
