//! `shoal-ops-live`: the alerts and dashboards, proven. A real Prometheus scrapes a real controller
//! under load; causes are made, the alert must arrive where Alertmanager would listen, and it must end
//! when the cause does. Then every panel of every dashboard is asked of the same Prometheus.
#![expect(clippy::print_stdout, reason = "what a test program prints is its result")]

mod answers;
mod causes;
mod ground;
mod load;
mod plan;
mod program;
mod prometheus;
mod pushes;
mod receiver;
mod stage;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use shoal_tests::{Interrupt, Programs, install_crypto};
use tokio::time::timeout;

use crate::{
    ground::{Ground, Told},
    load::Load,
    plan::Plan,
    prometheus::Prometheus,
    receiver::Receiver,
    stage::Stage,
};

/// Longest run; every wait in it is shorter and says what it waited for.
const LONGEST: Duration = Duration::from_mins(40);

/// Proves the alerts and dashboards against a real Prometheus.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory of rules, their spans made short
    #[arg(long, value_name = "DIR")]
    rules: PathBuf,
    /// What the alerts must arrive with, and what the dashboards ask
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Only causes that show soon
    #[arg(long)]
    brief: bool,
    /// Keep what every panel would have drawn
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    install_crypto();
    match run_until_interrupted(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("shoal-ops-live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_until_interrupted(arguments: &Arguments) -> Result<bool> {
    let mut interrupt = Interrupt::listen()?;
    tokio::select! {
        passed = timeout(LONGEST, run(arguments)) => {
            passed.with_context(|| format!("it took longer than {} s", LONGEST.as_secs()))?
        }
        () = interrupt.came() => bail!("interrupted; everything that was started is ended"),
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    let begun = Instant::now();
    let plan = Plan::read(&arguments.plan)?;
    let scratch = tempfile::Builder::new().prefix("shoal-ops-live-").tempdir()?;
    let stage = Stage::set(&Programs::find()?, scratch.path()).await?;
    let receiver = Receiver::listen().await?;
    let prometheus =
        Prometheus::start(scratch.path(), &arguments.rules, stage.ready(), receiver.address())
            .await?;
    println!("after {} s: everything runs", begun.elapsed().as_secs());
    let load = Load::begin(&stage).await?;
    prometheus.answers(r#"min(up{job="shoal"}) == 1 and min(probe_success) == 1"#).await?;

    let ground = Ground { stage: &stage, receiver: &receiver, plan: &plan };
    Load::one_failure(&stage).await?;
    let told = tokio::select! {
        told = Box::pin(causes::prove(&ground, arguments.brief)) => told,
        error = pushes::go_on(&stage.api) => return Err(error),
    };
    for Told { alert, result, .. } in &told {
        if let Err(error) = result {
            println!("FAIL  {alert}: {error:#}");
        }
    }
    println!("{}", ground::table(&told));
    println!("after {} s: {} jobs ended", begun.elapsed().as_secs(), load.ended());
    let wrong = answers::ask(&prometheus, &plan, begun.elapsed()).await?;
    for panel in &wrong {
        println!("FAIL  {panel}");
    }
    if let Some(file) = &arguments.keep {
        answers::keep(&prometheus, &plan, begun.elapsed(), file).await?;
    }
    let bystanders = receiver.bystanders(told.iter().map(|it| it.alert));
    println!("also fired: {}", bystanders.join(", "));
    load.end().await?;
    stage.strike().await?;
    println!("{} s in all", begun.elapsed().as_secs());
    Ok(wrong.is_empty() && told.iter().all(|it| it.result.is_ok()))
}
