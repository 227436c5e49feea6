//! What was said to a BMC before a command failed, kept with the job. Nothing depends on it: where it
//! cannot be kept, the command's verdict is the same.

use shoal_core::{Command, Verdict};
use shoal_redfish::Exchange;
use shoal_store::{Record, StoredTranscript};

use super::{Live, bmc::Reach, fault::chain, turn::Turn, verdict};

/// Longest stored transcript, in bytes of JSON. The oldest exchanges go first.
const MOST: usize = 48 * 1024;

impl Live {
    /// Keeps the transcript of a command that failed or whose answer was lost.
    pub(super) async fn keep_transcript(
        &self,
        turn: &Turn,
        record: &Record,
        command: Command,
        failed: &Reach,
    ) {
        let fault = match verdict(command, failed) {
            Verdict::Refused { fault } => fault.summary,
            Verdict::Unknown { detail } => detail,
            Verdict::Done { .. } => return,
        };
        let exchanges = match failed {
            Reach::Bmc(error) => newest(error.transcript()),
            // What the BMC said led to it all the same.
            Reach::Fault(_) => {
                self.bmcs.kept(&turn.server).and_then(|bmc| newest(&bmc.transcript()))
            }
        };
        let Some(exchanges) = exchanges else { return };
        let transcript = StoredTranscript {
            attempt: record.job.attempt(),
            step: command.step(),
            at: self.bmcs.now(),
            fault,
            exchanges,
        };
        if let Err(error) = self.store.set_transcript(record.job.id(), transcript).await {
            tracing::warn!(error = %chain(&error), "failed to keep what was said to a BMC");
        }
    }
}

/// As many of the newest exchanges as fit, the oldest first, as a JSON array; none for none.
fn newest(said: &[Exchange]) -> Option<String> {
    let mut kept = Vec::new();
    let mut length = 2;
    for exchange in said.iter().rev() {
        let text = serde_json::to_string(exchange).ok()?;
        length += text.len() + 1;
        if length > MOST {
            break;
        }
        kept.push(text);
    }
    kept.reverse();
    (!kept.is_empty()).then(|| format!("[{}]", kept.join(",")))
}
