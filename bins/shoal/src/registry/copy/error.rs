//! What can go wrong between two registries: which exit code it means, and what to do next.

use crate::exit::Exit;
use crate::tls::TlsFault;

/// The call that sends a part of a blob.
pub(super) const PATCH: &str = "PATCH upload";

/// Why an artifact was not copied. What was copied of it stays, and is not sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("{text:?} names no artifact: {why}")]
    BadName { text: String, why: &'static str },
    #[error("{call} at {registry}: {status} {message}")]
    Refused { registry: String, call: String, status: u16, message: String },
    #[error("{registry} lets nobody in who says no more")]
    Denied { registry: String },
    #[error("{registry} did not take the token that was given for it")]
    Expired { registry: String },
    #[error("failed to reach {registry}")]
    Unreachable { registry: String, source: reqwest::Error },
    #[error("{registry} is not trusted: {fault}")]
    Tls { registry: String, fault: TlsFault },
    #[error("{registry} was silent for too long")]
    Silent { registry: String },
    #[error("{registry} sent less of a blob than its manifest says")]
    Short { registry: String },
    #[error("what {registry} sent as {digest} is something else")]
    DigestMismatch { registry: String, digest: String },
    #[error("{registry} answered {call} with something unexpected: {why}")]
    BadAnswer { registry: String, call: String, why: &'static str },
    #[error("{digest} has more below it than can be copied at once: {what}")]
    TooMuch { digest: String, what: &'static str },
}

impl CopyError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::BadName { .. } => Exit::Usage,
            Self::Denied { .. } | Self::Expired { .. } => Exit::Denied,
            Self::Refused { status, .. } => match status {
                401 | 403 => Exit::Denied,
                404 => Exit::NotFound,
                409 => Exit::Conflict,
                400..=499 | 507 => Exit::Refused,
                _ => Exit::Unreachable,
            },
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Silent { .. }
            | Self::Short { .. } => Exit::Unreachable,
            Self::DigestMismatch { .. } | Self::TooMuch { .. } => Exit::Refused,
            Self::BadAnswer { .. } => Exit::Internal,
        }
    }

    pub(crate) fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::BadName { .. } => {
                "write [HOST[:PORT]/]REPO[:TAG|@DIGEST], such as registry.example:5000/tools/a:1.4"
            }
            Self::Denied { .. } => "give --src-user or --dst-user",
            Self::Expired { .. } | Self::Refused { status: 401 | 403, .. } => {
                "check user and password, and what they may do there"
            }
            Self::Refused { status: 507, .. } => {
                "free space at the destination: shoal registry usage, then shoal registry gc"
            }
            Self::Refused { .. } => return None,
            Self::Tls { fault, .. } => return Some(for_side(&fault.next_step())),
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Short { .. } => {
                "repeat the command: what the destination has is not sent again"
            }
            Self::DigestMismatch { .. } => {
                "check the source; the registry of a controller is checked by shoal registry check"
            }
            Self::BadAnswer { .. } => "check that the address is a registry's",
            Self::TooMuch { .. } => "copy its parts by their digests",
        };
        Some(step.to_owned())
    }

    /// No answer, or not the whole of it.
    pub(super) fn lost(registry: String, source: reqwest::Error) -> Self {
        match TlsFault::inside(&source) {
            Some(fault) => Self::Tls { registry, fault },
            None => Self::Unreachable { registry, source: source.without_url() },
        }
    }

    /// Whether the destination is elsewhere in the upload than was thought, or still holds it for the
    /// connection before: it has to be asked again where it is.
    pub(super) fn is_out_of_step(&self) -> bool {
        matches!(self, Self::Refused { call, status: 409 | 416, .. } if call == PATCH)
    }

    /// Whether the same may well succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_builder(),
            Self::Silent { .. } | Self::Short { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            _ => false,
        }
    }
}

/// Trust in a registry is given by the options of its side.
fn for_side(step: &str) -> String {
    step.replace("--ca FILE", "--src-ca or --dst-ca FILE")
        .replace("--pin SHA256", "--src-pin or --dst-pin SHA256")
}
