//! Spans that are over before anybody tells of them. A job waits for hours and outlives processes:
//! what it did is known from its stored history when it ends, and is told then, with the times that
//! are stored.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer as _},
};
use opentelemetry_sdk::trace::SdkTracer;

use super::context::{parse, text};

/// Something that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// What it was; words of a closed set, so that like can be compared with like.
    pub name: Cow<'static, str>,
    /// When it began.
    pub start: SystemTime,
    /// When it was over.
    pub end: SystemTime,
    /// What else is known; names with the fields' words, values in their text form.
    pub attributes: Vec<(&'static str, String)>,
    /// The `traceparent` of each span it has to do with; text that is none is left out.
    pub links: Vec<String>,
    /// Why it failed, if it did: a word of a closed set.
    pub failed: Option<&'static str>,
}

/// Tells the collector of what is over. Without a collector it tells nobody.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<SdkTracer>);

impl Spans {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        Self(Some(tracer))
    }

    /// Whether anybody is told.
    pub fn are_exported(&self) -> bool {
        self.0.is_some()
    }

    /// Tells of something that is over, as a child of the span of `parent`. Answers its own
    /// `traceparent`; nothing when nobody was told: there is no collector, `parent` is no
    /// `traceparent`, or its trace is not sampled.
    pub fn tell(&self, parent: &str, past: Past) -> Option<String> {
        let (tracer, parent) = (self.0.as_ref()?, parse(parent)?);
        if !parent.is_sampled() {
            return None;
        }
        let attributes =
            past.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let failed = past.failed.map(|why| KeyValue::new("error.type", why));
        let links = past.links.iter().filter_map(|link| parse(link));
        let span = SpanBuilder::from_name(past.name)
            .with_kind(SpanKind::Internal)
            .with_start_time(past.start)
            .with_attributes(attributes.chain(failed))
            .with_links(links.map(|link| Link::new(link, Vec::new(), 0)).collect());
        let parent = Context::new().with_remote_span_context(parent);
        let mut span = tracer.build_with_context(span, &parent);
        if past.failed.is_some() {
            span.set_status(Status::error(""));
        }
        let own = text(span.span_context());
        span.end_with_timestamp(past.end);
        Some(own)
    }
}
