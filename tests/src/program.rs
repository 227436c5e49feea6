//! Where the real programs are. They are built into the directory of the program that starts them,
//! so that what runs is what was just built.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

/// Environment variable that names another directory with the programs.
const DIRECTORY: &str = "SHOAL_BIN_DIR";

/// The programs under test.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `shoal-controller`.
    pub controller: PathBuf,
    /// `shoal-dispatcher`, which the simulated hosts run.
    pub dispatcher: PathBuf,
    /// `shoal-tool`, whose `report` the simulated hosts run.
    pub reporter: PathBuf,
    /// `shoal`, the operator's program.
    pub cli: PathBuf,
}

impl Programs {
    /// Finds them in the directory that `SHOAL_BIN_DIR` names, else beside the running program.
    ///
    /// # Errors
    /// Names what is missing and the command that builds it.
    pub fn find() -> Result<Self> {
        let directory = match std::env::var_os(DIRECTORY) {
            Some(directory) => directory.into(),
            None => built_directory()?,
        };
        let program = |name: &str| {
            let path = directory.join(name);
            if !path.is_file() {
                bail!(
                    "{} is not built: run `cargo build --workspace --bins`, or set {DIRECTORY}",
                    path.display()
                );
            }
            Ok(path)
        };
        Ok(Self {
            controller: program("shoal-controller")?,
            dispatcher: program("shoal-dispatcher")?,
            reporter: program("shoal-tool")?,
            cli: program("shoal")?,
        })
    }

    /// The programs of the release profile, built now since a benchmark builds itself only, or those
    /// of the directory that `SHOAL_BIN_DIR` names.
    ///
    /// # Errors
    /// When they do not build.
    pub fn release() -> Result<Self> {
        if std::env::var_os(DIRECTORY).is_none() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut build = Command::new(cargo);
            build.args(["build", "--release", "--offline", "--bins"]);
            for package in ["shoal-controller", "shoal-dispatcher", "shoal-tool", "shoal"] {
                build.args(["--package", package]);
            }
            ensure!(build.status().context("start cargo")?.success(), "the programs do not build");
        }
        Self::find()
    }
}

/// The directory of the running program; tests and benchmarks lie one deeper than programs.
fn built_directory() -> Result<PathBuf> {
    let own = std::env::current_exe().context("find the running program")?;
    let directory = own.parent().context("the running program is in no directory")?;
    let inner = directory.file_name().is_some_and(|name| name == "deps");
    Ok(if inner { directory.parent().unwrap_or(directory) } else { directory }.to_owned())
}

/// The pinned Python tools that the set-up stage of the test run installs, if it did.
pub fn python_tools() -> Option<PathBuf> {
    tools("python/bin")
}

/// What Redfish services are judged by, which the set-up stage of the test run fetches, if it did:
/// the schemas of the DMTF in `csdl`, and `OpenStackIronicProfile.json`.
pub fn redfish_tools() -> Option<PathBuf> {
    tools("redfish")
}

/// Clients of registries that Debian does not have for this release, which the set-up stage of the
/// test run fetches, if it did.
pub fn registry_tools() -> Option<PathBuf> {
    tools("registry/usr/bin")
}

fn tools(name: &str) -> Option<PathBuf> {
    let built = built_directory().ok()?;
    let tools = built.parent().map(|target| target.join("tools").join(name))?;
    tools.is_dir().then_some(tools)
}

/// A program on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(name));
    candidates.find(|candidate| Path::is_file(candidate))
}

/// Makes ring the crypto provider of this process. To be called once, first thing.
pub fn install_crypto() {
    // It fails only when a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
