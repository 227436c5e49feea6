//! What must be true of every dashboard, checked on the JSON that is shown and on the queries in it.

use std::{collections::BTreeSet, fmt};

use anyhow::Result;
use promql_parser::parser::{self, Expr, token};
use serde_json::Value;

use super::{
    RUNBOOK,
    exclusions::{self, Exclusions},
    layout::{COLUMNS, Place},
    model::{Dashboard, Limit, Panel},
    query::{self, Read, Span},
    render,
};
use crate::{
    rules::{self, Rules},
    shell,
};

/// Something to mend.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) rule: &'static str,
    /// The series or the panel it is about.
    pub(super) about: String,
    pub(super) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.about, self.rule, self.what)
    }
}

fn problem(rule: &'static str, about: impl Into<String>, what: impl Into<String>) -> Problem {
    Problem { rule, about: about.into(), what: what.into() }
}

/// Checks dashboards against each other, the rules and the runbook.
pub(super) fn all(dashboards: &[Dashboard]) -> Result<Vec<Problem>> {
    let rules = rules::read()?;
    let mut problems = Vec::new();
    for dashboard in dashboards {
        problems.extend(shape(&render::json(dashboard)));
        for panel in dashboard.panels() {
            problems.extend(words(panel));
            problems.extend(queries(panel));
            problems.extend(limits(panel, &rules));
            problems.extend(pages(panel));
        }
    }
    for (_, _, series) in render::CHANGES {
        problems.extend(
            query::reads(&render::change(series))
                .err()
                .map(|it| problem("syntax", "change", it.to_string())),
        );
    }
    problems.extend(unique(dashboards));
    let exclusions = Exclusions::read()?;
    let mut found: Vec<_> = problems.iter().map(|it| (it.rule, it.about.clone())).collect();
    // Whether a panel shows something is seen in a live run; here it need only exist.
    found.extend(super::panels(dashboards).map(|about| (exclusions::LIVE, about)));
    let idle = exclusions
        .idle(&found)
        .map(|about| problem("exclusions", about, "is excluded without a reason, or without need"));
    let idle: Vec<Problem> = idle.collect();
    problems.retain(|it| !exclusions.cover(it.rule, &it.about));
    problems.extend(idle);
    Ok(problems)
}

/// Ids, places, sources and variables, as they stand in the file.
fn shape(file: &Value) -> Vec<Problem> {
    let uid = file.get("uid").and_then(Value::as_str).unwrap_or_default();
    let mut problems = Vec::new();
    let panels = file.get("panels").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|it| it.get("id")?.as_u64()).collect();
    if ids.len() != panels.len() {
        problems.push(problem("ids", uid, "two panels have the same id"));
    }
    let places: Vec<Place> = panels.iter().filter_map(place).collect();
    if places.len() != panels.len() {
        problems.push(problem("places", uid, "a panel has no place"));
    }
    for (number, one) in places.iter().enumerate() {
        if one.x + one.w > COLUMNS || places.iter().skip(number + 1).any(|it| it.overlaps(*one)) {
            problems.push(problem("places", uid, format!("{one:?} lies over another, or outside")));
        }
    }
    let variables = file.pointer("/templating/list").and_then(Value::as_array);
    let names = variables.into_iter().flatten().filter_map(|it| it.get("name")?.as_str());
    let names: Vec<&str> = names.collect();
    for name in ["datasource", "job", "instance"] {
        if !names.contains(&name) {
            problems.push(problem("variables", uid, format!("there is no variable {name}")));
        }
    }
    if file.get("editable") != Some(&Value::Bool(false)) {
        problems.push(problem("editable", uid, "what is edited in place is lost"));
    }
    let mut sources = Vec::new();
    datasources(file, &mut sources);
    if sources.is_empty() || sources.iter().any(|source| source != "${datasource}") {
        problems.push(problem("datasource", uid, "a source is fixed, or none is named"));
    }
    problems
}

fn place(panel: &Value) -> Option<Place> {
    let grid = panel.get("gridPos")?;
    let side = |name: &str| grid.get(name)?.as_u64().and_then(|it| u32::try_from(it).ok());
    Some(Place { x: side("x")?, y: side("y")?, w: side("w")?, h: side("h")? })
}

fn datasources(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.get("uid").and_then(Value::as_str) {
                    Some(uid) if name == "datasource" => found.push(uid.to_owned()),
                    _ => datasources(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| datasources(item, found)),
        _ => {}
    }
}

fn words(panel: &Panel) -> Vec<Problem> {
    let about = panel.about.trim();
    let mut problems = Vec::new();
    if panel.title.trim().is_empty() || about.is_empty() || about == panel.title {
        problems.push(problem("text", panel.title, "title and description each say something"));
    }
    if panel.targets.is_empty() || panel.targets.iter().any(|it| it.legend.is_empty()) {
        problems.push(problem("targets", panel.title, "needs a query, and a legend for each"));
    }
    problems
}

