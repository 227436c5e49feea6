//! What would make an install fail, and what an operator of this controller can do about it. The BMC
//! client says what is wrong; what is to be done with a server's record is known only here.

use shoal_api::{Finding, TlsSeen};
use shoal_core::{Fault, ServerSerial, Workflow};
use shoal_redfish::{Finding as Found, Refusal};

use super::super::{fault::ESXI_NEEDS, turn::STOPPED};

/// Code of a BMC that belongs to another machine than the recorded one.
pub(super) const OTHER_MACHINE: &str = "other_machine";

pub(super) fn of_fault(fault: &Fault) -> Finding {
    Finding {
        code: "configuration".to_owned(),
        message: fault.summary.clone(),
        next_step: "correct what was said of the BMC".to_owned(),
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

/// A server is registered with the BMC; its account is counted there.
pub(super) fn registered(serial: &ServerSerial) -> Finding {
    Finding {
        code: "registered".to_owned(),
        message: format!("server {serial} is registered with this BMC, so nothing was sent to it"),
        next_step: format!(
            "look at it through the server: shoal servers probe {serial}, or POST \
             /api/v1/servers/{serial}/probe"
        ),
        seen: Vec::new(),
    }
}

/// Only the certificate was looked at, because something is missing that is needed for more.
pub(super) fn not_trusted(tls: &TlsSeen, by_policy: bool) -> Finding {
    let pin = tls.key_sha256.as_ref().or(tls.sha256.as_ref()).cloned().unwrap_or_default();
    let (code, message, next_step) = if by_policy {
        (
            "trust_unknown",
            "nobody has said how this BMC proves who it is, so nothing was sent to it",
            format!(
                "compare with what the BMC's own console shows, then look again with the pin {pin}"
            ),
        )
    } else {
        (
            "no_account",
            "no account was named, so nothing was sent to the BMC",
            "look again with an account of the BMC".to_owned(),
        )
    };
    let (code, message) = (code.to_owned(), message.to_owned());
    Finding { code, message, next_step, seen: Vec::new() }
}

pub(super) fn of_found(found: &Found) -> Finding {
    let code = match found.code.as_str() {
        "timeout" => "unreachable",
        "tls" => "certificate",
        "auth" => "login_refused",
        "locked_out" => "logins_stopped",
        code => code,
    };
    let next_step = advice(code, Workflow::Linux).unwrap_or(&found.next_step);
    Finding {
        code: code.to_owned(),
        message: found.message.clone(),
        next_step: next_step.to_owned(),
        seen: found.seen.clone(),
    }
}

/// What to do about a registered server's BMC is to be done to its record.
pub(super) fn advise_on_server(finding: &mut Finding) {
    match finding.code.as_str() {
        "login_refused" => "PUT the server with the right credentials",
        "logins_stopped" => STOPPED,
        "certificate" => {
            "if the BMC's certificate was renewed on purpose, PUT the server with the new pin; else \
             give the BMC a certificate of the named authority"
        }
        _ => return,
    }
    .clone_into(&mut finding.next_step);
}

pub(super) fn of_refusal(refusal: &Refusal, workflow: Workflow) -> Finding {
    let code = refusal.reason.code();
    Finding {
        code: code.to_owned(),
        message: refusal.reason.to_string(),
        next_step: advice(code, workflow).unwrap_or("look at what was seen").to_owned(),
        seen: refusal.seen.clone(),
    }
}

/// What this controller's operator can do about what stands in the way of a plan.
fn advice(code: &str, workflow: Workflow) -> Option<&'static str> {
    Some(match code {
        "no_slot" => {
            "check the BMC's licence and firmware for virtual media by address; media by NFS or \
             SMB are not served"
        }
        "media_off" => "nothing: a job switches remote media on, and they stay on",
        "no_second_slot" if workflow == Workflow::Esxi => ESXI_NEEDS,
        "no_second_slot" => {
            "serve a boot medium of our own with room for the task files, as shoal.json says"
        }
        "foreign_media" => "eject the images at the BMC, and probe again",
        "scheme" => {
            "offer what the BMC takes: MEDIA_HTTP_ADDR with the server's allow_plain_media for \
             http, https else; media by NFS or SMB are not served"
        }
        "wrong_machine" | "unknown_machine" => "check which machine this BMC belongs to",
        "no_boot_target" => "check that the BMC's firmware can boot a virtual CD once",
        "no_reset" => "check that the account may switch the machine's power",
        _ => return None,
    })
}
