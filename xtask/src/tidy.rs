//! The rules of the house that no compiler checks. Every message says how to mend what it found.

mod documents;
mod measurements;
mod source;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{shell, test::Tally, workspace};

/// Something to mend.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: PathBuf,
    /// 0 when it concerns the whole file.
    line: usize,
    what: String,
    fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, fix } = self;
        let place = if *line == 0 { String::new() } else { format!(":{line}") };
        write!(f, "{}{place}: {what}\n  fix: {fix}", path.display())
    }
}

impl Problem {
    fn new(path: &Path, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), fix: fix.into() }
    }
}

/// A text file of the repository, its path relative to the root.
#[derive(Debug)]
struct File {
    path: PathBuf,
    text: String,
}

/// Everything the checks look at.
struct Tree {
    files: Vec<File>,
}

impl Tree {
    fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a File> {
        let matches = move |file: &&File| file.path.extension().is_some_and(|it| it == extension);
        self.files.iter().filter(matches)
    }
}

struct Check {
    name: &'static str,
    run: fn(&Tree) -> Vec<Problem>,
}

const CHECKS: &[Check] = &[
    Check { name: "every module says why it exists", run: source::module_docs },
    Check { name: "no module is named after nothing", run: source::module_names },
    Check { name: "files stay readable", run: source::length },
    Check { name: "open ends have an issue", run: source::open_ends },
    Check { name: "no test is skipped", run: source::skipped_tests },
    Check { name: "no test waits for time to pass", run: source::sleeping_tests },
    Check { name: "decisions know no maker", run: source::makers },
    Check { name: "metrics are in the catalogue", run: measurements::declared },
    Check { name: "decisions are listed", run: documents::decisions },
    Check { name: "links lead somewhere", run: documents::links },
];

pub(crate) fn run(_: &[String]) -> Result<()> {
    stage(&mut Tally::default())
}

/// Runs every check and counts each.
pub(crate) fn stage(tally: &mut Tally) -> Result<()> {
    let tree = Tree { files: read_tree()? };
    let mut failed = Vec::new();
    for check in CHECKS {
        let problems = (check.run)(&tree);
        if tally.check(check.name, report(check.name, &problems)).is_err() {
            failed.push(check.name);
        }
    }
    let name = "every member opts into the lints";
    if tally.check(name, report(name, &lints()?)).is_err() {
        failed.push(name);
    }
    for note in source::long(&tree).into_iter().chain(measurements::silent(&tree)) {
        println!("tidy: note: {note}");
    }
    if !failed.is_empty() {
        bail!("not tidy: {}", failed.join("; "));
    }
    println!("tidy: {} checks over {} files", CHECKS.len() + 1, tree.files.len());
    Ok(())
}

fn report(name: &str, problems: &[Problem]) -> Result<()> {
    for problem in problems {
        println!("tidy: {problem}");
    }
    if problems.is_empty() { Ok(()) } else { bail!("{name}: {} problems", problems.len()) }
}

/// Members that do not say `[lints] workspace = true`.
fn lints() -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in workspace::members()? {
        let text = fs::read_to_string(&package.manifest_path).context("read a manifest")?;
        let manifest: toml::Table = toml::from_str(&text).context("understand a manifest")?;
        let opted = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if opted.and_then(toml::Value::as_bool) != Some(true) {
            let path = package.manifest_path.strip_prefix(shell::root());
            let path = path.unwrap_or(&package.manifest_path);
            let fix = "add `[lints]` with `workspace = true`";
            problems.push(Problem::new(path, 0, "the workspace's lints are not on", fix));
        }
    }
    Ok(problems)
}

/// The files git knows or would take, so that scratch and build output are not judged.
fn read_tree() -> Result<Vec<File>> {
    let mut command = shell::git();
    command.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = shell::read(&mut command)?;
    let mut files = Vec::new();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let path = PathBuf::from(name);
        let judged = path.extension().is_some_and(|it| it == "rs" || it == "md" || it == "toml");
        // A file that is deleted but not yet committed is listed and not there.
        if let (true, Ok(text)) = (judged, fs::read_to_string(shell::root().join(&path))) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}
