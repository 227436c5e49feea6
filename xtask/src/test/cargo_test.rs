//! Runs `cargo test` and adds up what its test programs report.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use anyhow::{Context, Result, bail};

use crate::shell;

/// What passed and what failed: tests of test programs, and stages that are one check each.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    names: Vec<String>,
}

impl Tally {
    /// Counts one named check.
    pub(crate) fn check(&mut self, name: &str, result: Result<()>) -> Result<()> {
        if result.is_ok() {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.names.push(name.to_owned());
        }
        result
    }

    /// The names of what failed, as one line.
    pub(crate) fn failures(&self) -> String {
        if self.names.is_empty() {
            "nothing failed".to_owned()
        } else {
            format!("failed: {}", self.names.join(", "))
        }
    }

    fn read(&mut self, line: &str) -> u64 {
        if let Some(name) = line.strip_prefix("test ").and_then(|it| it.strip_suffix(" ... FAILED"))
        {
            self.names.push(name.to_owned());
        }
        let Some(counts) = line.strip_prefix("test result: ") else { return 0 };
        self.passed += count(counts, "passed");
        self.failed += count(counts, "failed");
        count(counts, "ignored")
    }
}

/// The number before `word` in `ok. 12 passed; 0 failed; 1 ignored; ...`.
fn count(counts: &str, word: &str) -> u64 {
    counts
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// Unit and integration tests. Benchmarks are compiled by the lint stage and never run here.
pub(super) fn tests(tally: &mut Tally) -> Result<()> {
    run(tally, "tests", &["--lib", "--bins", "--tests", "--examples"])
}

pub(super) fn doctests(tally: &mut Tally) -> Result<()> {
    run(tally, "doctests", &["--doc"])
}

fn run(tally: &mut Tally, name: &str, targets: &[&str]) -> Result<()> {
    let mut command = shell::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.args(targets).stdout(Stdio::piped());
    println!("$ {}", shell::show(&command));
    let failed_before = tally.failed;
    let mut child = command.spawn().context("start cargo test")?;
    let output = child.stdout.take().context("read what cargo test prints")?;
    let mut ignored = 0;
    for line in BufReader::new(output).split(b'\n') {
        let bytes = line.context("read what cargo test prints")?;
        let line = String::from_utf8_lossy(&bytes);
        println!("{line}");
        ignored += tally.read(&line);
    }
    let status = child.wait().context("wait for cargo test")?;
    if ignored > 0 {
        return tally
            .check(name, Err(anyhow::anyhow!("{ignored} tests are ignored: run or remove")));
    }
    if status.success() {
        return Ok(());
    }
    if tally.failed == failed_before {
        // Nothing was counted: it did not compile, or a test program died.
        return tally.check(name, Err(anyhow::anyhow!("cargo test failed: {status}")));
    }
    bail!("{} tests failed", tally.failed - failed_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up_and_failed_tests_are_named() {
        let mut tally = Tally::default();
        let mut ignored = 0;
        for line in [
            "running 13 tests",
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s",
            "test result: ok. 7 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            ignored += tally.read(line);
        }
        assert_eq!((tally.passed, tally.failed, ignored), (19, 1, 2));
        assert_eq!(tally.failures(), "failed: a::c");
    }

    #[test]
    fn a_failed_check_counts_and_keeps_its_error() {
        let mut tally = Tally::default();
        assert!(tally.check("fmt", Ok(())).is_ok());
        assert!(tally.check("docs", Err(anyhow::anyhow!("x"))).is_err());
        assert_eq!((tally.passed, tally.failed), (1, 1));
    }
}
