//! Runs the program as a shell would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shoal::{Exit, Pace, Surroundings, install_crypto, run};

use crate::stand_in::StandIn;

/// Secrets of the tests; no run ever shows one.
pub(crate) const TOKEN: &str = "canary-token";
pub(crate) const PASSWORD: &str = "canary-password";
pub(crate) const USER_DATA: &str = "canary-user-data";

pub(crate) const JOB: &str = "0190a5d2-7e1c-7cc3-8000-000000000001";
pub(crate) const OTHER_JOB: &str = "0190a5d2-7e1c-7cc3-8000-000000000002";

/// One run's results.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// All of it, for snapshots.
    pub(crate) fn shown(&self) -> String {
        format!("exit {}\n--- out\n{}--- err\n{}", self.exit.code(), self.out, self.err)
    }
}

pub(crate) struct Shell {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdin: String,
    pub(crate) terminal: bool,
    /// What whoever sits at the terminal answers to every question; nobody does when absent.
    pub(crate) answer: Option<&'static str>,
    pub(crate) url: Option<String>,
    pub(crate) silence: Duration,
    pub(crate) directory: tempfile::TempDir,
}

impl Shell {
    /// A shell whose environment names the stand-in and holds a token.
    pub(crate) fn at(stand_in: &StandIn) -> Self {
        Self::with_url(&stand_in.url())
    }

    pub(crate) fn with_url(url: &str) -> Self {
        let mut shell = Self::bare();
        shell.set("SHOAL_URL", url);
        shell.set("SHOAL_TOKEN", TOKEN);
        shell.url = Some(url.to_owned());
        shell
    }

    /// A shell with an empty environment.
    pub(crate) fn bare() -> Self {
        Self {
            environment: BTreeMap::new(),
            stdin: String::new(),
            terminal: false,
            answer: None,
            url: None,
            silence: Pace::default().silence,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Writes a file for the run.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs one command line, split at spaces; words may not contain any.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.words(&line.split(' ').collect::<Vec<_>>())
    }

    pub(crate) fn words(&self, words: &[&str]) -> Ran {
        install_crypto();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut surroundings = Surroundings {
            environment: self.environment.clone(),
            stdin: &mut self.stdin.as_bytes(),
            stdout: &mut out,
            stderr: &mut err,
            stdout_is_terminal: self.terminal,
            stderr_is_terminal: self.terminal,
            prompt: &|_| Ok(PASSWORD.to_owned()),
            ask: &|_| {
                let nobody = || std::io::Error::from(std::io::ErrorKind::NotConnected);
                self.answer.map(str::to_owned).ok_or_else(nobody)
            },
            now: "2025-11-05T12:00:00Z".parse().unwrap(),
            pace: Pace {
                first_pause: Duration::ZERO,
                longest_pause: Duration::ZERO,
                poll: Duration::ZERO,
                tries: 3,
                silent_streams: 3,
                silence: self.silence,
                ..Pace::default()
            },
        };
        let arguments = std::iter::once("shoal").chain(words.iter().copied()).map(Into::into);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let exit = runtime.block_on(run(arguments, &mut surroundings));
        let directory = self.directory.path().to_str().unwrap();
        let neutral = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            for secret in [TOKEN, PASSWORD, USER_DATA] {
                assert!(!text.contains(secret), "{text}");
            }
            let text = self.url.as_ref().map_or(text.clone(), |url| text.replace(url, "URL"));
            text.replace(directory, "DIRECTORY")
        };
        Ran { exit, out: neutral(out), err: neutral(err) }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
