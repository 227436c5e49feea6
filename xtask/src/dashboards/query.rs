//! A panel's query as Prometheus takes it: what Grafana puts in at the time of drawing is put in here,
//! with spans so odd that a check recognises them afterwards.

use std::time::Duration;

use anyhow::{Result, anyhow};
use promql_parser::{
    parser::{self, Expr, MatrixSelector, VectorSelector},
    util::{ExprVisitor, walk_expr},
};

/// What stands for `$__rate_interval` and `$__range` while a query is checked.
const RATE_INTERVAL: (&str, Duration) = ("4m17s", Duration::from_secs(257));
const RANGE: (&str, Duration) = ("2h23m", Duration::from_mins(143));

/// The query for every job and controller, over these spans.
pub(crate) fn concrete(expr: &str, rate_interval: &str, range: &str) -> String {
    expr.replace("$__rate_interval", rate_interval)
        .replace("$__range", range)
        .replace("$job", ".+")
        .replace("$instance", ".+")
}

/// A series a query reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) name: String,
    /// The labels it is selected by.
    pub(super) labels: Vec<String>,
    /// The function that is told the range, and the range.
    pub(super) over: Option<(String, Span)>,
}

/// Which range a function is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// What Grafana finds enough for two scrapes.
    RateInterval,
    /// The whole time shown.
    Shown,
    Fixed(Duration),
}

/// Every series that a query with Grafana's variables reads.
///
/// # Errors
/// When it is no query.
pub(super) fn reads(expr: &str) -> Result<Vec<Read>> {
    let expr = concrete(expr, RATE_INTERVAL.0, RANGE.0);
    let parsed = parser::parse(&expr).map_err(|error| anyhow!("{error}: {expr}"))?;
    let mut reader = Reader(Vec::new());
    walk_expr(&mut reader, &parsed)?;
    Ok(reader.0)
}

struct Reader(Vec<Read>);

impl ExprVisitor for Reader {
    type Error = anyhow::Error;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool> {
        match expr {
            Expr::VectorSelector(selector) => self.0.push(read(selector, None)),
            Expr::Call(call) => {
                for argument in &call.args.args {
                    if let Expr::MatrixSelector(MatrixSelector { vs, range }) = argument.as_ref() {
                        let over = (call.func.name.to_owned(), span(*range));
                        self.0.push(read(vs, Some(over)));
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

fn read(selector: &VectorSelector, over: Option<(String, Span)>) -> Read {
    let labels = selector.matchers.matchers.iter().map(|matcher| matcher.name.clone());
    Read { name: selector.name.clone().unwrap_or_default(), labels: labels.collect(), over }
}

fn span(range: Duration) -> Span {
    match range {
        range if range == RATE_INTERVAL.1 => Span::RateInterval,
        range if range == RANGE.1 => Span::Shown,
        range => Span::Fixed(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_query_are_told_with_selectors_and_ranges() {
        let reads = reads(
            r#"sum(rate(a_total{job=~"$job"}[$__rate_interval])) / sum(increase(b_total[$__range])) + c"#,
        )
        .unwrap();
        let over = |name: &str, span| Some((name.to_owned(), span));
        assert_eq!(reads.len(), 3);
        assert_eq!(reads[0].labels, ["job"]);
        assert_eq!(reads[0].over, over("rate", Span::RateInterval));
        assert_eq!(reads[1].over, over("increase", Span::Shown));
        assert_eq!((reads[2].name.as_str(), &reads[2].over), ("c", &None));
    }

    #[test]
    fn what_is_no_query_is_told() {
        assert!(super::reads("rate(a_total)").is_err());
    }
}
