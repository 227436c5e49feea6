//! The reference part of `docs/cli.md`: exit codes and every help text, from the code itself.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use crate::args::Cli;
use crate::exit::Exit;

/// Markdown with the exit codes and the help of every noun and verb.
pub fn reference() -> String {
    let mut page = String::from("## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {} | {} |", exit.code(), exit.meaning());
    }
    page.push_str("\n## Help texts\n");
    // A fixed width, or the page would depend on the terminal it was made in.
    let mut command = Cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    section(&mut command, "", &mut page);
    page
}

fn section(command: &mut Command, parents: &str, page: &mut String) {
    let path = format!("{parents}{}", command.get_name());
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n### {path}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    let parents = format!("{path} ");
    let visible = command.get_subcommands_mut().filter(|inner| inner.get_name() != "help");
    visible.for_each(|inner| section(inner, &parents, page));
}
