//! One error for everything that can go wrong with a BMC. It answers what its caller must decide:
//! is it worth trying again, when, and may the request have had its effect although we saw no answer.

use std::{fmt, time::Duration};

use crate::{
    kind::{BusyReason, Kind, MediaFault},
    transcript::{Exchange, Said, Transcript},
};

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
    final_try: bool,
    source: Option<String>,
    said: Option<Said>,
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
            final_try: false,
            source: None,
            said: None,
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

    /// Marks a failure that was met again and again already.
    pub(crate) fn after_all_tries(mut self) -> Self {
        self.0.final_try = true;
        self
    }

    pub(crate) fn was_tried_again(&self) -> bool {
        self.0.final_try
    }

    /// Marks a request that was sent and whose effect is unknown.
    pub(crate) fn unsure(mut self, unsure: bool) -> Self {
        self.0.unsure = unsure;
        self
    }

    /// Keeps what was said before the failure, unless that is known already.
    pub(crate) fn after(mut self, transcript: &Transcript) -> Self {
        self.0.said.get_or_insert_with(|| transcript.said());
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

    /// What was said on the connection before the failure, oldest first and without secrets: at most
    /// its last 64 exchanges, and none where nothing was sent at all.
    pub fn transcript(&self) -> &[Exchange] {
        self.0.said.as_ref().map(Said::exchanges).unwrap_or_default()
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::tls::TlsFault;

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

    /// One of every kind, with what its caller is told to do. The list is complete: a kind that is not
    /// in it does not compile.
    fn every_kind() -> Vec<(Kind, Retry)> {
        let text = String::new;
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        let ask = Retry::AfterOperator;
        let fetch = "check that the BMC can reach the media server";
        let address = "serve the image under a short plain address ending in .iso";
        let all = vec![
            (Kind::Unreachable, after(5)),
            (
                Kind::Tls(TlsFault::Expired),
                ask("check the BMC's certificate and renew the pin or the authority"),
            ),
            (Kind::Auth, ask("correct the credentials, then reset the lockout guard")),
            (Kind::LockedOut, ask("correct the credentials, then reset the lockout guard")),
            (Kind::SessionLimit, after(60)),
            (Kind::NotReady { retry_after: None }, after(30)),
            (Kind::Busy(BusyReason::InPost), Retry::AfterPowerOff),
            (Kind::Busy(BusyReason::JobRunning), after(30)),
            (
                Kind::Busy(BusyReason::ConfigurationPending),
                ask("restart the host once, or delete the pending job in the BMC"),
            ),
            (Kind::Busy(BusyReason::StateConflict), after(30)),
            (Kind::Precondition, Retry::Never),
            (Kind::Unsupported { what: text() }, Retry::Never),
            (Kind::MissingParameter { name: text() }, Retry::Never),
            (Kind::MediaRejected(MediaFault::TooLong), ask(address)),
            (Kind::MediaRejected(MediaFault::Format), ask(address)),
            (Kind::MediaRejected(MediaFault::Scheme), ask("serve the image over another protocol")),
            (Kind::MediaRejected(MediaFault::Unreachable), ask(fetch)),
            (Kind::MediaRejected(MediaFault::NotFound), ask(fetch)),
            (
                Kind::MediaRejected(MediaFault::Certificate),
                ask("let the BMC trust the media server's certificate"),
            ),
            (Kind::MediaBusy, ask("close other virtual media sessions of this BMC")),
            (Kind::MediaDisabled, ask("enable virtual media in the BMC's settings")),
            (Kind::LicenseRequired, ask("install the BMC's virtual media licence")),
            (
                Kind::ForeignMedia { slot: text(), image: text() },
                ask("eject the image, or plan with foreign media ejected"),
            ),
            (
                Kind::WrongMachine { expected: text(), seen: text() },
                ask("check which machine this BMC belongs to"),
            ),
            (Kind::NoSystem { seen: text() }, Retry::Never),
            (Kind::FutureState, Retry::Never),
            (Kind::NotFound, Retry::Never),
            (Kind::Rejected, Retry::Never),
            (Kind::Server, after(30)),
            (Kind::Protocol { what: "" }, Retry::Never),
            (Kind::TaskFailed, after(30)),
            (Kind::VerifyFailed { expected: text(), seen: text() }, after(10)),
            (Kind::Timeout { phase: "" }, after(30)),
            (
                Kind::PowerOnUnsure,
                ask("decide whether the host already ran, then rearm the checkpoint"),
            ),
            (Kind::Checkpoint { why: text() }, after(10)),
        ];
        let codes: BTreeSet<&str> = all.iter().map(|(kind, _)| kind.code()).collect();
        assert_eq!(codes.len(), KINDS, "a kind is missing here, or two share a code");
        all
    }

    /// Kinds whose code is one of its own; counted where `code` matches them all.
    const KINDS: usize = 27;

    #[test]
    fn every_kind_says_in_one_line_what_to_do_next() {
        for (kind, retry) in every_kind() {
            let error = Error::new(kind.clone()).at("POST", "/redfish/v1/x").with_status(400);
            assert_eq!(error.retry(), retry, "{kind:?}");
            assert_eq!(error.is_transient(), matches!(retry, Retry::After(_)), "{kind:?}");
            let line = error.to_string();
            assert!(line.ends_with(&format!("; {}", error.next_step())), "{line}");
            assert!(!line.contains('\n') && error.next_step().len() > 10, "{line}");
            assert!(
                line.starts_with(|c: char| c.is_lowercase() || line.starts_with("virtual")),
                "{line}"
            );
            assert!(!error.may_have_taken_effect(), "{kind:?} is unsure by itself");
            let lost = Error::new(kind).at("POST", "/redfish/v1/x").unsure(true);
            assert!(lost.to_string().ends_with("look at the BMC") && lost.may_have_taken_effect());
        }
        let forbidden = Error::new(Kind::Auth).with_status(403);
        assert!(forbidden.next_step().contains("privilege"));
    }

    #[test]
    fn a_pause_named_by_the_bmc_is_passed_on() {
        let error = Error::new(Kind::NotReady { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
        assert!(error.is_transient());
    }
}
