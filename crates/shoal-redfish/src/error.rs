//! One error for everything that can go wrong with a BMC. It answers what its caller must decide:
//! is it worth trying again, when, and may the request have had its effect although we saw no answer.

use std::{fmt, time::Duration};

use crate::kind::{BusyReason, Kind, MediaFault};

/// A failed exchange with a BMC, or a state that never came about.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(Box<Failure>);

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

    /// The same failure, understood better.
    pub(crate) fn instead(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
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

    /// What to do about it, in a few words.
    pub fn next_step(&self) -> &'static str {
        self.0.advice()
    }

    /// Whether, and after what, the same call is worth repeating.
    pub fn retry(&self) -> Retry {
        self.0.retry()
    }
}

impl Failure {
    fn retry(&self) -> Retry {
        let seconds = |seconds| Retry::After(Duration::from_secs(seconds));
        match &self.kind {
            Kind::Unreachable => seconds(5),
            Kind::Tls(_) => Retry::AfterOperator(
                "check the BMC's certificate and renew the pin or the authority",
            ),
            Kind::Auth if self.status == Some(403) => {
                Retry::AfterOperator("give the account the privilege to control the server")
            }
            Kind::Auth | Kind::LockedOut => {
                Retry::AfterOperator("correct the credentials, then reset the lockout guard")
            }
            Kind::SessionLimit => seconds(60),
            Kind::NotReady { retry_after } => {
                Retry::After(retry_after.unwrap_or(Duration::from_secs(30)))
            }
            Kind::Busy(BusyReason::InPost) => Retry::AfterPowerOff,
            Kind::Busy(BusyReason::ConfigurationPending) => {
                Retry::AfterOperator("restart the host once, or delete the pending job in the BMC")
            }
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
            Kind::MediaRejected(MediaFault::Scheme) => {
                Retry::AfterOperator("serve the image over another protocol")
            }
            Kind::MediaRejected(MediaFault::TooLong | MediaFault::Format) => {
                Retry::AfterOperator("serve the image under a short plain address ending in .iso")
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
            | Kind::NoSystem { .. }
            | Kind::FutureState
            | Kind::NotFound
            | Kind::Rejected => Retry::Never,
        }
    }

    fn advice(&self) -> &'static str {
        match self.retry() {
            Retry::After(_) => "try again later",
            Retry::AfterPowerOff => "switch the host off and try again",
            Retry::AfterOperator(what) => what,
            Retry::Never => match self.kind {
                Kind::NotFound | Kind::Rejected | Kind::Unsupported { .. } => {
                    "discover the BMC again and plan anew"
                }
                _ => "report it with the transcript of this session",
            },
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
        write!(f, "; {}", self.advice())
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
