//! The runbook's pages. They are read in the middle of the night, so they all have one shape, and
//! what they link to, tell to type and tell to search for is there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Corpus, File, Problem, commands, stem};
use crate::shell;

/// The headings of a page, in this order.
const SECTIONS: &[&str] = &[
    "You are here because",
    "Meaning",
    "Impact",
    "60-second triage",
    "Decision tree",
    "Verify",
    "Escalate",
];

/// What a page says about itself before it begins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Front {
    pub(super) alerts: Vec<String>,
    /// Sections of the operations document that the page carries out.
    pub(super) runbook: Vec<String>,
    pub(super) severity: String,
    pub(super) sev: String,
    /// Whom it is escalated to.
    pub(super) owner: String,
}

pub(super) fn front(page: &File) -> Result<Front> {
    let text = page.text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    let (front, _) = text.context("has no front matter")?;
    yaml_serde::from_str(front).context("front matter cannot be understood")
}

/// The headings are these, triage begins with a command, and the tree has branches.
pub(super) fn shape(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    for page in alert_pages(corpus) {
        let mut wrong = |what: String| problems.push(Problem::new(&page.path, what));
        if !page.text.contains(&format!("\n# {}\n", stem(&page.path))) {
            wrong("its title must be the alert's name".to_owned());
        }
        let headings: Vec<&str> =
            page.text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        if headings != SECTIONS {
            wrong(format!("its headings must be: {}", SECTIONS.join("; ")));
            continue;
        }
        for empty in SECTIONS.iter().filter(|name| section(page, name).trim().is_empty()) {
            wrong(format!("{empty} is empty"));
        }
        if !section(page, "60-second triage").contains("```sh\n") {
            wrong("triage has no command".to_owned());
        }
        let tree = section(page, "Decision tree");
        if !(tree.contains("\n1. ") && tree.contains("\n2. ")) {
            wrong("the decision tree has no numbered branches".to_owned());
        }
        if front(page).is_ok_and(|front| front.runbook.is_empty()) {
            wrong("`runbook` names no section".to_owned());
        }
    }
    problems
}

/// Links lead to files and headings.
pub(super) fn links(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    for page in &corpus.pages {
        for target in targets(&page.text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let text =
                if file.is_empty() { Some(page.text.clone()) } else { linked(corpus, page, file) };
            let there = match text {
                None => false,
                Some(text) => anchor.is_empty() || anchors(&text).contains(anchor),
            };
            if !there {
                problems.push(Problem::new(&page.path, format!("the link {target} leads nowhere")));
            }
        }
    }
    problems
}

/// Commands and flags of our programs exist.
pub(super) fn commands(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    for page in &corpus.pages {
        let mut scripts = blocks(page, "sh");
        scripts
            .extend(spans(&page.text).filter(|span| span.starts_with("shoal")).map(str::to_owned));
        for script in &scripts {
            let wrong =
                commands::typed(script).into_iter().filter_map(|it| corpus.commands.wrong(it));
            problems.extend(wrong.map(|what| Problem::new(&page.path, what)));
        }
    }
    problems
}

/// Keys of the configuration exist.
pub(super) fn keys(corpus: &Corpus) -> Vec<Problem> {
    let key = |span: &&str| {
        span.contains('_') && span.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let mut problems = Vec::new();
    for page in &corpus.pages {
        let named = spans(&page.text).filter(key);
        let unknown = named.filter(|key| !corpus.configuration.contains(&format!("`{key}`")));
        problems.extend(unknown.map(|key| {
            Problem::new(&page.path, format!("{key} is no key of {}", super::CONFIGURATION))
        }));
    }
    problems
}

/// What a page searches the journal for is what the code logs.
pub(super) fn log_lines(corpus: &Corpus) -> Vec<Problem> {
    let mut problems = Vec::new();
    for page in &corpus.pages {
        let scripts = blocks(page, "sh");
        let searched = scripts.iter().flat_map(|script| script.lines());
        let searched = searched.filter(|line| line.contains("journalctl"));
        let patterns = searched.flat_map(|line| line.split("grep '").skip(1));
        for pattern in patterns.filter_map(|rest| rest.split('\'').next()) {
            if !corpus.logged.contains(pattern) {
                let what = format!("nothing logs {pattern:?}, so searching for it finds nothing");
                problems.push(Problem::new(&page.path, what));
            }
        }
    }
    problems
}

fn alert_pages(corpus: &Corpus) -> impl Iterator<Item = &File> {
    corpus.pages.iter().filter(|page| !page.path.ends_with("/README.md"))
}

/// The text below a heading of the second level.
fn section<'a>(page: &'a File, name: &str) -> &'a str {
    let rest = page.text.split_once(&format!("\n## {name}\n")).map_or("", |it| it.1);
    rest.split("\n## ").next().unwrap_or_default()
}

/// The contents of the fenced blocks of a language.
pub(super) fn blocks(page: &File, language: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), None);
    for line in page.text.lines().map(str::trim_start) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((info == language, String::new())),
            (Some(_), Some((wanted, text))) => {
                if *wanted {
                    found.push(std::mem::take(text));
                }
                open = None;
            }
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => (),
        }
    }
    found
}

/// Inline code of a page.
pub(super) fn spans(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("```"));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The anchors of a page's headings, as they are made where Markdown is shown.
pub(super) fn anchors(text: &str) -> BTreeSet<String> {
    let heading =
        |line: &str| Some(line.strip_prefix('#')?.trim_start_matches('#').trim().to_owned());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = |heading: String| {
        heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    text.lines().filter_map(heading).map(anchor).collect()
}

fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

/// The text of a linked file; none when there is no such file.
fn linked(corpus: &Corpus, from: &File, target: &str) -> Option<String> {
    let path = resolved(&from.path, target)?;
    let page = corpus.pages.iter().find(|page| Path::new(&page.path) == path);
    match page {
        Some(page) => Some(page.text.clone()),
        None => fs::read(shell::root().join(path))
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn resolved(from: &str, target: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(from).parent()?.join(target).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::ParentDir | Component::CurDir => (),
            part => path.push(part),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests;
