//! What was said to a BMC before a command failed, kept with the job. Nothing depends on it: where it
//! cannot be kept, the command's verdict is the same.

use shoal_core::{Command, Verdict};
use shoal_redfish::Exchange;
use shoal_store::{Record, StoredTranscript};

use super::{Live, Performed, fault::chain, turn::Turn};

/// Longest stored transcript, in bytes of JSON. The oldest exchanges go first.
const MOST: usize = 48 * 1024;

impl Live {
    /// Keeps the transcript of a command that failed or whose answer was lost.
    pub(super) async fn keep_transcript(
        &self,
        turn: &Turn,
        record: &Record,
        command: Command,
        performed: &Performed,
    ) {
        let fault = match performed {
            Err(fault) | Ok(Verdict::Refused { fault }) => &fault.summary,
            Ok(Verdict::Unknown { detail }) => detail,
            Ok(Verdict::Done { .. }) => return,
        };
        let said = self.bmcs.kept(&turn.server).map(|bmc| bmc.transcript()).unwrap_or_default();
        let Some(exchanges) = newest(&said) else { return };
        let transcript = StoredTranscript {
            attempt: record.job.attempt(),
            step: command.step(),
            at: self.bmcs.now(),
            fault: fault.clone(),
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
