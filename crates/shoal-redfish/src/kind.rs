//! The ways in which a BMC can fail us, in terms that hold for every vendor. Message ids and status
//! codes are translated into these once; everything else decides by them.

use std::time::Duration;

use crate::tls::TlsFault;

/// What failed, in terms that hold for every vendor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// No connection, or it broke.
    #[error("the BMC cannot be reached")]
    Unreachable,
    /// The certificate was not accepted.
    #[error("the BMC's certificate was not accepted: {0}")]
    Tls(TlsFault),
    /// 401 or 403.
    #[error("the BMC refused our credentials")]
    Auth,
    /// Two authentication failures in a row; nothing more is sent, so that the account is not locked.
    #[error("stopped after two authentication failures")]
    LockedOut,
    /// All sessions are taken.
    #[error("the BMC has no free session")]
    SessionLimit,
    /// The BMC is starting or overloaded.
    #[error("the BMC is not ready")]
    NotReady {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server's state forbids the change for now.
    #[error("the server is busy: {0}")]
    Busy(BusyReason),
    /// No form of `If-Match` was accepted.
    #[error("the BMC accepted no precondition")]
    Precondition,
    /// The BMC does not know a parameter, property or method.
    #[error("the BMC does not support {what}")]
    Unsupported {
        /// Its name.
        what: String,
    },
    /// The BMC wants a parameter we do not know how to fill.
    #[error("the BMC misses the parameter {name}")]
    MissingParameter {
        /// Its name.
        name: String,
    },
    /// The BMC refused or could not open the image.
    #[error("the BMC rejected the image: {0}")]
    MediaRejected(MediaFault),
    /// The slot or the redirection service is in use.
    #[error("virtual media are in use")]
    MediaBusy,
    /// Virtual media are switched off in the BMC's settings.
    #[error("virtual media are disabled on this BMC")]
    MediaDisabled,
    /// The feature needs a licence.
    #[error("the BMC lacks a licence for virtual media")]
    LicenseRequired,
    /// A planned slot holds an image which is not ours.
    #[error("slot {slot} holds somebody else's image {image}")]
    ForeignMedia {
        /// Path of the slot.
        slot: String,
        /// The image, shortened to origin and file name.
        image: String,
    },
    /// Another machine than the one the plan was made for.
    #[error("this is not the planned machine: expected {expected}, seen {seen}")]
    WrongMachine {
        /// What the plan says.
        expected: String,
        /// What the BMC says.
        seen: String,
    },
    /// No system on this BMC can be provisioned.
    #[error("no system that can be reset and booted; seen {seen}")]
    NoSystem {
        /// What the BMC lists.
        seen: String,
    },
    /// The change belongs to the resource that takes effect at the next reset.
    #[error("the BMC takes this change only in its future state")]
    FutureState,
    /// 404.
    #[error("the resource does not exist")]
    NotFound,
    /// 400 without an explanation we know.
    #[error("the BMC rejected the request")]
    Rejected,
    /// 5xx without an explanation we know.
    #[error("the BMC failed internally")]
    Server,
    /// The answer is not Redfish.
    #[error("the answer is not Redfish: {what}")]
    Protocol {
        /// What is wrong with it.
        what: &'static str,
    },
    /// An accepted task ended badly.
    #[error("the BMC's task failed")]
    TaskFailed,
    /// A change was accepted but does not show.
    #[error("expected {expected}, but the BMC shows {seen}")]
    VerifyFailed {
        /// The state that was asked for.
        expected: String,
        /// The state that was read back.
        seen: String,
    },
    /// No answer or no effect in time.
    #[error("timed out while waiting for {phase}")]
    Timeout {
        /// What was waited for.
        phase: &'static str,
    },
    /// An earlier run sent the power-on, yet the host is off: it may have run and ended, or never started.
    #[error("power-on was sent before and the host is off")]
    PowerOnUnsure,
    /// The caller could not store the checkpoint.
    #[error("the checkpoint could not be saved: {why}")]
    Checkpoint {
        /// The reason it gave.
        why: String,
    },
}

impl Kind {
    /// A stable word for it, for programs and labels.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Tls(_) => "tls",
            Self::Auth => "auth",
            Self::LockedOut => "locked_out",
            Self::SessionLimit => "session_limit",
            Self::NotReady { .. } => "not_ready",
            Self::Busy(_) => "busy",
            Self::Precondition => "precondition",
            Self::Unsupported { .. } => "unsupported",
            Self::MissingParameter { .. } => "missing_parameter",
            Self::MediaRejected(_) => "media_rejected",
            Self::MediaBusy => "media_busy",
            Self::MediaDisabled => "media_disabled",
            Self::LicenseRequired => "license_required",
            Self::ForeignMedia { .. } => "foreign_media",
            Self::WrongMachine { .. } => "wrong_machine",
            Self::NoSystem { .. } => "no_system",
            Self::FutureState => "future_state",
            Self::NotFound => "not_found",
            Self::Rejected => "rejected",
            Self::Server => "server",
            Self::Protocol { .. } => "protocol",
            Self::TaskFailed => "task_failed",
            Self::VerifyFailed { .. } => "verify_failed",
            Self::Timeout { .. } => "timeout",
            Self::PowerOnUnsure => "power_on_unsure",
            Self::Checkpoint { .. } => "checkpoint",
        }
    }

    /// A read that will not work in this form, as opposed to not now.
    pub(crate) fn says_no_such_read(&self) -> bool {
        matches!(self, Self::NotFound | Self::Rejected | Self::Unsupported { .. } | Self::Server)
    }
}

/// Why a server is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusyReason {
    /// It is in its power-on self-test.
    #[error("it is in POST")]
    InPost,
    /// A job of the BMC is running.
    #[error("a job is running")]
    JobRunning,
    /// An earlier configuration waits for a restart of the host.
    #[error("an earlier configuration waits for a restart of the host")]
    ConfigurationPending,
    /// The change contradicts the current state.
    #[error("the change conflicts with its state")]
    StateConflict,
}

/// Why an image was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaFault {
    /// The address is longer than the BMC stores.
    #[error("its address is too long")]
    TooLong,
    /// The BMC does not fetch over this protocol.
    #[error("its protocol is not accepted")]
    Scheme,
    /// The BMC could not connect to the media server.
    #[error("the media server cannot be reached from the BMC")]
    Unreachable,
    /// The media server has no such image.
    #[error("it was not found")]
    NotFound,
    /// The BMC did not trust the media server's certificate.
    #[error("the media server's certificate was not accepted")]
    Certificate,
    /// Something else about the address.
    #[error("its address has a form the BMC refuses")]
    Format,
}
