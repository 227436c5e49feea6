//! `shoal-demo`: provision simulated servers with the real controller, and watch.
//!
//! What runs is what operators run: the controller with its embedded defaults, servers enrolled by the
//! fingerprints of their BMCs through the public API, jobs from the documented example. What is
//! simulated is the hardware, and its time runs faster than ours.
#![expect(clippy::print_stdout, reason = "what a demonstration prints is its result")]

mod fleet;
mod screen;
mod story;

use std::{io::IsTerminal, path::Path, process::ExitCode};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use shoal_tests::{
    BootMedium, Config, Controller, EsxiInstaller, Interrupt, Kickstart, Machine, Outcome,
    Programs, Rack, install_crypto, table,
};

use crate::{fleet::Part, screen::Screen, story::Story};

/// The machines' clocks run this many times as fast as ours.
const SPEED: u32 = 20;

/// Provisions simulated servers with the real controller.
#[derive(Debug, Parser)]
struct Arguments {
    /// End when all jobs are complete; succeed only if each ended as expected
    #[arg(long)]
    once: bool,
    /// Let the first job that has this step fail there
    #[arg(long, value_name = "STEP", value_parser = Story::failing_at)]
    fail: Option<Story>,
    /// Jobs, each on a server of its own
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Keep the scratch directory
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    install_crypto();
    match demonstrate(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("shoal-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate(arguments: &Arguments) -> Result<()> {
    let mut interrupt = Interrupt::listen()?;
    let programs = Programs::find()?;
    let scratch = tempfile::Builder::new()
        .prefix("shoal-demo-")
        .disable_cleanup(arguments.keep)
        .tempdir()
        .context("make a scratch directory")?;
    let story = arguments.fail.clone().unwrap_or(Story::Succeeds);
    let controller = start(&programs, scratch.path(), &story).await?;
    let rack = Rack::new(&programs, scratch.path().join("machines"), controller.ca()?).speed(SPEED);
    let fleet = fleet::build(&rack, arguments.jobs, &story).await?;
    let provisioned = tokio::select! {
        provisioned = provision(&controller, fleet) => provisioned,
        () = interrupt.came() => Err(anyhow!("interrupted; everything that was started is ended")),
    };
    let (machines, outcomes) = match provisioned {
        Ok(provisioned) => provisioned,
        Err(error) => {
            controller.stop().await?;
            return Err(error);
        }
    };
    println!("\n{}", table(&outcomes));
    let unexpected = outcomes.iter().filter(|outcome| !outcome.expected).count();
    let ended = if unexpected == 0 {
        Ok(())
    } else {
        println!("the controller's last words:\n{}", controller.log_tail(15));
        Err(anyhow!("{unexpected} of {} jobs did not end as expected", outcomes.len()))
    };
    if !arguments.once {
        invite(&programs, &controller);
        interrupt.came().await;
        println!("stopping everything that was started");
    }
    controller.stop().await?;
    for machine in machines {
        machine.shutdown().await;
    }
    ended
}

async fn start(programs: &Programs, scratch: &Path, story: &Story) -> Result<Controller> {
    println!("scratch directory: {}", scratch.display());
    let images = scratch.join("static");
    BootMedium::make(&images)?;
    EsxiInstaller::make(&images, Kickstart::Cd)?;
    let config = Config::new(scratch.join("controller"), &images)
        .set("ESXI_INSTALLER_URL", Kickstart::Cd.file_name())
        .budget("settle", 2)
        .budget("quiet", 5)
        .budget("look", 2)
        .budget("off_confirm", 3)
        .budget("stable_on", 5);
    let config = story.budgets(config);
    let controller = Controller::start(programs, config.clone()).await?;
    println!("controller:        {} (pid {})", controller.ready().api, controller.ready().pid);
    println!(
        "shortened waits:   {} (everything else is the product's default)",
        config.changed_budgets().trim().replace('\n', ", ")
    );
    println!("simulated time:    machines run {SPEED} times as fast as real ones");
    Ok(controller)
}

/// Enrols every machine, asks for a job on each, and shows them to their end.
async fn provision(
    controller: &Controller,
    fleet: Vec<Part>,
) -> Result<(Vec<Machine>, Vec<Outcome>)> {
    let api = controller.api()?;
    let screen = Screen::new(std::io::stdout().is_terminal());
    let mut running = tokio::task::JoinSet::new();
    for (number, part) in fleet.into_iter().enumerate() {
        let serial = part.machine.serial();
        api.enrol(&part.machine).await.with_context(|| format!("enrol {serial}"))?;
        let line = screen.line(&part);
        let api = api.clone();
        running.spawn(async move {
            let outcome = fleet::install(&api, &part, &line).await?;
            anyhow::Ok((number, part.machine, outcome))
        });
    }
    let mut ended = Vec::new();
    while let Some(one) = running.join_next().await {
        ended.push(one.context("a job's watcher broke off")??);
    }
    ended.sort_by_key(|(number, ..)| *number);
    ensure!(!ended.is_empty(), "there was nothing to do");
    Ok(ended.into_iter().map(|(_, machine, outcome)| (machine, outcome)).unzip())
}

/// Says how to go on from here.
fn invite(programs: &Programs, controller: &Controller) {
    let ready = controller.ready();
    println!("The system stays up until Ctrl-C. Try:\n");
    println!(
        "  {} --url {} --ca {} --token-file {} jobs list\n",
        programs.cli.display(),
        ready.api,
        ready.ca_file.display(),
        ready.admin_token_file.display()
    );
}
