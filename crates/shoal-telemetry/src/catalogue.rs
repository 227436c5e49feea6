//! The list of every metric this product exports. It exists so that a name, its unit, its labels
//! and its buckets are written once: registration, initial zeros, the reference page and the
//! repository's own checks all read this list.

mod bmc;
mod care;
mod host;
mod jobs;
mod reference;
mod registry;

pub use reference::reference;

/// One exported metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name as it is scraped, unit included.
    pub name: &'static str,
    /// Counter, gauge, or histogram with its bucket edges.
    pub kind: Kind,
    /// What one unit of the value is.
    pub unit: Unit,
    /// One sentence for the `# HELP` line.
    pub help: &'static str,
    /// The labels every series carries, in the order they are documented.
    pub labels: &'static [Label],
    /// Which series exist before the first event.
    pub start: Start,
    /// The requirement this metric answers.
    pub source: &'static str,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution over these ascending bucket edges, in the metric's unit.
    Histogram(&'static [f64]),
}

/// The unit of a metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Seconds since the Unix epoch.
    Timestamp,
    /// 0 or 1.
    Flag,
}

/// One label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// The label's name.
    pub name: &'static str,
    /// The values it can take.
    pub values: Values,
}

/// What bounds the values of a label.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Exactly these.
    Closed {
        /// The complete set.
        values: &'static [&'static str],
        /// The member shown in place of a value outside the set. Without one the measurement is
        /// refused: our own words do not come from outside, so a wrong one is a mistake.
        otherwise: Option<&'static str>,
    },
    /// An HTTP status code, or why there was none (`timeout`, `connect`, `lost`, `tls`, `protocol`);
    /// anything else is shown as `other`.
    Code,
    /// Chosen by configuration or by our own code at start: a path, a version, a route template.
    Configured,
}

/// Which series of a metric are exported as zero before anything happened.
///
/// A rate over a counter that is born at 1 is 0, so counters that alerts look at start at zero.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// Every combination of the closed label sets.
    Zero,
    /// Only these combinations, values in the order of the labels.
    Listed(&'static [&'static [&'static str]]),
    /// Those that the program knows: it sets them from what it finds, before it says that it is
    /// ready or whenever it is scraped. Zero would be untrue.
    Known,
}

impl Kind {
    /// The word of the exposition format.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Unit {
    /// The word used in the reference page.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Timestamp => "Unix seconds",
            Self::Flag => "0 or 1",
        }
    }
}

impl Label {
    pub(crate) const fn closed(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values: Values::Closed { values, otherwise: None } }
    }

    /// A closed set for words that come from outside; `otherwise` stands for all strange ones.
    pub(crate) const fn mapped(
        name: &'static str,
        values: &'static [&'static str],
        otherwise: &'static str,
    ) -> Self {
        Self { name, values: Values::Closed { values, otherwise: Some(otherwise) } }
    }

    pub(crate) const fn code() -> Self {
        Self { name: "code", values: Values::Code }
    }

    pub(crate) const fn configured(name: &'static str) -> Self {
        Self { name, values: Values::Configured }
    }

    /// The value to export for `given`: itself when it is allowed, else its stand-in, else none.
    pub fn bound<'a>(&self, given: &'a str) -> Option<&'a str> {
        match self.values {
            Values::Closed { values, otherwise } => {
                values.iter().copied().find(|value| *value == given).or(otherwise)
            }
            Values::Code if is_code(given) => Some(given),
            Values::Code => Some("other"),
            Values::Configured => Some(given),
        }
    }
}

impl Metric {
    const fn new(
        name: &'static str,
        kind: Kind,
        unit: Unit,
        help: &'static str,
        source: &'static str,
    ) -> Self {
        Self { name, kind, unit, help, labels: &[], start: Start::Zero, source }
    }

    const fn labels(mut self, labels: &'static [Label]) -> Self {
        self.labels = labels;
        self
    }

    const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The label values of every series that exists at start, in the order of `labels`.
    pub fn initial_series(&self) -> Vec<Vec<&'static str>> {
        match self.start {
            Start::Known => Vec::new(),
            Start::Listed(listed) => listed.iter().map(|values| values.to_vec()).collect(),
            Start::Zero => self.labels.iter().fold(vec![Vec::new()], |series, label| {
                let Values::Closed { values, .. } = label.values else { return Vec::new() };
                series
                    .iter()
                    .flat_map(|prefix| {
                        values.iter().map(|value| {
                            let mut extended = prefix.clone();
                            extended.push(*value);
                            extended
                        })
                    })
                    .collect()
            }),
        }
    }
}

/// Between the answer of a cache and a request that somebody gave up.
const SECONDS_OF_HTTP: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// From a disk that lies about durability to one that dies.
const SECONDS_OF_COMMIT: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// A gauge, which usually tells what is found rather than what was counted from zero.
const fn gauge(name: &'static str, unit: Unit, help: &'static str, source: &'static str) -> Metric {
    Metric::new(name, Kind::Gauge, unit, help, source).start(Start::Known)
}

const fn counter(
    name: &'static str,
    unit: Unit,
    help: &'static str,
    source: &'static str,
) -> Metric {
    Metric::new(name, Kind::Counter, unit, help, source)
}

/// The whole catalogue as titled groups, in the order of the reference page.
pub const GROUPS: &[(&str, &[Metric])] = &[
    ("Jobs and workers", jobs::METRICS),
    ("BMCs, webhook and media", bmc::METRICS),
    ("Registry", registry::METRICS),
    ("Backups, checks, keys and certificates", care::METRICS),
    ("HTTP, storage, process and telemetry", host::METRICS),
];

/// Every metric of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|(_, metrics)| metrics.iter())
}

/// The metric called `name`.
pub fn find(name: &str) -> Option<&'static Metric> {
    all().find(|metric| metric.name == name)
}

fn is_code(given: &str) -> bool {
    matches!(given, "timeout" | "connect" | "lost" | "tls" | "protocol")
        || (given.len() == 3
            && given.starts_with(|first: char| ('1'..='5').contains(&first))
            && given.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
