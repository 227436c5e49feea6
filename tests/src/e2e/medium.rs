//! Takes the files out of a task medium with a tool that shares no code with our writer.

use std::{ffi::OsStr, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shoal_redfish_mock::ImageUrl;
use shoal_tests::{Api, Machine};
use tokio::{process::Command, time::timeout};

const LIMIT: Duration = Duration::from_mins(5);

/// The address of the task medium that is in.
pub(crate) fn address(machine: &Machine) -> Result<String> {
    let slots = machine.mock().state().slots;
    let mut images = slots.iter().filter_map(|slot| slot.image.as_ref()).map(ImageUrl::as_str);
    let task = images.find(|url| url.contains("/media/t/")).context("no task medium is in")?;
    Ok(task.to_owned())
}

/// The token on the task medium that is in, read below `directory` as whoever gets at the medium
/// could.
pub(crate) async fn token(api: &Api, machine: &Machine, directory: &Path) -> Result<String> {
    let medium = directory.join("task.iso");
    fs::write(&medium, api.download(&address(machine)?).await?).context("keep the task medium")?;
    let files = directory.join("task");
    extract(&medium, &files).await?;
    let told: Value = serde_json::from_slice(&fs::read(files.join("job.json"))?)?;
    let token = told.get("webhook_token").and_then(Value::as_str).context("no token is on it")?;
    Ok(token.to_owned())
}

/// Extracts every file into `directory`, which is made.
pub(crate) async fn extract(medium: &Path, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).context("make a directory for the medium's files")?;
    let (medium, directory) = (medium.as_os_str(), directory.as_os_str());
    let arguments = ["-x".as_ref(), "-f".as_ref(), medium, "-C".as_ref(), directory];
    let extracted = run(Path::new("bsdtar"), &arguments).await;
    extracted.context("take out the medium's files (apt-get install -y libarchive-tools)")
}

/// Runs a program to a successful end.
pub(crate) async fn run(program: &Path, arguments: &[&OsStr]) -> Result<()> {
    let output = Command::new(program).args(arguments).kill_on_drop(true).output();
    let output = timeout(LIMIT, output).await;
    let output = output.with_context(|| format!("{} does not end", program.display()))?;
    let output = output.with_context(|| format!("start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}\n{said}", program.display(), output.status);
    Ok(())
}
