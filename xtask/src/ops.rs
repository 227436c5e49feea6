//! `cargo xtask ops-check`: whether what operators are given holds together. Rules, their tests,
//! dashboards, the runbook's pages and the catalogue of metrics name each other by words that no
//! compiler checks; here each of these names is looked up, and the tools that will read the files
//! are asked what they think of them. Nothing here needs a running controller or the network.

mod alerts;
mod catalogue;
mod commands;
mod coverage;
mod expressions;
mod index;
mod logged;
mod objectives;
mod pages;
mod promql;
mod series;
mod tools;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    rules::{self, Rules},
    shell,
    test::Tally,
};

const RULE_TESTS: &str = "ops/alerts/tests";
const DASHBOARDS: &str = "ops/dashboards";
const PAGES: &str = "docs/runbook";
const EXPLORE: &str = "ops/explore-only.toml";
const METRICS: &str = "docs/reference/metrics.md";
const COMMAND_LINE: &str = "docs/cli.md";
const CONFIGURATION: &str = "docs/configuration.md";
const EXAMPLES: [&str; 2] = ["ops/alertmanager", "ops/prometheus"];
const OPERATE: &str = "docs/operate.md";

/// Something to mend: where, what, and how.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    place: String,
    what: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A text file, its path relative to the root.
#[derive(Debug, Clone)]
struct File {
    path: String,
    text: String,
}

/// Everything the checks compare.
#[derive(Debug, Default)]
struct Corpus {
    rules: Vec<Rules>,
    tests: Vec<coverage::Tests>,
    dashboards: Vec<File>,
    /// Pages of the runbook, its README included.
    pages: Vec<File>,
    /// Configurations for Prometheus and its companions.
    examples: Vec<File>,
    /// The page with all keys.
    configuration: String,
    catalogue: catalogue::Catalogue,
    /// Metrics that no rule and no panel shows, with the reason.
    explore: BTreeMap<String, String>,
    commands: commands::Commands,
    /// Lists of alerts and rules that are written by this program.
    generated: Vec<File>,
    /// What the product's code can log, for the lines that pages quote.
    logged: String,
}

struct Check {
    name: &'static str,
    run: fn(&Corpus) -> Vec<Problem>,
}

const CHECKS: &[Check] = &[
    Check { name: "expressions name what is exported", run: expressions::names },
    Check { name: "expressions compute what they say", run: expressions::sense },
    Check { name: "every metric is used or explained", run: expressions::usage },
    Check { name: "alerts say whom they concern", run: alerts::labels },
    Check { name: "alerts explain themselves", run: alerts::annotations },
    Check { name: "alerts and pages know each other", run: alerts::pages },
    Check { name: "alerts that are named exist", run: alerts::mentions },
    Check { name: "lists of alerts are current", run: index::current },
    Check { name: "alerts are tested both ways", run: coverage::both_ways },
    Check { name: "pages have their shape", run: pages::shape },
    Check { name: "pages link to what exists", run: pages::links },
    Check { name: "pages use commands that exist", run: pages::commands },
    Check { name: "pages name keys that exist", run: pages::keys },
    Check { name: "pages quote what is logged", run: pages::log_lines },
];

pub(crate) fn run(_: &[String]) -> Result<()> {
    stage(&mut Tally::default())
}

/// Runs every check and counts each.
pub(crate) fn stage(tally: &mut Tally) -> Result<()> {
    let corpus = read()?;
    let mut failed = Vec::new();
    for check in CHECKS {
        if tally.check(check.name, report(&(check.run)(&corpus))).is_err() {
            failed.push(check.name);
        }
    }
    for (name, result) in tools::all(&corpus)? {
        if let Err(error) = &result {
            println!("ops-check: {name}: {error:#}");
            failed.push(name);
        }
        // The tally wants the outcome only; it was told above.
        let _ = tally.check(name, result);
    }
    if !failed.is_empty() {
        bail!("not fit for operators: {}", failed.join("; "));
    }
    let alerts = corpus.rules.iter().flat_map(Rules::alerts).count();
    println!("ops-check: {alerts} alerts, {} pages", corpus.pages.len());
    Ok(())
}

fn report(problems: &[Problem]) -> Result<()> {
    for problem in problems {
        println!("ops-check: {problem}");
    }
    if problems.is_empty() { Ok(()) } else { bail!("{} problems", problems.len()) }
}

fn read() -> Result<Corpus> {
    let explore = fs::read_to_string(shell::root().join(EXPLORE)).context(EXPLORE)?;
    Ok(Corpus {
        rules: rules::read()?,
        tests: files(RULE_TESTS, "yml")?
            .iter()
            .map(coverage::Tests::read)
            .collect::<Result<_>>()?,
        dashboards: files(DASHBOARDS, "json")?,
        pages: files(PAGES, "md")?,
        examples: EXAMPLES
            .iter()
            .map(|directory| files(directory, "yml"))
            .collect::<Result<Vec<_>>>()?
            .concat(),
        configuration: file(CONFIGURATION)?.text,
        catalogue: catalogue::Catalogue::read(&file(METRICS)?.text),
        explore: toml::from_str(&explore).context(EXPLORE)?,
        commands: commands::Commands::read(&file(COMMAND_LINE)?.text, &file(OPERATE)?.text),
        generated: index::generated()?,
        logged: logged::texts(&code()?),
    })
}

fn file(path: &str) -> Result<File> {
    let text = fs::read_to_string(shell::root().join(path)).with_context(|| format!("read {path}"));
    Ok(File { path: path.to_owned(), text: text? })
}

/// The files of a directory with an extension, by name; none when there is no such directory.
fn files(directory: &str, extension: &str) -> Result<Vec<File>> {
    let absolute = shell::root().join(directory);
    if !absolute.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&absolute).with_context(|| format!("list {directory}"))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .filter_map(|path| path.file_name())
        .map(|name| file(&format!("{directory}/{}", name.to_string_lossy())))
        .collect()
}

fn code() -> Result<String> {
    let mut command = shell::git();
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = shell::read(command.args(["crates/*.rs", "bins/*.rs"]))?;
    // A file that is deleted but not yet committed is listed and not there.
    let texts =
        listed.split('\0').filter_map(|name| fs::read_to_string(shell::root().join(name)).ok());
    Ok(texts.collect())
}

/// The name of a file without directory and extension.
fn stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or(path)
}
