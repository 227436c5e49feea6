//! The command line: `shoal [connection] NOUN VERB`. Its help is documentation, so every word here
//! is written for the operator.
#![expect(clippy::doc_markdown, reason = "help is printed as it stands, backticks included")]

mod bmc;
mod installation;
mod jobs;
mod registry;
mod servers;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;
use crate::tls::Pin;

pub(crate) use bmc::{BmcVerb, Doctor, Learned};
pub(crate) use installation::{
    Audit, Changes, ConfigVerb, DrainVerb, NewToken, Patience, Purpose, Reload, RevokeSecret,
    RevokeToken, SecretsVerb, SetSecret, TokensVerb,
};
pub(crate) use jobs::{Create, JobsVerb, List, Priority, Probed, Requeue, Show, Stop};
pub(crate) use registry::{
    Artifact, Check, Copy, Following, Gc, ListRepositories, RegistryVerb, Retain, Runs,
    ShowArtifact, Uploads, artifact,
};
pub(crate) use servers::{Add, Import, ListServers, MediaScheme, Quarantine, ServersVerb, Set};

/// Drives a Shoal controller: bare-metal servers, provisioned over virtual media.
#[derive(Debug, Parser)]
#[command(
    name = "shoal",
    version,
    max_term_width = 100,
    after_help = Exit::list(),
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print tables for people, or the controller's JSON for programs
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table,
          value_name = "FORM", help_heading = "Options")]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// Which controller, how it is trusted, and who asks. Written before the noun.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection (before the noun)")]
pub(crate) struct Connection {
    /// Profile of the configuration file [env: SHOAL_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Address of the controller; without --profile no profile is used [env: SHOAL_URL]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// PEM file with the authority that issued the controller's certificate [env: SHOAL_CA]
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    pub(crate) ca: Option<PathBuf>,
    /// SHA-256 of the controller's certificate; names and dates are then not checked
    #[arg(long, value_name = "SHA256")]
    pub(crate) pin: Option<Pin>,
    /// File with an API token [env: SHOAL_TOKEN_FILE; the token itself: SHOAL_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    pub(crate) token_file: Option<PathBuf>,
    /// Log in with a password, which is asked for unless --password-file is given
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// File with the password of --user
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Provision servers, and follow, end or answer for jobs
    #[command(subcommand)]
    Jobs(JobsVerb),
    /// Tell the controller about machines and their BMCs
    #[command(subcommand)]
    Servers(ServersVerb),
    /// Look at BMCs no server is registered with, and at what is known of their kinds
    #[command(subcommand)]
    Bmc(BmcVerb),
    /// Look after the registry: what is in it, what it costs, collections, checks, copies
    #[command(subcommand)]
    Registry(RegistryVerb),
    /// Let work run out: take no more jobs out of the queue
    #[command(subcommand)]
    Drain(DrainVerb),
    /// Take over another configuration without a restart
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Change the keys that addresses and reports are signed with
    #[command(subcommand)]
    Secrets(SecretsVerb),
    /// Say who may call the API
    #[command(subcommand)]
    Tokens(TokensVerb),
    /// List who did what, newest first: every call that changed something, or was refused
    Audit(Audit),
    /// List what happened to the installation: starts, reloads, keys, restores
    Changes(Changes),
    /// Print the version of this program; asks nobody
    Version,
}

/// The word in scripts for what a terminal would ask.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Yes {
    /// Do not ask whether this is meant
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// A label as `KEY=VALUE`.
fn label(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is KEY=VALUE"),
    }
}

/// The operator's key for one machine. Refused here because it becomes part of a path.
fn serial(text: &str) -> Result<String, &'static str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(legal);
    if fits && !text.bytes().all(|b| b == b'.') {
        return Ok(text.to_owned());
    }
    Err("a serial has 1 to 64 characters out of A-Z a-z 0-9 . _ -")
}

/// A job's id, a UUID.
fn job_id(text: &str) -> Result<String, &'static str> {
    let legal = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let wrong = "a job id is a UUID such as 0190a5d2-7e1c-7cc3-8000-000000000001";
    if legal { Ok(text.to_ascii_lowercase()) } else { Err(wrong) }
}

/// A text that a header can carry.
fn idempotency_key(text: &str) -> Result<String, &'static str> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err("a key has 1 to 255 visible ASCII characters") }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_takes_a_secret_itself() {
        fn walk(command: &clap::Command, seen: &mut Vec<String>) {
            seen.extend(command.get_arguments().filter_map(|it| it.get_long()).map(str::to_owned));
            command.get_subcommands().for_each(|command| walk(command, seen));
        }
        let mut options = Vec::new();
        walk(&Cli::command(), &mut options);

        assert!(options.contains(&"password-file".to_owned()));
        for secret in ["password", "token", "secret"] {
            assert!(!options.contains(&secret.to_owned()), "--{secret}");
        }
    }

    #[test]
    fn serials_and_job_ids_that_would_change_the_path_are_refused() {
        for wrong in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(serial(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "1", "../../../../../../../servers/SRV-00001"] {
            assert!(job_id(wrong).is_err(), "{wrong}");
        }
        assert_eq!(serial("SRV-1.a_b").as_deref(), Ok("SRV-1.a_b"));
    }
}
