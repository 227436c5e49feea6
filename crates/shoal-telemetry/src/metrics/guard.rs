//! The recorder that stands in front of the exporter and lets through only what the catalogue
//! declares. Code review finds most undeclared names; this finds the rest, and it bounds the label
//! values that come from users and BMCs wherever they were recorded.

use std::collections::HashMap;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
    counter,
};

use crate::catalogue::{self, Kind, Metric};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

pub(super) struct Guarded<R = metrics_exporter_prometheus::PrometheusRecorder> {
    inner: R,
    declared: HashMap<&'static str, &'static Metric>,
}

/// Why a measurement is not exported; the value of `metrics_refused_total`'s label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Undeclared,
    Kind,
    Labels,
}

impl<R: Recorder> Guarded<R> {
    pub(super) fn new(inner: R) -> Self {
        let declared = catalogue::all().map(|metric| (metric.name, metric)).collect();
        Self { inner, declared }
    }

    /// Describes every metric and creates the series that start at zero.
    pub(super) fn initialise(&self) {
        for metric in catalogue::all() {
            self.describe(metric);
            for values in metric.initial_series() {
                let labels: Vec<Label> = (metric.labels.iter().zip(values))
                    .map(|(label, value)| Label::from_static_parts(label.name, value))
                    .collect();
                self.touch(metric, &Key::from_parts(metric.name, labels));
            }
        }
    }

    fn describe(&self, metric: &Metric) {
        let name = KeyName::from_const_str(metric.name);
        let help = SharedString::const_str(metric.help);
        // The unit is part of the name; the exporter would append it a second time.
        match metric.kind {
            Kind::Counter => self.inner.describe_counter(name, None, help),
            Kind::Gauge => self.inner.describe_gauge(name, None, help),
            Kind::Histogram(_) => self.inner.describe_histogram(name, None, help),
        }
    }

    fn touch(&self, metric: &Metric, key: &Key) {
        match metric.kind {
            Kind::Counter => self.inner.register_counter(key, &METADATA).absolute(0),
            Kind::Gauge => self.inner.register_gauge(key, &METADATA).set(0.0),
            // The exporter shows a histogram without samples as soon as it is registered.
            Kind::Histogram(_) => drop(self.inner.register_histogram(key, &METADATA)),
        }
    }

    /// The key to record under, or nothing when the measurement is refused.
    fn admit(&self, key: &Key, kind: &'static str) -> Option<Key> {
        match self.check(key, kind) {
            Ok(bounded) => Some(bounded),
            Err(refused) => {
                let reason = match refused {
                    Refused::Undeclared => "undeclared",
                    Refused::Kind => "kind",
                    Refused::Labels => "labels",
                };
                // Through the front door: this name is declared, so it comes back here once.
                counter!("metrics_refused_total", "reason" => reason).increment(1);
                tracing::debug!(metric = key.name(), reason, "measurement not in the catalogue");
                None
            }
        }
    }

    fn check(&self, key: &Key, kind: &'static str) -> Result<Key, Refused> {
        let metric = self.declared.get(key.name()).ok_or(Refused::Undeclared)?;
        if metric.kind.word() != kind {
            return Err(Refused::Kind);
        }
        if key.labels().len() != metric.labels.len() {
            return Err(Refused::Labels);
        }
        let mut changed = Vec::new();
        for label in metric.labels {
            let given =
                key.labels().find(|given| given.key() == label.name).ok_or(Refused::Labels)?;
            let bounded = label.bound(given.value()).ok_or(Refused::Labels)?;
            if bounded != given.value() {
                changed.push(Label::new(label.name, bounded.to_owned()));
            }
        }
        if changed.is_empty() {
            return Ok(key.clone());
        }
        let labels = key.labels().map(|given| {
            changed.iter().find(|label| label.key() == given.key()).unwrap_or(given).clone()
        });
        Ok(Key::from_parts(metric.name, labels.collect::<Vec<_>>()))
    }
}

/// Descriptions come from the catalogue alone, so those of other crates are not passed on.
impl<R: Recorder> Recorder for Guarded<R> {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.admit(key, "counter")
            .map_or_else(Counter::noop, |key| self.inner.register_counter(&key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.admit(key, "gauge")
            .map_or_else(Gauge::noop, |key| self.inner.register_gauge(&key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.admit(key, "histogram")
            .map_or_else(Histogram::noop, |key| self.inner.register_histogram(&key, metadata))
    }
}
