//! Gathers one log line from an event and the spans around it. Fields are flat; an inner span
//! overrides an outer one and the event overrides both, so a line always carries the nearest
//! `job_id`, `server_serial` and `step`.

use std::{error::Error, fmt, sync::OnceLock};

use opentelemetry::trace::TraceContextExt;
use serde_json::Value;
use tracing::{
    Dispatch, Event, Level, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{queue::Queue, render::Render};
use crate::redaction::{MASK, is_secret, scrub};

/// A string longer than this is cut, so that one value cannot fill the queue.
const LONGEST_VALUE: usize = 8 * 1024;

/// The layer that turns events into lines.
pub(crate) struct LogLayer {
    render: Render,
    queue: Queue,
    dispatch: OnceLock<WeakDispatch>,
}

impl LogLayer {
    pub(super) fn new(render: Render, queue: Queue) -> Self {
        Self { render, queue, dispatch: OnceLock::new() }
    }
}

/// One event, ready to be rendered.
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) fields: Fields,
}

/// Named values in the order they were first seen; a later value replaces an earlier one.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.0 {
            self.set(name, value.clone());
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // A dot marks what is for the span alone: its name, its kind, the attributes of the
        // conventions. A log line is flat and says the same in words of its own.
        if name.contains('.') {
            return;
        }
        let value = if is_secret(name) { Value::from(MASK) } else { value };
        self.set(name, value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = serde_json::Number::from_f64(value);
        self.put(field, number.map_or_else(|| Value::from(value.to_string()), Value::Number));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(
            field,
            i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(
            field,
            u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(shorten(&scrub(value))));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        self.record_str(field, &chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn shorten(text: &str) -> String {
    if text.len() <= LONGEST_VALUE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_VALUE);
    let (kept, _) = text.split_at(end);
    format!("{kept}… ({} bytes)", text.len())
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // A second registration is the same subscriber seen again; the first one stays valid.
        drop(self.dispatch.set(subscriber.downgrade()));
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                if let Some(outer) = span.extensions().get::<Fields>() {
                    fields.inherit(outer);
                }
            }
        }
        event.record(&mut fields);
        if let Some(span) = context.event_span(event) {
            self.add_trace(&span.id(), &mut fields);
        }
        let metadata = event.metadata();
        let line = Line { level: *metadata.level(), target: metadata.target(), fields };
        self.queue.push(&self.render.line(&line, jiff::Timestamp::now()));
    }
}

impl LogLayer {
    /// Adds the ids of the span in the trace, if spans are exported. A line about a job that is
    /// written on somebody else's request keeps the trace of the job, which that span is not in.
    fn add_trace(&self, span: &Id, fields: &mut Fields) {
        let Some(dispatch) = self.dispatch.get().and_then(WeakDispatch::upgrade) else { return };
        let Some(context) = tracing_opentelemetry::get_otel_context(span, &dispatch) else {
            return;
        };
        let span = context.span();
        let ids = span.span_context();
        let trace = ids.trace_id().to_string();
        let of_another = fields.find("trace_id").is_some_and(|named| *named != trace.as_str());
        if ids.is_valid() && !of_another {
            fields.set("trace_id", Value::from(trace));
            fields.set("span_id", Value::from(ids.span_id().to_string()));
        }
    }
}
