//! What the tests need from outside: programs of the system, Python tools, crates. This is the only
//! stage that uses the network; after it the rest of the run is told to stay offline.

mod network;
mod oras;
mod redfish;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::cargo_test::Tally;
use crate::{deny, fuzz, shell, workspace};

/// Programs the tests start, with the Debian package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("c++", "g++"),
    ("xorriso", "xorriso"),
    ("genisoimage", "genisoimage"),
    ("isoinfo", "genisoimage"),
    ("mformat", "mtools"),
    ("mcopy", "mtools"),
    ("bsdtar", "libarchive-tools"),
    ("7z", "p7zip-full"),
    ("nginx", "nginx"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("systemd-tmpfiles", "systemd"),
    ("systemd-id128", "systemd"),
    ("systemd-analyze", "systemd"),
    ("mkfs.fat", "dosfstools"),
    ("mkfs.ext4", "e2fsprogs"),
    ("blkid", "util-linux"),
    ("flock", "util-linux"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("kill", "procps"),
    ("git", "git"),
    ("faketime", "faketime"),
    ("python3", "python3-venv"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("amtool", "prometheus-alertmanager"),
    ("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"),
    ("skopeo", "skopeo"),
    ("podman", "podman"),
    ("docker-registry", "docker-registry"),
];

/// Some packages start a daemon as they are installed; the tests start their own, on other ports.
/// Debian asks this file first, and 101 means no. One that is there already is left alone.
const WITHOUT_SERVICES: &str = "policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > $policy && chmod 755 $policy || exit 1
fi
";

/// Waits while another apt installs something, as new machines do by themselves.
const WAITING: [&str; 2] = ["-oDPkg::Lock::Timeout=600", "-oAcquire::Retries=3"];

const REQUIREMENTS: &str = include_str!("../../python-requirements.txt");

pub(super) fn run(tally: &mut Tally) -> Result<()> {
    tally.check("system programs", programs())?;
    tally.check("Python tools", python())?;
    tally.check("Redfish schemas and profile", schemas())?;
    tally.check("oras", oras::fetch(&workspace::target_directory()?.join("tools/registry")))?;
    tally.check("crates", crates())
}

/// Crates of the platforms this product runs on; the rest of the lock file is for others.
fn crates() -> Result<()> {
    let mut command = shell::cargo(&["fetch", "--locked"]);
    for target in deny::targets()? {
        command.args(["--target", &target]);
    }
    network::again(&mut command).context("Cargo.lock must match the manifests")?;
    network::again(&mut fuzz::fetch())
}

fn programs() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let install = format!("install -y --no-install-recommends {packages}");
    let by_hand = format!("apt-get update && apt-get {install}");
    if !is_root() || shell::find("apt-get").is_none() {
        bail!("programs are missing; as root: {by_hand}");
    }
    if let Err(error) = network::again(Command::new("apt-get").args(WAITING).arg("update")) {
        // A source of somebody else's may be broken for long; what is needed may be known already.
        println!("{error:#}; going on with the package lists that are there");
    }
    let script = format!("{WITHOUT_SERVICES}apt-get {} {install}", WAITING.join(" "));
    let mut install = Command::new("sh");
    install.args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive");
    network::again(&mut install).with_context(|| format!("install what is missing: {by_hand}"))?;
    let still = self::missing();
    if !still.is_empty() {
        bail!("still missing after installing: {}", still.join(" "));
    }
    Ok(())
}

/// Debian packages whose program is not there.
fn missing() -> Vec<&'static str> {
    let mut packages: Vec<&str> = (PROGRAMS.iter())
        .filter(|(program, _)| shell::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    // Debian ships Python's venv without the part that makes it work.
    let venv = shell::read(Command::new("python3").args(["-c", "import venv, ensurepip"]));
    if venv.is_err() {
        packages.push("python3-venv");
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn is_root() -> bool {
    shell::read(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// A virtual environment with the pinned tools, made again when the pins change.
fn python() -> Result<()> {
    let home = tools()?;
    let stamp = home.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(());
    }
    let wanted = home.join("wanted.txt");
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    write(&wanted, REQUIREMENTS)?;
    let pip = home.join("bin/python");
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    network::again(Command::new(pip).args(quiet).arg(&wanted))?;
    write(&stamp, REQUIREMENTS)
}

fn schemas() -> Result<()> {
    let home = workspace::target_directory()?.join("tools/redfish");
    redfish::fetch(&home, &tools()?.join("bin/python"))
}

/// The virtual environment; its `bin` holds `sushy-emulator` and `schemathesis`.
pub(super) fn tools() -> Result<PathBuf> {
    Ok(workspace::target_directory()?.join("tools/python"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
