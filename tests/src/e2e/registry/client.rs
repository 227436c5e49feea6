//! Clients of registries that others wrote, each run in a directory of its own with nothing of our
//! environment, trusting one authority. Passwords go in by standard input, never as arguments.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use shoal_tests::{Controller, on_path, registry_tools};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// What the scenarios start.
pub(super) const PROGRAMS: [&str; 5] = ["oras", "skopeo", "podman", "docker-registry", "curl"];

/// Longest run of one client.
const LONGEST: Duration = Duration::from_mins(5);

/// Somebody at a terminal.
pub(super) struct Client {
    directory: PathBuf,
    ca: PathBuf,
    /// Host and port of the registry.
    pub(super) host: String,
}

/// Where a program is.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let fetched = registry_tools().map(|tools| tools.join(name)).filter(|path| path.is_file());
    fetched
        .or_else(|| on_path(name))
        .with_context(|| format!("{name} is missing: cargo xtask test --stage setup"))
}

impl Client {
    /// A client of the controller's registry, with a home that is made.
    pub(super) fn of(controller: &Controller, directory: &Path) -> Result<Self> {
        let host = controller.ready().api.trim_start_matches("https://").trim_end_matches('/');
        let ca = controller.ready().ca_file.clone();
        Self::new(directory, host.to_owned(), ca)
    }

    /// A client of a registry that an authority of these certificates vouches for.
    pub(super) fn new(directory: &Path, host: String, ca: PathBuf) -> Result<Self> {
        fs::create_dir_all(directory).context("make a client's home")?;
        Ok(Self { directory: directory.to_owned(), ca, host })
    }

    /// What it trusts.
    pub(super) fn ca(&self) -> PathBuf {
        self.ca.clone()
    }

    /// The name of something in the registry.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        fs::write(self.directory.join(name), content).with_context(|| format!("write {name}"))
    }

    /// A file of the client's is exactly this.
    pub(super) fn has(&self, name: &str, content: &[u8]) -> Result<()> {
        let found = fs::read(self.directory.join(name)).with_context(|| format!("read {name}"))?;
        ensure!(found == content, "{name} came back as {} other bytes", found.len());
        Ok(())
    }

    /// A program, ready to be started.
    pub(super) fn command(&self, name: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program(name)?);
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.directory)
            .env("TMPDIR", &self.directory)
            .env("XDG_RUNTIME_DIR", &self.directory)
            .env("REGISTRY_AUTH_FILE", self.directory.join("auth.json"))
            .env("SSL_CERT_FILE", &self.ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    async fn run(&self, name: &str, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = self.command(name, arguments)?.spawn().context("start a client")?;
        let mut stdin = child.stdin.take().context("a client without an input")?;
        // Who needs no input may be gone before it is written.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let ended = timeout(LONGEST, child.wait_with_output()).await;
        ended.with_context(|| format!("{name} does not end"))?.context("wait for a client")
    }

    /// Runs a program that must succeed; what it printed.
    pub(super) async fn does(&self, name: &str, arguments: &[&str]) -> Result<String> {
        self.does_with(name, arguments, "").await
    }

    /// The same with something to read.
    pub(super) async fn does_with(
        &self,
        name: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<String> {
        let output = self.run(name, arguments, input).await?;
        let said = said(&output);
        ensure!(
            output.status.success(),
            "{name} {}: {}\n{said}",
            arguments.join(" "),
            output.status
        );
        Ok(said)
    }

    /// Runs a program that must fail; what it printed.
    pub(super) async fn fails(
        &self,
        name: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<String> {
        let output = self.run(name, arguments, input).await?;
        ensure!(!output.status.success(), "{name} {} succeeded", arguments.join(" "));
        Ok(said(&output))
    }
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
