//! What stands around the exporter: spans that cannot be kept or delivered are counted, and what
//! is delivered has its secrets masked like a log line.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::counter;
use opentelemetry::{Context, KeyValue, StringValue, Value, trace::Status};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};

use crate::redaction::{MASK, is_secret, scrub};

/// How many spans are between their end and the collector. The batch processor drops silently
/// when its queue is full; counting here means that it never gets that far.
#[derive(Debug)]
pub(super) struct Budget {
    waiting: AtomicUsize,
    most: usize,
}

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), most }
    }

    fn take(&self) -> bool {
        let below = |waiting| (waiting < self.most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, below).is_ok()
    }

    /// Spans whose delivery is not known of.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    fn give_back(&self, spans: usize) {
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
    }
}

pub(super) fn dropped(spans: usize) {
    counter!("otel_spans_dropped_total").increment(u64::try_from(spans).unwrap_or(u64::MAX));
}

/// A processor that passes on only as many spans as the next one can hold.
#[derive(Debug)]
pub(super) struct Counted<P> {
    next: P,
    budget: Arc<Budget>,
}

impl<P> Counted<P> {
    pub(super) fn new(next: P, budget: Arc<Budget>) -> Self {
        Self { next, budget }
    }
}

impl<P: SpanProcessor> SpanProcessor for Counted<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.budget.take() {
            self.next.on_end(span);
        } else {
            dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// An exporter that masks secrets and counts what it could not deliver.
#[derive(Debug)]
pub(super) struct Masked<E> {
    next: E,
    budget: Arc<Budget>,
}

impl<E> Masked<E> {
    pub(super) fn new(next: E, budget: Arc<Budget>) -> Self {
        Self { next, budget }
    }
}

impl<E: SpanExporter> SpanExporter for Masked<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        batch.iter_mut().for_each(mask);
        let result = self.next.export(batch).await;
        self.budget.give_back(spans);
        if result.is_err() {
            dropped(spans);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

fn mask(span: &mut SpanData) {
    span.name = scrub(&span.name).into_owned().into();
    span.attributes.iter_mut().for_each(mask_attribute);
    for event in &mut span.events.events {
        event.attributes.iter_mut().for_each(mask_attribute);
    }
    for link in &mut span.links.links {
        link.attributes.iter_mut().for_each(mask_attribute);
    }
    if let Status::Error { description } = &mut span.status {
        *description = scrub(description).into_owned().into();
    }
}

fn mask_attribute(attribute: &mut KeyValue) {
    if is_secret(attribute.key.as_str()) {
        attribute.value = Value::from(MASK);
    } else if let Value::String(text) = &attribute.value {
        let scrubbed = scrub(text.as_str()).into_owned();
        attribute.value = Value::String(StringValue::from(scrubbed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_refuses_what_does_not_fit_and_takes_again_what_was_given_back() {
        let budget = Budget::new(2);
        assert!(budget.take() && budget.take());
        assert!(!budget.take());
        budget.give_back(1);
        assert!(budget.take());
        assert!(!budget.take());
    }
}
