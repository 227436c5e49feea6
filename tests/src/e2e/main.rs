//! `shoal-e2e`: the whole system against simulated BMCs, one line per scenario.
//!
//! Each scenario has a controller, machines and a directory of its own; a few run at a time. What
//! cannot be reached ends the scenario as failed, never as passed.
#![expect(clippy::print_stdout, reason = "what a test program prints is its result")]

mod absence;
mod bad_input;
mod canary;
mod clock;
mod course;
mod disk;
mod doors;
mod esxi;
mod firmware;
mod foreign;
mod gate;
mod kill;
mod lines;
mod media_faults;
mod medium;
mod mocks;
mod nobody;
mod outside;
mod proof;
mod registry;
mod reports;
mod schemathesis;
mod stage;
mod suite;
mod sushy;
mod telemetry;
mod thrift;
mod told;
mod trouble;
mod workflows;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use clap::{Parser, ValueEnum};
use shoal_tests::{
    BootMedium, EsxiInstaller, Interrupt, Kickstart, Programs, Workflow, install_crypto,
};

use crate::suite::{Scenario, Suite};

/// The kinds of BMC. The first two are the ones most scenarios run on.
const PERSONAS: [&str; 12] = [
    "idrac9-6x",
    "ilo5",
    "xcc",
    "smc-x13",
    "ami-megarac",
    "idrac10",
    "ilo6",
    "openbmc",
    "idrac9-old",
    BY_IMPORT,
    "smc-x12",
    "generic",
];

/// The kinds that have a CD and a USB slot.
const CD_AND_USB: [&str; 3] = ["ilo5", "ilo6", "generic"];

/// The kinds that take one medium at a time, which then is both.
const SINGLE_SLOT: [&str; 4] = ["ami-megarac", "idrac9-old", BY_IMPORT, "smc-x12"];

/// The kind whose virtual CD is booted by an import beside the override.
const BY_IMPORT: &str = "idrac9-scp";

/// Runs the end-to-end suite.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Parser)]
struct Arguments {
    /// Only scenarios of this kind of BMC
    #[arg(long, value_parser = PERSONAS)]
    persona: Option<String>,
    /// Only scenarios of this workflow
    #[arg(long, value_enum)]
    workflow: Option<Workflow>,
    /// Only this group
    #[arg(long, value_enum)]
    only: Option<Group>,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Fail if a Python tool is not installed, instead of saying that its scenario is left out
    #[arg(long)]
    tools: bool,
    /// Every edge of every workflow on every kind of BMC, not only a part that meets each once
    #[arg(long)]
    full: bool,
    /// Scenarios that run at a time
    #[arg(long, value_name = "N", default_value_t = 12)]
    at_once: usize,
    /// Keep the directories of all scenarios
    #[arg(long)]
    keep: bool,
    /// List the scenarios and run none
    #[arg(long)]
    list: bool,
}

/// What a scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Jobs on mock machines, going well and wrong
    Mock,
    /// The controller killed, answers lost
    Kill,
    /// Machines, BMCs, clocks and disks that fail
    Fault,
    /// Reloads, certificates, secrets that are replaced
    Doors,
    /// Every secret of a run, searched for wherever it must not be
    Canary,
    /// What controllers tell in numbers
    Metrics,
    /// What a controller tells of itself: the lines and the trace of a job, to whoever listens
    Told,
    /// What nobody should send
    Input,
    /// The registry, in the hands of clients that others wrote
    Registry,
    /// The OpenAPI document, asked of the running controller
    Schema,
    /// A BMC that others wrote
    Sushy,
    /// Clients and validators that others wrote, on mock BMCs
    Foreign,
}

#[tokio::main]
async fn main() -> ExitCode {
    install_crypto();
    match run_until_interrupted(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("shoal-e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_until_interrupted(arguments: &Arguments) -> Result<bool> {
    let mut interrupt = Interrupt::listen()?;
    tokio::select! {
        passed = run(arguments) => passed,
        () = interrupt.came() => bail!("interrupted; everything that was started is ended"),
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    let scenarios = chosen(arguments);
    ensure!(!scenarios.is_empty(), "no scenario is left to run");
    if arguments.list {
        for scenario in &scenarios {
            println!("{}", scenario.name);
        }
        return Ok(true);
    }
    let programs = Programs::find()?;
    let scratch =
        tempfile::Builder::new().prefix("shoal-e2e-").disable_cleanup(arguments.keep).tempdir()?;
    let images = scratch.path().join("static");
    BootMedium::make(&images)?;
    for kickstart in [Kickstart::Cd, Kickstart::Usb] {
        EsxiInstaller::make(&images, kickstart)?;
    }
    if arguments.keep {
        println!("everything is kept in {}", scratch.path().display());
    }
    let suite = Suite { programs, scratch: scratch.path().to_owned() };
    let passed = suite.run(scenarios, arguments.at_once.max(1)).await;
    if arguments.is_partial() {
        return Ok(passed);
    }
    let decorative = telemetry::decorative(scratch.path())?;
    for metric in &decorative {
        println!("FAIL  {metric}");
    }
    Ok(passed && decorative.is_empty())
}

impl Arguments {
    /// Whether scenarios were left out that may record what others do not.
    fn is_partial(&self) -> bool {
        self.persona.is_some()
            || self.workflow.is_some()
            || self.only.is_some()
            || self.name.is_some()
            || !self.tools
    }
}

fn chosen(arguments: &Arguments) -> Vec<Scenario> {
    let mut scenarios = mocks::scenarios();
    scenarios.extend(reports::scenarios());
    scenarios.extend(trouble::scenarios());
    scenarios.extend(workflows::scenarios());
    scenarios.extend(thrift::scenarios());
    scenarios.extend(kill::scenarios(arguments.full));
    scenarios.extend(faults());
    scenarios.extend(doors::scenarios());
    scenarios.extend(canary::scenarios());
    scenarios.extend(telemetry::scenarios());
    scenarios.extend(told::scenarios());
    scenarios.extend(bad_input::scenarios());
    let of_tools = [
        (Group::Sushy, "sushy-emulator", sushy::is_installed(), sushy::scenarios()),
        (Group::Schema, "schemathesis", schemathesis::is_installed(), schemathesis::scenarios()),
        (Group::Registry, "a registry client", registry::is_installed(), registry::scenarios()),
        (Group::Foreign, "a Redfish tool", foreign::is_installed(), foreign::scenarios()),
        (Group::Told, "rotel", told::rotel::is_installed(), told::rotel::scenarios()),
    ];
    for (group, tool, installed, of_tool) in of_tools {
        if installed || arguments.tools || arguments.only == Some(group) {
            scenarios.extend(of_tool);
        } else if arguments.only.is_none() && arguments.persona.is_none() {
            println!("left out: {tool} is not installed (cargo xtask test --stage setup)");
        }
    }
    scenarios.retain(|scenario| {
        let of_workflow = arguments.workflow.is_none_or(|it| scenario.workflow == it);
        let of_persona = arguments.persona.as_deref().is_none_or(|it| scenario.persona == Some(it));
        let of_group = arguments.only.is_none_or(|group| scenario.group == group);
        let of_name = arguments.name.as_deref().is_none_or(|text| scenario.name.contains(text));
        of_workflow && of_persona && of_group && of_name
    });
    scenarios
}

/// What fails around a controller, by who it is.
fn faults() -> Vec<Scenario> {
    [
        esxi::scenarios(),
        firmware::scenarios(),
        absence::scenarios(),
        media_faults::scenarios(),
        clock::scenarios(),
        disk::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
