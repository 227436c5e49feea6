//! A program that others wrote, run to its end with nothing of our environment in it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use shoal_tests::{on_path, python_tools};
use tokio::{process::Command, time::timeout};

/// Longest run of one program.
const LONGEST: Duration = Duration::from_mins(15);

/// What a program left behind.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) printed: String,
}

/// Where a program of the tests' Python environment is.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let installed = python_tools().map(|tools| tools.join(name)).filter(|path| path.is_file());
    installed
        .or_else(|| on_path(name))
        .with_context(|| format!("{name} is missing: cargo xtask test --stage setup"))
}

/// Runs a program in a directory and gives what it printed. That it says it failed is for the
/// caller to judge: validators do so whenever they have found something.
pub(super) async fn run(name: &str, arguments: &[&str], directory: &Path) -> Result<Ended> {
    fs::create_dir_all(directory).context("make the program's directory")?;
    let report = directory.join("printed.log");
    let output = File::create(&report).context("make the program's log")?;
    // Bundles of authorities in the environment would make some of them check certificates.
    let mut child = Command::new(program(name)?)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("NO_PROXY", "*")
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::null())
        .stdout(output.try_clone().context("share the program's log")?)
        .stderr(output)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {name}"))?;
    let ended = timeout(LONGEST, child.wait()).await.with_context(|| format!("{name} runs on"))?;
    let status = ended.with_context(|| format!("wait for {name}"))?;
    let printed = fs::read(&report).context("read the program's log")?;
    Ok(Ended { status, printed: String::from_utf8_lossy(&printed).into_owned() })
}

/// The same of a program that must say it succeeded.
pub(super) async fn succeed(name: &str, arguments: &[&str], directory: &Path) -> Result<String> {
    let ended = run(name, arguments, directory).await?;
    ensure!(ended.status.success(), "{name} failed ({}):\n{}", ended.status, ended.printed);
    Ok(ended.printed)
}
