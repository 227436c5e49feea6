//! Protocol errors in the engine's words. Nothing else maps them.

use std::time::Duration;

use shoal_core::{Fault, FaultClass, StepKey, Verdict, Workflow};
use shoal_redfish::{Error, Reason, Refusal, Retry};

/// A refusal while the machine is in its power-on self test is waited out; power is not cut for it.
const IN_POST: Duration = Duration::from_secs(30);

/// One medium cannot carry both here: the installer's disc has no room for a kickstart file.
pub(super) const ESXI_NEEDS: &str = "ESXi needs a CD slot for its installer and another slot for the kickstart \
    file: a CD slot where the installer's boot.cfg says ks=cdrom:/KS.CFG, a USB slot where it says ks=usb";

/// An error whose request may have reached the BMC is no refusal.
pub(super) fn lost_or_refused(error: &Error) -> Verdict {
    if error.may_have_taken_effect() {
        return Verdict::Unknown { detail: chain(error) };
    }
    Verdict::Refused { fault: of_redfish(error) }
}

pub(super) fn of_redfish(error: &Error) -> Fault {
    let class = match error.retry() {
        Retry::After(after) => FaultClass::Transient { after },
        Retry::AfterPowerOff => FaultClass::Transient { after: IN_POST },
        Retry::AfterOperator(_) => FaultClass::Operator,
        _ => FaultClass::Permanent,
    };
    Fault { class, summary: error.to_string(), detail: Some(chain(error)), step: None }
}

pub(super) fn of_refusal(refusal: &Refusal, workflow: Workflow) -> Fault {
    let summary = refusal.reason.to_string();
    let fault = match refusal.reason {
        Reason::NoSecondSlot if workflow == Workflow::Esxi => {
            Fault::permanent(format!("{summary}; {ESXI_NEEDS}"))
        }
        Reason::ForeignMedia | Reason::WrongMachine { .. } | Reason::UnknownMachine { .. } => {
            Fault::operator(summary)
        }
        _ => Fault::permanent(summary),
    };
    fault.at(StepKey::RedfishPlan).because(refusal.seen.join("; "))
}

/// The store may be full or busy for a while; a job is not failed for it.
pub(super) fn store_fault(error: &shoal_store::Error) -> Fault {
    Fault::transient("the controller's database failed").because(chain(error))
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
