//! Thin shell around the library: this process's surroundings in, exit code out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use shoal::{Exit, Pace, Surroundings, install_crypto, run};

fn main() -> anyhow::Result<ExitCode> {
    install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let (mut stdin, mut stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
    let mut surroundings = Surroundings {
        environment: environment(),
        stdout_is_terminal: stdout.is_terminal(),
        stderr_is_terminal: stderr.is_terminal(),
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
        prompt: &ask_in_secret,
        ask: &ask,
        now: jiff::Timestamp::now(),
        pace: Pace::default(),
    };
    let exit: Exit = runtime.block_on(run(std::env::args_os(), &mut surroundings));
    // A read from standard input may still block a thread; nothing waits for it.
    runtime.shutdown_background();
    Ok(exit.into())
}

/// What is no text cannot be a value of ours, and must not stop the program.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Asks on the terminal, without echo.
fn ask_in_secret(question: &str) -> io::Result<String> {
    let terminal = terminal(question)?;
    terminal.read_secure_line()
}

/// Asks on the terminal.
fn ask(question: &str) -> io::Result<String> {
    let terminal = terminal(question)?;
    terminal.read_line()
}

/// The terminal, with the question on it.
fn terminal(question: &str) -> io::Result<console::Term> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "there is no terminal to ask on"));
    }
    terminal.write_str(question)?;
    Ok(terminal)
}
