//! The table of subcommands. A new one is a module with a `COMMAND` and one line here; parsing of
//! the name, help and exit codes stay the same for all.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::report;

/// Every subcommand, in the order of the usage text.
const COMMANDS: &[Command] = &[report::COMMAND];

/// One subcommand.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// The whole help text, printed by `--help`.
    pub(crate) help: &'static str,
    /// Runs with the arguments behind the name; log lines go to the writer.
    pub(crate) run: fn(&[String], &mut dyn Write) -> Exit,
}

/// How a subcommand ends; the numbers are those of `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing was left to do.
    Done = 0,
    /// The command line is wrong.
    Usage = 64,
    /// The controller refused the report for what it is.
    Refused = 65,
    /// The controller was not reached before `report_until`.
    NotDelivered = 69,
    /// A file of the attempt is missing or unreadable.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs the subcommand named by the first argument.
///
/// A closed standard output or error is ignored throughout: the exit code is what counts.
pub(crate) fn run(args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let Some(args) =
        args.iter().map(|arg| arg.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    else {
        return usage(err, "arguments must be UTF-8");
    };
    let Some((name, rest)) = args.split_first() else {
        return usage(err, "a subcommand is missing");
    };
    match name.as_str() {
        "--help" | "-h" | "help" => {
            let _ = write!(out, "{}", overview());
            return Exit::Done;
        }
        "--version" | "-V" => {
            let _ = writeln!(out, "shoal-tool {}", env!("CARGO_PKG_VERSION"));
            return Exit::Done;
        }
        _ => {}
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return usage(err, &format!("unknown subcommand {name:?}"));
    };
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        let _ = write!(out, "{}", command.help);
        return Exit::Done;
    }
    (command.run)(rest, err)
}

fn usage(err: &mut dyn Write, problem: &str) -> Exit {
    let _ = write!(err, "shoal-tool: {problem}\n{}", overview());
    Exit::Usage
}

fn overview() -> String {
    let commands: Vec<_> = COMMANDS
        .iter()
        .map(|command| format!("  {:<12} {}", command.name, command.summary))
        .collect();
    let commands = commands.join("\n");
    format!(
        "usage: shoal-tool <subcommand> [flags]\n\n{commands}\n\nshoal-tool <subcommand> --help says more.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(args: &[&str]) -> (Exit, String, String) {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&args, &mut out, &mut err);
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn an_unknown_subcommand_is_a_usage_error_that_lists_the_known_ones() {
        for args in [&[][..], &["no-such"], &["--flag"]] {
            let (exit, out, err) = run_with(args);
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
            assert!(err.contains("usage: shoal-tool") && err.contains("report"), "{err}");
        }
    }

    #[test]
    fn help_and_version_go_to_standard_output() {
        for args in [&["--help"][..], &["report", "--help"]] {
            let (exit, out, err) = run_with(args);
            assert_eq!((exit, err.as_str()), (Exit::Done, ""));
            assert!(out.contains("usage: shoal-tool"), "{out}");
        }
        let (exit, out, _) = run_with(&["--version"]);
        assert_eq!(exit, Exit::Done);
        assert!(out.starts_with("shoal-tool "));
    }
}
