//! What would make an install fail, and what an operator can do about it.

use shoal_api::Finding;
use shoal_core::{Fault, Workflow};
use shoal_redfish::{Error, Kind, Reason, Refusal, TlsFault};

use super::super::{fault::ESXI_NEEDS, turn::STOPPED};

/// Code of a BMC that belongs to another machine than the recorded one.
pub(super) const OTHER_MACHINE: &str = "other_machine";

pub(super) fn of_fault(fault: &Fault) -> Finding {
    Finding {
        code: "configuration".to_owned(),
        message: fault.summary.clone(),
        next_step: "correct the server's record with PUT".to_owned(),
        seen: fault.detail.iter().cloned().collect(),
    }
}

pub(super) fn other_machine() -> Finding {
    Finding {
        code: OTHER_MACHINE.to_owned(),
        message: "the BMC belongs to another machine than the one recorded for this serial"
            .to_owned(),
        next_step: "correct the BMC's address; if the machine was replaced, delete the server and \
                    add it again"
            .to_owned(),
        seen: Vec::new(),
    }
}

pub(super) fn of_error(error: &Error) -> Finding {
    let (code, next_step) = match error.kind() {
        Kind::Unreachable | Kind::Timeout { .. } => (
            "unreachable",
            "check the BMC's address, its power and network, and that this controller may reach it",
        ),
        Kind::Tls(TlsFault::PinMismatch { .. }) => (
            "certificate",
            "if the BMC's certificate was renewed on purpose, PUT the server with the new pin",
        ),
        Kind::Tls(_) => (
            "certificate",
            "give the BMC a certificate of the named authority, or pin the one it shows",
        ),
        Kind::Auth if error.status() == Some(403) => ("privilege", error.next_step()),
        Kind::Auth => ("login_refused", "PUT the server with the right credentials"),
        Kind::LockedOut => ("logins_stopped", STOPPED),
        Kind::NoSystem { .. } => {
            ("no_system", "check that this is the address of a server's BMC and not of a chassis")
        }
        Kind::NotReady { .. } => ("not_ready", "wait until the BMC has started, and probe again"),
        _ => ("bmc", error.next_step()),
    };
    Finding {
        code: code.to_owned(),
        message: error.to_string(),
        next_step: next_step.to_owned(),
        seen: Vec::new(),
    }
}

pub(super) fn of_refusal(refusal: &Refusal, workflow: Workflow) -> Finding {
    let next_step = match &refusal.reason {
        Reason::NoSlot => {
            "check the BMC's licence and firmware for virtual media by address; media by NFS or \
             SMB are not served"
        }
        Reason::NoSecondSlot if workflow == Workflow::Esxi => ESXI_NEEDS,
        Reason::NoSecondSlot => {
            "serve a boot medium of our own with room for the task files, as shoal.json says"
        }
        Reason::ForeignMedia => "eject the images at the BMC, and probe again",
        Reason::Scheme { .. } => {
            "offer what the BMC takes: MEDIA_HTTP_ADDR with the server's allow_plain_media for \
             http, https else; media by NFS or SMB are not served"
        }
        Reason::WrongMachine { .. } | Reason::UnknownMachine { .. } => {
            "check which machine this BMC belongs to"
        }
        Reason::NoBootTarget => "check that the BMC's firmware can boot a virtual CD once",
        Reason::NoReset => "check that the account may switch the machine's power",
        _ => "look at what was seen",
    };
    Finding {
        code: refusal.reason.code().to_owned(),
        message: refusal.reason.to_string(),
        next_step: next_step.to_owned(),
        seen: refusal.seen.clone(),
    }
}
