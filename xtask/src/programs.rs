//! The programs of the tests package. They start the built binaries, so those are built first.

use anyhow::Result;

use crate::{shell, workspace};

pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    start("shoal-demo", arguments)
}

pub(crate) fn e2e(arguments: &[String]) -> Result<()> {
    start("shoal-e2e", arguments)
}

/// Builds every program, and starts one of the tests package.
pub(crate) fn start(program: &str, arguments: &[String]) -> Result<()> {
    shell::run(&mut shell::cargo(&["build", "--workspace", "--bins"]))?;
    // Started directly: `cargo run --package` selects other features and would build again.
    let built = workspace::target_directory()?.join("debug").join(program);
    shell::run(shell::program(built).args(arguments))
}
