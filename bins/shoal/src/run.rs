//! One run of the program: read the command line, do what it says, tell how it went. Everything a
//! run touches comes in as [`Surroundings`], so that a test is a run like any other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;

use clap::Parser;
use jiff::Timestamp;
use url::Url;

use crate::args::{Cli, Connection, Format, Noun, Yes};
use crate::client::Client;
use crate::error::Error;
use crate::exit::Exit;
use crate::pace::Pace;
use crate::profile;
use crate::screen::Screen;
use crate::secret::Secret;
use crate::table::visible;
use crate::tls::Trust;
use crate::{audit, bmc, changes, config, drain, jobs, registry, secrets, servers, tokens};

/// What a run can see of the world.
pub struct Surroundings<'a> {
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Standard input, read only where an argument says so.
    pub stdin: &'a mut dyn Read,
    /// Takes the results.
    pub stdout: &'a mut dyn Write,
    /// Takes remarks, errors and progress bars.
    pub stderr: &'a mut dyn Write,
    /// Whether a person looks at the results.
    pub stdout_is_terminal: bool,
    /// Whether a person looks at the remarks.
    pub stderr_is_terminal: bool,
    /// Asks for a password without showing it.
    pub prompt: &'a dyn Fn(&str) -> io::Result<String>,
    /// Asks a question whose answer may be seen.
    pub ask: &'a dyn Fn(&str) -> io::Result<String>,
    /// The time that ages are counted from.
    pub now: Timestamp,
    /// How patient to be with the controller.
    pub pace: Pace,
}

/// What the verbs need beside the screen.
pub(crate) struct Context<'a> {
    connection: &'a Connection,
    environment: &'a BTreeMap<String, String>,
    pub(crate) stdin: &'a mut dyn Read,
    prompt: &'a dyn Fn(&str) -> io::Result<String>,
    ask: &'a dyn Fn(&str) -> io::Result<String>,
    pace: Pace,
}

impl Context<'_> {
    /// A client for the controller that the command line means.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        let access = profile::resolve(self.connection, self.environment, self.prompt)?;
        Client::new(access, self.pace)
    }

    /// Goes on only if what is about to be done is meant.
    pub(crate) fn confirm(&self, yes: Yes, about: &str) -> Result<(), Error> {
        if yes.yes {
            return Ok(());
        }
        let question = format!("{}; go on? [y/N] ", visible(about));
        let answer = (self.ask)(&question)
            .map_err(|source| Error::Unasked { about: about.to_owned(), source })?;
        if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Error::Declined) }
    }

    /// A password from its file, from this variable, or from whoever sits at the terminal.
    pub(crate) fn password_or(
        &self,
        file: Option<&Path>,
        variable: &str,
        question: &str,
    ) -> Result<Secret, Error> {
        let given = self.environment.get(variable).filter(|given| !given.is_empty());
        match (file, given) {
            (None, Some(password)) => Ok(Secret::new(password.clone())),
            _ => self.password(file, question),
        }
    }

    /// Which controller is meant, and how it is trusted; nobody logs in.
    pub(crate) fn controller(&self) -> Result<(Url, Trust), Error> {
        profile::controller(self.connection, self.environment)
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// A password from its file, or from whoever sits at the terminal.
    pub(crate) fn password(&self, file: Option<&Path>, question: &str) -> Result<Secret, Error> {
        match file {
            Some(path) => Secret::from_file(path),
            None => Ok(Secret::new((self.prompt)(question).map_err(Error::Prompt)?)),
        }
    }

    /// The same for a BMC's password, which may be in the environment as well.
    pub(crate) fn bmc_password(
        &self,
        file: Option<&Path>,
        question: &str,
    ) -> Result<Secret, Error> {
        self.password_or(file, "BMC_PASSWORD", question)
    }
}

/// Runs the program with `arguments`, whose first one is its name. Never panics and never exits.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: &mut Surroundings<'_>,
) -> Exit {
    let colours_wanted = wants_colours(&surroundings.environment);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => return explain(&usage, colours_wanted, surroundings),
    };
    let mut context = Context {
        connection: &cli.connection,
        environment: &surroundings.environment,
        stdin: surroundings.stdin,
        prompt: surroundings.prompt,
        ask: surroundings.ask,
        pace: surroundings.pace,
    };
    let mut screen =
        Screen::new(surroundings.stdout, surroundings.stderr, cli.output, surroundings.now);
    screen.coloured = colours_wanted && surroundings.stdout_is_terminal;
    screen.animated = surroundings.stdout_is_terminal
        && surroundings.stderr_is_terminal
        && cli.output == Format::Table;
    let done = match cli.noun {
        Noun::Jobs(verb) => Box::pin(jobs::run(verb, &mut context, &mut screen)).await,
        Noun::Servers(verb) => Box::pin(servers::run(verb, &mut context, &mut screen)).await,
        Noun::Bmc(verb) => Box::pin(bmc::run(verb, &context, &mut screen)).await,
        Noun::Registry(verb) => Box::pin(registry::run(verb, &context, &mut screen)).await,
        Noun::Drain(verb) => Box::pin(drain::run(verb, &context, &mut screen)).await,
        Noun::Config(verb) => Box::pin(config::run(verb, &context, &mut screen)).await,
        Noun::Secrets(verb) => Box::pin(secrets::run(verb, &context, &mut screen)).await,
        Noun::Tokens(verb) => Box::pin(tokens::run(verb, &context, &mut screen)).await,
        Noun::Audit(what) => Box::pin(audit::run(&what, &context, &mut screen)).await,
        Noun::Changes(what) => Box::pin(changes::run(&what, &context, &mut screen)).await,
        Noun::Version => version(&mut screen),
    };
    done.unwrap_or_else(|error| {
        if !error.is_closed_pipe() {
            screen.error(&error);
        }
        error.exit()
    })
}

/// Help goes where results go; everything else about the command line is an error.
fn explain(usage: &clap::Error, colours: bool, surroundings: &mut Surroundings<'_>) -> Exit {
    let (stream, is_terminal, exit): (&mut dyn Write, bool, Exit) = if usage.use_stderr() {
        (surroundings.stderr, surroundings.stderr_is_terminal, Exit::Usage)
    } else {
        (surroundings.stdout, surroundings.stdout_is_terminal, Exit::Done)
    };
    let text = usage.render();
    // There is nobody left to tell when the stream is closed.
    let _ = if colours && is_terminal {
        write!(stream, "{}", text.ansi())
    } else {
        write!(stream, "{text}")
    };
    exit
}

fn version(screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let version = env!("CARGO_PKG_VERSION");
    if screen.is_json() {
        screen.json(&serde_json::json!({ "version": version }))?;
    } else {
        screen.line(&format!("shoal {version}"))?;
    }
    Ok(Exit::Done)
}

/// <https://no-color.org>: any text in the variable switches colours off.
fn wants_colours(environment: &BTreeMap<String, String>) -> bool {
    let refused = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = environment.get("TERM").is_some_and(|value| value == "dumb");
    !refused && !dumb
}
