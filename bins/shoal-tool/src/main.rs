//! The one binary of the maintenance OS's units.
//!
//! # Purpose
//! Every tool container and the report unit run this static binary with one subcommand each.
//!
//! # Scope
//! The command table in `command`; today `report`.
//!
//! # Non-goals
//! Finding and validating the task medium (the dispatcher's), deciding what a report means (the
//! controller's).
//!
//! # Invariants
//! - An unknown subcommand or flag changes nothing and exits 64.
//! - Exit codes are those of `command::Exit`, the same for every subcommand.
//! - No token is printed. No process-wide TLS provider is installed.
//!
//! # Example
//! ```text
//! shoal-tool report --status failed --unit partition.service
//! ```

use std::process::ExitCode;

mod command;
mod flags;
mod log;
mod report;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    command::run(&args, &mut std::io::stdout(), &mut std::io::stderr()).into()
}
