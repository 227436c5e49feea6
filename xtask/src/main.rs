//! Tasks of this repository, as `cargo xtask <command>`.
//!
//! Everything CI does is a command here, so that a contributor's machine and CI cannot disagree.
//! Each command is one module; the table below is the only list of them.
#![expect(clippy::print_stdout, reason = "what a task runner prints is its result")]

mod bench;
mod dashboards;
mod deny;
mod fuzz;
mod generate;
mod layers;
mod ops;
mod ops_live;
mod programs;
mod rules;
mod shell;
mod spdx;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// One command: its name, what it takes, what it does, and the function that does it.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[--once] [--fail STEP]",
        about: "provision simulated servers with the real controller and watch",
        run: programs::demo,
    },
    Command {
        name: "test",
        arguments: "[--stage NAME]",
        about: "everything this repository tests; what CI runs",
        run: test::run,
    },
    Command {
        name: "e2e",
        arguments: "[--persona P] [--workflow W] [--keep]",
        about: "the end-to-end suite against simulated BMCs",
        run: programs::e2e,
    },
    Command {
        name: "ops-live",
        arguments: "[--brief] [--keep FILE]",
        about: "real faults, a real Prometheus, and the alerts that come of them",
        run: ops_live::run,
    },
    Command {
        name: "dashboards",
        arguments: "[--preview KEPT.json PAGE.html]",
        about: "check the dashboards, or draw what a live run kept",
        run: dashboards::run,
    },
    Command {
        name: "bench",
        arguments: "[NAME]",
        about: "measure, in ratios against other tools in the same run",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        arguments: "[--target T] [--seconds N]",
        about: "search for inputs that break a parser",
        run: fuzz::run,
    },
    Command {
        name: "generate",
        arguments: "",
        about: "write every generated file again",
        run: generate::run,
    },
    Command {
        name: "layers",
        arguments: "",
        about: "check who depends on whom inside the workspace",
        run: layers::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        about: "check the rules no compiler checks",
        run: tidy::run,
    },
    Command {
        name: "ops-check",
        arguments: "",
        about: "check alerts, dashboards and the runbook against each other",
        run: ops::run,
    },
    Command {
        name: "deny",
        arguments: "",
        about: "check licences, banned crates and sources against deny.toml",
        run: deny::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<test::Failed>() => ExitCode::FAILURE,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        println!("{}", help());
        bail!("name a command");
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        println!("{}", help());
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        println!("{}", help());
        bail!("there is no command {name:?}");
    };
    (command.run)(rest)
}

fn help() -> String {
    COMMANDS.iter().fold(String::from("cargo xtask <command>\n"), |text, command| {
        let usage = format!("{} {}", command.name, command.arguments);
        format!("{text}\n  {usage:<46} {}", command.about)
    })
}
