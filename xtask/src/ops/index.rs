//! The lists of alerts for people: `docs/alerts.md`, and the index of the runbook. Both are written
//! from the rules, so that what is listed is what fires.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::Result;

use super::{Corpus, File, Problem, file, objectives, stem};
use crate::rules::{Rule, Rules};

const HEAD: &str = "# Alerts and objectives\n\n\
    This page is generated from the rules in `ops/alerts`; `cargo xtask generate` writes it.\n\
    How to install them stands in [operate.md](operate.md#alerts), what to do when one fires in the \
    [runbook](runbook/README.md).\n\n\
    An alert that pages wants somebody now, a ticket in working hours, and a warning is shown to whoever looks.\n\
    `N` stands for the value an alert carries.\n";
const BURNS: &str = "The error budget of an objective is spent too fast in two windows; \
    the [table below](#the-objectives) has them.";
const OBJECTIVES: &str = "ops/alerts/objectives.yml";
const INDEX_BEGINS: &str = "<!-- the index is generated -->\n";
const INDEX_ENDS: &str = "<!-- end of the index -->";

/// The page, and the runbook's README.
const LISTS: [&str; 2] = ["docs/alerts.md", "docs/runbook/README.md"];

/// Each list as it should be; a README without marks for the index is left as it is.
fn lists(corpus: &Corpus) -> [(&'static str, String); 2] {
    let [alerts, readme] = LISTS;
    let there = corpus.pages.iter().find(|page| page.path == readme);
    let there = there.map_or("", |page| page.text.as_str());
    [(alerts, page(corpus)), (readme, indexed(there, corpus).unwrap_or_default())]
}

/// Lists and the objectives' rules are what would be written now.
pub(super) fn current(corpus: &Corpus) -> Vec<Problem> {
    let wanted = lists(corpus).into_iter().chain([(OBJECTIVES, objectives::rules())]);
    let stale = wanted.filter(|(path, text)| {
        let there = corpus.generated.iter().find(|file| file.path == *path);
        there.is_none_or(|file| file.text != *text)
    });
    stale
        .map(|(path, _)| Problem::new(path, "is not current: run `cargo xtask generate`"))
        .collect()
}

/// What is there now of what `current` compares.
pub(super) fn generated() -> Result<Vec<File>> {
    LISTS.iter().chain([&OBJECTIVES]).map(|path| file(path)).collect()
}

/// The page `docs/alerts.md`.
fn page(corpus: &Corpus) -> String {
    let mut text = HEAD.to_owned();
    for file in &corpus.rules {
        let _ = section(&mut text, file);
    }
    let _ = write!(
        text,
        "\n## The objectives\n\n{}\n\
         An objective with few events does not alert: a hundred requests, ten of anything else, and three bad ones.\n\
         `slo:error_budget_remaining:ratio` is what is left of 30 days, 1 at best.\n",
        objectives::table()
    );
    text
}

fn section(text: &mut String, file: &Rules) -> std::fmt::Result {
    let mut seen = BTreeSet::new();
    let listed = file.alerts().filter(|(name, _)| seen.insert(*name));
    writeln!(text, "\n## {}\n\n{}\n", title(&file.path), file.about)?;
    writeln!(
        text,
        "| alert | fires when | waits | severity | SEV | goes to |\n|---|---|---|---|---|---|"
    )?;
    for (name, rule) in listed {
        let what = match rule.label("slo") {
            "" => rule.annotations.get("description").map_or("", String::as_str),
            // One name stands for many objectives and windows; the table of those lists them.
            _ => BURNS,
        };
        let waits = rule.pending.as_deref().unwrap_or("no");
        let (severity, sev) = (rule.label("severity"), rule.label("sev"));
        let owners = file.alerts().filter(|it| it.0 == name).map(|it| it.1.label("escalation"));
        let owners: Vec<&str> = owners.collect::<BTreeSet<_>>().into_iter().collect();
        let (what, whom) = (in_words(what), owners.join(", "));
        writeln!(
            text,
            "| [{name}](runbook/{name}.md) | {what} | {waits} | {severity} | {sev} | {whom} |"
        )?;
    }
    Ok(())
}

fn title(path: &str) -> String {
    let name = stem(path);
    let (first, rest) = name.split_at(name.len().min(1));
    format!("{}{rest}", first.to_uppercase())
}

/// A text with what is filled in named instead.
fn in_words(text: &str) -> String {
    let mut pieces = text.split("{{");
    let mut words = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (filled, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        let label = filled.trim().strip_prefix("$labels.");
        words.push_str(&label.map_or_else(|| "`N`".to_owned(), |label| format!("*{label}*")));
        words.push_str(rest);
    }
    words.trim().replace('|', "\\|")
}

/// The runbook's README with its index of alerts in place of the former one.
fn indexed(readme: &str, corpus: &Corpus) -> Option<String> {
    let (before, rest) = readme.split_once(INDEX_BEGINS)?;
    let (_, after) = rest.split_once(INDEX_ENDS)?;
    let mut alerts: Vec<(&str, &Rule)> = corpus.rules.iter().flat_map(Rules::alerts).collect();
    alerts.sort_by_key(|(name, rule)| (rule.label("sev"), *name));
    alerts.dedup_by_key(|(name, _)| *name);
    let mut index =
        String::from("\n| SEV | alert | severity | what it says |\n|---|---|---|---|\n");
    for (name, rule) in alerts {
        let summary = rule.annotations.get("summary").map_or("", String::as_str);
        let (sev, severity) = (rule.label("sev"), rule.label("severity"));
        let _ =
            writeln!(index, "| {sev} | [{name}]({name}.md) | {severity} | {} |", in_words(summary));
    }
    Some(format!("{before}{INDEX_BEGINS}{index}\n{INDEX_ENDS}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops::files, shell};

    #[test]
    fn each_page_that_lists_alerts_is_current() {
        let corpus = corpus();
        for (path, text) in lists(&corpus) {
            assert!(!text.is_empty(), "{path} has lost the marks of its index");
            let absolute = shell::root().join(path);
            if std::env::var_os("SHOAL_GENERATE").is_some() {
                std::fs::write(&absolute, &text).unwrap();
            }
            let committed = std::fs::read_to_string(absolute).unwrap_or_default();
            assert!(committed == text, "{path}: run `cargo xtask generate` and commit it");
        }
    }

    #[test]
    fn what_is_filled_in_is_named() {
        let text = "{{ $value | humanizePercentage }} of {{ $labels.op }} fail | now";
        assert_eq!(in_words(text), "`N` of *op* fail \\| now");
    }

    #[test]
    fn a_list_that_was_not_written_again_is_found() {
        let mut corpus = corpus();
        corpus.generated = lists(&corpus)
            .into_iter()
            .chain([(OBJECTIVES, objectives::rules())])
            .map(|(path, text)| File { path: path.into(), text })
            .collect();
        assert_eq!(current(&corpus), []);
        corpus.generated[0].text.push('x');
        corpus.generated.pop();
        assert_eq!(current(&corpus).len(), 2);
    }

    #[test]
    fn a_readme_without_marks_is_no_place_for_an_index() {
        assert_eq!(indexed("# Runbook\n", &Corpus::default()), None);
    }

    /// The rules as they will be: those of the objectives may be written at this very moment.
    fn corpus() -> Corpus {
        let read = |file: &File| match stem(&file.path) {
            "objectives" => Rules::parse(file.path.clone(), &objectives::rules()).unwrap(),
            _ => Rules::parse(file.path.clone(), &file.text).unwrap(),
        };
        let rules = files("ops/alerts", "yml").unwrap().iter().map(read).collect();
        Corpus { rules, pages: files("docs/runbook", "md").unwrap(), ..Corpus::default() }
    }
}
