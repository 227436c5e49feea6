//! One error for everything that can go wrong with a BMC. It answers what its caller must decide:
//! is it worth trying again, when, and may the request have had its effect although we saw no answer.

use std::{fmt, time::Duration};

use crate::tls::TlsFault;

/// A failed exchange with a BMC, or a state that never came about.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(Box<Failure>);

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

/// Whether doing the same again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// It would fail again.
    Never,
    /// After this pause.
    After(Duration),
    /// After the host was switched off.
    AfterPowerOff,
    /// After somebody did this.
    AfterOperator(&'static str),
}

#[derive(Debug)]
struct Failure {
    kind: Kind,
    method: &'static str,
    path: String,
    status: Option<u16>,
    message_ids: Vec<String>,
    body: Option<String>,
    unsure: bool,
    source: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Box::new(Failure {
            kind,
            method: "",
            path: String::new(),
            status: None,
            message_ids: Vec::new(),
            body: None,
            unsure: false,
            source: None,
        }))
    }

    pub(crate) fn at(mut self, method: &'static str, path: &str) -> Self {
        self.0.method = method;
        path.clone_into(&mut self.0.path);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_messages(mut self, ids: Vec<String>, body: String) -> Self {
        self.0.message_ids = ids;
        self.0.body = Some(body).filter(|body| !body.is_empty());
        self
    }

    pub(crate) fn because(mut self, source: String) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Marks a request that was sent and whose effect is unknown.
    pub(crate) fn unsure(mut self, unsure: bool) -> Self {
        self.0.unsure = unsure;
        self
    }

    /// What failed.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The HTTP method, empty when the failure is not about one request.
    pub fn method(&self) -> &'static str {
        self.0.method
    }

    /// The path on the BMC, empty when the failure is not about one request.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The status code, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The message ids of the answer, as sent.
    pub fn message_ids(&self) -> &[String] {
        &self.0.message_ids
    }

    /// The start of the answer's body (at most 2 KiB), without secrets.
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// True when a change was sent and no answer said whether it happened.
    /// The only right continuation is to look at the BMC's state.
    pub fn may_have_taken_effect(&self) -> bool {
        self.0.unsure
    }

    /// True when the same call may succeed later without anybody's help.
    pub fn is_transient(&self) -> bool {
        matches!(self.retry(), Retry::After(_))
    }

    /// Whether, and after what, the same call is worth repeating.
    pub fn retry(&self) -> Retry {
        let seconds = |seconds| Retry::After(Duration::from_secs(seconds));
        match &self.0.kind {
            Kind::Unreachable => seconds(5),
            Kind::Tls(_) => Retry::AfterOperator(
                "check the BMC's certificate and renew the pin or the authority",
            ),
            Kind::Auth | Kind::LockedOut => {
                Retry::AfterOperator("correct the credentials, then reset the lockout guard")
            }
            Kind::SessionLimit => seconds(60),
            Kind::NotReady { retry_after } => {
                Retry::After(retry_after.unwrap_or(Duration::from_secs(30)))
            }
            Kind::Busy(BusyReason::InPost) => Retry::AfterPowerOff,
            Kind::Busy(_) | Kind::Server | Kind::TaskFailed | Kind::Timeout { .. } => seconds(30),
            Kind::MediaBusy => {
                Retry::AfterOperator("close other virtual media sessions of this BMC")
            }
            Kind::MediaDisabled => {
                Retry::AfterOperator("enable virtual media in the BMC's settings")
            }
            Kind::LicenseRequired => {
                Retry::AfterOperator("install the BMC's virtual media licence")
            }
            Kind::MediaRejected(MediaFault::Unreachable | MediaFault::NotFound) => {
                Retry::AfterOperator("check that the BMC can reach the media server")
            }
            Kind::MediaRejected(MediaFault::Certificate) => {
                Retry::AfterOperator("let the BMC trust the media server's certificate")
            }
            Kind::ForeignMedia { .. } => {
                Retry::AfterOperator("eject the image, or plan with foreign media ejected")
            }
            Kind::WrongMachine { .. } => {
                Retry::AfterOperator("check which machine this BMC belongs to")
            }
            Kind::PowerOnUnsure => Retry::AfterOperator(
                "decide whether the host already ran, then rearm the checkpoint",
            ),
            Kind::VerifyFailed { .. } | Kind::Checkpoint { .. } => seconds(10),
            Kind::Protocol { .. }
            | Kind::Precondition
            | Kind::Unsupported { .. }
            | Kind::MissingParameter { .. }
            | Kind::MediaRejected(_)
            | Kind::NoSystem { .. }
            | Kind::FutureState
            | Kind::NotFound
            | Kind::Rejected => Retry::Never,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.method.is_empty() {
            write!(f, " ({} {}", self.method, self.path)?;
            if let Some(status) = self.status {
                write!(f, ", {status}")?;
            }
            if let Some(id) = self.message_ids.first() {
                write!(f, ", {id}")?;
            }
            f.write_str(")")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if self.unsure {
            return f.write_str("; it may have taken effect, look at the BMC");
        }
        write!(f, "; {}", advice(&self.kind))
    }
}

fn advice(kind: &Kind) -> &'static str {
    match Error::new(kind.clone()).retry() {
        Retry::After(_) => "try again later",
        Retry::AfterPowerOff => "switch the host off and try again",
        Retry::AfterOperator(what) => what,
        Retry::Never => match kind {
            Kind::NotFound | Kind::Rejected | Kind::Unsupported { .. } => {
                "discover the BMC again and plan anew"
            }
            _ => "report it with the transcript of this session",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_failed_where_and_what_to_do() {
        let error = Error::new(Kind::LicenseRequired)
            .at("POST", "/redfish/v1/x")
            .with_status(403)
            .with_messages(vec!["iLO.2.14.LicenseKeyRequired".into()], "{}".into());
        assert_eq!(
            error.to_string(),
            "the BMC lacks a licence for virtual media (POST /redfish/v1/x, 403, iLO.2.14.LicenseKeyRequired); \
             install the BMC's virtual media licence"
        );
    }

    #[test]
    fn an_unsure_write_says_to_look_first() {
        let error = Error::new(Kind::Unreachable).at("POST", "/x").unsure(true);
        assert!(error.may_have_taken_effect());
        assert!(error.to_string().ends_with("it may have taken effect, look at the BMC"));
    }

    #[test]
    fn a_pause_named_by_the_bmc_is_passed_on() {
        let error = Error::new(Kind::NotReady { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
        assert!(error.is_transient());
    }
}
