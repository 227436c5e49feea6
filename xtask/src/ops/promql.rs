//! What an expression selects and which labels its result has: the facts the checks judge by.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, anyhow};
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{
        AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality,
        VectorSelector, token,
    },
};

/// One selector of an expression.
#[derive(Debug)]
pub(super) struct Selector<'a> {
    pub(super) name: &'a str,
    pub(super) matchers: &'a [Matcher],
    /// The window of a range selector.
    pub(super) range: Option<Duration>,
    /// The functions and aggregations around it, the innermost last.
    pub(super) within: Vec<String>,
}

/// Names of labels.
pub(super) type Labels = BTreeSet<String>;

pub(super) fn parse(text: &str) -> Result<Expr> {
    promql_parser::parser::parse(text).map_err(|error| anyhow!("is not PromQL: {error}"))
}

/// What Grafana fills in, filled in, so that the rest can be parsed.
pub(super) fn without_variables(text: &str) -> String {
    ["$__rate_interval", "${__rate_interval}", "$__range", "${__range}", "$__interval"]
        .iter()
        .fold(text.to_owned(), |text, variable| text.replace(variable, "5m"))
}

pub(super) fn selectors(expr: &Expr) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    collect(expr, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(expr: &'a Expr, within: &mut Vec<String>, found: &mut Vec<Selector<'a>>) {
    let depth = within.len();
    match expr {
        Expr::VectorSelector(selector) => found.push(selection(selector, None, within)),
        Expr::MatrixSelector(matrix) => {
            found.push(selection(&matrix.vs, Some(matrix.range), within));
        }
        Expr::Aggregate(aggregate) => within.push(aggregate.op.to_string()),
        Expr::Call(call) => within.push(call.func.name.to_owned()),
        _ => (),
    }
    for child in children(expr) {
        collect(child, within, found);
    }
    within.truncate(depth);
}

fn selection<'a>(
    selector: &'a VectorSelector,
    range: Option<Duration>,
    within: &[String],
) -> Selector<'a> {
    let name = selector.name.as_deref().unwrap_or_default();
    Selector { name, matchers: &selector.matchers.matchers, range, within: within.to_vec() }
}

pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(it) => it.param.as_deref().into_iter().chain([it.expr.as_ref()]).collect(),
        Expr::Unary(it) => vec![&it.expr],
        Expr::Binary(it) => vec![&it.lhs, &it.rhs],
        Expr::Paren(it) => vec![&it.expr],
        Expr::Subquery(it) => vec![&it.expr],
        Expr::Call(it) => it.args.args.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    }
}

/// Whether the expression is empty while nothing is wrong: it compares, or asks for absence.
pub(super) fn compares(expr: &Expr) -> bool {
    match expr {
        Expr::Binary(it) if it.op.is_comparison_operator() => !it.return_bool(),
        Expr::Binary(it) if it.op.id() == token::T_LOR => compares(&it.lhs) && compares(&it.rhs),
        Expr::Binary(it) if it.op.is_set_operator() => compares(&it.lhs) || compares(&it.rhs),
        Expr::Binary(it) => compares(&it.lhs) || compares(&it.rhs),
        Expr::Call(it) if it.func.name == "absent" => true,
        Expr::Call(_) | Expr::Aggregate(_) | Expr::Paren(_) | Expr::Unary(_) => {
            children(expr).into_iter().any(compares)
        }
        _ => false,
    }
}

/// The labels the result can have. `of` tells those of a selected series.
pub(super) fn labels(expr: &Expr, of: &dyn Fn(&VectorSelector) -> Labels) -> Labels {
    match expr {
        Expr::VectorSelector(selector) => of(selector),
        Expr::MatrixSelector(matrix) => of(&matrix.vs),
        Expr::Aggregate(it) => aggregated(it, &labels(&it.expr, of)),
        Expr::Unary(it) => labels(&it.expr, of),
        Expr::Paren(it) => labels(&it.expr, of),
        Expr::Subquery(it) => labels(&it.expr, of),
        Expr::Binary(it) => joined(it, labels(&it.lhs, of), labels(&it.rhs, of)),
        Expr::Call(it) => called(it, of),
        _ => Labels::new(),
    }
}

fn aggregated(it: &AggregateExpr, inner: &Labels) -> Labels {
    // The series that are chosen keep all they had.
    if matches!(it.op.id(), token::T_TOPK | token::T_BOTTOMK) {
        return inner.clone();
    }
    let kept = |name: &&String| match &it.modifier {
        Some(LabelModifier::Include(by)) => by.labels.contains(name),
        Some(LabelModifier::Exclude(without)) => !without.labels.contains(name),
        None => false,
    };
    inner.iter().filter(kept).cloned().collect()
}

