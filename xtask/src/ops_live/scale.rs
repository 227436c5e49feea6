//! Rules whose spans are short: ranges and offsets become a thirtieth, the time an alert is pending a
//! sixtieth. Thresholds, labels and words stay.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use promql_parser::{
    parser::{self, Expr, Offset, VectorSelector},
    util::{display_duration, parse_duration},
};

use crate::rules::{Rule, Rules};

/// A range must hold four scrapes and more, or a late one makes an alert come and go.
const SHORTEST: Duration = Duration::from_secs(6);

/// Makes every span of a file short.
pub(super) fn file(file: &mut Rules) -> Result<()> {
    for group in &mut file.groups {
        group.interval = None;
        for rule in &mut group.rules {
            scale(rule).with_context(|| format!("shorten {}", rule.expr.trim()))?;
        }
    }
    Ok(())
}

fn scale(rule: &mut Rule) -> Result<()> {
    let mut expr = parser::parse(&rule.expr).map_err(|error| anyhow!(error))?;
    shorten(&mut expr);
    rule.expr = expr.to_string();
    for span in [&mut rule.pending, &mut rule.keep_firing_for].into_iter().flatten() {
        let pending = parse_duration(span).map_err(|error| anyhow!(error))?;
        *span = display_duration(&Duration::from_secs(pending.as_secs().div_ceil(60)));
    }
    Ok(())
}

fn range(range: Duration) -> Duration {
    SHORTEST.max(Duration::from_secs(range.as_secs() / 30))
}

fn shorten(expr: &mut Expr) {
    match expr {
        Expr::Aggregate(aggregate) => {
            shorten(&mut aggregate.expr);
            if let Some(parameter) = &mut aggregate.param {
                shorten(parameter);
            }
        }
        Expr::Unary(unary) => shorten(&mut unary.expr),
        Expr::Paren(paren) => shorten(&mut paren.expr),
        Expr::Binary(binary) => {
            shorten(&mut binary.lhs);
            shorten(&mut binary.rhs);
        }
        Expr::Call(call) => call.args.args.iter_mut().for_each(|argument| shorten(argument)),
        Expr::Subquery(subquery) => {
            shorten(&mut subquery.expr);
            subquery.range = range(subquery.range);
            // As often as rules are evaluated.
            subquery.step = None;
            subquery.offset = subquery.offset.as_ref().map(offset);
        }
        Expr::MatrixSelector(matrix) => {
            matrix.range = range(matrix.range);
            selector(&mut matrix.vs);
        }
        Expr::VectorSelector(vector) => selector(vector),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

fn selector(selector: &mut VectorSelector) {
    selector.offset = selector.offset.as_ref().map(offset);
}

fn offset(offset: &Offset) -> Offset {
    match offset {
        Offset::Pos(span) => Offset::Pos(range(*span)),
        Offset::Neg(span) => Offset::Neg(range(*span)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(expr: &str, pending: &str) -> Rule {
        let mut rule = Rule {
            alert: Some("A".to_owned()),
            expr: expr.to_owned(),
            pending: Some(pending.to_owned()),
            ..Rule::default()
        };
        scale(&mut rule).unwrap();
        rule
    }

    #[test]
    fn spans_become_short_and_thresholds_stay() {
        let rule = scaled(
            r#"sum by (op) (rate(a_total{code!~"2..|3.."}[10m])) / sum(rate(a_total[1m] offset 1h)) > 0.05"#,
            "5m",
        );
        assert_eq!(
            rule.expr,
            r#"sum by (op) (rate(a_total{code!~"2..|3.."}[20s])) / sum(rate(a_total[6s] offset 2m)) > 0.05"#
        );
        assert_eq!(rule.pending.as_deref(), Some("5s"));
    }

    #[test]
    fn a_subquery_is_shortened_inside_and_out() {
        let rule = scaled("max_over_time(rate(a_total[5m])[1h:1m]) > 2 * 1024 ^ 3", "1m");
        assert_eq!(rule.expr, "max_over_time(rate(a_total[10s])[2m:]) > 2 * 1024 ^ 3");
        assert_eq!(rule.pending.as_deref(), Some("1s"));
    }
}