/// Selectors, ranges and functions of every series that is read.
fn queries(panel: &Panel) -> Vec<Problem> {
    let mut problems = Vec::new();
    for target in &panel.targets {
        match query::reads(&target.expr) {
            Ok(reads) => problems.extend(reads.iter().flat_map(series)),
            Err(error) => problems.push(problem("syntax", panel.title, error.to_string())),
        }
    }
    problems
}

fn series(read: &Read) -> Vec<Problem> {
    let mut problems = Vec::new();
    for label in ["job", "instance"] {
        if !read.labels.iter().any(|it| it == label) {
            problems.push(problem("selectors", &read.name, format!("is not selected by {label}")));
        }
    }
    let counts = is_counter(&read.name);
    match &read.over {
        None if counts => problems.push(problem("counters", &read.name, "is shown as it is")),
        Some((function, span)) if is_rate(function) => {
            if !counts {
                problems.push(problem("counters", &read.name, "is no counter to take a rate of"));
            }
            if matches!(span, Span::Fixed(_)) {
                let what = "is rated over neither $__rate_interval nor $__range";
                problems.push(problem("ranges", &read.name, what));
            }
        }
        _ => {}
    }
    problems
}

fn is_rate(function: &str) -> bool {
    matches!(function, "rate" | "irate" | "increase")
}

/// By the suffixes that the catalogue keeps for counters and histograms.
fn is_counter(name: &str) -> bool {
    let suffixes = ["_total", "_bucket", "_sum", "_count"];
    name != "registry_blob_count"
        && name != "redfish_poll_timeout_count"
        && suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// A line that is drawn is where the alert draws it.
fn limits(panel: &Panel, rules: &[Rules]) -> Vec<Problem> {
    let wrong = |limit: &Limit| {
        let rule = rules.iter().flat_map(Rules::alerts).find(|(name, _)| *name == limit.alert);
        let Some((_, rule)) = rule else {
            let what = format!("there is no alert {}", limit.alert);
            return Some(problem("limits", panel.title, what));
        };
        let compared = parser::parse(&rule.expr).map(|expr| compared_with(&expr));
        let same = |value: &f64| (value - limit.value).abs() <= limit.value.abs() * 1e-9;
        match compared {
            Ok(values) if values.iter().any(same) => None,
            found => {
                let what = format!("{} compares with {found:?}, not {}", limit.alert, limit.value);
                Some(problem("limits", panel.title, what))
            }
        }
    };
    panel.limits.iter().filter_map(wrong).collect()
}

/// The numbers that an expression compares series with.
fn compared_with(expr: &Expr) -> Vec<f64> {
    match expr {
        Expr::Binary(binary) => {
            let mut values = compared_with(&binary.lhs);
            values.extend(compared_with(&binary.rhs));
            if binary.op.is_comparison_operator() {
                values.extend(constant(&binary.rhs));
            }
            values
        }
        Expr::Paren(inner) => compared_with(&inner.expr),
        Expr::Aggregate(aggregate) => compared_with(&aggregate.expr),
        Expr::Call(call) => call.args.args.iter().flat_map(|it| compared_with(it)).collect(),
        _ => Vec::new(),
    }
}

/// The value of an expression that is a number, or made of numbers.
fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(inner) => constant(&inner.expr),
        Expr::Binary(binary) => {
            let (a, b) = (constant(&binary.lhs)?, constant(&binary.rhs)?);
            match binary.op.id() {
                token::T_ADD => Some(a + b),
                token::T_SUB => Some(a - b),
                token::T_MUL => Some(a * b),
                token::T_DIV => Some(a / b),
                token::T_POW => Some(a.powf(b)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The pages of the runbook that a panel leads to are there.
fn pages(panel: &Panel) -> Vec<Problem> {
    let description = render::description(panel);
    let pages: Vec<&str> = description
        .split(&format!("({RUNBOOK}/"))
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .collect();
    if pages.is_empty() {
        return vec![problem("pages", panel.title, "leads to no page of the runbook")];
    }
    let there = |page: &&str| shell::root().join("docs/runbook").join(page).is_file();
    let missing = pages.iter().filter(|page| !there(page));
    missing.map(|page| problem("pages", panel.title, format!("{page} is not there"))).collect()
}

fn unique(dashboards: &[Dashboard]) -> Vec<Problem> {
    let mut uids = BTreeSet::new();
    let mut problems = Vec::new();
    for dashboard in dashboards {
        if !uids.insert(dashboard.uid()) {
            problems.push(problem("ids", dashboard.uid(), "two dashboards have this id"));
        }
        let titles: BTreeSet<&str> = dashboard.panels().map(|panel| panel.title).collect();
        if titles.len() != dashboard.panels().count() {
            problems.push(problem("text", dashboard.uid(), "two panels have the same title"));
        }
    }
    problems
}

/// Checks one panel as if it were in a dashboard; for tests of the checks.
#[cfg(test)]
pub(super) fn panel(panel: &Panel) -> Result<Vec<Problem>> {
    let rules = rules::read()?;
    let found = [words(panel), queries(panel), limits(panel, &rules), pages(panel)];
    Ok(found.into_iter().flatten().collect())
}
