//! What would make an installation fail, in an operator's terms: every error and every refusal to
//! plan is a finding with a next step.

use crate::{
    error::Error,
    examination::Finding,
    kind::Kind,
    plan::{Reason, Refusal},
    tls::TlsFault,
};

impl Finding {
    /// A failed exchange.
    pub fn of_error(error: &Error) -> Self {
        let kind = error.kind();
        let (code, next_step) = match kind {
            Kind::Unreachable | Kind::Timeout { .. } => (
                kind.code(),
                "check the BMC's address, its power and network, and that this host may reach it",
            ),
            Kind::Tls(TlsFault::PinMismatch { .. }) => (
                kind.code(),
                "if the BMC's certificate was renewed on purpose, pin the one it shows now",
            ),
            Kind::Tls(_) => (
                kind.code(),
                "give the BMC a certificate of the named authority, or pin the one it shows",
            ),
            Kind::Auth if error.status() == Some(403) => ("privilege", error.next_step()),
            Kind::NoSystem { .. } => (
                kind.code(),
                "check that this is the address of a server's BMC and not of a chassis",
            ),
            Kind::NotReady { .. } => {
                (kind.code(), "wait until the BMC has started, and look again")
            }
            Kind::Protocol { .. } => {
                (kind.code(), "check that this address and port are the BMC's Redfish service")
            }
            _ => (kind.code(), error.next_step()),
        };
        Self {
            code: code.to_owned(),
            message: error.to_string(),
            next_step: next_step.to_owned(),
            seen: error.message_ids().to_vec(),
        }
    }

    /// A refusal to plan.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        Self {
            code: refusal.reason.code().to_owned(),
            message: refusal.reason.to_string(),
            next_step: refusal.reason.next_step().to_owned(),
            seen: refusal.seen.clone(),
        }
    }
}

impl Reason {
    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::NoSlot => {
                "check the BMC's licence, firmware and settings for virtual media by address; media \
                 by NFS or SMB are not served"
            }
            Self::NoSecondSlot => "use a boot medium that carries the task too",
            Self::ForeignMedia => "eject the images at the BMC, or plan with foreign media ejected",
            Self::Scheme { .. } => {
                "serve the media over a protocol the BMC takes; NFS and SMB are not served"
            }
            Self::WrongMachine { .. } => "check which machine this BMC belongs to",
            Self::UnknownMachine { .. } => {
                "set the serial in the machine's BIOS or BMC, or expect none"
            }
            Self::NoBootTarget => "check that the firmware can boot a virtual CD once",
            Self::MediaOff => {
                "switch remote media on in the BMC's settings, or let it be done and look again"
            }
            Self::NoReset => "check that the account may switch the machine's power",
        }
    }
}
