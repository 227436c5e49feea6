//! Where the trace of a job begins: in the request that asks for it, or in the trace its caller is
//! in. It is kept with the job as text, since spans are exported by one process and a job outlives
//! processes.

use http::HeaderMap;
use ring::rand::{SecureRandom, SystemRandom};
use shoal_telemetry::traces;
use shoal_webhook::{TRACEPARENT_HEADER, TraceParent};
use tracing::Span;

/// The first span of a job: in the caller's trace if it named one, else in that of the request.
pub(super) fn span(headers: &HeaderMap) -> Span {
    let span = tracing::info_span!("job.create");
    if let Some(given) = given(headers) {
        traces::join(&span, given.as_str());
    }
    span
}

fn given(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get(TRACEPARENT_HEADER)?.to_str().ok().and_then(TraceParent::parse)
}

/// The trace of a job: that of its first span, or, when no spans are exported, the caller's or a new
/// one. Every job has exactly one.
pub(super) fn context(span: &Span, headers: &HeaderMap) -> Option<String> {
    if let Some(own) = traces::traceparent(span) {
        return Some(own);
    }
    if let Some(given) = given(headers) {
        return Some(given.as_str().to_owned());
    }
    let mut ids = [0_u8; 24];
    SystemRandom::new().fill(&mut ids).ok()?;
    let hex = data_encoding::HEXLOWER.encode(&ids);
    let (trace, span) = hex.split_at_checked(32)?;
    TraceParent::parse(&format!("00-{trace}-{span}-01")).map(|made| made.as_str().to_owned())
}
