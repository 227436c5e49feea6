//! Starts other programs from the root of the repository, showing what is started.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The directory of the tests' own tools, once the rest of the run has to stay offline.
static TOOLS: OnceLock<PathBuf> = OnceLock::new();

/// From now on cargo stays off the network, and programs find the tools in `directory` first.
pub(crate) fn stay_offline(directory: PathBuf) {
    // The first call decides; a run has one set of tools.
    TOOLS.get_or_init(|| directory);
}

/// The cargo that runs us, started in the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// git in the root, whoever owns the clone.
pub(crate) fn git() -> Command {
    let mut command = Command::new("git");
    command.current_dir(root()).args(["-c", "safe.directory=*"]);
    command
}

/// A program that sees the tests' tools.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    if let Some(tools) = TOOLS.get() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(tools.clone()).chain(std::env::split_paths(&path)),
        );
        command.envs(path.map(|path| ("PATH", path))).env("CARGO_NET_OFFLINE", "true");
    }
    command
}

/// Runs to the end; a failure names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", show(command));
    let status = command.status().with_context(|| format!("start {}", show(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", show(command));
    }
    Ok(())
}

/// Runs quietly and gives what was printed to standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {}", show(command)))?;
    if !output.status.success() {
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("`{}` failed: {}\n{out}{}", show(command), output.status, err.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("read {}", show(command)))
}

/// The command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Where `program` is, among the directories of `PATH` and those of system daemons.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}
