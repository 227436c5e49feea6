//! What a dashboard is made of, without the format of the program that shows it.

/// One page.
pub(crate) struct Dashboard {
    /// The file's name and the page's stable id, without the product's name before it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// Panels under one heading.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// One picture and what it is drawn from.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) targets: Vec<Target>,
    pub(crate) limits: Vec<Limit>,
    /// The page of the runbook about what it shows, if no alert's page is linked.
    pub(crate) page: &'static str,
}

/// How a panel is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines over time.
    Lines,
    /// Areas over time, one upon the other.
    Stacked,
    /// The last values as large numbers.
    Numbers,
    /// The last values as bars, the longest first.
    Bars,
    /// How a histogram's buckets fill over time.
    Heat,
}

/// The unit of a panel's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    PerSecond,
    Seconds,
    Bytes,
    BytesPerSecond,
    /// 1 is the whole.
    Share,
    /// 0 or 1.
    Flag,
    /// So many times as fast as allowed.
    Times,
}

/// One query and what its series are called.
pub(crate) struct Target {
    pub(crate) expr: String,
    pub(crate) legend: &'static str,
}

/// Where an alert draws the line.
pub(crate) struct Limit {
    pub(crate) alert: &'static str,
    pub(crate) value: f64,
    pub(crate) side: Side,
    pub(crate) level: Level,
}

/// On which side of a limit the trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
}

/// How bad it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Warn,
    Page,
}

pub(crate) const GIB: f64 = 1_073_741_824.0;
/// In seconds, as every span.
pub(crate) const HOUR: f64 = 3600.0;
pub(crate) const DAY: f64 = 24.0 * HOUR;

/// What every query selects by; written `$S` in the queries of this module's children.
const SELECTORS: &str = r#"job=~"$job",instance=~"$instance""#;

/// A query with the selectors of job and instance in the place of `$S`.
pub(super) fn selected(expr: &str) -> String {
    expr.replace("$S", SELECTORS)
}

impl Dashboard {
    /// The stable id.
    pub(crate) fn uid(&self) -> String {
        format!("shoal-{}", self.name)
    }

    pub(crate) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }
}

impl Row {
    pub(super) fn new(title: &'static str, panels: Vec<Panel>) -> Self {
        Self { title, panels }
    }

    /// The height of its panels; large numbers need less room than pictures.
    pub(super) fn height(&self) -> u32 {
        if self.panels.iter().all(|panel| panel.kind == Kind::Numbers) { 5 } else { 8 }
    }
}

impl Panel {
    /// A panel of lines whose page in the runbook is the overview of all.
    pub(super) fn lines(title: &'static str, about: &'static str, unit: Unit) -> Self {
        let (targets, limits) = (Vec::new(), Vec::new());
        Self { title, about, kind: Kind::Lines, unit, targets, limits, page: "README" }
    }

    pub(super) fn stacked(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self { kind: Kind::Stacked, ..Self::lines(title, about, unit) }
    }

    pub(super) fn numbers(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self { kind: Kind::Numbers, ..Self::lines(title, about, unit) }
    }

    pub(super) fn bars(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self { kind: Kind::Bars, ..Self::lines(title, about, unit) }
    }

    pub(super) fn heat(title: &'static str, about: &'static str, unit: Unit) -> Self {
        Self { kind: Kind::Heat, ..Self::lines(title, about, unit) }
    }

    /// With a further query; `$S` in it stands for the selectors of job and instance.
    pub(super) fn query(mut self, expr: &str, legend: &'static str) -> Self {
        self.targets.push(Target { expr: selected(expr), legend });
        self
    }

    /// The same query for several quantiles of a histogram; what was never observed has none.
    pub(super) fn quantiles(mut self, quantiles: &[(&str, &'static str)], buckets: &str) -> Self {
        for (quantile, legend) in quantiles {
            self = self.query(&format!("histogram_quantile({quantile}, {buckets}) > 0"), legend);
        }
        self
    }

    pub(super) fn warn_above(self, alert: &'static str, value: f64) -> Self {
        self.limit(Limit { alert, value, side: Side::Above, level: Level::Warn })
    }

    pub(super) fn page_above(self, alert: &'static str, value: f64) -> Self {
        self.limit(Limit { alert, value, side: Side::Above, level: Level::Page })
    }

    pub(super) fn warn_below(self, alert: &'static str, value: f64) -> Self {
        self.limit(Limit { alert, value, side: Side::Below, level: Level::Warn })
    }

    pub(super) fn page_below(self, alert: &'static str, value: f64) -> Self {
        self.limit(Limit { alert, value, side: Side::Below, level: Level::Page })
    }

    fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }
}

impl Unit {
    /// The word of the program that shows it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "ops",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::Share => "percentunit",
            Self::Flag => "bool_yes_no",
            Self::Times => "none",
        }
    }
}
