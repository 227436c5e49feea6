//! The command line, and the order in which a process of this program comes to life. Commands
//! beside `serve` work without a running controller and without network.

mod config;
mod db;
mod mock_bmc;
mod registry;
mod serve;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    Exit, Origin,
    listen::Activated,
    settings::{Loaded, Settings, Sources},
};

/// Provisions bare-metal servers over Redfish virtual media.
#[derive(Debug, Parser)]
#[command(name = "shoal-controller", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller until it is asked to stop.
    Serve(serve::Serve),
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: config::Config,
    },
    /// Look after the job database; all but `check` need the controller stopped.
    Db {
        #[command(subcommand)]
        command: db::Db,
    },
    /// Look after the registry; the controller must be stopped.
    Registry {
        #[command(subcommand)]
        command: registry::Registry,
    },
    /// Run a simulated BMC with a machine behind it, for trying things out.
    MockBmc(Box<mock_bmc::MockBmc>),
    /// Print the version.
    Version,
}

/// Where the configuration comes from, besides the environment.
#[derive(Debug, Args)]
struct Configuration {
    /// Configuration file; /etc/shoal/shoal.toml if it exists.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key; may be repeated. Secrets are refused here.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl Configuration {
    fn origin(&self) -> Origin {
        Origin { file: self.config.clone(), set: self.set.clone() }
    }

    fn load(self) -> Result<Loaded, Failure> {
        let sources = Sources::of_process(self.config, self.set);
        Settings::load(&sources).map_err(|error| Failure::new(Exit::Configuration, error))
    }
}

/// A command that failed: what to exit with, and what to say.
struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

/// Printing to a closed pipe is no reason to end differently; anything else of standard output is.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let closed = error.kind() == io::ErrorKind::BrokenPipe;
        Self::new(if closed { Exit::Clean } else { Exit::Internal }, error)
    }
}

/// Runs one command of this process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    // Before anything that could start a thread: taking sockets changes the environment.
    let activated = Activated::take();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // Nothing useful is left to do when neither stream can be written.
            let _ = usage.print();
            return if usage.use_stderr() { Exit::Configuration } else { Exit::Clean };
        }
    };
    let mut out = io::stdout();
    let done = match cli.command {
        Command::Serve(serve) => serve.run(activated),
        Command::Config { command } => command.run(&mut out),
        Command::Db { command } => command.run(&mut out),
        Command::Registry { command } => command.run(&mut out),
        Command::MockBmc(mock) => mock.run(&mut out),
        Command::Version => version(&mut out),
    };
    let Err(Failure { exit, error }) = done else { return Exit::Clean };
    if exit != Exit::Clean {
        // With standard error closed the exit code still tells.
        let _ = writeln!(io::stderr(), "shoal-controller: {error:#}");
    }
    exit
}

fn version(out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "shoal-controller {}", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
