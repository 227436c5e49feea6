//! What is kept of one exchange: the count and the duration that operators watch, the fields of its
//! span, and the entry of the transcript that explains a failure afterwards.

use std::time::Duration;

use tracing::Span;

use super::{Request, Wire};
use crate::{
    answer::Answer,
    error::Error,
    message,
    transcript::{Exchange, Op},
};

const TRANSCRIPT_SHOWN: usize = 1024;
/// Message ids are words; what is longer is something else.
const ID_SHOWN: usize = 128;

/// A request that was not answered, or not to the end.
pub(super) struct Unanswered {
    /// Why, as the `code` of the metric says it.
    pub(super) code: &'static str,
    pub(super) error: Error,
}

impl Unanswered {
    pub(super) fn new(code: &'static str, error: Error) -> Self {
        Self { code, error }
    }

    /// What the head of the answer said before it broke off.
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { error: self.error.with_status(status), ..self }
    }
}

impl Wire {
    pub(super) fn record(
        &self,
        request: &Request<'_>,
        result: &Result<Answer, Unanswered>,
        took: Duration,
        span: &Span,
    ) {
        let (status, received) = match result {
            Ok(answer) if request.method.changes_state() || answer.status >= 400 => {
                (Some(answer.status), self.received(answer))
            }
            Ok(answer) => (Some(answer.status), None),
            Err(unanswered) => (unanswered.error.status(), Some(unanswered.error.to_string())),
        };
        let code = match result {
            Ok(answer) => answer.status.to_string(),
            Err(unanswered) => unanswered.code.to_owned(),
        };
        if let Ok(answer) = result
            && answer.status >= 400
            && let Some(first) = message::read(&answer.body).first()
        {
            let id = self.hidden.text(&first.id, ID_SHOWN);
            span.record("message_id", id.as_str());
        }
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        span.record("code", code.as_str());
        span.record("duration_ms", duration_ms);
        if code == "tls" {
            metrics::counter!("tls_handshake_failures_total", "peer" => "bmc").increment(1);
        }
        span.record("http.response.status_code", status);
        // A token that ran out is logged in again for; everything else was not what was asked for.
        if status.is_none_or(|status| status >= 400 && status != 401) {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", code.as_str());
        }
        span.in_scope(|| {
            if request.method.changes_state() {
                tracing::info!("request to a BMC");
            } else {
                tracing::debug!("request to a BMC");
            }
        });
        let (op, vendor) = (request.op.label(), self.vendor().label());
        metrics::counter!("redfish_requests_total", "op" => op, "code" => code, "vendor" => vendor)
            .increment(1);
        metrics::histogram!("redfish_request_duration_seconds", "op" => op, "vendor" => vendor)
            .record(took.as_secs_f64());
        let sent = request.body.map(|body| self.hidden.json(body, TRANSCRIPT_SHOWN));
        if request.method.changes_state() && request.op != Op::Session && was_sent(result) {
            self.transcript.count_change();
        }
        self.transcript.add(Exchange {
            number: 0,
            op,
            method: request.method.name(),
            path: request.path.to_owned(),
            sent,
            status,
            received,
            duration_ms,
        });
    }

    fn received(&self, answer: &Answer) -> Option<String> {
        if !answer.shown.is_empty() {
            return Some(answer.shown.clone());
        }
        (!answer.body.is_null()).then(|| self.hidden.json(&answer.body, TRANSCRIPT_SHOWN))
    }
}

/// Whether a change reached the BMC, as far as anybody can tell.
fn was_sent(result: &Result<Answer, Unanswered>) -> bool {
    match result {
        Ok(_) => true,
        Err(unanswered) => unanswered.error.may_have_taken_effect(),
    }
}
