//! The commands of the documentation, run as they are written there: whoever follows a page gets
//! what it promises, or this fails.

mod page;
mod profiles;
mod sandbox;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use shoal_tests::install_crypto;

use crate::sandbox::{Sandbox, Surroundings};

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_page_does_what_it_says() -> Result<()> {
    run("docs/operate.md", Surroundings::Host).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_command_line_does_what_it_says() -> Result<()> {
    run("docs/cli.md", Surroundings::Client).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_logs_and_traces_does_what_it_says() -> Result<()> {
    run("docs/observability.md", Surroundings::Job).await
}

#[test]
fn the_operators_page_explains_every_step_that_can_fail() -> Result<()> {
    let catalogue = read("docs/reference/metrics.md")?;
    let steps = catalogue
        .lines()
        .find_map(|line| line.strip_prefix("- `job_failures_total` `failed_step`: "));
    let steps: BTreeSet<&str> =
        steps.context("the catalogue lists no steps")?.split(", ").collect();
    ensure!(steps.contains("redfish.mount.task"), "these are no steps: {steps:?}");
    let page = read("docs/operate.md")?;
    let explained: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(first, _)| first)
        .collect();
    // What is counted as other has no name to look up.
    let missing: Vec<&&str> =
        steps.difference(&explained).filter(|step| **step != "other").collect();
    ensure!(missing.is_empty(), "docs/operate.md has no row for {missing:?}");
    Ok(())
}

async fn run(page: &str, surroundings: Surroundings) -> Result<()> {
    install_crypto();
    let blocks = page::read(&root().join(page))?;
    let sandbox = Sandbox::start(surroundings).await?;
    for block in &blocks {
        sandbox.run(block).await.with_context(|| format!("{page}:{}", block.line))?;
    }
    sandbox.end().await
}

fn read(page: &str) -> Result<String> {
    fs::read_to_string(root().join(page)).with_context(|| format!("read {page}"))
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
