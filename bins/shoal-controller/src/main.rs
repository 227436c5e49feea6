//! Thin shell around the library: this process's surroundings in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    shoal_controller::cli::main(std::env::args_os()).into()
}