/// Labels an aggregation groups by.
pub(super) fn grouped_by(it: &AggregateExpr) -> Vec<String> {
    match &it.modifier {
        Some(LabelModifier::Include(by)) => by.labels.clone(),
        _ => Vec::new(),
    }
}

fn joined(it: &BinaryExpr, left: Labels, right: Labels) -> Labels {
    let scalar =
        |expr: &Expr| matches!(expr.value_type(), promql_parser::parser::value::ValueType::Scalar);
    if scalar(&it.lhs) {
        return right;
    }
    if scalar(&it.rhs) || matches!(it.op.id(), token::T_LAND | token::T_LUNLESS) {
        return left;
    }
    if it.op.id() == token::T_LOR {
        return &left | &right;
    }
    let Some(modifier) = &it.modifier else { return left };
    match (&modifier.card, &modifier.matching) {
        (VectorMatchCardinality::ManyToOne(extra), _) => {
            left.into_iter().chain(extra.labels.iter().cloned()).collect()
        }
        (VectorMatchCardinality::OneToMany(extra), _) => {
            right.into_iter().chain(extra.labels.iter().cloned()).collect()
        }
        (_, Some(LabelModifier::Include(on))) => {
            left.into_iter().filter(|name| on.labels.contains(name)).collect()
        }
        (_, Some(LabelModifier::Exclude(ignoring))) => {
            left.into_iter().filter(|name| !ignoring.labels.contains(name)).collect()
        }
        _ => left,
    }
}

fn called(it: &Call, of: &dyn Fn(&VectorSelector) -> Labels) -> Labels {
    let arguments = &it.args.args;
    let inner = || arguments.iter().map(|argument| labels(argument, of)).find(|it| !it.is_empty());
    match it.func.name {
        // Nothing is there to have labels, but what was asked for by name.
        "absent" => match arguments.first().map(AsRef::as_ref) {
            Some(Expr::VectorSelector(selector)) => equal(&selector.matchers.matchers),
            _ => Labels::new(),
        },
        "label_replace" | "label_join" => {
            let mut labels = inner().unwrap_or_default();
            if let Some(Expr::StringLiteral(target)) = arguments.get(1).map(AsRef::as_ref) {
                labels.insert(target.val.clone());
            }
            labels
        }
        "histogram_quantile" => {
            let mut labels = inner().unwrap_or_default();
            labels.remove("le");
            labels
        }
        "vector" | "time" | "scalar" => Labels::new(),
        _ => inner().unwrap_or_default(),
    }
}

fn equal(matchers: &[Matcher]) -> Labels {
    let equal = matchers.iter().filter(|matcher| matches!(matcher.op, MatchOp::Equal));
    equal.map(|matcher| matcher.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_seen_through_what_surrounds_them() {
        for (text, expected) in [
            ("a > 1", true),
            ("a > bool 1", false),
            ("a and b > 1", true),
            ("a > 1 or b", false),
            ("absent(a)", true),
            ("label_replace(a > 1, \"x\", \"y\", \"\", \"\") or b == 0", true),
            ("rate(a[5m])", false),
        ] {
            assert_eq!(compares(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn labels_follow_aggregations_and_joins() {
        let of = |_: &VectorSelector| ["job", "op", "code"].map(str::to_owned).into();
        for (text, expected) in [
            ("sum by (op) (rate(a[5m]))", "op"),
            ("sum(a)", ""),
            ("a / on (job) b", "job"),
            ("a and on (job) b", "code job op"),
            ("sum without (code) (a)", "job op"),
            ("absent(a{x=\"1\",y=~\"2\"})", "x"),
            ("label_replace(sum(a), \"what\", \"w\", \"\", \"\")", "what"),
            ("1 - sum by (op) (a)", "op"),
            ("sum by (op) (a) or sum by (code) (a)", "code op"),
        ] {
            let found: Vec<String> = labels(&parse(text).unwrap(), &of).into_iter().collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn selectors_know_their_window_and_what_is_around_them() {
        let expr = parse("sum(rate(a_total{code=\"5\"}[5m])) / b").unwrap();
        let found = selectors(&expr);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name, found[0].range), ("a_total", Some(Duration::from_mins(5))));
        assert_eq!(found[0].within, ["sum", "rate"]);
        assert!(found[1].within.is_empty());
    }
}
