//! `cargo xtask test`: every check of the repository, in stages, with one line at the end. A stage
//! that fails does not stop the later ones, so that one run shows everything that is wrong.

mod cargo_test;
mod setup;

use std::{fmt, time::Instant};

use anyhow::{Result, bail};

use crate::{deny, fuzz, generate, layers, ops, ops_live, programs, shell, tidy};
pub(crate) use cargo_test::Tally;

struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Tally) -> Result<()>,
}

/// Something failed and the last line has said so; there is nothing to add.
#[derive(Debug)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("checks failed")
    }
}

impl std::error::Error for Failed {}

/// Only `setup` may use the network.
const STAGES: &[Stage] = &[
    Stage { name: "setup", about: "system packages, Python tools, crates", run: setup::run },
    Stage { name: "fmt", about: "formatting", run: |tally| tally.check("fmt", fmt()) },
    Stage {
        name: "layers",
        about: "who depends on whom",
        run: |tally| tally.check("layers", layers::run(&[])),
    },
    Stage { name: "ops", about: "alerts, dashboards and the runbook", run: ops::stage },
    Stage { name: "tidy", about: "rules no compiler checks", run: tidy::stage },
    Stage {
        name: "deny",
        about: "licences, bans, sources",
        run: |tally| tally.check("deny", deny::run(&[])),
    },
    Stage { name: "clippy", about: "lints", run: |tally| tally.check("clippy", clippy()) },
    Stage { name: "build", about: "programs", run: |tally| tally.check("build", build()) },
    Stage { name: "tests", about: "unit and integration tests", run: cargo_test::tests },
    Stage { name: "doctests", about: "examples in the documentation", run: cargo_test::doctests },
    Stage { name: "docs", about: "documentation", run: |tally| tally.check("docs", docs()) },
    Stage {
        name: "generated",
        about: "generated files match the code",
        run: |tally| tally.check("generated", generate::check()),
    },
    Stage {
        name: "fuzz",
        about: "parsers against inputs made to break them",
        run: |tally| tally.check("fuzz", fuzz::briefly()),
    },
    Stage {
        name: "e2e",
        about: "the whole system against simulated BMCs",
        run: |tally| tally.check("e2e", programs::e2e(&["--tools".to_owned()])),
    },
    Stage {
        name: "ops-live",
        about: "real faults, a real Prometheus, and the alerts that come of them",
        run: |tally| tally.check("ops-live", ops_live::briefly()),
    },
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let stages: Vec<&Stage> = match arguments {
        [] => STAGES.iter().collect(),
        [flag, name] if flag == "--stage" => {
            let Some(stage) = STAGES.iter().find(|stage| stage.name == name) else {
                bail!("there is no stage {name:?}; there are: {}", names());
            };
            vec![stage]
        }
        _ => bail!("usage: cargo xtask test [--stage NAME]; stages: {}", names()),
    };
    let begun = Instant::now();
    let mut tally = Tally::default();
    for stage in stages {
        println!("\n=== {}: {}", stage.name, stage.about);
        if stage.name != "setup" {
            shell::stay_offline(setup::tools()?.join("bin"));
        }
        let stage_begun = Instant::now();
        let result = (stage.run)(&mut tally);
        let seconds = stage_begun.elapsed().as_secs();
        match &result {
            Ok(()) => println!("=== {} passed in {seconds} s", stage.name),
            Err(error) => println!("=== {} FAILED after {seconds} s: {error:#}", stage.name),
        }
        if result.is_err() && stage.name == "setup" {
            // Without its tools every later stage would fail for the same reason.
            break;
        }
    }
    println!("\n{} in {} s", tally.failures(), begun.elapsed().as_secs());
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 { Err(Failed.into()) } else { Ok(()) }
}

fn names() -> String {
    STAGES.iter().map(|stage| stage.name).collect::<Vec<_>>().join(", ")
}

fn fmt() -> Result<()> {
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    shell::run(&mut shell::cargo(&arguments))
}

fn build() -> Result<()> {
    shell::run(&mut shell::cargo(&["build", "--workspace", "--bins", "--locked"]))
}

fn docs() -> Result<()> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
    shell::run(shell::cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings"))
}
