//! Thin shell around the library: arguments in, exit code out.

use std::io::Write;
use std::process::ExitCode;

use shoal_dispatcher::{Exit, Options, guarded, run};

fn main() -> ExitCode {
    let mut stderr = std::io::stderr();
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            // Nothing useful is left to do when standard error is closed.
            let _ = writeln!(stderr, "{usage}");
            return Exit::Usage.into();
        }
    };
    guarded(&options, &mut stderr, run).into()
}
