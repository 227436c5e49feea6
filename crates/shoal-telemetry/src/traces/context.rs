//! The W3C `traceparent` of a span, out of it and into it. A job outlives this process, so its
//! trace is kept as this text with the job and joined again by whoever carries the job on.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The `traceparent` of `span`; nothing when spans are not exported.
///
/// Asking starts the span for the exporter: call [`join`] first.
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| text(ids))
}

/// Makes `span` a child in the trace of `traceparent`. Answers whether it did: not for text that
/// is no `traceparent`, nor for a span that was entered already.
///
/// The text may come from outside; nothing but its ids and the sampled flag is taken from it.
pub fn join(span: &Span, traceparent: &str) -> bool {
    let Some(remote) = parse(traceparent) else { return false };
    let parent = opentelemetry::Context::new().with_remote_span_context(remote);
    span.set_parent(parent).is_ok()
}

/// Makes `span` a child in our own trace of `ours`, on the request of somebody who says that it is one
/// of `theirs` and is not believed: theirs is the parent only if it is of our trace and sampled like
/// it, and a link otherwise. Answers whether `span` is in our trace.
pub fn join_own(span: &Span, ours: &str, theirs: Option<&str>) -> bool {
    let (ours, theirs) = (parse(ours), theirs.and_then(parse));
    let alike = |a: &SpanContext, b: &SpanContext| {
        a.trace_id() == b.trace_id() && a.trace_flags() == b.trace_flags()
    };
    let believed =
        theirs.clone().filter(|theirs| ours.as_ref().is_some_and(|it| alike(it, theirs)));
    if believed.is_none()
        && let Some(theirs) = theirs
    {
        span.add_link(theirs);
    }
    let Some(parent) = believed.or(ours) else { return false };
    span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent)).is_ok()
}

/// Links `span` to the span of `traceparent`, which stays outside its trace: an earlier attempt,
/// or a context that somebody else made up. Answers whether the text was a `traceparent`.
pub fn follow(span: &Span, traceparent: &str) -> bool {
    let Some(remote) = parse(traceparent) else { return false };
    span.add_link(remote);
    true
}

/// The id of the trace that a `traceparent` belongs to; nothing for text that is none.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    parse(traceparent)?;
    traceparent.split('-').nth(1)
}

pub(super) fn text(ids: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", ids.trace_id(), ids.span_id(), ids.trace_flags().to_u8())
}

pub(super) fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if version != "00" || parts.next().is_some() {
        return None;
    }
    if !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_taken() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(parse(good).unwrap().is_sampled());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn without_an_exporter_there_is_no_traceparent() {
        assert_eq!(traceparent(&Span::none()), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_exactly_what_the_recommendation_allows(
            text in "0[0-1]-[0-9a-f]{31,33}-[0-9a-fA-F]{15,17}-[0-9a-f]{2}(-x)?|0{2}-0{32}-0{15}[01]-00|\\PC{0,60}",
        ) {
            if let Some(context) = parse(&text) {
                let flags = u8::from(context.is_sampled());
                let ids = format!("00-{}-{}-", context.trace_id(), context.span_id());
                prop_assert!(text.starts_with(&ids) && text.len() == 55);
                prop_assert_eq!(u8::from_str_radix(&text[53..], 16).unwrap() & 1, flags);
            }
        }
    }
}
