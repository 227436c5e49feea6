//! The registry client oras, which this release of Debian does not have: taken from the next one's
//! package, which needs nothing but the C library, by the machine's own mirror. It is unpacked, not
//! installed, and the machine's sources stay as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{network, write};
use crate::shell;

const VERSION: &str = "1.2.0-1+b9";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Architectures with the SHA-256 of their package.
const PACKAGES: [(&str, &str); 1] =
    [("amd64", "5f138419f0e4bc128ee4717b06190dc5770cf120ab7e3a991e5b3e9158f3189e")];

/// Unpacks it into `home`, unless it is there already.
pub(super) fn fetch(home: &Path) -> Result<()> {
    let stamp = home.join("version.txt");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == VERSION) {
        return Ok(());
    }
    let architecture = shell::read(Command::new("dpkg").arg("--print-architecture"))?;
    let known = PACKAGES.iter().find(|(name, _)| *name == architecture.trim());
    let Some((_, sha256)) = known else {
        bail!("no digest of oras is known for {}: add it to PACKAGES", architecture.trim());
    };
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("remove {}", home.display()))?;
    }
    let scratch = home.join("scratch");
    fs::create_dir_all(scratch.join("lists/partial")).context("make a place for package lists")?;
    let package = download(&scratch)?;
    let sum = shell::read(Command::new("sha256sum").arg(&package))?;
    ensure!(sum.starts_with(sha256), "the package of oras is another one than the pinned: {sum}");
    shell::run(Command::new("dpkg").arg("-x").arg(&package).arg(home))?;
    fs::remove_dir_all(&scratch).context("remove what was only on the way")?;
    write(&stamp, VERSION)
}

/// Downloads the package into a directory, with lists of its own.
fn download(scratch: &Path) -> Result<PathBuf> {
    let source = scratch.join("next.list");
    let line = format!("deb [signed-by={KEYRING}] {} trixie main\n", mirror()?);
    write(&source, &line)?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .arg("-qq")
            .arg("-oAcquire::Retries=3")
            .arg(format!("-oDir::Etc::sourcelist={}", source.display()))
            .arg("-oDir::Etc::sourceparts=-")
            .arg(format!("-oDir::State::lists={}", scratch.join("lists").display()))
            .arg("-oAPT::Sandbox::User=root")
            .args(arguments)
            .current_dir(scratch);
        network::again(&mut command)
    };
    apt(&["update"])?;
    apt(&["download", &format!("oras={VERSION}")])?;
    let mut files = fs::read_dir(scratch).context("list what was downloaded")?;
    let package = files.find_map(|file| {
        let path = file.ok()?.path();
        path.extension().is_some_and(|extension| extension == "deb").then_some(path)
    });
    package.context("apt-get downloaded nothing")
}

/// Where this machine gets Debian from.
fn mirror() -> Result<String> {
    let words = ["indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"];
    let uris = shell::read(Command::new("apt-get").args(words))?;
    let first = uris.lines().map(str::trim).find(|line| !line.is_empty());
    Ok(first.context("this machine has no source of Debian packages")?.to_owned())
}
